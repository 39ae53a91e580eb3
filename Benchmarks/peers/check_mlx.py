#!/usr/bin/env python3
"""Opens a folder that `nibble convert --format mlx` wrote with mlx-lm, and compares it with the GGUF file of the same plan.

usage: check_mlx.py --nibble NIBBLE --folder MLX --gguf FILE.gguf --text TEXT [--context 512] [--chunks 4]
                    [--prompt PROMPT] [--tokens 24]

Values of all quantized matrices, decoded in F32 by MLX, must equal those of gguf-py bit for bit; how far they are off where
MLX decodes in the type of the scales, and in BF16, is told. mlx-lm continues the prompt, and its perplexity is that of
nibble, as the folder is loaded and computed in F32: chunks of --context tokens, the first replaced by BOS where the vocabulary
adds it, the second half of each scored.
Needs mlx[cpu], mlx-lm and gguf. Exits with 1 where values differ, or the perplexity in F32
does by more than 0.1 %.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
from gguf import GGUFReader
from gguf.constants import MODEL_ARCH_NAMES
from gguf.quants import dequantize
from gguf.tensor_mapping import get_tensor_name_map
from mlx_lm import generate, load

from processes import run


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nibble", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--chunks", type=int, default=4)
    parser.add_argument("--prompt", default="The capital of France is")
    parser.add_argument("--tokens", type=int, default=24)
    return parser.parse_args()


def field(reader, key):
    return reader.fields[key].contents()


def unpermuted(values, heads):
    """Rows of a Llama's query or key matrix in the order of the hub: GGUF has rotary pairs as neighbours."""
    rows, columns = values.shape
    return values.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def compare_values(folder, reader):
    arrays = {}
    for path in sorted(folder.glob("*.safetensors")):
        arrays.update(mx.load(str(path)))
    name = field(reader, "general.architecture")
    arch = next(arch for arch, own in MODEL_ARCH_NAMES.items() if own == name)
    mapping = get_tensor_name_map(arch, int(field(reader, f"{name}.block_count")))
    modules = {mapping.get_name(array.removesuffix(".scales")): array.removesuffix(".scales")
               for array in arrays if array.endswith(".scales")}
    config = json.loads((folder / "config.json").read_text())["quantization"]
    count, different, worst = 0, 0, {"F16": 0.0, "BF16": 0.0}
    for tensor in reader.tensors:
        module = modules.get(tensor.name.removesuffix(".weight"))
        if module is None:
            continue
        expected = dequantize(tensor.data, tensor.tensor_type)
        if name == "llama" and (".attn_q." in tensor.name or ".attn_k." in tensor.name):
            key = "head_count" if ".attn_q." in tensor.name else "head_count_kv"
            expected = unpermuted(expected, int(field(reader, f"{name}.attention.{key}")))
        own = config.get(module, config)
        weight, scales, biases = (arrays[f"{module}.{part}"] for part in ("weight", "scales", "biases"))

        def decode(dtype):
            values = mx.dequantize(weight, scales.astype(dtype), biases.astype(dtype), own["group_size"], own["bits"])
            return np.array(values.astype(mx.float32))

        count += 1
        different += int(not np.array_equal(decode(mx.float32), expected[: weight.shape[0]]))
        size = float(np.sqrt(np.mean(np.square(expected, dtype=np.float64))))
        for label, dtype in (("F16", mx.float16), ("BF16", mx.bfloat16)):
            error = np.sqrt(np.mean(np.square(decode(dtype) - expected, dtype=np.float64)))
            worst[label] = max(worst[label], float(error) / size)
    return count, len(modules), different, worst


def perplexity(model, tokens, context, chunks):
    sums, count = 0.0, 0
    for chunk in range(chunks):
        own = tokens[chunk]
        logits = np.array(model(mx.array([own]))[0].astype(mx.float32)).astype(np.float64)
        for place in range(context // 2, context - 1):
            row = logits[place]
            top = row.max()
            sums -= row[own[place + 1]] - top - math.log(np.exp(row - top).sum())
            count += 1
    return math.exp(sums / count)


def main():
    options = arguments()
    reader = GGUFReader(options.gguf)
    count, modules, different, worst = compare_values(options.folder, reader)
    print(f"{count} of {modules} quantized modules compared with {options.gguf.name}, {different} differ in F32.")
    print("Decoded in F16 they are off by at most {F16:.2e} of their size (root mean square), in BF16 by {BF16:.2e}.".format(**worst))

    model, tokenizer = load(str(options.folder))
    text = generate(model, tokenizer, prompt=options.prompt, max_tokens=options.tokens, verbose=False)
    print(f"mlx-lm continues: {options.prompt}{text!r}")

    listed, *_ = run([options.nibble, "tokenize", str(options.gguf), "--text", str(options.text), "--json"])
    ids = [token["id"] for token in json.loads(listed)["tokens"]]
    adds = "tokenizer.ggml.add_bos_token" in reader.fields and field(reader, "tokenizer.ggml.add_bos_token")
    first = int(field(reader, "tokenizer.ggml.bos_token_id")) if adds else None
    chunks = []
    for chunk in range(options.chunks):
        own = ids[chunk * options.context:(chunk + 1) * options.context]
        chunks.append(([first] + own[1:]) if first is not None else own)
    loaded = perplexity(model, chunks, options.context, options.chunks)
    model.set_dtype(mx.float32)
    theirs = perplexity(model, chunks, options.context, options.chunks)
    measured, *_ = run([options.nibble, "perplexity", str(options.gguf), "--text", str(options.text),
                        "--context", str(options.context), "--chunks", str(options.chunks), "--precision", "f32",
                        "--json", "--quiet"])
    ours = json.loads(measured)["estimate"]["perplexity"]
    print(f"Perplexity over {options.chunks} chunks of {options.context}: mlx-lm {loaded:.4f} as loaded, {theirs:.4f} in F32, "
          f"nibble {ours:.4f}.")
    sys.exit(1 if different or count != modules or abs(theirs / ours - 1) > 1e-3 else 0)


if __name__ == "__main__":
    main()
