#!/usr/bin/env python3
"""Records what llama-perplexity measures of the two real models on a real text: real-perplexity.json.

usage: make_real_perplexity.py --nibble NIBBLE --llama-cpp FOLDER --text TEXT NAME=BF16.gguf...

FOLDER is what Benchmarks/peers/build-llama-tools.sh made, TEXT what scripts/fetch-text.sh brought, BF16.gguf what
scripts/fetch-model.sh made. The other types are made here by `nibble convert`, whose files are those of llama-quantize
(RealModelTests). 40 chunks of 512 tokens, 2 threads, llama-perplexity's defaults otherwise.

`text` is the text's sha256; for each model `tokens`, the tokens of the text, and for each type
    final        perplexity and error of the last line; of the types with a divergence, those of its table
    running      perplexity after each chunk
    divergence   of q4_0, q8_0 and q4_k_m from bf16: value (and error) of each line of the tables
    lines        after each chunk value and error of perplexity, ln(PPL(Q)/PPL(base)), KLD, RMS of differences of
                 probabilities in %, and same top in %

The file of bf16's logits, 5.4 GB for Gemma, lies in the folder for temporary files meanwhile.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONTEXT, CHUNKS, THREADS = 512, 40, 2
COMPARED = ["q4_0", "q8_0", "q4_k_m"]
OUTPUT = Path(__file__).resolve().parent / "real-perplexity.json"
NUMBER = r"(-?[0-9.]+|-?nan)"
TABLE = {
    "Mean PPL(Q)": "perplexity", "Mean PPL(base)": "base_perplexity",
    "Cor(ln(PPL(Q)), ln(PPL(base)))": "correlation", "Mean ln(PPL(Q)/PPL(base))": "log_ratio",
    "Mean PPL(Q)/PPL(base)": "ratio", "Mean PPL(Q)-PPL(base)": "difference",
}


def run(*command, end=""):
    """What a command prints; again where `end` is missing: llama.cpp may exit before its log is written."""
    command = list(map(str, command))
    # Threads that wait for each other sleep: on a busy machine, waiting in a loop takes many times as long.
    environment = os.environ | {"OMP_WAIT_POLICY": "passive"}
    for _ in range(3):
        result = subprocess.run(command, text=True, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{result.stdout[-4000:]}")
        if end in result.stdout:
            return result.stdout
    sys.exit(f"{' '.join(command)} did not print {end!r}:\n{result.stdout[-4000:]}")


def numbers(text):
    return [float(number) for number in re.findall(NUMBER, text)]


def perplexity(output):
    value, error = re.search(rf"Final estimate: PPL = {NUMBER} \+/- {NUMBER}", output).groups()
    running = [float(value) for value in re.findall(rf"\[\d+\]{NUMBER},", output)]
    assert len(running) == CHUNKS, len(running)
    return {"final": [float(value), float(error)], "running": running}


def divergence(output):
    lines = [numbers(line)[1:] for line in re.findall(r"^ +\d+ .* ± .*$", output, re.M)]
    assert len(lines) == CHUNKS and all(len(line) == 10 for line in lines)
    figures, key = {}, None
    for line in output[output.index("====== Perplexity statistics"):].splitlines():
        label, _, value = line.partition(": ")
        label = " ".join(label.strip().rstrip(":").split())
        if label in TABLE:
            figures[TABLE[label]] = numbers(value)
        elif label.endswith("KLD"):
            figures["kld " + label.removesuffix(" KLD").lower()] = numbers(value)
        elif label.endswith("Δp"):
            figures["dp " + label.removesuffix(" Δp").lower()] = numbers(value)
        elif label == "Same top p":
            figures["same_top"] = numbers(value)
    assert len(figures) == 6 + 12 + 15 + 1, sorted(figures)
    return {
        "final": figures["perplexity"], "running": [line[0] for line in lines], "divergence": figures, "lines": lines,
    }


def write(document):
    text = json.dumps(document, indent=1)
    # Lists of numbers on one line.
    text = re.sub(r"\[[-0-9.e,\s]+\]", lambda match: re.sub(r"\s+", " ", match[0]).replace("[ ", "[").replace(" ]", "]"),
                  text)
    OUTPUT.write_text(text + "\n")


def record(arguments, name, source, model):
    tools = arguments.llama_cpp / "build/bin"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        # llama-perplexity drops the newline at the end, llama-tokenize does not.
        (folder / "text").write_bytes(arguments.text.read_bytes().removesuffix(b"\n"))
        count = run(tools / "llama-tokenize", "-m", source, "-f", folder / "text", "--show-count", "--log-disable",
                    "--no-escape", "--no-parse-special", "--ids", end="Total number of tokens")
        model["tokens"] = int(re.search(r"Total number of tokens: (\d+)", count)[1])
        for kind in ["bf16", *COMPARED, "f32"]:
            start = time.monotonic()
            path = source
            if kind != "bf16":
                path = folder / f"{kind}.gguf"
                run(arguments.nibble, "convert", source, "-o", path, "--type", kind, "--ignore-grid", "--quiet")
            command = [tools / "llama-perplexity", "-m", path, "-t", THREADS, "-c", CONTEXT]
            logits = ["--kl-divergence-base", folder / "logits"]
            if kind in COMPARED:
                output = run(*command, "-f", arguments.text, *logits, "--kl-divergence", end="Same top p:")
                model["types"][kind] = divergence(output)
            else:
                options = ["-f", arguments.text, "--chunks", CHUNKS] + (logits if kind == "bf16" else [])
                model["types"][kind] = perplexity(run(*command, *options, end="Final estimate: PPL"))
            if kind != "bf16":
                path.unlink()
            print(f"{name} {kind}: {model['types'][kind]['final']}, {time.monotonic() - start:.0f} s", file=sys.stderr,
                  flush=True)
            yield


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nibble", required=True, type=Path)
    parser.add_argument("--llama-cpp", required=True, type=Path)
    parser.add_argument("--text", required=True, type=Path)
    parser.add_argument("models", nargs="+", metavar="NAME=BF16.gguf")
    arguments = parser.parse_args()
    document = {
        "text": hashlib.sha256(arguments.text.read_bytes()).hexdigest(),
        "context": CONTEXT, "chunks": CHUNKS, "threads": THREADS, "models": {},
    }
    for name, source in (pair.split("=", 1) for pair in arguments.models):
        model = document["models"][name] = {"tokens": 0, "types": {}}
        for _ in record(arguments, name, Path(source).resolve(), model):
            write(document)


if __name__ == "__main__":
    main()
