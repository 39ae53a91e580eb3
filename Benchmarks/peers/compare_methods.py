#!/usr/bin/env python3
"""What each way to a 4-bit file loses: rounded to nearest, with an importance matrix of llama-imatrix, calibrated, trained.

usage: compare_methods.py --nibble NIBBLE --llama-cpp BIN --base BF16.gguf --recipe RECIPE.yaml --training FOLDER
                          --evaluation FOLDER --folder FOLDER [--type q4_0] [--sequences 256]
                          [--sequence-length 512] [--contexts 512 4096] [--kinds KIND ...] [--sample-chunks 8]

--base is the unquantized file. --training is a folder of text files: calibration and training draw their sequences from
all of them; llama-imatrix reads a stretch from the middle of each, about as many tokens in all. --evaluation is a folder with a
folder of documents for each kind of text. nibble compare measures each kind and context; llama-perplexity measures a
sample, the longest document of the first kind, which nibble measures beside it.

All that is made lies in --folder, each thing beside the digest of what it is made of: the command, the programs and the files
that go into it. The same command goes on after a stop; what would be made of something else is made again. Prints Markdown:
the files and what they took, tables for each context with a 95 % interval in each cell, and the sample. Which command
runs, and for how long, is said on standard error.
"""

import argparse
import hashlib
import json
import math
import sys
from pathlib import Path

from processes import Progress, run, run_until, tools_in

METHODS = ["plain", "imatrix", "calibrated", "trained"]
BYTES = 5  # of text for a token, about


