#!/usr/bin/env python3
"""What each way to a 4-bit file loses: rounded to nearest, with an importance matrix of llama-imatrix, calibrated, trained.

usage: compare_methods.py --nibble NIBBLE --llama-cpp BIN --base BF16.gguf --recipe RECIPE.yaml --training FOLDER
                          --evaluation FOLDER --folder FOLDER [--type q4_0] [--sequences 256]
                          [--sequence-length 512] [--contexts 512 4096] [--kinds KIND ...] [--sample-chunks 8]

--base is the unquantized file. --training is a folder of text files: calibration and training draw their sequences from
all of them; llama-imatrix reads a stretch from the middle of each, about as many tokens in all. --evaluation is a folder with a
folder of documents for each kind of text. nibble compare measures each kind and context; llama-perplexity measures a
sample, the longest document of the first kind, which nibble measures beside it.

All that is made lies in --folder: the four files, and a file of figures for each kind and context with the digests of the
files that they are of. The same command goes on after a stop; figures of other files are measured again. Prints Markdown:
the files and what they took, a table for each context with a 95 % interval in each cell, and the sample. Which command
runs, and for how long, is said on standard error.
"""

import argparse
import hashlib
import json
import math
import shutil
import sys
from pathlib import Path

from processes import run, run_until

METHODS = ["plain", "imatrix", "calibrated", "trained"]
BYTES = 5  # of text for a token, about


class Folder:
    """What is made, and the record of what making it took."""

    def __init__(self, path):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.record = path / "made.json"
        self.made = json.loads(self.record.read_text()) if self.record.exists() else {}

    def write(self, path, value):
        part = path.with_name(path.name + ".part")
        part.write_text(value)
        part.replace(path)

    def make(self, name, command, target):
        """Runs a command whose output is `target`, unless that is there and recorded."""
        if name in self.made and target.exists():
            return
        say(f"{name}: {' '.join(map(str, command))}")
        _, _, seconds, resident = run([str(part) for part in command], Ticks(name))
        self.made[name] = {"seconds": seconds, "resident": resident, "digest": digest(target),
                           "bytes": target.stat().st_size}
        self.write(self.record, json.dumps(self.made, indent=1))
        say(f"{name} took {seconds:.0f} s")


class Ticks:
    """Says every minute how long a command has been running."""

    def __init__(self, name):
        self.name, self.shown = name, 0.0

    def __call__(self, seconds):
        if seconds - self.shown >= 60:
            self.shown = seconds
            say(f"{self.name}, {seconds:.0f} s so far")


