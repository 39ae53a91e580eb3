// Kernels for the baseline of the architecture (SSE2, NEON).
#pragma STDC FP_CONTRACT OFF

#include "level.h"

#define LANES 4
#define HAS_F16C 0
#define LEVEL(name) name##_scalar

#include "level.inc"
