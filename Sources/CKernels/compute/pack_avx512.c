// Operands of products with BF16 pairs, packed with AVX-512.
#include "compute.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma")))
#define INLINE static inline __attribute__((always_inline))

BF16 void nibble_pack_bf16_pairs(const float *x, size_t features, size_t width, uint32_t *out) {
    for (size_t f = 0; f < features; f += 2) {
        for (size_t lane = 0; lane < width; lane += 16) {
            const __m512 low = _mm512_loadu_ps(x + f * width + lane);
            const __m512 high = f + 1 < features ? _mm512_loadu_ps(x + (f + 1) * width + lane) : _mm512_setzero_ps();
            const __m512i a = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(low));
            const __m512i b = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(high));
            _mm512_storeu_si512(out + f / 2 * width + lane, _mm512_or_si512(a, _mm512_slli_epi32(b, 16)));
        }
    }
}

BF16 void nibble_pack_bf16_rows(const float *x, size_t features, size_t width, uint16_t *out, size_t stride) {
    for (size_t f = 0; f < features; f++) {
        for (size_t lane = 0; lane < width; lane += 16) {
            const __m256bh halves = _mm512_cvtneps_pbh(_mm512_loadu_ps(x + f * width + lane));
            _mm256_storeu_si256((__m256i *)(out + f * stride + lane), (__m256i)halves);
        }
    }
}

/// Rows become columns of 16 vectors of 16 numbers.
BF16 INLINE void transpose(__m512i v[16]) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    // v[4 a + b] has column 4 q + b of rows 4 a to 4 a + 3 in its quarter q.
    for (int b = 0; b < 4; b++) {
        t[b] = _mm512_shuffle_i32x4(v[b], v[4 + b], 0x88);
        t[4 + b] = _mm512_shuffle_i32x4(v[b], v[4 + b], 0xDD);
        t[8 + b] = _mm512_shuffle_i32x4(v[8 + b], v[12 + b], 0x88);
        t[12 + b] = _mm512_shuffle_i32x4(v[8 + b], v[12 + b], 0xDD);
    }
    for (int b = 0; b < 4; b++) {
        v[b] = _mm512_shuffle_i32x4(t[b], t[8 + b], 0x88);
        v[8 + b] = _mm512_shuffle_i32x4(t[b], t[8 + b], 0xDD);
        v[4 + b] = _mm512_shuffle_i32x4(t[4 + b], t[12 + b], 0x88);
        v[12 + b] = _mm512_shuffle_i32x4(t[4 + b], t[12 + b], 0xDD);
    }
}

BF16 void nibble_pack_bf16_transposed(const float *x, size_t features, size_t width, uint32_t *out,
                                      size_t group_stride) {
    for (size_t first = 0; first < features; first += 16) {
        uint32_t *target = out + first / 32 * group_stride + first % 32;
        const size_t count = features - first < 16 ? features - first : 16;
        for (size_t lane = 0; lane < width; lane += 32) {
            const size_t pairs = width - lane < 32 ? 8 : 16;
            __m512i block[16];
            for (size_t f = 0; f < 16; f++) {
                const float *row = x + (first + f) * width + lane;
                __m512 low = _mm512_setzero_ps(), high = low;
                if (f < count) {
                    low = _mm512_loadu_ps(row);
                    if (pairs == 16) high = _mm512_loadu_ps(row + 16);
                }
                block[f] = (__m512i)_mm512_cvtne2ps_pbh(high, low);
            }
            transpose(block);
            for (size_t i = 0; i < pairs; i++) _mm512_storeu_si512(target + (lane / 2 + i) * 32, block[i]);
        }
        // A last group of 16 or fewer features has nothing in its upper half.
        if (first + 16 >= features && first % 32 == 0) {
            for (size_t i = 0; i < width / 2; i++) _mm512_storeu_si512(target + i * 32 + 16, _mm512_setzero_si512());
        }
    }
}

BF16 void nibble_pack_bf16_columns(const uint16_t *w, size_t stride, size_t rows, size_t columns, uint32_t *out,
                                   size_t out_stride) {
    for (size_t first = 0; first < rows; first += 32) {
        const size_t count = rows - first < 32 ? rows - first : 32;
        const __mmask16 pairs = (__mmask16)((1u << (count + 1) / 2) - 1);
        for (size_t column = 0; column < columns; column += 16) {
            const size_t lanes = columns - column < 16 ? columns - column : 16;
            const __mmask16 kept = (__mmask16)((1u << lanes) - 1);
            __m512i block[16];
            for (size_t i = 0; i < 16; i++) {
                const uint16_t *even = w + (first + 2 * i) * stride + column;
                const __mmask16 has_even = 2 * i < count ? kept : 0, has_odd = 2 * i + 1 < count ? kept : 0;
                const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(has_even, has_even ? even : w));
                const __m512i high =
                    _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(has_odd, has_odd ? even + stride : w));
                block[i] = _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
            }
            transpose(block);
            for (size_t c = 0; c < lanes; c++) {
                _mm512_mask_storeu_epi32(out + (column + c) * out_stride + first / 2, pairs, block[c]);
            }
        }
    }
}

void nibble_interleave_bf16(const uint16_t *even, const uint16_t *odd, size_t columns, size_t block, size_t stride,
                            uint32_t *out) {
    for (size_t first = 0; first < columns; first += block, out += stride) {
        const size_t count = columns - first < block ? columns - first : block;
        for (size_t c = 0; c < count; c++) {
            const uint32_t high = odd == NULL ? 0 : (uint32_t)odd[first + c] << 16;
            out[c] = even[first + c] | high;
        }
    }
}

#endif
