// Products with the dot-product instructions of AVX-512: BF16 pairs and bytes.
//
// A tile is R rows of weights times one panel: each step loads the panel's 16 or 32 tokens once and
// broadcasts one group of weights a row, so weights need no packing and sums never cross lanes.
#include "compute.h"

#if defined(__x86_64__)

#include <float.h>
#include <immintrin.h>

#define BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma")))
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma")))
#define INLINE static inline __attribute__((always_inline))

// MARK: - BF16

/// R rows times V vectors of 16 lanes: pair i of row r is at w + r * row + i * step, in bytes.
#define BF16_TILE(R, V)                                                                                        \
    BF16 INLINE void bf16_tile_##R##_##V(const char *w, size_t row, size_t step, size_t pairs,                  \
                                         const uint32_t *x, float *y, size_t stride, int32_t accumulate) {     \
        __m512 sums[R][V];                                                                                     \
        for (int r = 0; r < R; r++)                                                                            \
            for (int v = 0; v < V; v++)                                                                        \
                sums[r][v] = accumulate ? _mm512_loadu_ps(y + (size_t)r * stride + 16 * v) : _mm512_setzero_ps(); \
        for (size_t i = 0; i < pairs; i++) {                                                                   \
            __m512bh lanes[V];                                                                                 \
            for (int v = 0; v < V; v++)                                                                        \
                lanes[v] = (__m512bh)_mm512_loadu_si512(x + (i * V + (size_t)v) * 16);                          \
            _Pragma("clang loop unroll(full)") for (int r = 0; r < R; r++) {                                   \
                int pair;                                                                                      \
                memcpy(&pair, w + (size_t)r * row + i * step, sizeof pair);                                    \
                const __m512bh weight = (__m512bh)_mm512_set1_epi32(pair);                                     \
                for (int v = 0; v < V; v++) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], weight, lanes[v]);       \
            }                                                                                                  \
        }                                                                                                      \
        for (int r = 0; r < R; r++)                                                                            \
            for (int v = 0; v < V; v++) _mm512_storeu_ps(y + (size_t)r * stride + 16 * v, sums[r][v]);         \
    }

BF16_TILE(12, 2)
BF16_TILE(4, 2)
BF16_TILE(1, 2)
BF16_TILE(24, 1)
BF16_TILE(4, 1)
BF16_TILE(1, 1)

// Inlined into callers that know `row` or `step`, for which the compiler then makes shorter addresses.
BF16 INLINE void bf16_rows(const char *w, size_t row, size_t step, size_t rows, size_t pairs, const uint32_t *x,
                           size_t width, float *y, size_t stride, int32_t accumulate) {
#define TILE(R, V)                                                                                             \
    for (; r + R <= rows; r += R)                                                                              \
        bf16_tile_##R##_##V(w + r * row, row, step, pairs, x, y + r * stride, stride, accumulate);
    size_t r = 0;
    if (width == 32) {
        TILE(12, 2)
        TILE(4, 2)
        TILE(1, 2)
    } else {
        TILE(24, 1)
        TILE(4, 1)
        TILE(1, 1)
    }
#undef TILE
}

BF16 void nibble_bf16_product(const uint16_t *w, size_t stride, size_t rows, size_t pairs, const uint32_t *x,
                              size_t width, float *y) {
    bf16_rows((const char *)w, 2 * stride, 4, rows, pairs, x, width, y, width, 0);
}

BF16 void nibble_bf16_rows_product(const uint32_t *w, size_t stride, size_t rows, size_t pairs, const uint32_t *x,
                                   size_t width, float *y, size_t y_stride, int32_t accumulate) {
    if (accumulate) {
        bf16_rows((const char *)w, 4 * stride, 4, rows, pairs, x, width, y, y_stride, 1);
    } else {
        bf16_rows((const char *)w, 4 * stride, 4, rows, pairs, x, width, y, y_stride, 0);
    }
}

BF16 void nibble_bf16_columns_product(const uint32_t *w, size_t stride, size_t rows, size_t pairs,
                                      const uint32_t *x, size_t width, float *y, int32_t accumulate) {
    if (accumulate) {
        bf16_rows((const char *)w, 4, 4 * stride, rows, pairs, x, width, y, width, 1);
    } else {
        bf16_rows((const char *)w, 4, 4 * stride, rows, pairs, x, width, y, width, 0);
    }
}

// MARK: - Bytes

