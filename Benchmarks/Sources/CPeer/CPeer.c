#include "CPeer.h"

// Of the library that Nibble links; declared here as its header would.
extern void openblas_set_num_threads(int threads);
extern void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a,
                        int lda, const float *b, int ldb, float beta, float *c, int ldc);

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111 };

void openblas_product(const float *w, const float *x, float *y, int32_t rows, int32_t columns, int32_t tokens,
                      int32_t threads) {
    openblas_set_num_threads(threads);
    cblas_sgemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, rows, tokens, columns, 1, w, columns, x, tokens, 0, y, tokens);
    // Nibble's threads call it side by side.
    openblas_set_num_threads(1);
}
