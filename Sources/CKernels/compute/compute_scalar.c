// Kernels of the forward pass for the baseline of the architecture (SSE2, NEON).
#pragma STDC FP_CONTRACT ON

#include "compute.h"

#define LEVEL(name) name##_scalar

#include "compute.inc"
