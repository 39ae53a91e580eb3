#!/usr/bin/env python3
"""Times `nibble qat` against qat_pytorch.py on the same model and text, in turn, and compares memory and loss.

usage: compare_training.py NIBBLE PYTHON MODEL TEXT [--runs 3] [--steps 10] [--warm-up 2] [--sequence-length 512]
                           [--precision bf16 fp32] [--threads 2]

MODEL is a hub folder of the unquantized checkpoint, PYTHON an interpreter with PyTorch and transformers
(scripts/setup.sh --peers). For each pair of runs of the two programs:
    tokens/s    of a step, as each program says itself: nibble: its tokens_per_second; qat_pytorch.py: the median of the
                steps after --warm-up, as the first ones compile
    wall        tokens a second of the whole process, from start to exit, of both
    resident    largest resident memory (ru_maxrss), the model's mapped pages included
    loss        of the last step
A run of each warms the page cache first. Prints a Markdown row for each precision: medians, and the median of the ratios
pair by pair. Both make one sequence a step. Their texts are cut in their own ways, so losses agree in size only.

Both keep all of their threads busy: on a machine that others use, too, the comparison means nothing. Run this on an idle
one.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from processes import run

PEER = Path(__file__).resolve().parent / "qat_pytorch.py"


def measure(command, arguments):
    output, _, elapsed, resident = run(command)
    result = json.loads(output)
    losses = result["losses"]
    if len(losses) != arguments.steps:
        sys.exit(f"{' '.join(command)} made {len(losses)} steps, expected {arguments.steps}")
    return {"speed": result["tokens_per_second"], "wall": arguments.steps * arguments.sequence_length / elapsed,
            "resident": resident, "loss": losses[-1]}


def nibble(arguments, precision):
    with tempfile.TemporaryDirectory() as folder:
        command = [arguments.nibble, "qat", arguments.model, "--text", arguments.text, "--output", f"{folder}/run",
                   "--steps", str(arguments.steps), "--threads", str(arguments.threads),
                   "--sequence-length", str(arguments.sequence_length),
                   "--precision", {"fp32": "f32"}.get(precision, precision), "--json",
                   # As PyTorch's side does it: one sequence a step, no start of its own, no held-out text.
                   "--set", "train.sequences_per_step=1", "--set", "calibration.method=nearest",
                   "--set", "calibration.scales=codec", "--set", "evaluation.every=0"]
        return measure(command, arguments)


def pytorch(arguments, precision):
    command = [arguments.python, str(PEER), "--model", arguments.model, "--text", arguments.text,
               "--steps", str(arguments.steps), "--warm-up", str(arguments.warm_up),
               "--threads", str(arguments.threads), "--sequence-length", str(arguments.sequence_length),
               "--precision", precision, "--json"]
    return measure(command, arguments)


def compare(arguments, precision):
    pairs = []
    for index in range(arguments.runs + 1):
        pair = (nibble(arguments, precision), pytorch(arguments, precision))
        if index > 0:  # the first pair warms the page cache
            pairs.append(pair)
        print(f"{precision}, {'warm-up' if index == 0 else f'run {index}'}: " + ", ".join(
            f"{name} {side['speed']:.1f} tokens/s (process {side['wall']:.1f}), {side['resident'] / 2**30:.2f} GiB, "
            f"loss {side['loss']:.4f}" for name, side in zip(("nibble", "PyTorch"), pair)), file=sys.stderr, flush=True)

    def median(side, key):
        return statistics.median(pair[side][key] for pair in pairs)

    def ratio(key):
        return statistics.median(pair[0][key] / pair[1][key] for pair in pairs)

    print(f"| {os.path.basename(os.path.normpath(arguments.model))} | {precision} | {arguments.sequence_length} | "
          f"{arguments.steps} | {median(0, 'speed'):.1f} | {median(1, 'speed'):.1f} | {ratio('speed'):.2f} x | "
          f"{median(0, 'wall'):.1f} | {median(1, 'wall'):.1f} | {ratio('wall'):.2f} x | "
          f"{median(0, 'resident') / 2**30:.2f} GiB | {median(1, 'resident') / 2**30:.2f} GiB | "
          f"{ratio('resident'):.2f} x | {median(0, 'loss'):.4f} | {median(1, 'loss'):.4f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nibble")
    parser.add_argument("python")
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--sequence-length", type=int, default=512)
    parser.add_argument("--precision", choices=["bf16", "fp32"], nargs="+", default=["bf16", "fp32"])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    print("| model | precision | tokens a step | steps | nibble tokens/s | PyTorch tokens/s | speed | "
          "nibble, whole process | PyTorch, whole process | speed | nibble resident | PyTorch resident | memory | "
          "nibble loss | PyTorch loss |")
    print("|---|---|" + "---:|" * 13, flush=True)
    for precision in arguments.precision:
        compare(arguments, precision)


if __name__ == "__main__":
    main()
