// SHA-256's compression (FIPS 180-4, section 6.2.2) by the processor's own instructions.
#include "CKernels.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

int32_t nibble_has_sha256(void) {
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("sse4.1") || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    return (b >> 29) & 1;
}

// The instructions take the words as a b e f and c d g h, the first of each highest.
__attribute__((target("sha,sse4.1,ssse3"))) void nibble_sha256_blocks(uint32_t *state, const uint32_t *constants,
                                                                      const uint8_t *in, size_t blocks) {
    const __m128i reversed = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    const __m128i first = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
    const __m128i second = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
    __m128i abef = _mm_alignr_epi8(first, second, 8);
    __m128i cdgh = _mm_blend_epi16(second, first, 0xF0);
    for (size_t block = 0; block < blocks; block++, in += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        // Sixteen words of the message's schedule, four at a time: those of round 4 i replace those of round 4 i - 16.
        __m128i w[4];
#pragma clang loop unroll(full)
        for (int i = 0; i < 16; i++) {
            __m128i *const now = &w[i & 3];
            if (i < 4) {
                *now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(in + 16 * i)), reversed);
            } else {
                const __m128i last = w[(i + 3) & 3], seven = _mm_alignr_epi8(last, w[(i + 2) & 3], 4);
                *now = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(*now, w[(i + 1) & 3]), seven), last);
            }
            const __m128i words = _mm_add_epi32(*now, _mm_loadu_si128((const __m128i *)(constants + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, words);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(words, 0x0E));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

#else

int32_t nibble_has_sha256(void) { return 0; }

void nibble_sha256_blocks(uint32_t *state, const uint32_t *constants, const uint8_t *in, size_t blocks) {
    (void)state, (void)constants, (void)in, (void)blocks;
    __builtin_trap();
}

#endif
