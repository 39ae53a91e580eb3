// Kernels of the forward pass for AVX-512 F, BW, VL and DQ.
#pragma STDC FP_CONTRACT ON

#include "compute.h"

#if defined(__x86_64__)

#define LEVEL(name) name##_avx512
#define TILE_ROWS 12
#define TILE_VECTORS 2

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)
#include "compute.inc"
#pragma clang attribute pop

#endif
