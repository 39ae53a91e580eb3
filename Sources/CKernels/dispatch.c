// Chooses the kernels of an instruction level at run time.
#pragma STDC FP_CONTRACT OFF

#include "codebooks.h"
#include "level.h"

int32_t nibble_best_level(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    if (!avx2) return NIBBLE_LEVEL_SCALAR;
    const int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    return avx512 ? NIBBLE_LEVEL_AVX512 : NIBBLE_LEVEL_AVX2;
#else
    return NIBBLE_LEVEL_SCALAR;
#endif
}

static const struct nibble_level *table(int32_t level) {
#if defined(__x86_64__)
    if (level == NIBBLE_LEVEL_AVX512) return &nibble_level_avx512;
    if (level == NIBBLE_LEVEL_AVX2) return &nibble_level_avx2;
#endif
    (void)level;
    return &nibble_level_scalar;
}

const struct nibble_codec *nibble_codec_for(uint32_t type, int32_t level) {
    if (type >= NIBBLE_TYPE_COUNT) return NULL;
    const struct nibble_codec *codec = &table(level)->codecs[type];
    return codec->decode == NULL ? NULL : codec;
}

uint16_t nibble_codebook_entry(int32_t book, int32_t code) {
    switch (book) {
    case 0: return nibble_codebook_iq1[code];
    case 1: return nibble_codebook_iq2_xxs[code];
    case 2: return nibble_codebook_iq2_xs[code];
    case 3: return nibble_codebook_iq2_s[code];
    case 4: return nibble_codebook_iq3_xxs[code];
    default: return nibble_codebook_iq3_s[code];
    }
}

size_t nibble_first_nonfinite(const float *x, size_t count, int32_t level) {
    return table(level)->first_nonfinite(x, count);
}

size_t nibble_first_invalid_block(uint32_t type, const uint8_t *in, size_t blocks, int32_t level) {
    enum { HALF = 0x7C00, BFLOAT = 0x7F80 };
    const struct nibble_level *kernels = table(level);
    switch (type) {
    case 0: {
        // Rows of F32 begin at multiples of 4 from the start of an aligned file, so the cast is safe there;
        // memcpy keeps it so anywhere.
        for (size_t i = 0; i < blocks; i += 256) {
            float run[256];
            const size_t count = blocks - i < 256 ? blocks - i : 256;
            memcpy(run, in + 4 * i, 4 * count);
            const size_t found = kernels->first_nonfinite(run, count);
            if (found < count) return i + found;
        }
        return blocks;
    }
    case 1: return kernels->first_invalid_pair(in, blocks, HALF);
    case 30: return kernels->first_invalid_pair(in, blocks, BFLOAT);
    case 2: case 20: return kernels->first_invalid_half(in, blocks, 18, 0, -1, HALF);
    case 3: return kernels->first_invalid_half(in, blocks, 20, 0, 2, HALF);
    case 6: return kernels->first_invalid_half(in, blocks, 22, 0, -1, HALF);
    case 7: return kernels->first_invalid_half(in, blocks, 24, 0, 2, HALF);
    case 8: return kernels->first_invalid_half(in, blocks, 34, 0, -1, HALF);
    case 10: return kernels->first_invalid_half(in, blocks, 84, 80, 82, HALF);
    case 11: return kernels->first_invalid_half(in, blocks, 110, 108, -1, HALF);
    case 12: return kernels->first_invalid_half(in, blocks, 144, 0, 2, HALF);
    case 13: return kernels->first_invalid_half(in, blocks, 176, 0, 2, HALF);
    case 14: return kernels->first_invalid_half(in, blocks, 210, 208, -1, HALF);
    case 16: return kernels->first_invalid_half(in, blocks, 66, 0, -1, HALF);
    case 17: return kernels->first_invalid_half(in, blocks, 74, 0, -1, HALF);
    case 18: return kernels->first_invalid_half(in, blocks, 98, 0, -1, HALF);
    case 19: return kernels->first_invalid_half(in, blocks, 50, 0, -1, HALF);
    case 21: return kernels->first_invalid_half(in, blocks, 110, 0, -1, HALF);
    case 22: return kernels->first_invalid_half(in, blocks, 82, 0, -1, HALF);
    case 23: return kernels->first_invalid_half(in, blocks, 136, 0, -1, HALF);
    case 29:
        for (size_t i = 0; i < blocks; i++) {
            if ((nibble_iq1_m_scale(in + 56 * i) & HALF) == HALF) return i;
        }
        return blocks;
    case 34: return kernels->first_invalid_half(in, blocks, 54, 52, -1, HALF);
    case 35: return kernels->first_invalid_half(in, blocks, 66, 64, -1, HALF);
    case 39:
        for (size_t i = 0; i < blocks; i++) {
            if (in[17 * i] == 0xFF) return i;
        }
        return blocks;
    case 41: case 42: return kernels->first_invalid_half(in, blocks, 18, 0, -1, HALF);
    // Any byte of NVFP4 is a number.
    default: return blocks;
    }
}

void nibble_int4_encode(const float *x, uint8_t *out, size_t columns, size_t group, size_t rows, int32_t level) {
    table(level)->int4_encode(x, out, columns, group, rows);
}

void nibble_int4_decode(const uint8_t *in, float *out, size_t columns, size_t group, size_t rows, int32_t level) {
    table(level)->int4_decode(in, out, columns, group, rows);
}

void nibble_sfp8_encode(const float *x, uint8_t *out, size_t count, int32_t level) {
    table(level)->sfp8_encode(x, out, count);
}

void nibble_sfp8_decode(const uint8_t *in, float *out, size_t count, int32_t level) {
    table(level)->sfp8_decode(in, out, count);
}

void nibble_scaled_encode(uint32_t type, const float *x, const float *scales, uint8_t *out, size_t blocks,
                          int32_t level) {
    table(level)->scaled_encode(type, x, scales, out, blocks);
}

void nibble_scaled_gradient(uint32_t type, const float *x, const float *scales, const float *gradient, int8_t *codes,
                            float *scale_gradient, size_t blocks, int32_t level) {
    table(level)->scaled_gradient(type, x, scales, gradient, codes, scale_gradient, blocks);
}

void nibble_scaled_hold(uint32_t type, float *x, const int8_t *codes, const float *before, const float *after,
                        size_t blocks, int32_t level) {
    table(level)->scaled_hold(type, x, codes, before, after, blocks);
}

void nibble_scaled_anchor(uint32_t type, const float *x, float *scales, size_t blocks, int32_t level) {
    table(level)->scaled_anchor(type, x, scales, blocks);
}

void nibble_dynamic_codes(const float *x, uint8_t *out, size_t count, float largest, int32_t is_signed, int32_t level) {
    table(level)->dynamic_codes(x, out, count, largest, is_signed);
}
