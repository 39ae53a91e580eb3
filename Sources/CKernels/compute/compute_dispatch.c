// Chooses the forward pass's kernels of an instruction level at run time.
#include "compute.h"

#include <stdlib.h>

static const struct nibble_compute *table(int32_t level) {
#if defined(__x86_64__)
    if (level == NIBBLE_LEVEL_AVX512) return &nibble_compute_avx512;
    if (level == NIBBLE_LEVEL_AVX2) return &nibble_compute_avx2;
#endif
    (void)level;
    return &nibble_compute_scalar;
}

int32_t nibble_has_bf16_dot(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return nibble_best_level() == NIBBLE_LEVEL_AVX512 && __builtin_cpu_supports("avx512bf16") != 0;
#else
    return 0;
#endif
}

int32_t nibble_is_intel(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_is("intel") != 0;
#else
    return 0;
#endif
}

int32_t nibble_has_int8_dot(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return nibble_best_level() == NIBBLE_LEVEL_AVX512 && __builtin_cpu_supports("avx512vnni") != 0;
#else
    return 0;
#endif
}

#if !defined(__x86_64__)

// Callers ask nibble_has_bf16_dot and nibble_has_int8_dot first.
void nibble_pack_bf16_pairs(const float *x, size_t features, size_t width, uint32_t *out) { abort(); }
void nibble_bf16_product(const uint16_t *w, size_t stride, size_t rows, size_t pairs, const uint32_t *x,
                         size_t width, float *y) { abort(); }
void nibble_bf16_rows_product(const uint32_t *w, size_t stride, size_t rows, size_t pairs, const uint32_t *x,
                              size_t width, float *y, size_t y_stride, int32_t accumulate) { abort(); }
void nibble_bf16_columns_product(const uint32_t *w, size_t stride, size_t rows, size_t pairs, const uint32_t *x,
                                 size_t width, float *y, int32_t accumulate) { abort(); }
void nibble_pack_bf16_rows(const float *x, size_t features, size_t width, uint16_t *out, size_t stride) { abort(); }
void nibble_pack_bf16_transposed(const float *x, size_t features, size_t width, uint32_t *out,
                                 size_t group_stride) { abort(); }
void nibble_interleave_bf16(const uint16_t *even, const uint16_t *odd, size_t columns, size_t block, size_t stride,
                            uint32_t *out) { abort(); }
void nibble_pack_bf16_columns(const uint16_t *w, size_t stride, size_t rows, size_t columns, uint32_t *out,
                              size_t out_stride) { abort(); }
void nibble_quantize_activations(const float *x, size_t features, size_t width, int8_t *codes, float *scales,
                                 int32_t *sums) { abort(); }
void nibble_int8_product(const uint8_t *w, const float *scales, const float *minima, int32_t zero, size_t rows,
                         size_t blocks, const int8_t *codes, const float *x_scales, const int32_t *sums,
                         size_t width, float *y) { abort(); }
void nibble_quantize_vector(const float *x, size_t features, int8_t *codes, float *scales, int32_t *sums) { abort(); }
void nibble_int8_vector_product(const uint8_t *w, const float *scales, const float *minima, int32_t zero,
                                size_t rows, size_t blocks, const int8_t *codes, const float *x_scales,
                                const int32_t *sums, float *y) { abort(); }

#endif

void nibble_bf16_vector_product(const uint16_t *w, size_t stride, size_t rows, size_t columns, const float *x,
                                float *y, int32_t level) {
    table(level)->bf16_vector_product(w, stride, rows, columns, x, y);
}

void nibble_f32_vector_product(const float *w, size_t stride, size_t rows, size_t columns, const float *x, float *y,
                               int32_t level) {
    table(level)->f32_vector_product(w, stride, rows, columns, x, y);
}

void nibble_round_bf16(const float *x, size_t count, uint16_t *out, int32_t level) {
    table(level)->round_bf16(x, count, out);
}

void nibble_f32_product(const float *w, size_t stride, size_t rows, size_t columns, const float *x, size_t width,
                        float *y, int32_t level) {
    table(level)->f32_product(w, stride, rows, columns, x, width, y);
}

void nibble_transpose(const float *x, size_t features, size_t width, size_t count, float *rows, size_t stride,
                      int32_t level) {
    table(level)->transpose(x, features, width, count, rows, stride);
}

void nibble_rms_norm(const float *x, const float *weight, float epsilon, size_t features, size_t width, float *y,
                     int32_t level) {
    table(level)->rms_norm(x, weight, epsilon, features, width, y);
}