def digest(*paths):
    """Of the contents of files, and of folders with the names in them."""
    total = hashlib.sha256()
    for path in paths:
        if path.is_dir():
            for inner in sorted(inner for inner in path.rglob("*") if inner.is_file()):
                total.update(f"{inner.relative_to(path)}\0{digest(inner)}\0".encode())
        else:
            with open(path, "rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


class Folder:
    """What was made, each with the digest of what it was made of."""

    def __init__(self, path, programs):
        self.path, self.programs = path, digest(*programs)
        (path / "made").mkdir(parents=True, exist_ok=True)

    def write(self, path, text):
        part = path.with_name(path.name + ".part")
        part.write_text(text)
        part.replace(path)

    def key(self, settings, inputs):
        return hashlib.sha256(json.dumps([self.programs, [str(part) for part in settings], digest(*inputs)]).encode()).hexdigest()

    def get(self, name, key, make):
        """What `make` returned for this key; it gets the record of a run that was stopped, and a function to keep one."""
        path = self.path / "made" / f"{name}.json"
        record = json.loads(path.read_text()) if path.exists() else {}
        if record.get("key") != key:
            record = {"key": key, "begun": {}}

        def keep(state):
            record["begun"] = state
            self.write(path, json.dumps(record, indent=1))

        if "result" not in record:
            record["result"] = make(record["begun"], keep)
            self.write(path, json.dumps(record, indent=1))
        return record["result"]

    def make(self, name, target, command, inputs):
        """Runs a command whose output is `target`. One that goes on where it was stopped is timed over all its runs."""
        command = [str(part) for part in command]

        def run_command(begun, keep):
            before = begun.get("seconds", 0)
            progress = Progress(name)
            progress.begin(f": {' '.join(command)}")

            def tick(seconds):
                keep({"seconds": before + seconds})
                progress.tick(before + seconds)

            _, _, seconds, _ = run(command, tick)
            progress.end(before + seconds)
            return {"seconds": before + seconds, "bytes": target.stat().st_size, "digest": digest(target)}

        key = self.key(command, inputs)
        result = self.get(name, key, run_command)
        if not target.exists() or digest(target) != result["digest"]:
            print(f"{name}: {target} is not what was made; made again", file=sys.stderr, flush=True)
            (self.path / "made" / f"{name}.json").unlink()
            result = self.get(name, key, run_command)
        return result


def sample_of(training, count):
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
    return "\n\n".join(parts)


def files(arguments, folder):
    """The files of the methods and what making them took; missing ones are made."""
    path = {name: folder.path / f"{name}.gguf" for name in METHODS}
    text, matrix = folder.path / "imatrix.txt", folder.path / "imatrix-data.gguf"
    convert = [arguments.nibble, "convert", arguments.base, "--type", arguments.type, "--force", "--quiet", "-o"]
    length = ["--sequence-length", arguments.sequence_length]
    base, training = arguments.base, arguments.training
    made = {"plain": folder.make("plain", path["plain"], [*convert, path["plain"]], [base])}
    folder.write(text, sample_of(training, arguments.sequences * arguments.sequence_length * BYTES))
    made["matrix"] = folder.make(
        "importance matrix", matrix,
        [arguments.llama_cpp / "llama-imatrix", "-m", base, "-f", text, "-c", arguments.sequence_length, "-o", matrix],
        [base, text])
    made["imatrix"] = folder.make(
        "imatrix", path["imatrix"], [*convert, path["imatrix"], "--imatrix", matrix], [base, matrix])
    made["imatrix"]["seconds"] += made["matrix"]["seconds"]
    made["calibrated"] = folder.make(
        "calibrated", path["calibrated"],
        [*convert, path["calibrated"], "--calibrate", training, "--sequences", arguments.sequences, *length],
        [base, training])
    made["trained"] = folder.make(
        "trained", path["trained"],
        [arguments.nibble, "qat", "train", base, "--text", training, "--recipe", arguments.recipe, "--type", arguments.type,
         "--output", folder.path / "run", "--resume", "--export", path["trained"], "--force", "--quiet", *length],
        [base, training, arguments.recipe])
    return path, made


def compare(arguments, name, models, text, more):
    progress = Progress(name)
    progress.begin()
    command = [arguments.nibble, "compare", arguments.base, *models, "--text", text, "--json", "--quiet", *more]
    output, _, seconds, _ = run([str(part) for part in command], progress.tick)
    report = json.loads(output)
    if not report["complete"]:
        sys.exit(f"{' '.join(map(str, command))} was stopped early")
    progress.end(seconds)
    return report, seconds


def cell(arguments, folder, models, kind, context):
    """The figures of a kind and context."""
    text = arguments.evaluation / kind

    def measure(_, keep):
        report, seconds = compare(
            arguments, f"{kind}, context {context}", [models[name] for name in METHODS], text, ["--context", context])
        return {"seconds": seconds, "documents": report["documents"], "scored": report["by_text"][0]["scored"],
                "base": report["models"][0], "methods": dict(zip(METHODS, report["models"][1:]))}

    inputs = [arguments.base, *models.values(), text]
    return folder.get(f"{kind}-{context}", folder.key([kind, context], inputs), measure)


# The tables


def bounds(row, name):
    """The 95 % interval of a figure over documents; None where there are too few."""
    return (row["intervals"] or {}).get(name)


def shown(value, interval, digits):
    if interval is None:
        return f"{value:.{digits}f} (no interval)"
    return f"{value:.{digits}f} ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})"


def rows_of(cells, name, figure):
    """For each kind: value and interval of a figure of a method."""
    return [(figure(found["methods"][name]), bounds(found["methods"][name], "kl_divergence")) for found in cells.values()]


def average(pairs):
    """The mean over kinds, which are measured apart: the variances of their means add up."""
    value = sum(value for value, _ in pairs) / len(pairs)
    if any(interval is None for _, interval in pairs):
        return shown(value, None, 4)
    half = math.sqrt(sum(((high - low) / 2) ** 2 for _, (low, high) in pairs)) / len(pairs)
    return shown(value, (value - half, value + half), 4)


def tables(cells, context):
    scored = sum(found["scored"] for found in cells.values())
    print(f"\n{scored:,} scored tokens at a context of {context}: mean KL divergence from the unquantized file in nats, with "
          "95 % intervals over documents\n")
    print("| kind | documents | tokens | perplexity, unquantized | " + " | ".join(METHODS) + " |")
    print("|---|---:|---:|---:|" + "---:|" * len(METHODS))

    def divergence(row):
        return row["kl_divergence"]["value"]

    for kind, found in cells.items():
        row = [shown(divergence(found["methods"][name]), bounds(found["methods"][name], "kl_divergence"), 4) for name in METHODS]
        base = shown(found["base"]["perplexity"]["value"], bounds(found["base"], "perplexity"), 2)
        print(f"| {kind} | {found['documents']} | {found['scored']:,} | {base} | " + " | ".join(row) + " |")
    print("| average of the kinds | | | | " + " | ".join(average(rows_of(cells, name, divergence)) for name in METHODS) + " |")

    others = METHODS[1:]
    print("\nPaired with plain rounding: mean KL divergence less its, and the share of its loss in perplexity that is won "
          "back, in percent\n")
    print("| kind | " + " | ".join(f"{name}, KLD" for name in others) + " | " + " | ".join(f"{name}, %" for name in others) + " |")
    print("|---|" + "---:|" * 2 * len(others))
    for kind, found in cells.items():
        plain, row = found["methods"]["plain"], []
        for name in others:
            method = found["methods"][name]
            row.append(shown(divergence(method) - divergence(plain), bounds(method, "kl_divergence_less_first"), 4))
        for name in others:
            method = found["methods"][name]
            interval = bounds(method, "recovered")
            if method["recovered"] is None:  # plain rounding lost nothing there
                row.append("")
            else:
                row.append(shown(100 * method["recovered"], interval and [100 * end for end in interval], 1))
        print(f"| {kind} | " + " | ".join(row) + " |")


def sample(arguments, folder, models):
    """llama-perplexity beside nibble on one document."""
    kind = arguments.evaluation / arguments.kinds[0]
    documents = [path for path in kind.iterdir() if path.is_file()]
    if not documents:
        sys.exit(f"{kind}: no documents")
    text = max(documents, key=lambda path: (path.stat().st_size, path.name))
    settings = ["--context", arguments.contexts[0], "--chunks", arguments.sample_chunks]

    def measure(_, keep):
        report, _ = compare(arguments, "the sample", [models[name] for name in METHODS], text, settings)
        logits = folder.path / "logits"
        options = ["-f", text, "-c", arguments.contexts[0], "--chunks", arguments.sample_chunks, "--kl-divergence-base", logits]

        def judge(name, model, patterns, more):
            progress = Progress(f"llama-perplexity, {name}")
            progress.begin()
            command = [arguments.llama_cpp / "llama-perplexity", "-m", model, *more]
            matches, seconds, _ = run_until(patterns, [str(part) for part in command], progress.tick, progress.begin)
            progress.end(seconds)
            return [float(match[1]) for match in matches]

        rows = []
        try:
            judge("base", arguments.base, [r"Final estimate: PPL = ([0-9.]+)"], options)
            for name, row in zip(METHODS, report["models"][1:]):
                found = judge(name, models[name], [r"^Mean PPL\(Q\)\s*:\s*([0-9.]+)", r"^Mean\s+KLD:\s*([0-9.]+)"],
                              [*options, "--kl-divergence"])
                rows.append([name, *found, row["perplexity"]["value"], row["kl_divergence"]["value"]])
        finally:
            logits.unlink(missing_ok=True)
        return {"chunks": report["models"][0]["chunks"], "rows": rows}

    found = folder.get("sample", folder.key(settings, [arguments.base, *models.values(), text]), measure)
    print(f"\n{text.name} of {arguments.kinds[0]}, {found['chunks']} chunks of {arguments.contexts[0]}\n")
    print("| file | llama-perplexity, perplexity | nibble | | llama-perplexity, mean KLD | nibble |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, value, divergence, own, own_divergence in found["rows"]:
        print(f"| {name} | {value:.4f} | {own:.4f} | {100 * (own / value - 1):+.3f} % | {divergence:.5f} | "
              f"{own_divergence:.5f} |")


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
    tools = tools_in(arguments.llama_cpp, ("llama-imatrix", "llama-perplexity"))
    folder = Folder(arguments.folder, [arguments.nibble, *tools])
    models, made = files(arguments, folder)
    cells = {context: {kind: cell(arguments, folder, models, kind, context) for kind in arguments.kinds}
             for context in arguments.contexts}
    print(f"{arguments.base.name} to {arguments.type}\n")
    print("| file | MB | s to make |")
    print("|---|---:|---:|")
    for name in METHODS:
        print(f"| {name} | {made[name]['bytes'] / 1e6:.1f} | {made[name]['seconds']:.0f} |")
    for context, found in cells.items():
        tables(found, context)
    sample(arguments, folder, models)


if __name__ == "__main__":
    main()
