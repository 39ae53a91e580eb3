#!/usr/bin/env python3
"""Loads a GGUF file with llama.cpp on the CPU and prints how it continues a prompt.

The proof that a file works: llama.cpp refuses a GGUF with a wrong header, a
missing tensor or a key of the wrong type. Generation is greedy, so that the
same file gives the same text.

Needs xllamacpp, which scripts/setup.sh --python installs:

    "$NIBBLE_CACHE/venv/bin/python" scripts/run_gguf.py model.gguf

With --mmproj, the file of a vision tower, the prompt is a message with a picture, which this script draws.

Prints the continuation on stdout and the speed on stderr. Exits with 0 when
llama.cpp loaded the file and generated text, otherwise with 1 and the reason.
"""

import argparse
import base64
import os
import pathlib
import struct
import sys
import time
import zlib


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Loads a GGUF file with llama.cpp on the CPU and prints how it continues a prompt."
    )
    parser.add_argument("file", type=pathlib.Path, help="a GGUF file; of a split one, the first")
    parser.add_argument("--prompt", default="The capital of France is")
    parser.add_argument("--tokens", type=int, default=24, help="how many to generate (default 24)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--expect", metavar="TEXT", help="fail unless the continuation contains TEXT")
    parser.add_argument("--mmproj", type=pathlib.Path, help="the GGUF file of the vision tower")
    parser.add_argument("--verbose", action="store_true", help="show llama.cpp's log")
    return parser.parse_args()


def fail(reason):
    sys.exit(f"run_gguf.py: {reason}")


def load(file, mmproj, threads, verbose):
    try:
        import xllamacpp
    except ImportError as error:
        fail(f"xllamacpp cannot be imported ({error}): run scripts/setup.sh --python")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    if mmproj is not None:
        parameters.mmproj.path = str(mmproj)
        parameters.mmproj_use_gpu = False
    parameters.n_ctx = 512
    parameters.n_parallel = 1
    parameters.n_gpu_layers = 0
    parameters.warmup = False
    # Everything is to run on the CPU: there is no device to fit it to.
    parameters.fit_params = False
    # A value that is not a number in any tensor fails the load.
    parameters.check_tensors = True
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    # 1 leaves the errors, which name what is wrong with the file.
    parameters.verbosity = 3 if verbose else 1
    try:
        return xllamacpp.Server(parameters)
    except RuntimeError as error:
        fail(f"llama.cpp does not load {file}: {error}")


def picture(side=64):
    """A PNG of two gradients, as a data URL."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = b"".join(
        b"\0" + b"".join(bytes((4 * x % 256, 4 * y % 256, 128)) for x in range(side)) for y in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)  # 8 bits each of red, green and blue
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(png).decode()


def generate(server, prompt, tokens, shows_picture):
    request = {"max_tokens": tokens, "temperature": 0.0, "seed": 1}
    if shows_picture:
        content = [{"type": "image_url", "image_url": {"url": picture()}}, {"type": "text", "text": prompt}]
        request["messages"] = [{"role": "user", "content": content}]
        complete = server.handle_chat_completions
    else:
        request["prompt"] = prompt
        complete = server.handle_completions
    try:
        answer = complete(request)
    except RuntimeError as error:
        fail(f"generation failed: {error}")
    if not isinstance(answer, dict) or "choices" not in answer:
        fail(f"generation failed: {answer}")
    return answer


def main():
    arguments = parse_arguments()
    for file in (arguments.file, arguments.mmproj):
        if file is not None and not file.is_file():
            fail(f"{file} is not a file")

    start = time.monotonic()
    server = load(arguments.file, arguments.mmproj, arguments.threads, arguments.verbose)
    loaded = time.monotonic()
    answer = generate(server, arguments.prompt, arguments.tokens, arguments.mmproj is not None)
    finished = time.monotonic()

    choice = answer["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    generated = answer["usage"]["completion_tokens"]
    if not text.strip():
        fail(f"llama.cpp generated no text ({generated} tokens)")
    print(text)
    print(
        f"loaded in {loaded - start:.1f} s, {answer['usage']['prompt_tokens']} tokens read, {generated} tokens in {finished - loaded:.1f} s"
        f" on {arguments.threads} threads",
        file=sys.stderr,
    )
    if arguments.expect is not None and arguments.expect not in text:
        fail(f"the continuation does not contain {arguments.expect!r}")


if __name__ == "__main__":
    main()
