// Products of BF16 pairs with AMX tiles: 16 rows times 16 lanes, 16 pairs deep, in one instruction.
//
// A packed panel is what the instruction takes as its second operand, and rows of pairs as its first: neither is
// packed again. Sums are F32 and run over pairs in order, so a result does not depend on the rows beside it.
#define _GNU_SOURCE
#include "compute.h"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TILES __attribute__((target("amx-tile,amx-bf16,avx512f")))
#define INLINE static inline __attribute__((always_inline))

/// Whether the processor has the instructions and the system keeps tiles when it switches threads: asked for once, for
/// all threads of the process (Documentation/arch/x86/xstate.rst).
static int32_t ask_for_tiles(void) {
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18, BF16 = 1 << 22, TILE = 1 << 24 };
    unsigned a, b, c, d;
    if (!nibble_has_bf16_dot() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if ((d & BF16) == 0 || (d & TILE) == 0) return 0;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

int32_t nibble_has_bf16_tiles(void) {
    static _Atomic int32_t known = -1;
    int32_t answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer < 0) {
        answer = ask_for_tiles();
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer;
}

/// Shapes of the tiles of this thread: 0 to 3 hold sums, 4 and 5 weights, 6 and 7 lanes.
struct configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/// For blocks of `rows` rows, `pairs` pairs deep, each 16 at most.
TILES static void configure(size_t rows, size_t pairs) {
    struct configuration c = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) {
        c.row_bytes[tile] = tile == 4 || tile == 5 ? (uint16_t)(4 * pairs) : 64;
        c.rows[tile] = (uint8_t)(tile < 6 ? rows : pairs);
    }
    _tile_loadconfig(&c);
}

/// What all blocks of a product share. Strides are in bytes.
struct product {
    const char *x;
    size_t pairs;
    size_t step;  ///< pairs a tile
    size_t w_stride, x_stride, y_stride;
    int32_t accumulate;
};

// `two_rows` and `two_lanes`: a block of 32 rather than 16.
TILES INLINE void block(const char *w, const struct product *p, float *y, int two_rows, int two_lanes) {
    float *below = (float *)((char *)y + 16 * p->y_stride);
    if (p->accumulate) {
        _tile_loadd(0, y, p->y_stride);
        if (two_lanes) _tile_loadd(1, y + 16, p->y_stride);
        if (two_rows) _tile_loadd(2, below, p->y_stride);
        if (two_rows && two_lanes) _tile_loadd(3, below + 16, p->y_stride);
    } else {
        _tile_zero(0);
        if (two_lanes) _tile_zero(1);
        if (two_rows) _tile_zero(2);
        if (two_rows && two_lanes) _tile_zero(3);
    }
    for (size_t i = 0; i < p->pairs; i += p->step) {
        const char *x = p->x + i * p->x_stride;
        _tile_loadd(4, w + 4 * i, p->w_stride);
        _tile_loadd(6, x, p->x_stride);
        if (two_lanes) _tile_loadd(7, x + 64, p->x_stride);
        if (two_rows) _tile_loadd(5, w + 4 * i + 16 * p->w_stride, p->w_stride);
        _tile_dpbf16ps(0, 4, 6);
        if (two_lanes) _tile_dpbf16ps(1, 4, 7);
        if (two_rows) _tile_dpbf16ps(2, 5, 6);
        if (two_rows && two_lanes) _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, y, p->y_stride);
    if (two_lanes) _tile_stored(1, y + 16, p->y_stride);
    if (two_rows) _tile_stored(2, below, p->y_stride);
    if (two_rows && two_lanes) _tile_stored(3, below + 16, p->y_stride);
}

/// All rows, for pairs that are a multiple of the step.
TILES INLINE void blocks(const char *w, size_t rows, const struct product *p, float *y, int two_lanes) {
    size_t r = 0;
    if (rows >= 16) configure(16, p->step);
    for (; r + 32 <= rows; r += 32) block(w + r * p->w_stride, p, (float *)((char *)y + r * p->y_stride), 1, two_lanes);
    if (r + 16 <= rows) {
        block(w + r * p->w_stride, p, (float *)((char *)y + r * p->y_stride), 0, two_lanes);
        r += 16;
    }
    if (r < rows) {
        configure(rows - r, p->step);
        block(w + r * p->w_stride, p, (float *)((char *)y + r * p->y_stride), 0, two_lanes);
    }
}

TILES static void lanes(const char *w, size_t rows, const struct product *p, size_t width, float *y) {
    if (width == 32) {
        blocks(w, rows, p, y, 1);
    } else {
        blocks(w, rows, p, y, 0);
    }
}

TILES void nibble_bf16_tiles_product(const uint32_t *w, size_t stride, size_t rows, size_t pairs, const uint32_t *x,
                                     size_t width, float *y, size_t y_stride, int32_t accumulate) {
    struct product p = {
        .x = (const char *)x, .pairs = pairs / 16 * 16, .step = 16, .w_stride = 4 * stride, .x_stride = 4 * width,
        .y_stride = 4 * y_stride, .accumulate = accumulate,
    };
    if (p.pairs > 0 || pairs == 0) {
        lanes((const char *)w, rows, &p, width, y);
        p.accumulate = 1;
    }
    if (pairs % 16 != 0) {
        const size_t done = p.pairs;
        p.x += done * p.x_stride;
        p.pairs = p.step = pairs % 16;
        lanes((const char *)(w + done), rows, &p, width, y);
    }
    _tile_release();
}

#else

#include <stdlib.h>

int32_t nibble_has_bf16_tiles(void) { return 0; }

// Callers ask nibble_has_bf16_tiles first.
void nibble_bf16_tiles_product(const uint32_t *w, size_t stride, size_t rows, size_t pairs, const uint32_t *x,
                               size_t width, float *y, size_t y_stride, int32_t accumulate) { abort(); }

#endif
