#!/usr/bin/env python3
"""Compares `nibble tokenize` with llama-tokenize, and with the tokenizers library, token by token.

    Benchmarks/peers/compare_tokens.py MODEL.gguf TEXT... [--hub FOLDER] [--peers PYTHON]

With --hub, a folder of the same model is tokenized by the tokenizers library, too (texts that are valid UTF-8
only); --peers names the Python that has `transformers`. Prints a line for each text and mode, and exits with 1
where tokens differ from llama.cpp's, or llama-tokenize fails on a text that is valid UTF-8.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# As in scripts/lib/common.sh.
CACHE = pathlib.Path(
    os.environ.get("NIBBLE_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "nibble"
)
HUB_SCRIPT = """
import json, sys
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
text = open(sys.argv[2], encoding="utf-8", newline="").read()
print(json.dumps(tokenizer.encode(text).ids))
"""


def nibble(tool, model, text, flags):
    start = time.monotonic()
    run = subprocess.run([tool, "tokenize", model, "--text", text, "--ids", *flags], capture_output=True)
    if run.returncode:
        sys.exit(run.stderr.decode())
    return [int(line) for line in run.stdout.split()], time.monotonic() - start


def llama(tool, model, text, flags):
    start = time.monotonic()
    command = [tool, "-m", model, "-f", text, "--ids", "--no-escape", "--log-disable", *flags]
    run = subprocess.run(command, capture_output=True)
    if run.returncode:
        return None, time.monotonic() - start
    return [int(i) for i in run.stdout.strip().strip(b"[]").split(b", ") if i], time.monotonic() - start


def is_utf8(path):
    try:
        pathlib.Path(path).read_bytes().decode()
    except UnicodeDecodeError:
        return False
    return True


def difference(ours, theirs):
    if ours == theirs:
        return "equal"
    place = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    return f"DIFFER at {place}: {ours[place:place + 6]} instead of {theirs[place:place + 6]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--hub")
    parser.add_argument("--peers", default=str(CACHE / "venv-peers/bin/python"))
    parser.add_argument("--nibble", default=str(ROOT / ".build/release/nibble"))
    parser.add_argument("--llama", default=str(CACHE / "llama.cpp/build/bin/llama-tokenize"))
    arguments = parser.parse_args()
    failed = False
    for text in arguments.texts:
        size = os.path.getsize(text)
        modes = [("parsed", ["--parse-special"], []), ("plain", [], ["--no-parse-special"])]
        for name, ours_flags, theirs_flags in modes:
            ours, our_time = nibble(arguments.nibble, arguments.model, text, ours_flags)
            theirs, their_time = llama(arguments.llama, arguments.model, text, theirs_flags)
            result = "llama.cpp fails" if theirs is None else difference(ours, theirs)
            failed = failed or (is_utf8(text) if theirs is None else ours != theirs)
            print(
                f"{os.path.basename(text)} ({size} bytes), {name}: {len(ours)} tokens, {result}; "
                f"{our_time:.2f} s, llama.cpp {their_time:.2f} s",
                flush=True,
            )
        if arguments.hub:
            command = [arguments.peers, "-c", HUB_SCRIPT, arguments.hub, text]
            run = subprocess.run(command, capture_output=True, text=True)
            if run.returncode:
                print(f"  tokenizers: {run.stderr.strip().splitlines()[-1]}")
                continue
            theirs = json.loads(run.stdout)
            ours, _ = nibble(arguments.nibble, arguments.hub, text, ["--parse-special"])
            print(f"  tokenizers: {len(theirs)} tokens, {difference(ours, theirs)}", flush=True)
    sys.exit(failed)


main()