void nibble_rotate(float *x, const float *cosines, const float *sines, size_t head, size_t width,
                   int32_t interleaved, float scale, int32_t inverse, int32_t level) {
    table(level)->rotate(x, cosines, sines, head, width, interleaved, scale, inverse);
}

void nibble_gate(float *gate, const float *up, size_t count, int32_t activation, int32_t level) {
    table(level)->gate(gate, up, count, activation);
}

void nibble_add(float *x, const float *y, size_t count, int32_t level) { table(level)->add(x, y, count); }

void nibble_add_bias(float *x, const float *bias, size_t features, size_t width, int32_t level) {
    table(level)->add_bias(x, bias, features, width);
}

void nibble_attention_softmax(float *scores, size_t keys, size_t width, int64_t first_key, int64_t first_query,
                              int64_t window, float *inverse_sums, int32_t level) {
    table(level)->attention_softmax(scores, keys, width, first_key, first_query, window, inverse_sums);
}

void nibble_scale_lanes(float *x, const float *factors, size_t features, size_t width, int32_t level) {
    table(level)->scale_lanes(x, factors, features, width);
}

void nibble_softcap(float *x, size_t count, float cap, int32_t level) { table(level)->softcap(x, count, cap); }

int32_t nibble_add_logits(const float *logits, size_t tokens, size_t width, int32_t first_token,
                          struct nibble_softmax_sums sums, int32_t level) {
    return table(level)->add_logits(logits, tokens, width, first_token, sums);
}

void nibble_add_cross(const float *base, const float *other, size_t tokens, size_t width,
                      const float *base_maximum, double *cross, int32_t level) {
    table(level)->add_cross(base, other, tokens, width, base_maximum, cross);
}

int32_t nibble_add_base(const float *base, const float *other, size_t tokens, size_t width, int32_t first_token,
                        struct nibble_softmax_sums sums, double *cross, int32_t level) {
    return table(level)->add_base(base, other, tokens, width, first_token, sums, cross);
}

void nibble_lower_minimum(const float *logits, size_t tokens, size_t width, float *minimum, int32_t level) {
    table(level)->lower_minimum(logits, tokens, width, minimum);
}

// MARK: - Gradients

void nibble_f32_rows_product(const float *w, size_t stride, size_t rows, size_t columns, const float *x,
                             size_t width, float *y, size_t y_stride, int32_t accumulate, int32_t level) {
    table(level)->f32_rows_product(w, stride, rows, columns, x, width, y, y_stride, accumulate);
}

void nibble_f32_columns_product(const float *w, size_t stride, size_t rows, size_t columns, const float *x,
                                size_t width, float *y, int32_t accumulate, int32_t level) {
    table(level)->f32_columns_product(w, stride, rows, columns, x, width, y, accumulate);
}

void nibble_rms_norm_backward(const float *x, const float *weight, float epsilon, const float *dy, size_t features,
                              size_t width, float *dx, float *dweight, int32_t level) {
    table(level)->rms_norm_backward(x, weight, epsilon, dy, features, width, dx, dweight);
}

void nibble_gate_backward(float *gate, float *up, const float *dy, size_t count, int32_t activation, int32_t level) {
    table(level)->gate_backward(gate, up, dy, count, activation);
}

void nibble_softcap_backward(const float *y, float *dy, size_t count, float cap, int32_t level) {
    table(level)->softcap_backward(y, dy, count, cap);
}

void nibble_softmax_backward(const float *p, float *dp, size_t keys, size_t width, int32_t level) {
    table(level)->softmax_backward(p, dp, keys, width);
}

void nibble_sum_lanes(const float *x, size_t features, size_t width, float *out, int32_t level) {
    table(level)->sum_lanes(x, features, width, out);
}

void nibble_distillation_gradient(const float *student, const float *teacher, size_t tokens, size_t width,
                                  const struct nibble_distillation *coefficients, float *g, int32_t level) {
    table(level)->distillation_gradient(student, teacher, tokens, width, coefficients, g);
}

size_t nibble_significant_rows(const float *x, size_t rows, size_t width, const float *thresholds, uint32_t *indices,
                               int32_t level) {
    return table(level)->significant_rows(x, rows, width, thresholds, indices);
}

void nibble_adamw_step(float *p, const float *g, float *m, float *v, const float *units, size_t width, size_t count,
                       const struct nibble_adamw *c, int32_t level) {
    table(level)->adamw(p, g, m, v, units, width, count, c);
}

double nibble_sum_squares(const float *x, size_t count, int32_t level) { return table(level)->sum_squares(x, count); }
