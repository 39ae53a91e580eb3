// Quantization cells: the reals that are nearest to each stored code.
#pragma STDC FP_CONTRACT OFF

#include "level.h"

static float half_to_float(const uint8_t *in) {
    float value;
    nibble_codec_for(1, NIBBLE_LEVEL_SCALAR)->decode(in, &value, 1);
    return value;
}

/// value -+ step / 2 for `count` elements.
static void uniform(const float *values, float step, float *lower, float *upper, int count) {
    const float half = (step < 0 ? -step : step) / 2;
    for (int i = 0; i < count; i++) {
        const float value = values[i];
        lower[i] = value - half;
        upper[i] = value + half;
    }
}

/// Midpoints to the neighbours of entry k of ascending ones; the end cells are symmetric about their value.
static void from_table(const float *entries, int count, int k, float scale, float *lower, float *upper) {
    const float up = (k < count - 1 ? entries[k + 1] - entries[k] : entries[count - 1] - entries[count - 2]) / 2;
    const float down = (k > 0 ? entries[k] - entries[k - 1] : entries[1] - entries[0]) / 2;
    const float a = (entries[k] - down) * scale, b = (entries[k] + up) * scale;
    *lower = a < b ? a : b;
    *upper = a < b ? b : a;
}

/// Codes of IQ4_NL, the second half of the elements in the high halves of the bytes.
static void iq4(const uint8_t *nibbles, float scale, float *lower, float *upper) {
    static const float entries[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    for (int i = 0; i < 32; i++) {
        from_table(entries, 16, nibbles[i % 16] >> i / 16 * 4 & 15, scale, lower + i, upper + i);
    }
}

/// Codes of E2M1 with a sign behind `scales` scales, likewise in each of as many groups.
static void e2m1(uint32_t type, const uint8_t *in, int scales, int elements, float *lower, float *upper) {
    static const float entries[15] = {-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12};
    // What code 1 stands for: the block with that code everywhere.
    uint8_t ones[36];
    float units[64];
    memcpy(ones, in, (size_t)scales);
    memset(ones + scales, 0x11, (size_t)elements / 2);
    nibble_codec_for(type, NIBBLE_LEVEL_SCALAR)->decode(ones, units, (size_t)elements);
    const int size = elements / scales;
    for (int i = 0; i < elements; i++) {
        const uint8_t *nibbles = in + scales + i / size * (size / 2);
        const int code = nibbles[i % (size / 2)] >> i % size / (size / 2) * 4 & 15;
        from_table(entries, 15, code < 8 ? 7 + code : 15 - code, units[i], lower + i, upper + i);
    }
}

/// The local step of sub-block `sub` of 16 or 32 elements of a super-block.
static float step_of(uint32_t type, const uint8_t *in, int sub) {
    switch (type) {
    case 10: return half_to_float(in + 80) * (float)(in[sub] & 15);
    case 11: {
        const int low = in[96 + sub % 8] >> sub / 8 * 4 & 15, high = in[104 + sub % 4] >> sub / 4 * 2 & 3;
        return half_to_float(in + 108) * (float)((low | high << 4) - 32);
    }
    case 12: case 13: {
        const uint8_t *s = in + 4;
        const int scale = sub < 4 ? s[sub] & 63 : (s[sub + 4] & 15) | (s[sub - 4] >> 6) << 4;
        return half_to_float(in) * (float)scale;
    }
    case 14: return half_to_float(in + 208) * (float)(int8_t)in[192 + sub];
    case 34: return half_to_float(in + 52);
    case 35: return half_to_float(in + 64);
    case 41: return 2 * half_to_float(in);
    default: return half_to_float(in);
    }
}

int32_t nibble_cells(uint32_t type, const uint8_t *in, float *lower, float *upper, size_t count) {
    size_t elements, bytes;
    int sub_elements;
    switch (type) {
    case 2: elements = 32; bytes = 18; sub_elements = 32; break;
    case 3: elements = 32; bytes = 20; sub_elements = 32; break;
    case 6: elements = 32; bytes = 22; sub_elements = 32; break;
    case 7: elements = 32; bytes = 24; sub_elements = 32; break;
    case 8: elements = 32; bytes = 34; sub_elements = 32; break;
    case 10: elements = 256; bytes = 84; sub_elements = 16; break;
    case 11: elements = 256; bytes = 110; sub_elements = 16; break;
    case 12: elements = 256; bytes = 144; sub_elements = 32; break;
    case 13: elements = 256; bytes = 176; sub_elements = 32; break;
    case 14: elements = 256; bytes = 210; sub_elements = 16; break;
    case 20: elements = 32; bytes = 18; sub_elements = 0; break;
    case 23: elements = 256; bytes = 136; sub_elements = 0; break;
    case 34: elements = 256; bytes = 54; sub_elements = 256; break;
    case 35: elements = 256; bytes = 66; sub_elements = 256; break;
    case 39: elements = 32; bytes = 17; sub_elements = 0; break;
    case 40: elements = 64; bytes = 36; sub_elements = 0; break;
    case 41: elements = 128; bytes = 18; sub_elements = 128; break;
    case 42: elements = 64; bytes = 18; sub_elements = 64; break;
    default: return -1;
    }
    const nibble_decode_fn decode = nibble_codec_for(type, nibble_best_level())->decode;
    float values[256];
    for (size_t block = 0; block < count / elements; block++, in += bytes, lower += elements, upper += elements) {
        if (type == 20) {
            iq4(in + 2, half_to_float(in), lower, upper);
        } else if (type == 39) {
            e2m1(type, in, 1, 32, lower, upper);
        } else if (type == 40) {
            e2m1(type, in, 4, 64, lower, upper);
        } else if (type == 23) {
            const unsigned high = (unsigned)in[2] | (unsigned)in[3] << 8;
            for (int j = 0; j < 8; j++) {
                const int low = in[4 + j / 2] >> j % 2 * 4 & 15;
                const float scale = half_to_float(in) * (float)((low | (int)(high >> 2 * j & 3) << 4) - 32);
                iq4(in + 8 + 16 * j, scale, lower + 32 * j, upper + 32 * j);
            }
        } else {
            decode(in, values, elements);
            for (int start = 0; start < (int)elements; start += sub_elements) {
                uniform(values + start, step_of(type, in, start / sub_elements), lower + start, upper + start,
                        sub_elements);
            }
        }
    }
    return 0;
}
