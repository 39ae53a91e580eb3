// The table of one instruction level.
#pragma once

#include "CKernels.h"

#include <string.h>

#define NIBBLE_TYPE_COUNT 43

struct nibble_level {
    struct nibble_codec codecs[NIBBLE_TYPE_COUNT];
    size_t (*first_nonfinite)(const float *x, size_t count);
    size_t (*first_invalid_half)(const uint8_t *in, size_t blocks, size_t bytes, int first, int second,
                                 unsigned exponent);
    size_t (*first_invalid_pair)(const uint8_t *in, size_t count, unsigned exponent);
    void (*int4_encode)(const float *x, uint8_t *out, size_t columns, size_t group, size_t rows);
    void (*int4_decode)(const uint8_t *in, float *out, size_t columns, size_t group, size_t rows);
    void (*sfp8_encode)(const float *x, uint8_t *out, size_t count);
    void (*sfp8_decode)(const uint8_t *in, float *out, size_t count);
    void (*scaled_encode)(uint32_t type, const float *x, const float *scales, uint8_t *out, size_t blocks);
    void (*scaled_gradient)(uint32_t type, const float *x, const float *scales, const float *gradient, int8_t *codes,
                            float *scale_gradient, size_t blocks);
    void (*scaled_hold)(uint32_t type, float *x, const int8_t *codes, const float *before, const float *after,
                        size_t blocks);
    void (*scaled_anchor)(uint32_t type, const float *x, float *scales, size_t blocks);
    void (*dynamic_codes)(const float *x, uint8_t *out, size_t count, float largest, int32_t is_signed);
};

extern const struct nibble_level nibble_level_scalar;
#if defined(__x86_64__)
extern const struct nibble_level nibble_level_avx2;
extern const struct nibble_level nibble_level_avx512;
#endif
