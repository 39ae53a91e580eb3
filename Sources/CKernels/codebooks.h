// Codebooks of IQ1, IQ2 and IQ3: an entry is the levels of 8 values (2 bits each) or of 4 (3 bits each), the first lowest.
#pragma once

#include <stdint.h>

/// The bits of an IQ1_M block's half d: each of its four words of scales has four of them on top.
static inline uint16_t nibble_iq1_m_scale(const uint8_t *block) {
    unsigned bits = 0;
    for (int i = 0; i < 4; i++) bits |= (unsigned)(block[49 + 2 * i] >> 4) << 4 * i;
    return (uint16_t)bits;
}

/// Of IQ1_S and IQ1_M: levels -1, 0, 1.
extern const uint16_t nibble_codebook_iq1[2048];
/// Levels 8, 25, 43.
extern const uint16_t nibble_codebook_iq2_xxs[256];
extern const uint16_t nibble_codebook_iq2_xs[512];
extern const uint16_t nibble_codebook_iq2_s[1024];
/// Levels 4, 12, 20, 28, 36, 44, 52, 62.
extern const uint16_t nibble_codebook_iq3_xxs[256];
/// Levels 1, 3, 5, ... 15.
extern const uint16_t nibble_codebook_iq3_s[512];
