// Kernels for AVX-512 F, BW, VL and DQ. FMA is not used: it would change bits.
#pragma STDC FP_CONTRACT OFF

#include "level.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define LANES 16
#define HAS_F16C 1
#define LEVEL(name) name##_avx512

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)
#include "level.inc"
#pragma clang attribute pop

#endif
