// Loops that keep the arithmetic units busy and touch no memory: what a product can reach at most.
#pragma once

#include <stdint.h>

/// The kinds of arithmetic.
enum {
    PEAK_F32 = 0,   ///< fused multiply-add of Float (AVX-512, or what the compiler makes of it elsewhere)
    PEAK_BF16 = 1,  ///< vdpbf16ps
    PEAK_INT8 = 2   ///< vpdpbusd
};

/// Whether this machine has the instructions.
int32_t peak_is_supported(int32_t kind);

/// Runs `rounds` rounds and returns the number of additions and multiplications done; `sink` takes a result that
/// nobody needs.
double peak_run(int32_t kind, int64_t rounds, volatile float *sink);
