// Hot loops of the backward pass: derivatives of the kernels of NibbleCompute.h, and the products that a gradient
// takes. Layouts are those of the forward pass.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// MARK: - Products with one operand transposed
//
// With y = W x for a panel of tokens, dx = transposed W times dy sums over the rows of W, and dW = dy times
// transposed x sums over tokens. For the first, W is packed by columns; for the second, dy is the weight and lanes
// are the features of x, which is packed transposed. `accumulate`: y += rather than y =.

/// y[r][lane] (+)= sum over i of w[r][i] x[i][lane] for pairs of BF16: rows `stride` pairs apart, x [pairs][width],
/// rows of y `y_stride` floats apart; `width` is 16 or 32. Only where nibble_has_bf16_dot.
void nibble_bf16_rows_product(const uint32_t *w, size_t stride, size_t rows, size_t pairs, const uint32_t *x,
                              size_t width, float *y, size_t y_stride, int32_t accumulate);

/// The same with w[i][r], whose pairs i are `stride` apart, and y [rows][width].
void nibble_bf16_columns_product(const uint32_t *w, size_t stride, size_t rows, size_t pairs, const uint32_t *x,
                                 size_t width, float *y, int32_t accumulate);

/// A panel as BF16 rows, out[f][t], rows `stride` apart: neighbouring tokens are the pairs of a product over tokens.
void nibble_pack_bf16_rows(const float *x, size_t features, size_t width, uint16_t *out, size_t stride);

/// A panel transposed, in groups of 32 features that are `group_stride` apart: out[group][t / 2][f % 32] is the pair
/// of tokens t and t + 1; features past the end are 0.
void nibble_pack_bf16_transposed(const float *x, size_t features, size_t width, uint32_t *out, size_t group_stride);

/// Two rows as pairs, in blocks of `block` columns that are `stride` apart: out[c / block][c % block] = even[c] |
/// odd[c] << 16; `odd` NULL is a row of zeros.
void nibble_interleave_bf16(const uint16_t *even, const uint16_t *odd, size_t columns, size_t block, size_t stride,
                            uint32_t *out);

/// Rows as columns of pairs, out[c][i] = w[2i][c] | w[2i + 1][c] << 16 for i < (rows + 1) / 2; rows of w are `stride`
/// elements apart, columns `out_stride` pairs; the row past an odd end is 0.
void nibble_pack_bf16_columns(const uint16_t *w, size_t stride, size_t rows, size_t columns, uint32_t *out,
                              size_t out_stride);

/// nibble_bf16_columns_product for floats; `width` is a multiple of 16.
void nibble_f32_columns_product(const float *w, size_t stride, size_t rows, size_t columns, const float *x,
                                size_t width, float *y, int32_t accumulate, int32_t level);

// MARK: - Operations of a transformer block

/// dx of nibble_rms_norm; `dx` may be `dy`. Adds the weight's gradient to dweight[features] unless it is NULL.
void nibble_rms_norm_backward(const float *x, const float *weight, float epsilon, const float *dy, size_t features,
                              size_t width, float *dx, float *dweight, int32_t level);

/// Replaces gate and up by their gradients, given that of nibble_gate's result.
void nibble_gate_backward(float *gate, float *up, const float *dy, size_t count, int32_t activation, int32_t level);

/// dy *= 1 - (y / cap)^2 for y = cap tanh(x / cap).
void nibble_softcap_backward(const float *y, float *dy, size_t count, float cap, int32_t level);

/// dp[j][t] = p[j][t] (dp[j][t] - sum over keys of p dp): from the gradient of a softmax to that of its scores.
void nibble_softmax_backward(const float *p, float *dp, size_t keys, size_t width, int32_t level);

/// out[f] += sum over t of x[f][t].
void nibble_sum_lanes(const float *x, size_t features, size_t width, float *out, int32_t level);

// MARK: - Distillation

/// What turns logits into a gradient; arrays of `width`.
struct nibble_distillation {
    const float *student_log_sum;  ///< log of the sum of exp(student)
    const float *teacher_log_sum;
    const float *plain_log_sum;    ///< log of the sum of exp(temperature student)
    const float *student;          ///< weight of the student's probability
    const float *teacher;          ///< weight of the teacher's, subtracted
    const float *plain;            ///< weight of the student's probability at temperature 1
    const float *reverse;          ///< weight of p (log p - log q - mean)
    const float *reverse_mean;
    float temperature;
    /// Logarithm of the probability below which both have to be for a gradient of 0 without further ado; -infinity for
    /// none. Without terms at temperature 1 and reverse ones only.
    float log_negligible;
    int32_t has_plain;
    int32_t has_reverse;
};

/// g[v][t] = student p - teacher q + reverse p (log p - log q - mean) + plain p', with p and q the softmax of the
/// logits given (divided by the temperature already) and p' that of temperature times the student's. `teacher` may
/// be NULL: then without the terms with q.
void nibble_distillation_gradient(const float *student, const float *teacher, size_t tokens, size_t width,
                                  const struct nibble_distillation *coefficients, float *g, int32_t level);

/// Writes the numbers of the rows in which some |x[r][t]| is not below thresholds[t] to `indices`, which has room for
/// all `rows`; returns how many they are.
size_t nibble_significant_rows(const float *x, size_t rows, size_t width, const float *thresholds, uint32_t *indices,
                               int32_t level);

// MARK: - Optimizer

/// A step of AdamW (Loshchilov and Hutter 2019), as PyTorch computes it.
struct nibble_adamw {
    float rate;
    float beta1;
    float beta2;
    float epsilon;
    float decay;        ///< weight decay, of the rate
    float correction1;  ///< 1 - beta1^t
    float root2;        ///< sqrt(1 - beta2^t)
    float scale;        ///< what gradients are multiplied with first
};

/// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
/// p = p (1 - rate decay) - rate / correction1 m / (sqrt(v) / root2 + epsilon).
/// Where `units` is not null each `width` values (1, or a multiple of 16) have a unit that the rate counts in: its
/// magnitude multiplies the step, and there is no decay.
void nibble_adamw_step(float *p, const float *g, float *m, float *v, const float *units, size_t width, size_t count,
                       const struct nibble_adamw *c, int32_t level);

/// Sum of x^2 in double.
double nibble_sum_squares(const float *x, size_t count, int32_t level);

#ifdef __cplusplus
}
#endif