VNNI void nibble_quantize_activations(const float *x, size_t features, size_t width, int8_t *codes, float *scales,
                                      int32_t *sums) {
    for (size_t b = 0; b < features / 32; b++) {
        for (size_t lane = 0; lane < width; lane += 16) {
            const float *block = x + b * 32 * width + lane;
            // Magnitudes are compared as integers: there NaN is larger than infinity and does not get lost.
            __m512i bits = _mm512_setzero_si512();
            for (size_t k = 0; k < 32; k++) {
                bits = _mm512_max_epi32(bits, (__m512i)_mm512_abs_ps(_mm512_loadu_ps(block + k * width)));
            }
            const __m512 scale = _mm512_mul_ps((__m512)bits, _mm512_set1_ps(1.0f / 127.0f));
            const __mmask16 large = _mm512_cmp_ps_mask(scale, _mm512_set1_ps(FLT_MIN), _CMP_GT_OQ);
            const __mmask16 usable = _mm512_mask_cmp_ps_mask(large, scale, _mm512_set1_ps(FLT_MAX), _CMP_LE_OQ);
            const __m512 inverse = _mm512_maskz_div_ps(usable, _mm512_set1_ps(1.0f), scale);
            _mm512_storeu_ps(scales + b * width + lane, scale);
            __m512i sum = _mm512_setzero_si512();
            for (size_t k = 0; k < 32; k += 4) {
                __m512i four = _mm512_setzero_si512();
                for (size_t i = 0; i < 4; i++) {
                    const __m512 value = _mm512_mul_ps(_mm512_loadu_ps(block + (k + i) * width), inverse);
                    const __m512i code = _mm512_maskz_cvtps_epi32(usable, value);
                    sum = _mm512_add_epi32(sum, code);
                    const __m512i byte = _mm512_and_si512(code, _mm512_set1_epi32(0xFF));
                    four = _mm512_or_si512(four, _mm512_sllv_epi32(byte, _mm512_set1_epi32((int)(8 * i))));
                }
                _mm512_storeu_si512(codes + ((b * 8 + k / 4) * width + lane) * 4, four);
            }
            _mm512_storeu_si512(sums + b * width + lane, sum);
        }
    }
}

#define INT8_TILE(R, V)                                                                                        \
    VNNI static void int8_tile_##R##_##V(const uint8_t *w, const float *d, const float *m, int32_t zero,        \
                                         size_t blocks, const int8_t *codes, const float *x_scales,            \
                                         const int32_t *x_sums, float *y) {                                    \
        __m512 sums[R][V];                                                                                     \
        for (int r = 0; r < R; r++)                                                                            \
            for (int v = 0; v < V; v++) sums[r][v] = _mm512_setzero_ps();                                      \
        for (size_t b = 0; b < blocks; b++) {                                                                  \
            __m512i start[V], whole[R][V];                                                                     \
            __m512 scale[V];                                                                                   \
            for (int v = 0; v < V; v++) {                                                                      \
                const __m512i sum = _mm512_loadu_si512(x_sums + (b * V + (size_t)v) * 16);                     \
                start[v] = _mm512_mullo_epi32(sum, _mm512_set1_epi32(-zero));                                  \
                scale[v] = _mm512_loadu_ps(x_scales + (b * V + (size_t)v) * 16);                               \
                for (int r = 0; r < R; r++) whole[r][v] = start[v];                                            \
            }                                                                                                  \
            for (size_t k = 0; k < 8; k++) {                                                                   \
                __m512i tokens[V];                                                                             \
                for (int v = 0; v < V; v++)                                                                    \
                    tokens[v] = _mm512_loadu_si512(codes + (((b * 8 + k) * V) + (size_t)v) * 64);              \
                for (int r = 0; r < R; r++) {                                                                  \
                    int four;                                                                                  \
                    memcpy(&four, w + ((size_t)r * blocks + b) * 32 + 4 * k, sizeof four);                     \
                    const __m512i weight = _mm512_set1_epi32(four);                                            \
                    for (int v = 0; v < V; v++)                                                                \
                        whole[r][v] = _mm512_dpbusd_epi32(whole[r][v], weight, tokens[v]);                     \
                }                                                                                              \
            }                                                                                                  \
            for (int v = 0; v < V; v++) {                                                                      \
                for (int r = 0; r < R; r++) {                                                                  \
                    const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(whole[r][v]), scale[v]);           \
                    sums[r][v] = _mm512_fmadd_ps(product, _mm512_set1_ps(d[(size_t)r * blocks + b]), sums[r][v]); \
                }                                                                                              \
            }                                                                                                  \
            if (m != NULL) {                                                                                   \
                for (int v = 0; v < V; v++) {                                                                  \
                    const __m512i sum = _mm512_loadu_si512(x_sums + (b * V + (size_t)v) * 16);                 \
                    const __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale[v]);                     \
                    for (int r = 0; r < R; r++)                                                                \
                        sums[r][v] = _mm512_fmadd_ps(value, _mm512_set1_ps(m[(size_t)r * blocks + b]), sums[r][v]); \
                }                                                                                              \
            }                                                                                                  \
        }                                                                                                      \
        for (int r = 0; r < R; r++)                                                                            \
            for (int v = 0; v < V; v++) _mm512_storeu_ps(y + (r * V + v) * 16, sums[r][v]);                    \
    }

