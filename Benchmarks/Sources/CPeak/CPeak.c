#include "CPeak.h"

#if defined(__x86_64__)

#include <immintrin.h>

// Two instructions begin each cycle and each takes up to six, so twelve sums would just do; sixteen spill.
enum { SUMS = 14 };

int32_t peak_is_supported(int32_t kind) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512f")) return 0;
    if (kind == PEAK_BF16) return __builtin_cpu_supports("avx512bf16") != 0;
    if (kind == PEAK_INT8) return __builtin_cpu_supports("avx512vnni") != 0;
    return 1;
}

#define LOOP(NAME, TARGET, TYPE, ZERO, STEP, TO_FLOAT)                                          \
    __attribute__((target(TARGET))) static float NAME(int64_t rounds) {                         \
        TYPE sums[SUMS];                                                                        \
        for (int i = 0; i < SUMS; i++) sums[i] = ZERO;                                          \
        for (int64_t round = 0; round < rounds; round++) {                                      \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < SUMS; i++) {                 \
                sums[i] = STEP;                                                                 \
                __asm__ volatile("" : "+v"(sums[i]));                                           \
            }                                                                                   \
        }                                                                                       \
        float result = 0;                                                                       \
        for (int i = 0; i < SUMS; i++) result += TO_FLOAT;                                      \
        return result;                                                                          \
    }

LOOP(fma_loop, "avx512f", __m512, _mm512_set1_ps(1.0f),
     _mm512_fmadd_ps(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.25f), sums[i]), sums[i][0])
LOOP(bf16_loop, "avx512f,avx512bf16", __m512, _mm512_set1_ps(1.0f),
     _mm512_dpbf16_ps(sums[i], (__m512bh)_mm512_set1_epi32(0x3F003F00), (__m512bh)_mm512_set1_epi32(0x3E803E80)),
     sums[i][0])
LOOP(int8_loop, "avx512f,avx512vnni", __m512i, _mm512_set1_epi32(1),
     _mm512_dpbusd_epi32(sums[i], _mm512_set1_epi32(0x01010101), _mm512_set1_epi32(0x01010101)), (float)sums[i][0])

double peak_run(int32_t kind, int64_t rounds, volatile float *sink) {
    const double lanes = 2.0 * 16 * SUMS * (double)rounds;
    switch (kind) {
    case PEAK_F32: *sink = fma_loop(rounds); return lanes;
    case PEAK_BF16: *sink = bf16_loop(rounds); return 2 * lanes;
    case PEAK_INT8: *sink = int8_loop(rounds); return 4 * lanes;
    default: return 0;
    }
}

#else

int32_t peak_is_supported(int32_t kind) { return 0; }
double peak_run(int32_t kind, int64_t rounds, volatile float *sink) { return 0; }

#endif
