#!/usr/bin/env python3
"""Records what llama-quantize makes of the two real models: real-models.json.

usage: make_real_digests.py LLAMA_QUANTIZE [--only TYPE] NAME=SOURCE.gguf...

SOURCE is the published, quantized file; it is first written out as BF16, which is what the other files are made
of. The importance matrix is synthetic: weight j of the i-th matrix (in order of names) is
((40503 * i + 2654435761 * j) mod 65536 + 1) / 65536, for every matrix inside blocks. RealModelTests makes the
same. Files are called bf16.gguf and imatrix.dat, which is what their metadata says. With --only, what is recorded of
other types stays.
"""

import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np
from gguf import GGUFReader

PLAIN = ("q4_0 q4_1 q5_0 q5_1 q8_0 q2_0 q2_k q3_k_s q3_k_m q3_k_l q6_k q4_k_s q4_k_m q5_k_s q5_k_m iq4_nl iq4_xs f16 bf16 "
         "f32").split()
WEIGHTED = "q4_0 q4_1 q5_0 q5_1 q2_0 q2_k q3_k_s q3_k_m q3_k_l q6_k q4_k_s q4_k_m q5_k_s q5_k_m iq4_nl iq4_xs".split()


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_imatrix(model, path):
    matrices = sorted((t.name, int(t.shape[0])) for t in GGUFReader(model).tensors
                      if t.name.startswith("blk.") and len(t.shape) == 2)
    with open(path, "wb") as file:
        file.write(struct.pack("<i", len(matrices)))
        for i, (name, columns) in enumerate(matrices):
            j = np.arange(columns, dtype=np.uint64)
            weights = ((np.uint64(40503 * i) + np.uint64(2654435761) * j) % np.uint64(65536) + np.uint64(1))
            file.write(struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 1, columns))
            file.write((weights.astype(np.float32) / np.float32(65536)).tobytes())


def main():
    quantize, arguments = os.path.abspath(sys.argv[1]), sys.argv[2:]
    only = arguments[1] if arguments[0] == "--only" else None
    models = dict(a.split("=", 1) for a in (arguments[2:] if only else arguments))
    place = os.path.join(os.path.dirname(__file__), "real-models.json")
    with open(place) as file:
        recorded = json.load(file) if only else {}
    result = {}
    for name, source in models.items():
        with tempfile.TemporaryDirectory() as folder:
            def run(*arguments):
                subprocess.run([quantize, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
            run("--allow-requantize", os.path.abspath(source), "bf16.gguf", "bf16", "2")
            write_imatrix(os.path.join(folder, "bf16.gguf"), os.path.join(folder, "imatrix.dat"))
            cases = {"source bf16": sha256(os.path.join(folder, "bf16.gguf"))}
            for key in PLAIN + [f"{kind} imatrix" for kind in WEIGHTED]:
                kind, *weighted = key.split()
                if only not in (None, kind):
                    cases[key] = recorded[name][key]
                    continue
                run(*(["--imatrix", "imatrix.dat"] if weighted else []), "bf16.gguf", "out.gguf", kind, "2")
                cases[key] = sha256(os.path.join(folder, "out.gguf"))
            result[name] = cases
            print(name, len(cases), file=sys.stderr)
    with open(place, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