INT8_TILE(6, 2)
INT8_TILE(1, 2)
INT8_TILE(12, 1)
INT8_TILE(1, 1)

VNNI void nibble_int8_product(const uint8_t *w, const float *scales, const float *minima, int32_t zero, size_t rows,
                              size_t blocks, const int8_t *codes, const float *x_scales, const int32_t *sums,
                              size_t width, float *y) {
#define TILE(R, V)                                                                                         \
    for (; r + R <= rows; r += R)                                                                              \
        int8_tile_##R##_##V(w + r * blocks * 32, scales + r * blocks, minima ? minima + r * blocks : NULL, zero, \
                            blocks, codes, x_scales, sums, y + r * V * 16);
    size_t r = 0;
    if (width == 32) {
        TILE(6, 2)
        TILE(1, 2)
    } else {
        TILE(12, 1)
        TILE(1, 1)
    }
#undef TILE
}

// MARK: - One vector

VNNI void nibble_quantize_vector(const float *x, size_t features, int8_t *codes, float *scales, int32_t *sums) {
    for (size_t b = 0; b < features / 32; b++) {
        const __m512 low = _mm512_loadu_ps(x + 32 * b), high = _mm512_loadu_ps(x + 32 * b + 16);
        const __m512i magnitudes = _mm512_max_epi32((__m512i)_mm512_abs_ps(low), (__m512i)_mm512_abs_ps(high));
        const int bits = _mm512_reduce_max_epi32(magnitudes);
        float largest;
        memcpy(&largest, &bits, sizeof largest);
        const float scale = largest * (1.0f / 127.0f);
        const __mmask16 usable = scale > FLT_MIN && scale <= FLT_MAX ? 0xFFFF : 0;
        const __m512 inverse = _mm512_set1_ps(usable ? 1.0f / scale : 0);
        const __m512i a = _mm512_maskz_cvtps_epi32(usable, _mm512_mul_ps(low, inverse));
        const __m512i c = _mm512_maskz_cvtps_epi32(usable, _mm512_mul_ps(high, inverse));
        _mm_storeu_si128((__m128i *)(codes + 32 * b), _mm512_cvtepi32_epi8(a));
        _mm_storeu_si128((__m128i *)(codes + 32 * b + 16), _mm512_cvtepi32_epi8(c));
        scales[b] = scale;
        sums[b] = _mm512_reduce_add_epi32(_mm512_add_epi32(a, c));
    }
}

VNNI void nibble_int8_vector_product(const uint8_t *w, const float *scales, const float *minima, int32_t zero,
                                     size_t rows, size_t blocks, const int8_t *codes, const float *x_scales,
                                     const int32_t *sums, float *y) {
    for (size_t r = 0; r < rows; r++, w += 32 * blocks, scales += blocks) {
        __m256 total = _mm256_setzero_ps();
        float rest = 0;
        for (size_t b = 0; b < blocks; b++) {
            const __m256i weights = _mm256_loadu_si256((const __m256i *)(w + 32 * b));
            const __m256i tokens = _mm256_loadu_si256((const __m256i *)(codes + 32 * b));
            const __m256i whole = _mm256_dpbusd_epi32(_mm256_setzero_si256(), weights, tokens);
            const float scale = scales[b] * x_scales[b];
            total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), _mm256_set1_ps(scale), total);
            rest -= scale * (float)(zero * sums[b]);
            if (minima != NULL) rest += minima[r * blocks + b] * x_scales[b] * (float)sums[b];
        }
        const __m128 half = _mm_add_ps(_mm256_castps256_ps128(total), _mm256_extractf128_ps(total, 1));
        const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
        y[r] = _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair))) + rest;
    }
}

#endif
