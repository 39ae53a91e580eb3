#!/usr/bin/env python3
"""Compares an exported GGUF file with what ggml's quantizers make of the same weights in F32.

    check-export.py EXPORTED.gguf WEIGHTS.f32.gguf

Both files hold the same tensors; those that are quantized in the first must be, byte for byte, what libgguf
makes of those in the second. Prints how many were compared; exits with 1 and the tensor's name where one
differs. Needs gguf, libgguf and numpy, which scripts/setup.sh --python installs.
"""

import sys

import gguf
import libgguf
import numpy as np


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    exported, weights = (gguf.GGUFReader(path) for path in sys.argv[1:])
    if [t.name for t in exported.tensors] != [t.name for t in weights.tensors]:
        sys.exit("check-export.py: the files hold different tensors, or in another order")
    compared = 0
    plain = (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.BF16)
    for found, source in zip(exported.tensors, weights.tensors):
        if found.tensor_type in plain:
            continue
        if source.tensor_type != gguf.GGMLQuantizationType.F32:
            sys.exit(f"check-export.py: {source.name} is {source.tensor_type.name}, expected F32")
        rows = np.ascontiguousarray(source.data, dtype=np.float32)
        expected = np.asarray(libgguf.quantize_rows(rows, int(found.tensor_type), None))
        if expected.tobytes() != found.data.tobytes():
            sys.exit(f"check-export.py: {found.name} differs from ggml's {found.tensor_type.name}")
        compared += 1
    print(f"{compared} tensors equal")


if __name__ == "__main__":
    main()
