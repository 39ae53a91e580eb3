// Hot loops of the forward pass, compiled once per instruction level and chosen at run time.
//
// Activations lie in panels of `width` tokens (a multiple of 16): element (feature, token) of a panel is at
// `feature * width + token`. So every loop runs over tokens in its vector lanes, and no sum crosses lanes.
// Unlike the codecs' kernels these use FMA and round differently from level to level; each is tested against
// a plain reference with a stated bound.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Whether this machine has dot products of BF16 pairs (AVX-512 BF16).
int32_t nibble_has_bf16_dot(void);
/// Whether this machine has tiles of BF16 pairs (AMX), the process may use them, and nibble_has_bf16_dot.
int32_t nibble_has_bf16_tiles(void);
/// Whether the processor is one of Intel's.
int32_t nibble_is_intel(void);
/// Whether this machine has dot products of bytes (AVX-512 VNNI).
int32_t nibble_has_int8_dot(void);

/// How a gated feed-forward layer bends its gate.
enum {
    NIBBLE_ACTIVATION_GELU_TANH = 0,  ///< 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    NIBBLE_ACTIVATION_SILU = 1        ///< x / (1 + exp(-x))
};

// MARK: - BF16 products (only where nibble_has_bf16_dot)

/// Pairs of neighbouring features as BF16: out[i][t] = bf16(x[2i][t]) | bf16(x[2i+1][t]) << 16, for
/// i < (features + 1) / 2; the feature past an odd end is 0. Nearest, ties to even; subnormals become 0.
void nibble_pack_bf16_pairs(const float *x, size_t features, size_t width, uint32_t *out);

/// y[r][t] = sum over k of w[r][k] x[k][t]: `rows` rows of 2 * `pairs` BF16 each, `stride` elements apart,
/// times a packed panel. Products are exact, sums are F32. `width` is 16 or 32.
void nibble_bf16_product(const uint16_t *w, size_t stride, size_t rows, size_t pairs, const uint32_t *x,
                         size_t width, float *y);

/// y[r][lane] (+)= sum over i of w[r][i] x[i][lane] for pairs of BF16, with tiles: rows `stride` pairs apart, x
/// [pairs][width], rows of y `y_stride` floats apart; `width` is 16 or 32. `accumulate`: y += rather than y =.
/// Subnormals count as 0. Only where nibble_has_bf16_tiles.
void nibble_bf16_tiles_product(const uint32_t *w, size_t stride, size_t rows, size_t pairs, const uint32_t *x,
                               size_t width, float *y, size_t y_stride, int32_t accumulate);

/// y[r] = sum over k of w[r][k] x[k] for BF16 rows and one F32 vector.
void nibble_bf16_vector_product(const uint16_t *w, size_t stride, size_t rows, size_t columns, const float *x,
                                float *y, int32_t level);

/// F32 to BF16, nearest, ties to even.
void nibble_round_bf16(const float *x, size_t count, uint16_t *out, int32_t level);

// MARK: - F32 products

/// y[r] = sum over k of w[r][k] x[k]: `rows` rows of `columns` floats, `stride` elements apart, times a vector.
void nibble_f32_vector_product(const float *w, size_t stride, size_t rows, size_t columns, const float *x, float *y,
                               int32_t level);

/// y[r][t] (+)= sum over k of w[r][k] x[k][t], times a panel of `width` tokens, a multiple of 16; rows of y `y_stride` floats
/// apart. `accumulate`: y += rather than y =.
void nibble_f32_rows_product(const float *w, size_t stride, size_t rows, size_t columns, const float *x,
                             size_t width, float *y, size_t y_stride, int32_t accumulate, int32_t level);

/// The same with rows of y one after the other, for the small matrices of attention: nothing is asked for ahead.
void nibble_f32_product(const float *w, size_t stride, size_t rows, size_t columns, const float *x, size_t width,
                        float *y, int32_t level);

/// rows[t][f] = x[f][t] for the first `count` tokens of a panel; rows are `stride` apart, and beyond `features` as they
/// were.
void nibble_transpose(const float *x, size_t features, size_t width, size_t count, float *rows, size_t stride,
                      int32_t level);

// MARK: - int8 products (only where nibble_has_int8_dot)

/// Blocks of 32 features in 8 bits: scale = absmax / 127 for each block and token, codes = round(x / scale).
/// Where the scale is below the smallest normal number, codes are 0; where a value is NaN or infinite the scale is,
/// and what is multiplied with the block becomes NaN.
/// codes: [block][8][width][4], four neighbouring features of a token together; scales: [block][width];
/// sums: [block][width], sum of the codes of the block.
void nibble_quantize_activations(const float *x, size_t features, size_t width, int8_t *codes, float *scales,
                                 int32_t *sums);

