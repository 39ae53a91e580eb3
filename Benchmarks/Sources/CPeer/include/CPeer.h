// The product of another library, for comparison.
#pragma once

#include <stdint.h>

/// y = w x by OpenBLAS on some threads: w is [rows][columns], x [columns][tokens].
void openblas_product(const float *w, const float *x, float *y, int32_t rows, int32_t columns, int32_t tokens,
                      int32_t threads);
