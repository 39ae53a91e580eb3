#!/usr/bin/env python3
"""Compares `nibble imatrix` with llama-imatrix on the same model and text, in turn.

usage: compare_imatrix.py NIBBLE LLAMA_IMATRIX LLAMA_QUANTIZE MODEL.gguf TEXT [--chunks 40] [--runs 3] [--threads 2]
                          [--precision auto]

Prints
    columns     of all tensors: how many means differ by more than 1 %, and by how much at most; how far the mean of a tensor
                is off at most. Measured on an F32 copy of the model, with llama-imatrix's cache in F32, so that activations
                have the same precision: with a BF16 file or a cache in F16, llama-imatrix differs from itself by more
    seconds     of the whole processes on MODEL.gguf, medians, and the median of the ratios pair by pair. llama-imatrix runs
                with --no-ppl, which spares it the vocabulary head
    files       whether nibble and llama-quantize make the same Q4_K_M file of either matrix
Ends with 1 where a column differs by more than 1 %, or bytes differ.
"""

import argparse
import os
import statistics
import sys
import tempfile

import numpy
from gguf import GGUFReader

from processes import run


def means(path):
    """Means of squares by tensor."""
    tensors = {tensor.name: numpy.array(tensor.data, dtype=numpy.float64) for tensor in GGUFReader(path).tensors}
    suffix = ".in_sum2"
    return {name[:-len(suffix)]: (values / tensors[name[:-len(suffix)] + ".counts"]).ravel()
            for name, values in tensors.items() if name.endswith(suffix)}


def data(path):
    """The bytes of all tensors."""
    return {tensor.name: tensor.data.tobytes() for tensor in GGUFReader(path).tensors}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("nibble", "llama_imatrix", "llama_quantize", "model", "text"):
        parser.add_argument(name)
    parser.add_argument("--chunks", type=int, default=40)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    threads = str(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        def place(name):
            return os.path.join(folder, name)

        def measure(model, ours, theirs, *options):
            own = run([arguments.nibble, "imatrix", model, "--text", arguments.text, "-o", ours, "--force", "--chunks",
                       str(arguments.chunks), "--threads", threads, "--precision", arguments.precision, "--quiet"])[2]
            return own, run([arguments.llama_imatrix, "-m", model, "-f", arguments.text, "-o", theirs, "--no-ppl",
                             "--chunks", str(arguments.chunks), "-t", threads, *options])[2]

        wide, ours, theirs = place("f32.gguf"), place("nibble-f32.gguf"), place("llama-f32.gguf")
        run([arguments.nibble, "convert", arguments.model, "-o", wide, "--type", "f32", "--quiet"])
        measure(wide, ours, theirs, "-fa", "off", "-ctk", "f32", "-ctv", "f32")
        a, b = means(ours), means(theirs)
        if a.keys() != b.keys():
            sys.exit(f"other tensors: {sorted(a.keys() ^ b.keys())}")
        columns = far = 0
        largest = total = 0.0
        for name, values in b.items():
            relative = numpy.abs(a[name] - values) / numpy.maximum(values, 1e-30)
            columns += values.size
            far += int((relative > 0.01).sum())
            largest = max(largest, float(relative.max()))
            total = max(total, abs(a[name].sum() / values.sum() - 1))
        same = []
        for name, matrix in (("ours", ours), ("theirs", theirs)):
            made, peer = place(f"nibble-by-{name}.gguf"), place(f"llama-by-{name}.gguf")
            run([arguments.nibble, "convert", arguments.model, "-o", made, "--type", "q4_k_m", "--imatrix", matrix,
                 "--ignore-grid", "--quiet"])
            run([arguments.llama_quantize, "--imatrix", matrix, arguments.model, peer, "q4_k_m", threads])
            same.append(data(made) == data(peer))
        os.remove(wide)
        timed = place("nibble-timed.gguf"), place("llama-timed.gguf")
        measure(arguments.model, *timed)  # warms the page cache
        pairs = [measure(arguments.model, *timed) for _ in range(arguments.runs)]
    own, peer = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(peer / own for own, peer in pairs)
    print("| model | tensors | columns | beyond 1 % | largest | largest of a tensor | nibble, s | llama-imatrix, s | "
          "times as fast | same files |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    print(f"| {os.path.basename(arguments.model)} | {len(b)} | {columns} | {far} | {100 * largest:.3f} % | "
          f"{100 * total:.4f} % | {own:.1f} | {peer:.1f} | {ratio:.2f} | {'yes' if all(same) else 'no'} |")
    return 0 if far == 0 and all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
