#!/usr/bin/env python3
"""Compares `nibble plan` with the buffers that llama-perplexity allocates.

usage: compare_memory.py NIBBLE LLAMA_PERPLEXITY MODEL TEXT [--types q4_0 q8_0] [--contexts 512 4096]
                         [--caches f16 q8_0] [--threads 2]

Converts MODEL to each type with `nibble convert`, unless it is a GGUF file of that type already, and has
llama-perplexity load it with each context and cache, on the CPU, with flash attention, batches of 512 and
weights that are not repacked. Prints the planned and the printed bytes of weights, cache, computation and
logits, in MiB as llama.cpp prints them, and ends with 1 where weights, cache or logits differ by more than
the last digit, or computation by more than a tenth. The file that a conversion writes has to have the
planned size, to the byte.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

BUFFERS = {
    "weights": r"(\S+) model buffer size =\s+([\d.]+) MiB",
    "cache": r"(\S+) KV buffer size =\s+([\d.]+) MiB",
    "compute": r"(\S+) compute buffer size =\s+([\d.]+) MiB",
    "logits": r"(\S+)\s+output buffer size =\s+([\d.]+) MiB",
}


def plan(arguments, path, kind, context, cache):
    command = [arguments.nibble, "plan", path, "--context", str(context), "--kv", cache, "--json", "--device", "1G"]
    command += ["--type", kind] if kind else []
    planned = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["plans"][0]
    sizes = {
        "weights": planned["weights"]["total"],
        "cache": planned["cache"]["total"],
        "compute": planned["compute_bytes"],
        "logits": planned["output_bytes"],
    }
    return planned["file_bytes"], {name: size / 2**20 for name, size in sizes.items()}


def printed(arguments, path, context, cache):
    """What llama.cpp prints of its buffers, those of the last context that it makes."""
    batch = min(context, 2048)
    command = [arguments.llama_perplexity, "-m", path, "-f", arguments.text, "-c", str(context), "-b", str(batch),
               "-ub", "512", "-fa", "on", "-ctk", cache, "-ctv", cache, "-t", str(arguments.threads), "--chunks", "1",
               "--no-repack", "--no-warmup", "-v"]
    # It loads the model a first time without memory, to see what fits; the real one comes last, and then the text, which
    # need not be evaluated.
    log = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace") as run:
        for line in run.stderr:
            if "llama_model_loader: loaded meta data" in line:
                log.clear()
            log.append(line)
            if "tokenizing the input" in line:
                run.kill()
                break
    last = "".join(log)
    sizes = {}
    for name, pattern in BUFFERS.items():
        found = re.findall(pattern, last)
        if not found:
            sys.exit(f"compare_memory.py: llama-perplexity printed no buffer of {name}:\n{last[-2000:]}")
        sizes[name] = sum(float(size) for _, size in found)
    return sizes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nibble")
    parser.add_argument("llama_perplexity")
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--types", nargs="+", default=["q4_0", "q4_k_m", "q8_0", "bf16"])
    parser.add_argument("--contexts", nargs="+", type=int, default=[512, 4096, 32768])
    parser.add_argument("--caches", nargs="+", default=["f16", "q8_0", "q4_0"])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    failures = 0
    print("| type | context | cache | " + " | ".join(f"{name}: planned | printed" for name in BUFFERS) + " |")
    print("|---|---:|---|" + "---:|" * (2 * len(BUFFERS)))
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(arguments.model))) as folder:
        for kind in arguments.types:
            path = os.path.join(folder, f"{kind}.gguf")
            subprocess.run([arguments.nibble, "convert", arguments.model, "-o", path, "--type", kind, "--quiet"],
                           check=True, capture_output=True)
            for context in arguments.contexts:
                for cache in arguments.caches:
                    size, ours = plan(arguments, arguments.model, kind, context, cache)
                    theirs = printed(arguments, path, context, cache)
                    exact = all(abs(ours[name] - theirs[name]) < 0.0151 for name in ("weights", "cache", "logits"))
                    near = abs(ours["compute"] / theirs["compute"] - 1) < 0.1
                    wrong = not exact or not near or size != os.path.getsize(path)
                    failures += wrong
                    cells = [f"{sizes[name]:.2f}" for name in BUFFERS for sizes in (ours, theirs)]
                    print(f"| {kind} | {context} | {cache} | " + " | ".join(cells) + " |" + (" differs" if wrong else ""),
                          flush=True)
            os.remove(path)
    print(f"{failures} differ")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
