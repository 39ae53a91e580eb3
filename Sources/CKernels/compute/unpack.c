// Weights in blocks of 32 as unsigned bytes with a scale and a minimum: w = scale (code - zero) + minimum.
//
// Layouts: NibbleNumerics. The compiler turns these loops into vector code at the level of the file's functions.
#include "compute.h"

enum { Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q4_K = 12, Q5_K = 13, IQ4_NL = 20 };

int32_t nibble_byte_code_zero(uint32_t type) {
    switch (type) {
    case Q4_0: return 8;
    case Q5_0: return 16;
    case Q8_0: case IQ4_NL: return 128;
    case Q4_1: case Q5_1: case Q4_K: case Q5_K: return 0;
    default: return -1;
    }
}

int32_t nibble_byte_codes_have_minima(uint32_t type) {
    return type == Q4_1 || type == Q5_1 || type == Q4_K || type == Q5_K;
}

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma,f16c")))

AVX2 static inline float half(const uint8_t *in) {
    uint16_t h;
    memcpy(&h, in, sizeof h);
    return _cvtsh_ss(h);
}

/// Low nibbles of 16 bytes, then high ones.
AVX2 static inline void store_nibbles(const uint8_t *in, uint8_t *codes) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)in);
    const __m128i mask = _mm_set1_epi8(15);
    _mm_storeu_si128((__m128i *)codes, _mm_and_si128(bytes, mask));
    _mm_storeu_si128((__m128i *)(codes + 16), _mm_and_si128(_mm_srli_epi16(bytes, 4), mask));
}

/// Adds 16 where the bit of the element is set.
AVX2 static inline void add_fifth_bit(const uint8_t *in, uint8_t *codes) {
    uint32_t bits;
    memcpy(&bits, in, sizeof bits);
    const __m256i spread = _mm256_shuffle_epi8(
        _mm256_set1_epi32((int)bits),
        _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3));
    const __m256i select = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, select), select);
    const __m256i value = _mm256_or_si256(_mm256_loadu_si256((const __m256i *)codes),
                                          _mm256_and_si256(set, _mm256_set1_epi8(16)));
    _mm256_storeu_si256((__m256i *)codes, value);
}

/// 6-bit scale and minimum of sub-block j (ggml's get_scale_min_k4).
static inline void scale_and_minimum(const uint8_t *s, int j, int *scale, int *minimum) {
    if (j < 4) {
        *scale = s[j] & 63;
        *minimum = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        *minimum = s[j + 4] >> 4 | s[j] >> 6 << 4;
    }
}

AVX2 static void unpack_k(const uint8_t *in, int has_fifth, size_t super_blocks, uint8_t *codes, float *scales,
                          float *minima) {
    const size_t bytes = has_fifth ? 176 : 144;
    for (size_t i = 0; i < super_blocks; i++, in += bytes, codes += 256) {
        const float d = half(in), least = half(in + 2);
        const uint8_t *quants = in + (has_fifth ? 48 : 16);
        for (int j = 0; j < 8; j++) {
            int scale, minimum;
            scale_and_minimum(in + 4, j, &scale, &minimum);
            *scales++ = d * (float)scale;
            *minima++ = -(least * (float)minimum);
            for (int l = 0; l < 32; l++) {
                unsigned code = quants[32 * (j / 2) + l] >> 4 * (j % 2) & 15;
                if (has_fifth) code |= (in[16 + l] >> j & 1u) << 4;
                codes[32 * j + l] = (uint8_t)code;
            }
        }
    }
}

AVX2 void nibble_unpack_byte_codes(uint32_t type, const uint8_t *in, size_t blocks, uint8_t *codes, float *scales,
                                   float *minima) {
    static const int8_t table[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    switch (type) {
    case Q4_0:
        for (size_t b = 0; b < blocks; b++, in += 18, codes += 32) {
            scales[b] = half(in);
            store_nibbles(in + 2, codes);
        }
        break;
    case IQ4_NL:
        for (size_t b = 0; b < blocks; b++, in += 18, codes += 32) {
            scales[b] = half(in);
            store_nibbles(in + 2, codes);
            for (int l = 0; l < 32; l++) codes[l] = (uint8_t)(table[codes[l]] + 128);
        }
        break;
    case Q4_1:
        for (size_t b = 0; b < blocks; b++, in += 20, codes += 32) {
            scales[b] = half(in);
            minima[b] = half(in + 2);
            store_nibbles(in + 4, codes);
        }
        break;
    case Q5_0:
        for (size_t b = 0; b < blocks; b++, in += 22, codes += 32) {
            scales[b] = half(in);
            store_nibbles(in + 6, codes);
            add_fifth_bit(in + 2, codes);
        }
        break;
    case Q5_1:
        for (size_t b = 0; b < blocks; b++, in += 24, codes += 32) {
            scales[b] = half(in);
            minima[b] = half(in + 2);
            store_nibbles(in + 8, codes);
            add_fifth_bit(in + 4, codes);
        }
        break;
    case Q8_0:
        for (size_t b = 0; b < blocks; b++, in += 34, codes += 32) {
            scales[b] = half(in);
            const __m256i bytes = _mm256_loadu_si256((const __m256i *)(in + 2));
            _mm256_storeu_si256((__m256i *)codes, _mm256_xor_si256(bytes, _mm256_set1_epi8((char)0x80)));
        }
        break;
    case Q4_K: unpack_k(in, 0, blocks / 8, codes, scales, minima); break;
    case Q5_K: unpack_k(in, 1, blocks / 8, codes, scales, minima); break;
    default: break;
    }
}

#else

#include <stdlib.h>

// Callers ask nibble_has_int8_dot first.
void nibble_unpack_byte_codes(uint32_t type, const uint8_t *in, size_t blocks, uint8_t *codes, float *scales,
                              float *minima) { abort(); }

#endif
