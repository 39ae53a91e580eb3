#!/usr/bin/env python3
"""A copy of a small model whose rows are multiples of 256: the same function, in tensors that K types can hold.

usage: widen_checkpoint.py SOURCE.gguf TARGET.gguf [--width 768] [--check NIBBLE TEXT]

The residual stream gets channels that are zero everywhere, up to --width; where heads times their size is another width, so do
heads that add nothing. Root mean squares are then over more channels: weights of norms are multiplied with the root of
old / new width and epsilon with its square. Gemma multiplies embeddings with the root of the width: they are divided by what
that grows, and the last norm makes up for it in the head. Gemma 3 and Llama's architecture. Matrices that stay the same numbers
stay BF16, all others become F32.

--check measures the perplexity of both with NIBBLE perplexity in F32 on 4 chunks of TEXT, and fails where they differ by more
than a ten-thousandth: the sums are of the same numbers in another order, and Gemma's norms of heads, which have the same width,
get the smaller epsilon, too.
"""

import argparse
import json
import subprocess
import sys

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, quants


class Widening:
    def __init__(self, reader, width):
        self.reader = reader
        self.architecture = self.value("general.architecture")
        if self.architecture not in ("gemma3", "llama"):
            sys.exit(f"{self.architecture}: widening of this architecture is not known")
        self.old, self.new = self.value(f"{self.architecture}.embedding_length"), width
        if width < self.old:
            sys.exit(f"--width is {width}, the model has {self.old} channels")
        self.share = self.old / self.new
        self.heads = self.value(f"{self.architecture}.attention.head_count")
        self.key_heads = self.value(f"{self.architecture}.attention.head_count_kv")
        field = reader.fields.get(f"{self.architecture}.attention.key_length")
        self.size = field.contents() if field else self.old // self.heads
        # Heads share their keys in equal groups.
        self.new_key_heads, group = self.key_heads, self.heads // self.key_heads
        while self.new_key_heads * group * self.size % 256:
            self.new_key_heads += 1
        self.new_heads = self.new_key_heads * group
        if not field and self.new // self.new_heads != self.size:
            sys.exit(f"{self.new_heads} heads of {self.size} do not make {self.new} channels; choose another --width")

    def value(self, key):
        return self.reader.fields[key].contents()

    def metadata(self, key, value):
        """What a key says of the copy."""
        name = key.removeprefix(self.architecture + ".")
        return {
            "embedding_length": self.new,
            "attention.head_count": self.new_heads,
            "attention.head_count_kv": self.new_key_heads,
            "attention.layer_norm_rms_epsilon": np.float32(self.value(key) * self.share) if "epsilon" in key else value,
        }.get(name, value)

    def tensor(self, name, values):
        """The values of a tensor of the copy, `[rows, columns]`."""
        part = name.split(".")[-2] if name.startswith("blk.") else name.split(".")[0]
        scale = np.float32(np.sqrt(self.share))
        if part in ("attn_q_norm", "attn_k_norm", "rope_freqs"):
            return values
        if part.endswith("norm"):
            is_last = part == "output_norm" and self.architecture == "gemma3"
            return self.pad(values * (np.float32(1) if is_last else scale), columns=self.new)
        if part in ("token_embd", "output"):
            return self.pad(values * (scale if self.architecture == "gemma3" else np.float32(1)), columns=self.new)
        if part == "attn_q":
            return self.pad(values, rows=self.new_heads * self.size, columns=self.new)
        if part in ("attn_k", "attn_v"):
            return self.pad(values, rows=self.new_key_heads * self.size, columns=self.new)
        if part == "attn_output":
            return self.pad(values, rows=self.new, columns=self.new_heads * self.size)
        if part == "ffn_down":
            return self.pad(values, rows=self.new)
        if part in ("ffn_gate", "ffn_up"):
            return self.pad(values, columns=self.new)
        sys.exit(f"{name}: a tensor whose widening is not known")

    @staticmethod
    def pad(values, rows=None, columns=None):
        if values.ndim == 1:
            return np.pad(values, (0, columns - values.shape[0]))
        grow = [(0, (size or old) - old) for size, old in zip((rows, columns), values.shape)]
        return np.pad(values, grow)

    def write(self, path):
        writer = GGUFWriter(path, self.architecture)
        for key, field in self.reader.fields.items():
            if key.startswith("GGUF.") or key in ("general.architecture", "nibble.dither.seed", "general.file_type"):
                continue
            kind = field.types[0]
            writer.add_key_value(
                key, self.metadata(key, field.contents()), kind, field.types[-1] if kind == GGUFValueType.ARRAY else None
            )
        for tensor in self.reader.tensors:
            old = quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            new = self.tensor(tensor.name, old)
            kind = GGMLQuantizationType.F32
            if tensor.tensor_type == GGMLQuantizationType.BF16 and not (new.view(np.uint32) & 0xFFFF).any():
                kind = GGMLQuantizationType.BF16
            data = quants.quantize(new, kind) if kind != GGMLQuantizationType.F32 else new
            writer.add_tensor(tensor.name, data, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def perplexity(nibble, model, text):
    done = subprocess.run(
        [nibble, "perplexity", model, "--text", text, "--chunks", "4", "--precision", "f32", "--json", "--quiet"],
        check=True, stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout)["estimate"]["perplexity"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--check", nargs=2, metavar=("NIBBLE", "TEXT"))
    arguments = parser.parse_args()
    Widening(GGUFReader(arguments.source), arguments.width).write(arguments.target)
    if not arguments.check:
        return
    nibble, text = arguments.check
    old, new = (perplexity(nibble, model, text) for model in (arguments.source, arguments.target))
    print(f"perplexity {old:.6f}, widened {new:.6f}")
    if not abs(new - old) <= 1e-4 * old:
        sys.exit("the copy is another function")


if __name__ == "__main__":
    main()
