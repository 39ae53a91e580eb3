#!/usr/bin/env python3
"""What quantization-aware training won back, measured by llama.cpp: perplexity and KL divergence of a trained file beside
those of llama-quantize's files of the same type, with and without an importance matrix.

usage: compare_qat.py --llama-cpp BIN --base BF16.gguf --trained QAT.gguf [QAT.gguf ...] --imatrix-text TRAIN.txt
                      --text TEXT [TEXT ...] [--type q4_0] [--chunks 40] [--context 512] [--imatrix-chunks 100]
                      [--threads 2] [--folder FOLDER]

--base is the unquantized file (the teacher). The two beside the trained ones are made from it here: llama-quantize TYPE,
and llama-quantize TYPE with an importance matrix of llama-imatrix on --imatrix-text. All run in llama-perplexity with
--kl-divergence against the base's logits, which it writes to --folder first (two bytes a logit: 5.4 GB for 40 chunks of
Gemma). Prints a Markdown table for each text: perplexity, the share of the drop recovered, mean KL divergence, the share
of it that is gone.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def run(*command):
    """Runs a command; returns both its outputs."""
    command = [str(part) for part in command]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    output = result.stdout.decode(errors="replace")
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{output}")
    return output


def find(pattern, output, what):
    match = re.search(pattern, output, re.M)
    if match is None:
        sys.exit(f"no {what} in:\n{output}")
    return float(match[1])


def files(arguments, folder):
    """The models to compare, by name."""
    plain, weighted = folder / "plain.gguf", folder / "imatrix.gguf"
    quantize = arguments.llama_cpp / "llama-quantize"
    if not plain.exists():
        run(quantize, arguments.base, plain, arguments.type, arguments.threads)
    if not weighted.exists():
        matrix = folder / "matrix.gguf"
        run(arguments.llama_cpp / "llama-imatrix", "-m", arguments.base, "-f", arguments.imatrix_text, "-o", matrix,
            "-c", arguments.context, "--chunks", arguments.imatrix_chunks, "-t", arguments.threads)
        run(quantize, "--imatrix", matrix, arguments.base, weighted, arguments.type, arguments.threads)
    trained = {f"trained: {path}" if len(arguments.trained) > 1 else "trained": path for path in arguments.trained}
    return {"rounded to nearest": plain, "importance matrix": weighted, **trained}


def measure(arguments, models, text, folder):
    """Rows of name, perplexity, divergence, size; the base first."""
    perplexity = arguments.llama_cpp / "llama-perplexity"
    logits = folder / "logits"
    options = ["-f", text, "-c", arguments.context, "--chunks", arguments.chunks, "-t", arguments.threads,
               "--kl-divergence-base", logits]
    output = run(perplexity, "-m", arguments.base, *options)
    rows = [("unquantized", find(r"Final estimate: PPL = ([0-9.]+)", output, "estimate"), 0.0,
             os.path.getsize(arguments.base))]
    for name, model in models.items():
        output = run(perplexity, "-m", model, *options, "--kl-divergence")
        rows.append((name, find(r"^Mean PPL\(Q\)\s*:\s*([0-9.]+)", output, "perplexity"),
                     find(r"^Mean\s+KLD:\s*([0-9.]+)", output, "divergence"), os.path.getsize(model)))
        print(f"{text}: {rows[-1]}", file=sys.stderr, flush=True)
    logits.unlink()
    return rows


def table(text, rows, arguments):
    base, plain = rows[0][1], rows[1]
    print(f"\n{Path(text).name}, {arguments.chunks} chunks of {arguments.context}:\n")
    print("| | MB | perplexity | drop recovered | mean KLD | KLD gone |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, value, divergence, size in rows:
        recovered = gone = ""
        if name not in ("unquantized", "rounded to nearest"):
            recovered = f"{100 * (plain[1] - value) / (plain[1] - base):.1f} %"
            gone = f"{100 * (1 - divergence / plain[2]):.1f} %"
        shown = f"{divergence:.5f}" if divergence else ""
        print(f"| {name} | {size / 1e6:.0f} | {value:.4f} | {recovered} | {shown} | {gone} |", flush=True)


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
        models = files(arguments, folder)
        for text in arguments.text:
            table(text, measure(arguments, models, text, folder), arguments)


if __name__ == "__main__":
    main()
