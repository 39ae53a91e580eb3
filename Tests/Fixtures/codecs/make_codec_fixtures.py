#!/usr/bin/env python3
"""Golden blocks of every codec, made by libgguf (ggml's own quantizers built as a Python module) and numpy.

    /path/to/venv/bin/python make_codec_fixtures.py

needs numpy and libgguf; the versions that made the committed files are in README.md, which this script
writes. Files, all little-endian:

    rows-C.f32          rows of C columns: the input of the encoders
    importance-C.f32    one importance vector of C columns
    TYPE.encoded        for C in 32, 256, 512, where blocks of TYPE fit: the rows of C columns encoded without,
                        then with importance
    TYPE.decoded        16 blocks (4096 / block size for plain types) of random bytes, then their values as F32
"""

import hashlib
import pathlib
import platform
import sys

import libgguf
import numpy as np

FOLDER = pathlib.Path(__file__).parent
SEED = 20261124
WIDTHS = [32, 256, 512]
# name: (id, block, bytes, offsets of halves in a block, encodes)
TYPES = {
    "f32": (0, 1, 4, [], True),
    "f16": (1, 1, 2, [0], True),
    "bf16": (30, 1, 2, [], True),
    "q4_0": (2, 32, 18, [0], True),
    "q4_1": (3, 32, 20, [0, 2], True),
    "q5_0": (6, 32, 22, [0], True),
    "q5_1": (7, 32, 24, [0, 2], True),
    "q8_0": (8, 32, 34, [0], True),
    "q2_k": (10, 256, 84, [80, 82], True),
    "q3_k": (11, 256, 110, [108], True),
    "q4_k": (12, 256, 144, [0, 2], True),
    "q5_k": (13, 256, 176, [0, 2], True),
    "q6_k": (14, 256, 210, [208], True),
    "iq4_nl": (20, 32, 18, [0], True),
    "iq4_xs": (23, 256, 136, [0], True),
    "iq2_xxs": (16, 256, 66, [0], False),
    "iq2_xs": (17, 256, 74, [0], False),
    "iq3_xxs": (18, 256, 98, [0], False),
    "iq1_s": (19, 256, 50, [0], False),
    "iq3_s": (21, 256, 110, [0], False),
    "iq2_s": (22, 256, 82, [0], False),
    "iq1_m": (29, 256, 56, [], False),
    "tq1_0": (34, 256, 54, [52], False),
    "tq2_0": (35, 256, 66, [64], False),
    "mxfp4": (39, 32, 17, [], False),
    "nvfp4": (40, 64, 36, [], False),
    "q1_0": (41, 128, 18, [0], False),
    "q2_0": (42, 64, 18, [0], True),
}
PLAIN = ["f32", "f16", "bf16"]