/// The code that stands for zero in the byte codes of a GGML type, or -1 for types that have none: byte codes are
/// there for types whose scales and minima each belong to 32 elements.
int32_t nibble_byte_code_zero(uint32_t type);
/// Whether the byte codes of the type have minima.
int32_t nibble_byte_codes_have_minima(uint32_t type);
/// Unpacks blocks of 32 elements: weight = scale (code - zero) + minimum. `minima` is written for types that have
/// them only; K types have 8 blocks in a super-block.
void nibble_unpack_byte_codes(uint32_t type, const uint8_t *in, size_t blocks, uint8_t *codes, float *scales,
                              float *minima);

/// y[r][t] = sum over blocks of d[r][b] (sum over k of (w[r][k] - zero) x[k][t]) + m[r][b] (sum of x), with
/// unsigned bytes w in rows of 32 * blocks; `minima` may be NULL. `width` is 16 or 32.
void nibble_int8_product(const uint8_t *w, const float *scales, const float *minima, int32_t zero, size_t rows,
                         size_t blocks, const int8_t *codes, const float *x_scales, const int32_t *sums,
                         size_t width, float *y);

/// nibble_quantize_activations for one vector: codes [features], scales and sums [features / 32].
void nibble_quantize_vector(const float *x, size_t features, int8_t *codes, float *scales, int32_t *sums);

/// y[r] = nibble_int8_product for one vector in the form of nibble_quantize_vector.
void nibble_int8_vector_product(const uint8_t *w, const float *scales, const float *minima, int32_t zero,
                                size_t rows, size_t blocks, const int8_t *codes, const float *x_scales,
                                const int32_t *sums, float *y);

// MARK: - Other operations of a transformer block

/// y[f][t] = x[f][t] * weight[f] / sqrt(mean over f of x[f][t]^2 + epsilon). `y` may be `x`.
void nibble_rms_norm(const float *x, const float *weight, float epsilon, size_t features, size_t width, float *y,
                     int32_t level);

/// Rotates pairs of one head in place by the angles whose cosines and sines are [head / 2][width]: features
/// i and i + head / 2, or where `interleaved` 2i and 2i + 1. Every value is multiplied by `scale`. `inverse` turns back.
void nibble_rotate(float *x, const float *cosines, const float *sines, size_t head, size_t width,
                   int32_t interleaved, float scale, int32_t inverse, int32_t level);

/// gate = activation(gate) * up. The exponential is clamped: left of -88 a gate is not 0 but below |x| / 2^126.
void nibble_gate(float *gate, const float *up, size_t count, int32_t activation, int32_t level);

/// x += y.
void nibble_add(float *x, const float *y, size_t count, int32_t level);

/// x[f][t] += bias[f].
void nibble_add_bias(float *x, const float *bias, size_t features, size_t width, int32_t level);

/// Softmax of attention scores [keys][width], in place and not yet divided by the sum, whose reciprocal goes to
/// `inverse_sums[width]`. Lane t is the query at position `first_query` + t and sees the keys at positions
/// p with p <= position and p > position - window (`window` 0: no limit); row j is the key at
/// `first_key` + j. A lane that sees no key gets zeros; one that sees NaN or +infinity a sum of NaN.
void nibble_attention_softmax(float *scores, size_t keys, size_t width, int64_t first_key, int64_t first_query,
                              int64_t window, float *inverse_sums, int32_t level);

/// x[f][t] *= factors[t].
void nibble_scale_lanes(float *x, const float *factors, size_t features, size_t width, int32_t level);

/// x = cap * tanh(x / cap); NaN stays NaN.
void nibble_softcap(float *x, size_t count, float cap, int32_t level);

// MARK: - Sums over the vocabulary

/// Running sums of one panel over slices of the vocabulary. Arrays of `width`.
struct nibble_softmax_sums {
    float *maximum;   ///< largest logit so far; starts at -infinity
    double *sum;      ///< sum of exp(logit - maximum); starts at 0
    int32_t *argmax;  ///< the first token with the largest logit
};

/// Adds logits [tokens][width] of the tokens from `first_token` on. Returns 0, or 1 where a logit is NaN or
/// +infinity.
int32_t nibble_add_logits(const float *logits, size_t tokens, size_t width, int32_t first_token,
                          struct nibble_softmax_sums sums, int32_t level);

/// Adds to `cross[width]` the sum of exp(base - base_maximum) (base - other) over the tokens; call before
/// nibble_add_logits for the base, with its sums: where a maximum rises, `cross` is scaled along.
void nibble_add_cross(const float *base, const float *other, size_t tokens, size_t width,
                      const float *base_maximum, double *cross, int32_t level);

/// nibble_add_cross for one other source, then nibble_add_logits for the base, with one exponential for both. The
/// results are theirs, bit for bit.
int32_t nibble_add_base(const float *base, const float *other, size_t tokens, size_t width, int32_t first_token,
                        struct nibble_softmax_sums sums, double *cross, int32_t level);

/// Lowers minimum[t] to the smallest of logits [tokens][width].
void nibble_lower_minimum(const float *logits, size_t tokens, size_t width, float *minimum, int32_t level);

#ifdef __cplusplus
}
#endif
