// The table of the forward pass's kernels of one instruction level.
#pragma once

#include "CKernels.h"

#include <string.h>

struct nibble_compute {
    void (*bf16_vector_product)(const uint16_t *w, size_t stride, size_t rows, size_t columns, const float *x,
                                float *y);
    void (*f32_vector_product)(const float *w, size_t stride, size_t rows, size_t columns, const float *x, float *y);
    void (*round_bf16)(const float *x, size_t count, uint16_t *out);
    void (*f32_product)(const float *w, size_t stride, size_t rows, size_t columns, const float *x, size_t width,
                        float *y);
    void (*f32_rows_product)(const float *w, size_t stride, size_t rows, size_t columns, const float *x, size_t width,
                             float *y, size_t y_stride, int32_t accumulate);
    void (*f32_columns_product)(const float *w, size_t stride, size_t rows, size_t columns, const float *x,
                                size_t width, float *y, int32_t accumulate);
    void (*transpose)(const float *x, size_t features, size_t width, size_t count, float *rows, size_t stride);
    void (*rms_norm)(const float *x, const float *weight, float epsilon, size_t features, size_t width, float *y);
    void (*rotate)(float *x, const float *cosines, const float *sines, size_t head, size_t width,
                   int32_t interleaved, float scale, int32_t inverse);
    void (*gate)(float *gate, const float *up, size_t count, int32_t activation);
    void (*add)(float *x, const float *y, size_t count);
    void (*add_bias)(float *x, const float *bias, size_t features, size_t width);
    void (*attention_softmax)(float *scores, size_t keys, size_t width, int64_t first_key, int64_t first_query,
                              int64_t window, float *inverse_sums);
    void (*scale_lanes)(float *x, const float *factors, size_t features, size_t width);
    void (*softcap)(float *x, size_t count, float cap);
    int32_t (*add_logits)(const float *logits, size_t tokens, size_t width, int32_t first_token,
                          struct nibble_softmax_sums sums);
    void (*add_cross)(const float *base, const float *other, size_t tokens, size_t width,
                      const float *base_maximum, double *cross);
    int32_t (*add_base)(const float *base, const float *other, size_t tokens, size_t width, int32_t first_token,
                        struct nibble_softmax_sums sums, double *cross);
    void (*lower_minimum)(const float *logits, size_t tokens, size_t width, float *minimum);
    void (*rms_norm_backward)(const float *x, const float *weight, float epsilon, const float *dy, size_t features,
                              size_t width, float *dx, float *dweight);
    void (*gate_backward)(float *gate, float *up, const float *dy, size_t count, int32_t activation);
    void (*softcap_backward)(const float *y, float *dy, size_t count, float cap);
    void (*softmax_backward)(const float *p, float *dp, size_t keys, size_t width);
    void (*sum_lanes)(const float *x, size_t features, size_t width, float *out);
    void (*distillation_gradient)(const float *student, const float *teacher, size_t tokens, size_t width,
                                  const struct nibble_distillation *coefficients, float *g);
    size_t (*significant_rows)(const float *x, size_t rows, size_t width, const float *thresholds, uint32_t *indices);
    void (*adamw)(float *p, const float *g, float *m, float *v, const float *units, size_t width, size_t count,
                  const struct nibble_adamw *c);
    double (*sum_squares)(const float *x, size_t count);
};

extern const struct nibble_compute nibble_compute_scalar;
#if defined(__x86_64__)
extern const struct nibble_compute nibble_compute_avx2;
extern const struct nibble_compute nibble_compute_avx512;
#endif