def say(text):
    print(text, file=sys.stderr, flush=True)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sample_of(training, target, count):
    """A stretch from the middle of each file of a folder, `count` bytes in all, from one space to another."""
    paths = sorted(path for path in training.iterdir() if path.is_file())
    if not paths:
        sys.exit(f"{training}: no files")
    parts = []
    for path in paths:
        text, share = path.read_bytes(), count // len(paths)
        start = max(0, (len(text) - share) // 2)
        words = text[start:start + share].decode(errors="ignore").split(" ")
        parts.append(" ".join(words[1:-1] if len(words) > 2 else words))
    target.write_text("\n\n".join(parts))


def files(arguments, folder):
    """The files of the methods, made where they are missing."""
    path = {name: folder.path / f"{name}.gguf" for name in METHODS}
    text, matrix = folder.path / "imatrix.txt", folder.path / "imatrix-data.gguf"
    convert = [arguments.nibble, "convert", arguments.base, "--type", arguments.type, "--force", "--quiet", "-o"]
    length = ["--sequence-length", arguments.sequence_length]
    folder.make("plain", [*convert, path["plain"]], path["plain"])
    if not text.exists():
        sample_of(arguments.training, text, arguments.sequences * arguments.sequence_length * BYTES)
    folder.make("importance matrix", [arguments.llama_cpp / "llama-imatrix", "-m", arguments.base, "-f", text, "-c",
                                      arguments.sequence_length, "-o", matrix], matrix)
    folder.make("imatrix", [*convert, path["imatrix"], "--imatrix", matrix], path["imatrix"])
    folder.make("calibrated", [*convert, path["calibrated"], "--calibrate", arguments.training, "--sequences",
                               arguments.sequences, *length], path["calibrated"])
    folder.make("trained", [arguments.nibble, "qat", "train", arguments.base, "--text", arguments.training, "--recipe",
                            arguments.recipe, "--type", arguments.type, "--output", folder.path / "run", "--resume",
                            "--export", path["trained"], "--force", "--quiet", *length], path["trained"])
    return path


def compare(arguments, models, text, more):
    command = [arguments.nibble, "compare", arguments.base, *models, "--text", text, "--json", "--quiet", *more]
    output, _, seconds, _ = run([str(part) for part in command], Ticks(f"compare on {text}"))
    report = json.loads(output)
    return report.get("contexts", [report])[0], seconds


def cell(arguments, folder, models, kind, context):
    """The figures of a kind and context, measured unless they are there for these very files."""
    path = folder.path / "cells" / f"{kind}-{context}.json"
    path.parent.mkdir(exist_ok=True)
    digests = {name: folder.made[name]["digest"] for name in METHODS}
    if path.exists():
        found = json.loads(path.read_text())
        if found["digests"] == digests:
            return found
    report, seconds = compare(arguments, [models[name] for name in METHODS], arguments.evaluation / kind,
                              ["--context", context])
    [text] = report["by_text"] or [None]
    found = {"digests": digests, "seconds": seconds, "documents": report["documents"], "scored": text["scored"],
             "base": report["models"][0]["perplexity"],
             "methods": {name: row for name, row in zip(METHODS, report["models"][1:])}}
    folder.write(path, json.dumps(found, indent=1))
    say(f"{kind}, context {context}: {seconds:.0f} s")
    return found


# The tables


def interval(row, name):
    """A value, and half of its 95 % interval: over documents where there are several, else over tokens."""
    over_documents = (row["intervals"] or {}).get(name)
    if over_documents:
        return row[name]["value"], (over_documents[1] - over_documents[0]) / 2
    return row[name]["value"], 1.96 * row[name]["error"]


def shown(value, half, digits):
    return f"{value:.{digits}f} ± {half:.{digits}f}"


def table(cells, context):
    scored = sum(found["scored"] for found in cells.values())
    print(f"\nContext {context}, {scored:,} scored tokens: mean KL divergence from the unquantized file, in nats\n")
    print("| kind | tokens | perplexity, unquantized | " + " | ".join(METHODS) + " |")
    print("|---|---:|---:|" + "---:|" * len(METHODS))
    for kind, found in cells.items():
        rows = [shown(*interval(found["methods"][name], "kl_divergence"), 4) for name in METHODS]
        base = shown(found["base"]["value"], 1.96 * found["base"]["error"], 2)
        print(f"| {kind} | {found['scored']:,} | {base} | " + " | ".join(rows) + " |")
    averages = []
    for name in METHODS:
        # Kinds are measured apart from each other: the variances of their means add up.
        pairs = [interval(found["methods"][name], "kl_divergence") for found in cells.values()]
        half = math.sqrt(sum(half * half for _, half in pairs)) / len(pairs)
        averages.append(shown(sum(value for value, _ in pairs) / len(pairs), half, 4))
    print("| average of the kinds | | | " + " | ".join(averages) + " |")
    print(f"\nThe same: perplexity over the unquantized file's, less one, in percent\n")
    print("| kind | " + " | ".join(METHODS) + " |")
    print("|---|" + "---:|" * len(METHODS))
    for kind, found in cells.items():
        base = found["base"]["value"]
        rows = []
        for name in METHODS:
            value, half = interval(found["methods"][name], "difference")
            rows.append(shown(100 * value / base, 100 * half / base, 2))
        print(f"| {kind} | " + " | ".join(rows) + " |")


def sample(arguments, folder, models):
    """llama-perplexity beside nibble on one document."""
    documents = [path for path in (arguments.evaluation / arguments.kinds[0]).iterdir() if path.is_file()]
    text = max(documents, key=lambda path: path.stat().st_size)
    context, chunks = arguments.contexts[0], arguments.sample_chunks
    report, _ = compare(arguments, [models[name] for name in METHODS], text,
                        ["--context", context, "--chunks", chunks])
    logits = folder.path / "logits"
    options = ["-f", text, "-c", context, "--chunks", chunks, "--kl-divergence-base", logits]
    perplexity = arguments.llama_cpp / "llama-perplexity"
    run_until([r"Final estimate: PPL = ([0-9.]+)"], [str(part) for part in [perplexity, "-m", arguments.base, *options]])
    print(f"\n{text.name} of {arguments.kinds[0]}, {report['models'][0]['chunks']} chunks of {context}\n")
    print("| file | llama-perplexity, perplexity | nibble | | llama-perplexity, mean KLD | nibble |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, row in zip(METHODS, report["models"][1:]):
        command = [perplexity, "-m", models[name], *options, "--kl-divergence"]
        matches, _, _ = run_until([r"^Mean PPL\(Q\)\s*:\s*([0-9.]+)", r"^Mean\s+KLD:\s*([0-9.]+)"],
                                  [str(part) for part in command])
        value, divergence = (float(match[1]) for match in matches)
        own = row["perplexity"]["value"]
        print(f"| {name} | {value:.4f} | {own:.4f} | {100 * (own / value - 1):+.3f} % | {divergence:.5f} | "
              f"{row['kl_divergence']['value']:.5f} |", flush=True)
    logits.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("nibble", "llama-cpp", "base", "recipe", "training", "evaluation", "folder"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--type", default="q4_0")
    parser.add_argument("--sequences", type=int, default=256)
    parser.add_argument("--sequence-length", type=int, default=512)
    parser.add_argument("--contexts", type=int, nargs="+", default=[512, 4096])
    parser.add_argument("--kinds", nargs="+")
    parser.add_argument("--sample-chunks", type=int, default=8)
    arguments = parser.parse_args()
    if not arguments.kinds:
        arguments.kinds = sorted(path.name for path in arguments.evaluation.iterdir() if path.is_dir())
    for tool in ("llama-imatrix", "llama-perplexity"):
        if not shutil.which(arguments.llama_cpp / tool):
            sys.exit(f"{arguments.llama_cpp / tool}: not there; Benchmarks/peers/build-llama-tools.sh builds it")
    folder = Folder(arguments.folder)
    models = files(arguments, folder)
    cells = {context: {kind: cell(arguments, folder, models, kind, context) for kind in arguments.kinds}
             for context in arguments.contexts}
    print(f"{arguments.base.name} to {arguments.type}\n")
    print("| file | MB | s to make |")
    print("|---|---:|---:|")
    for name in METHODS:
        seconds = folder.made[name]["seconds"] + (folder.made["importance matrix"]["seconds"] if name == "imatrix" else 0)
        print(f"| {name} | {folder.made[name]['bytes'] / 1e6:.1f} | {seconds:.0f} |")
    for context, found in cells.items():
        table(found, context)
    sample(arguments, folder, models)


if __name__ == "__main__":
    main()
