#!/usr/bin/env python3
"""Times `nibble convert` against llama-quantize on the same file, in turn, and compares the outputs.

usage: compare_conversion.py NIBBLE LLAMA_QUANTIZE INPUT.gguf [--type q4_0] [--runs 5] [--threads 2]
                             [--imatrix FILE] [--flush]

For each pair of runs: wall time and largest resident memory (ru_maxrss, mapped pages included) of both
processes. Prints the medians, the median of the ratios pair by pair, and whether the files are equal.
With --flush both outputs are on disk before the clock stops: `nibble convert --flush`, and llama-quantize
followed by fsync of its file.
"""

import argparse
import filecmp
import os
import statistics
import sys
import tempfile
import time

import processes


def run(command, flush_path=None):
    """Runs a command; returns seconds and peak resident megabytes."""
    _, _, elapsed, resident = processes.run(command)
    if flush_path:
        start = time.monotonic()
        descriptor = os.open(flush_path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        elapsed += time.monotonic() - start
    return elapsed, resident / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nibble")
    parser.add_argument("llama_quantize")
    parser.add_argument("input")
    parser.add_argument("--type", default="q4_0")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--imatrix")
    parser.add_argument("--flush", action="store_true")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(arguments.input))) as folder:
        ours, theirs = os.path.join(folder, "nibble.gguf"), os.path.join(folder, "llama.gguf")
        imatrix = ["--imatrix", arguments.imatrix] if arguments.imatrix else []
        nibble = [arguments.nibble, "convert", arguments.input, "-o", ours, "--type", arguments.type,
                  "--threads", str(arguments.threads), "--force", "--quiet", "--ignore-grid", *imatrix]
        nibble += ["--flush"] if arguments.flush else []
        llama = [arguments.llama_quantize, *imatrix, arguments.input, theirs, arguments.type,
                 str(arguments.threads)]
        pairs = []
        for index in range(arguments.runs + 1):
            pair = (run(nibble), run(llama, theirs if arguments.flush else None))
            if index > 0:  # the first pair warms the page cache
                pairs.append(pair)
            print(f"{'warm-up' if index == 0 else f'run {index}'}: nibble {pair[0][0]:.3f} s {pair[0][1]:.0f} MiB, "
                  f"llama-quantize {pair[1][0]:.3f} s {pair[1][1]:.0f} MiB", file=sys.stderr)
        equal = filecmp.cmp(ours, theirs, shallow=False)
        median = [[statistics.median(pair[side][field] for pair in pairs) for field in (0, 1)] for side in (0, 1)]
        speed = statistics.median(pair[1][0] / pair[0][0] for pair in pairs)
        memory = statistics.median(pair[0][1] / pair[1][1] for pair in pairs)
        name = arguments.type + (" + imatrix" if arguments.imatrix else "") + (", flushed" if arguments.flush else "")
        print(f"| {name} | {median[0][0]:.3f} s | {median[1][0]:.3f} s | {speed:.1f} x | "
              f"{median[0][1]:.0f} MiB | {median[1][1]:.0f} MiB | {memory:.2f} | {'equal' if equal else 'DIFFERENT'} |")
        if not equal:
            sys.exit(1)


if __name__ == "__main__":
    main()
