// Kernels of the forward pass for AVX2 and FMA.
#pragma STDC FP_CONTRACT ON

#include "compute.h"

#if defined(__x86_64__)

#define LEVEL(name) name##_avx2
#define TILE_ROWS 6
#define TILE_VECTORS 1

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "compute.inc"
#pragma clang attribute pop

#endif