def bf16(x):
    """The bits of BF16 values, ties to even; x is finite."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def widened(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def named_rows(n, rng):
    """Rows of n columns, most of them edges of some quantizer."""
    gauss = lambda scale=1.0: (rng.standard_normal(n) * scale).astype(np.float32)
    index = np.arange(n)
    rows = {
        "gaussian": gauss(),
        "gaussian, weights of a model": gauss(0.02),
        "gaussian, second": gauss(0.02),
        "gaussian rounded to BF16": widened(bf16(gauss(0.05))),
        "heavy tails": rng.standard_t(2, n) * 0.1,
        "uniform": rng.uniform(-1, 1, n),
        "zeros": np.zeros(n),
        "negative zeros": -np.zeros(n),
        "one outlier": np.where(index == n // 3, 100, gauss(0.01)),
        "one value among zeros": np.where(index == n - 5, -0.37, 0),
        "all equal": np.full(n, 0.7),
        "all equal and negative": np.full(n, -0.7),
        "extremes +a before -a": np.where(index % 8 == 1, 0.5, np.where(index % 8 == 5, -0.5, gauss(0.1))),
        "extremes -a before +a": np.where(index % 8 == 1, -0.5, np.where(index % 8 == 5, 0.5, gauss(0.1))),
        "half steps of sixteenths": (index % 33 - 16) / 32,
        "half steps of sixteenths, reversed": (16 - index % 33) / 32,
        "ramp": np.linspace(-1, 1, n),
        "positive": np.abs(gauss()) + 1,
        "negative": -np.abs(gauss()) - 1,
        "narrow range far from zero": gauss(0.001) + 3,
        "subnormal scales": gauss(1e-6),
        "scales that round to zero": gauss(1e-9),
        "below 1e-15": gauss(1e-17),
        "subnormal floats": gauss(1e-39),
        "large": np.clip(gauss(20000), -60000, 60000),
        "zeros in the first half": np.where(index < n // 2, 0, gauss(0.3)),
        "every 16 of another size": gauss() * np.exp2(-(index // 16 % 9)),
    }
    return {name: np.asarray(row, dtype=np.float32) for name, row in rows.items()}


def importance_vector(n, rng):
    weights = rng.gamma(0.5, 2.0, n).astype(np.float32)
    weights[rng.integers(0, n, n // 16)] = 0
    if n >= 512:
        weights[64:96] = 0  # a sub-block without weight
    return weights


def encode_q2_0(rows):
    """ggml's quantize_row_q2_0_ref, which libgguf lacks; it ignores importance."""
    x = rows.reshape(-1, 64)
    scales = np.abs(x).max(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        inverse = np.where(scales > 0, np.float32(1) / scales, np.float32(0)).astype(np.float32)
        quotient = x * inverse
    # roundf; as an integer of C on x86-64, what is not finite is the smallest.
    codes = np.where(np.isfinite(quotient), np.trunc(quotient + np.copysign(np.float32(0.5), quotient)) + 1, 0)
    codes = np.clip(codes, 0, 3).astype(np.uint8).reshape(-1, 16, 4)
    packed = codes[..., 0] | codes[..., 1] << 2 | codes[..., 2] << 4 | codes[..., 3] << 6
    return np.concatenate([scales.astype("<f2").view(np.uint8), packed], axis=1).tobytes()


def encode(name, rows, importance):
    if name == "f32":
        return rows.astype("<f4").tobytes()
    if name == "f16":
        return rows.astype("<f2").tobytes()
    if name == "bf16":
        return bf16(rows).astype("<u2").tobytes()
    if name == "q2_0":
        return encode_q2_0(rows)
    return libgguf.quantize_rows(rows, TYPES[name][0], importance).tobytes()


def decode_fixture(name, rng):
    identifier, block, size, halves, _ = TYPES[name]
    count = 16 if block > 1 else 256
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for offset in halves:
        # Every second block: ordinary scales; the others: any finite half, subnormals and zeros included.
        ordinary = (rng.standard_normal(count) * 0.02).astype("<f2").view(np.uint16)
        anything = rng.integers(0, 0x7C00, count).astype(np.uint16) | (
            rng.integers(0, 2, count).astype(np.uint16) << 15)
        anything[1], anything[3], anything[5] = 0, 0x8000, 0x0001
        bits = np.where(np.arange(count) % 2 == 0, ordinary, anything).astype("<u2")
        data[:, offset : offset + 2] = bits.view(np.uint8).reshape(count, 2)
    if name == "f32":
        data = rng.standard_normal((count, 1)).astype("<f4").view(np.uint8)
        values = data.view("<f4")
    elif name == "f16":
        values = np.ascontiguousarray(data).view("<f2").astype(np.float32)
    elif name == "bf16":
        bits = data.view("<u2")
        bits[(bits & 0x7F80) == 0x7F80] = 0x3F80
        values = widened(bits)
    elif name == "q2_0":  # which libgguf lacks: ggml's dequantize_row_q2_0
        codes = data[:, 2:, None] >> np.array([0, 2, 4, 6], dtype=np.uint8) & 3
        scales = np.ascontiguousarray(data[:, :2]).view("<f2").astype(np.float32)
        values = ((codes.reshape(count, 64).astype(np.int32) - 1).astype(np.float32) * scales).astype(np.float32)
    else:
        if name == "iq1_m":  # the upper bits of the scale's exponent are the top bits of the last word: not all set
            data[:, 55] &= 0xBF
        if name == "mxfp4":
            data[:, 0] = np.minimum(data[:, 0], 254)
        raw = libgguf.dequantize_rows_raw(identifier, np.ascontiguousarray(data), count, block)
        values = np.frombuffer(raw, dtype=np.float32)
    assert values.size == count * block and np.isfinite(values).all(), name
    return data.tobytes() + np.ascontiguousarray(values, dtype="<f4").tobytes()


def main():
    files = {}
    rows, importance, names = {}, {}, {}
    for width in WIDTHS:
        rng = np.random.default_rng([SEED, width])
        made = named_rows(width, rng)
        if width == 512:
            wanted = ["gaussian", "heavy tails", "zeros in the first half", "positive", "subnormal scales"]
            made = {name: made[name] for name in wanted}
        names[width] = list(made)
        rows[width] = np.stack(list(made.values()))
        importance[width] = importance_vector(width, rng)
        files[f"rows-{width}.f32"] = rows[width].astype("<f4").tobytes()
        files[f"importance-{width}.f32"] = importance[width].astype("<f4").tobytes()
    for name, (_, block, _, _, encodes) in TYPES.items():
        rng = np.random.default_rng([SEED, TYPES[name][0], 7])
        if encodes and name != "f32":
            parts = []
            for width in WIDTHS:
                if width % block == 0 and not (name in PLAIN and width != 256):
                    parts.append(encode(name, rows[width], None))
                    if name not in PLAIN:
                        parts.append(encode(name, rows[width], importance[width]))
            files[f"{name}.encoded"] = b"".join(parts)
        files[f"{name}.decoded"] = decode_fixture(name, rng)
    for name, data in files.items():
        (FOLDER / name).write_bytes(data)
    total = sum(len(data) for data in files.values())
    versions = (f"Python {platform.python_version()}, numpy {np.__version__}, "
                f"libgguf {libgguf_version()}, {platform.machine()}")
    lines = ["# Golden blocks of the codecs", "",
             f"Written by `make_codec_fixtures.py` with {versions}; {total} bytes. Do not edit.", ""]
    for width in WIDTHS:
        lines += [f"Rows of {width} columns:", ""]
        lines += [f"{index}. {name}" for index, name in enumerate(names[width])] + [""]
    lines += ["| file | bytes | SHA-256 |", "|---|---|---|"]
    lines += [f"| {name} | {len(data)} | {hashlib.sha256(data).hexdigest()} |" for name, data in files.items()]
    (FOLDER / "README.md").write_text("\n".join(lines) + "\n")
    print(versions, f"{total} bytes in {len(files)} files", sep="\n")


def libgguf_version():
    import importlib.metadata

    return importlib.metadata.version("libgguf")


if __name__ == "__main__":
    sys.exit(main())
