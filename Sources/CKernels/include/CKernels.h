// Hot loops of the block codecs, compiled once per instruction level and chosen at run time.
//
// Every kernel is a pure function of its arguments. All levels of a kernel give the same bits: each is a
// sequence of single IEEE operations (contraction into FMA is off), and sums run in the order of ggml's
// reference quantizers, so that a file does not depend on the machine that made it.
#pragma once

#include "NibbleCompute.h"
#include "NibbleGradients.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Instruction levels, in increasing order of demand on the machine.
enum {
    NIBBLE_LEVEL_SCALAR = 0,  ///< baseline of the architecture
    NIBBLE_LEVEL_AVX2 = 1,    ///< AVX2, FMA (unused by bit-exact kernels), F16C
    NIBBLE_LEVEL_AVX512 = 2,  ///< AVX-512 F, BW, VL, DQ
    NIBBLE_LEVEL_COUNT = 3
};

/// The highest level this machine supports.
int32_t nibble_best_level(void);

/// Encodes `rows` rows of `columns` floats. `columns` is a multiple of the block size.
/// `importance` holds `columns` non-negative weights shared by all rows of the call, or is NULL.
/// Formats that have no importance-weighted encoding ignore it.
/// Input is finite (see nibble_first_nonfinite); other input gives unspecified codes, never a fault.
typedef void (*nibble_encode_fn)(const float *x, const float *importance, uint8_t *out, size_t columns,
                                 size_t rows);

/// Decodes `count` elements, a multiple of the block size.
typedef void (*nibble_decode_fn)(const uint8_t *in, float *out, size_t count);

/// The pair of kernels of one block format; `encode` is NULL for formats that are only read.
struct nibble_codec {
    nibble_encode_fn encode;
    nibble_decode_fn decode;
};

/// Kernels of the GGML type `type` at `level` (0 ..< NIBBLE_LEVEL_COUNT, at most nibble_best_level()),
/// or NULL where the type has none.
const struct nibble_codec *nibble_codec_for(uint32_t type, int32_t level);

/// Index of the first NaN or infinity in `x`, or `count`.
size_t nibble_first_nonfinite(const float *x, size_t count, int32_t level);

/// Index of the first block of GGML type `type` whose scale, minimum or value is NaN or infinite,
/// or `blocks`. The check that llama-quantize makes of what it wrote.
size_t nibble_first_invalid_block(uint32_t type, const uint8_t *in, size_t blocks, int32_t level);

/// Entry `code` of a codebook: 0 of IQ1, 1 to 3 of IQ2_XXS, IQ2_XS and IQ2_S, 4 and 5 of IQ3_XXS and IQ3_S. Levels of 8
/// values in 2 bits each, or of 4 in 3 bits each, the first lowest.
uint16_t nibble_codebook_entry(int32_t book, int32_t code);

/// Bounds of the quantization cell of each of `count` elements: every real in [lower, upper] is nearest
/// to the code stored. Returns 0, or -1 where the type is not quantized or unknown.
int32_t nibble_cells(uint32_t type, const uint8_t *in, float *lower, float *upper, size_t count);

/// Symmetric int4. `columns` floats a row, one scale for each `group` of them (`group` divides `columns`).
/// scale = bf16(absmax / 7); code = clamp(round-half-even(x / scale), -7, 7), 0 where scale is 0.
/// A row is stored as columns/group BF16 scales, then (columns + 1) / 2 bytes of two's complement nibbles,
/// element 2i in the low half of byte i.
void nibble_int4_encode(const float *x, uint8_t *out, size_t columns, size_t group, size_t rows, int32_t level);
void nibble_int4_decode(const uint8_t *in, float *out, size_t columns, size_t group, size_t rows, int32_t level);

/// Switched floating point, one byte an element (gemma.cpp's SFP). Input within +-1.875.
void nibble_sfp8_encode(const float *x, uint8_t *out, size_t count, int32_t level);
void nibble_sfp8_decode(const uint8_t *in, float *out, size_t count, int32_t level);

/// Encodes blocks of 32 floats as GGML type 2, 6 or 8 (Q4_0, Q5_0, Q8_0) with one given scale each: the half of the
/// scale is stored, codes are the plain encoder's for that scale, clamped to its codes at both ends.
void nibble_scaled_encode(uint32_t type, const float *x, const float *scales, uint8_t *out, size_t blocks,
                          int32_t level);

/// The codes of the same blocks, zero's being 0, 32 of each; and of each block the sum of the products of `gradient`
/// with its codes: given the gradient of the decoded values, that of the scale.
void nibble_scaled_gradient(uint32_t type, const float *x, const float *scales, const float *gradient, int8_t *codes,
                            float *scale_gradient, size_t blocks, int32_t level);

/// Holds codes after a step: given the codes before it, a value that came to another code takes the middle of its cell,
/// and one beyond the last codes the last; values then follow from scales `before` to `after`. A block whose values all
/// left the code of largest magnitude keeps it for that one which is nearest. Blocks with scale 0 stay.
void nibble_scaled_hold(uint32_t type, float *x, const int8_t *codes, const float *before, const float *after,
                        size_t blocks, int32_t level);

/// Changes scales of the same blocks, where needed, so that one value of each block has the code of largest magnitude:
/// turned around if the extreme of the other sign reaches that code, else made smaller.
void nibble_scaled_anchor(uint32_t type, const float *x, float *scales, size_t blocks, int32_t level);

/// Codes of block-wise dynamic quantization for a block of finite numbers, the largest magnitude of which is given and not
/// 0. With a sign: the level of the magnitude in 7 bits, the sign above; without: the level in 8 bits, 1 or more where the
/// number is not 0. Of a decade d from 0, 10^(d - 7) to 10^(d - 6) of the largest, there are 2^d levels, or twice as many.
void nibble_dynamic_codes(const float *x, uint8_t *out, size_t count, float largest, int32_t is_signed, int32_t level);

/// Whether this machine has instructions for SHA-256.
int32_t nibble_has_sha256(void);

/// Folds `blocks` blocks of 64 bytes into the eight words of a SHA-256, whose 64 round constants are given. Only where
/// nibble_has_sha256().
void nibble_sha256_blocks(uint32_t *state, const uint32_t *constants, const uint8_t *in, size_t blocks);

#ifdef __cplusplus
}
#endif
