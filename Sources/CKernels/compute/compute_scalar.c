// Kernels of the forward pass for the baseline of the architecture (SSE2, NEON).
#pragma STDC FP_CONTRACT ON

#include "compute.h"

#define LEVEL(name) name##_scalar
#define TILE_ROWS 3
#define TILE_VECTORS 1

#include "compute.inc"
