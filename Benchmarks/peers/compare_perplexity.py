#!/usr/bin/env python3
"""Times `nibble perplexity` against llama-perplexity on the same file and text, in turn, and compares the results.

usage: compare_perplexity.py NIBBLE LLAMA_PERPLEXITY MODEL.gguf TEXT [--context 512 4096] [--chunks 40] [--runs 5]
                             [--threads 2] [--precision auto]

For each pair of runs of the two programs:
    evaluation  tokens that were evaluated a second of evaluation, loading and tokenizing left out of both. nibble: its
                tokens_per_second. llama-perplexity: chunks x context over the time between the moment it says
                "calculating perplexity" and the final estimate, by the clock that it prefixes to its lines.
    wall        tokens a second of the whole process, from start to exit, of both
    resident    largest resident memory (ru_maxrss) less the model file's bytes: both map the file, and its pages are
                the system's. Below zero where not all of the file was touched.
A run of each warms the page cache first. Prints a Markdown row for each context: medians, and the median of the
ratios pair by pair.

llama-perplexity keeps its defaults (batches of 2048 tokens, K and V in F16); for contexts that are larger than a batch
it gets one batch a context. Its threads wait in a loop: on a machine that others use, too, that costs it much, and the
comparison means nothing. Run this on an idle one.
"""

import argparse
import json
import os
import re
import statistics
import sys

from processes import run, run_until

# The clock is not always at the start of a line: half of a line before it may have gone to the other output.
CLOCK = r"(\d+)\.(\d\d)\.(\d{3})\.(\d{3}) I "


def nibble(arguments, context):
    command = [arguments.nibble, "perplexity", arguments.model, "--text", arguments.text, "--context", str(context),
               "--threads", str(arguments.threads), "--precision", arguments.precision, "--json", "--quiet"]
    command += ["--chunks", str(arguments.chunks)] if arguments.chunks else []
    output, _, elapsed, resident = run(command)
    result = json.loads(output)
    tokens = result["tokens_evaluated"]
    return {"perplexity": result["estimate"]["perplexity"], "error": result["estimate"]["error"], "tokens": tokens,
            "evaluation": result["tokens_per_second"], "wall": tokens / elapsed, "resident": resident}


def seconds(line):
    """The clock before a line: minutes.seconds.milliseconds.microseconds."""
    minutes, whole, milli, micro = map(int, re.match(CLOCK, line).groups())
    return 60 * minutes + whole + 1e-3 * milli + 1e-6 * micro


def llama(arguments, context):
    command = [arguments.llama_perplexity, "-m", arguments.model, "-f", arguments.text, "-c", str(context),
               "-t", str(arguments.threads), "--log-timestamps", "--log-prefix"]
    command += ["-b", str(context)] if context > 2048 else []
    command += ["--chunks", str(arguments.chunks)] if arguments.chunks else []
    patterns = [CLOCK + r"perplexity: calculating perplexity over (\d+) chunks.*$",
                CLOCK + r"Final estimate: PPL = ([0-9.]+) \+/- ([0-9.]+)$"]
    (begin, end), elapsed, resident = run_until(patterns, command)
    tokens = int(begin[5]) * context
    return {"perplexity": float(end[5]), "error": float(end[6]), "tokens": tokens,
            "evaluation": tokens / (seconds(end[0]) - seconds(begin[0])), "wall": tokens / elapsed,
            "resident": resident}


def compare(arguments, context):
    size = os.path.getsize(arguments.model)
    pairs = []
    for index in range(arguments.runs + 1):
        pair = (nibble(arguments, context), llama(arguments, context))
        if pair[0]["tokens"] != pair[1]["tokens"]:
            sys.exit(f"nibble evaluated {pair[0]['tokens']} tokens, llama-perplexity {pair[1]['tokens']}")
        if index > 0:  # the first pair warms the page cache
            pairs.append(pair)
        print(f"context {context}, {'warm-up' if index == 0 else f'run {index}'}: " + ", ".join(
            f"{name} {side['evaluation']:.0f} tokens/s (process {side['wall']:.0f}), "
            f"{(side['resident'] - size) / 2**20:.0f} MiB, PPL {side['perplexity']:.4f}"
            for name, side in zip(("nibble", "llama-perplexity"), pair)), file=sys.stderr, flush=True)

    def median(side, key):
        return statistics.median(pair[side][key] for pair in pairs)

    def ratio(key):
        return statistics.median(pair[0][key] / pair[1][key] for pair in pairs)

    ours, theirs = pairs[-1]
    memory = [(median(side, "resident") - size) / 2**20 for side in (0, 1)]
    print(f"| {os.path.basename(arguments.model)} | {context} | {ours['tokens']} | "
          f"{median(0, 'evaluation'):.0f} | {median(1, 'evaluation'):.0f} | {ratio('evaluation'):.2f} x | "
          f"{median(0, 'wall'):.0f} | {median(1, 'wall'):.0f} | {ratio('wall'):.2f} x | "
          f"{memory[0]:.0f} MiB | {memory[1]:.0f} MiB | "
          f"{ours['perplexity']:.4f} ± {ours['error']:.4f} | {theirs['perplexity']:.4f} ± {theirs['error']:.4f} |",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nibble")
    parser.add_argument("llama_perplexity")
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--context", type=int, nargs="+", default=[512, 4096])
    parser.add_argument("--chunks", type=int)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    print("| model | context | tokens | nibble tokens/s | llama-perplexity tokens/s | speed | nibble, whole process | "
          "llama-perplexity, whole process | speed | nibble resident | llama-perplexity resident | nibble PPL | "
          "llama-perplexity PPL |")
    print("|---|" + "---:|" * 10 + "---|---|", flush=True)
    for context in arguments.context:
        compare(arguments, context)


if __name__ == "__main__":
    main()
