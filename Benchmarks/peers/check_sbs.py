#!/usr/bin/env python3
"""Reads a file that `nibble convert -o FILE.sbs` wrote by the facts of its format alone, compares it with a GGUF file of the
same values, and has gemma.cpp continue a text with it.

usage: check_sbs.py --sbs FILE.sbs --gguf FILE.gguf [--gemma GEMMA] [--prompt PROMPT] [--tokens 24]

The GGUF file is made of the other: nibble convert FILE.sbs -o FILE.gguf --type f32. Values of all matrices must be equal bit
for bit; norms of GGUF files have one added. --gemma names gemma.cpp's program, which is not run without it.
Needs numpy and gguf. Exits with 1 where values differ or gemma.cpp fails.
"""

import argparse
import mmap
import struct
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader

from processes import run

TYPES = {1: "f32", 2: "bf16", 3: "sfp"}
NAMES = {"attn_q": "qkv1_w", "attn_output": "att_w", "ffn_gate": "gating1_w", "ffn_up": "gating2_w", "ffn_down": "linear_w",
         "attn_norm": "pre_att_ns", "post_attention_norm": "post_att_ns", "ffn_norm": "pre_ff_ns",
         "post_ffw_norm": "post_ff_ns", "attn_q_norm": "query_norm", "attn_k_norm": "key_norm"}


def blobs(data):
    magic, count, size = struct.unpack_from("<IIQ", data, 0)
    assert magic == 0x0A534253 and size == len(data), "no whole file of gemma.cpp"
    start = 16
    if count == 0:
        magic, count, size = struct.unpack_from("<IIQ", data, len(data) - 16)
        start = len(data) - 16 - 32 * count
    keys = [data[start + 16 * i:start + 16 * i + 16].rstrip(b"\0").decode() for i in range(count)]
    ranges = [struct.unpack_from("<QQ", data, start + 16 * count + 16 * i) for i in range(count)]
    return dict(zip(keys, ranges))


def contents(data, place):
    """The tensors of the table of contents: type, rows, columns and scale by name."""
    words = np.frombuffer(data, np.uint32, place[1] // 4, place[0])
    position, tensors = 0, {}
    while position < len(words):
        count, length = int(words[position]), int(words[position + 1])
        name = words[position + 2:position + 2 + length].tobytes().rstrip(b"\0").decode()
        own = words[position + 2 + length:position + 1 + count]
        tensors[name] = (TYPES[int(own[0])], int(own[3]), int(own[4]), float(own[5:6].view(np.float32)[0]))
        position += count + 1
    return tensors


def decode(data, offset, kind, rows, columns, scale):
    count = rows * columns
    if kind == "f32":
        values = np.frombuffer(data, np.float32, count, offset)
    elif kind == "bf16":
        values = (np.frombuffer(data, np.uint16, count, offset).astype(np.uint32) << 16).view(np.float32)
    else:
        codes = np.arange(256)
        m = codes & 127
        small = (1 + (m & 3) / 4) * 2.0 ** ((m >> 2) - 23)
        large = (1 + (m & 7) / 8) * 2.0 ** ((m >> 3) - 15)
        table = np.where(m == 0, 0, np.where(m < 64, small, large)) * np.where(codes < 128, 1, -1)
        values = table.astype(np.float32)[np.frombuffer(data, np.uint8, count, offset)] * np.float32(scale)
    return values.reshape(rows, columns)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sbs", type=Path, required=True)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--gemma")
    parser.add_argument("--prompt", default="The capital of France is")
    parser.add_argument("--tokens", type=int, default=24)
    options = parser.parse_args()
    with open(options.sbs, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    places = blobs(data)
    tensors = contents(data, places["toc"])
    reader = GGUFReader(options.gguf)
    head = int(reader.fields["gemma3.attention.key_length"].contents())
    different, seen = [], set()
    for tensor in reader.tensors:
        if tensor.name.startswith("blk."):
            layer, base = tensor.name.removeprefix("blk.").removesuffix(".weight").split(".", 1)
            name = NAMES.get(base, "qkv2_w") + "_" + layer
        else:
            base = tensor.name.removesuffix(".weight")
            name = {"token_embd": "c_embedding", "output_norm": "c_final_norm"}[base]
        seen.add(name)
        values = decode(data, places[name][0], *tensors[name])
        if name.startswith("qkv2_w"):
            pairs = values.reshape(-1, 2, head, values.shape[1])
            values = pairs[:, 0 if base == "attn_k" else 1].reshape(-1, values.shape[1])
        if base.endswith("norm"):
            values = values[0] + np.float32(1)
        if not np.array_equal(values, np.asarray(tensor.data)):
            different.append(tensor.name)
    print(f"{len(reader.tensors)} tensors of {options.gguf.name} compared, {len(different)} differ: "
          f"{', '.join(different[:5]) or 'none'}; {len(tensors) - len(seen)} of {options.sbs.name} have no counterpart.")
    if options.gemma:
        text, *_ = run([options.gemma, "--weights", str(options.sbs), "--prompt", options.prompt,
                        "--max_generated_tokens", str(options.tokens), "--temperature", "0"])
        lines = [line for line in text.splitlines() if line and not line.startswith("[")]
        print(f"gemma.cpp continues: {options.prompt} {' '.join(lines).strip()!r}")
    sys.exit(1 if different or len(tensors) != len(seen) else 0)


if __name__ == "__main__":
    main()
