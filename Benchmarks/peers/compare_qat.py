#!/usr/bin/env python3
"""What quantization-aware training won back, measured by llama.cpp: perplexity and KL divergence of a trained file beside
those of llama-quantize's files of the same type, with and without an importance matrix.

usage: compare_qat.py --llama-cpp BIN --base BF16.gguf --trained QAT.gguf [QAT.gguf ...] --imatrix-text TRAIN.txt
                      --text TEXT [TEXT ...] [--type q4_0] [--chunks 40] [--context 512] [--imatrix-chunks 100]
                      [--threads 2] [--folder FOLDER]

--base is the unquantized file (the teacher). The two beside the trained ones are made from it here: llama-quantize TYPE,
and llama-quantize TYPE with an importance matrix of llama-imatrix on --imatrix-text. All run in llama-perplexity with
--kl-divergence against the base's logits, which it writes to --folder first (two bytes a logit: 5.4 GB for 40 chunks of
Gemma). Prints a Markdown table for each text: perplexity and mean KL divergence, with the share of what plain rounding
costs in each that is recovered. Which command runs, and for how long, is said on standard error.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from processes import Progress, run_until


class Steps:
    """Runs the long commands, and says on standard error which of how many runs and for how long."""

    def __init__(self, count):
        self.count, self.made = count, 0

    def run(self, name, command, patterns=()):
        """Runs a command; returns the figures that follow the patterns in its outputs."""
        self.made += 1
        progress = Progress(f"step {self.made} of {self.count}: {name}")
        progress.begin()
        matches, elapsed, _ = run_until(patterns, [str(part) for part in command], progress.tick,
                                        lambda: progress.begin(" again, as its log was cut short"))
        progress.end(elapsed)
        return [float(match[1]) for match in matches]


def models_in(folder):
    """The two files to make: rounded to nearest, and with an importance matrix."""
    return folder / "plain.gguf", folder / "imatrix.gguf"


def step_count(arguments, folder):
    plain, weighted = models_in(folder)
    made = (not plain.exists()) + 2 * (not weighted.exists())
    return made + len(arguments.text) * (3 + len(arguments.trained))


def files(arguments, folder, steps):
    """The models to compare, by name."""
    plain, weighted = models_in(folder)
    quantize = arguments.llama_cpp / "llama-quantize"
    if not plain.exists():
        steps.run(f"llama-quantize {arguments.type}",
                  [quantize, arguments.base, plain, arguments.type, arguments.threads])
    if not weighted.exists():
        matrix = folder / "matrix.gguf"
        steps.run("llama-imatrix",
                  [arguments.llama_cpp / "llama-imatrix", "-m", arguments.base, "-f", arguments.imatrix_text,
                   "-o", matrix, "-c", arguments.context, "--chunks", arguments.imatrix_chunks,
                   "-t", arguments.threads])
        steps.run(f"llama-quantize {arguments.type} with the importance matrix",
                  [quantize, "--imatrix", matrix, arguments.base, weighted, arguments.type, arguments.threads])
    trained = {f"trained: {path}" if len(arguments.trained) > 1 else "trained": path for path in arguments.trained}
    return {"rounded to nearest": plain, "importance matrix": weighted, **trained}


def measure(arguments, models, text, folder, steps):
    """Rows of name, perplexity, divergence, size; the base first."""
    perplexity = arguments.llama_cpp / "llama-perplexity"
    logits = folder / "logits"
    options = ["-f", text, "-c", arguments.context, "--chunks", arguments.chunks, "-t", arguments.threads,
               "--kl-divergence-base", logits]
    place = Path(text).name
    [value] = steps.run(f"logits of the base on {place}", [perplexity, "-m", arguments.base, *options],
                        [r"Final estimate: PPL = ([0-9.]+)"])
    rows = [("unquantized", value, 0.0, os.path.getsize(arguments.base))]
    for name, model in models.items():
        value, divergence = steps.run(
            f"{name} on {place}", [perplexity, "-m", model, *options, "--kl-divergence"],
            [r"^Mean PPL\(Q\)\s*:\s*([0-9.]+)", r"^Mean\s+KLD:\s*([0-9.]+)"])
        rows.append((name, value, divergence, os.path.getsize(model)))
        print(f"{name} on {place}: perplexity {value:.4f}, mean KLD {divergence:.5f}", file=sys.stderr, flush=True)
    logits.unlink()
    return rows


def table(text, rows, arguments):
    base, plain = rows[0][1], rows[1]
    print(f"\n{Path(text).name}, {arguments.chunks} chunks of {arguments.context}:\n")
    print("| | MB | perplexity | drop recovered | mean KLD | KLD recovered |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, value, divergence, size in rows:
        of_perplexity = of_divergence = ""
        if name not in ("unquantized", "rounded to nearest"):
            of_perplexity = f"{100 * (plain[1] - value) / (plain[1] - base):.1f} %"
            of_divergence = f"{100 * (1 - divergence / plain[2]):.1f} %"
        shown = f"{divergence:.5f}" if divergence else ""
        print(f"| {name} | {size / 1e6:.0f} | {value:.4f} | {of_perplexity} | {shown} | {of_divergence} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-cpp", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--trained", type=Path, nargs="+", required=True)
    parser.add_argument("--imatrix-text", type=Path, required=True)
    parser.add_argument("--text", nargs="+", required=True)
    parser.add_argument("--type", default="q4_0")
    parser.add_argument("--chunks", type=int, default=40)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--imatrix-chunks", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        steps = Steps(step_count(arguments, folder))
        models = files(arguments, folder, steps)
        for text in arguments.text:
            table(text, measure(arguments, models, text, folder, steps), arguments)


if __name__ == "__main__":
    main()
