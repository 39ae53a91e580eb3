"""What the checks of written folders share: their arguments, the values of the GGUF file of the same plan under the hub's
names, and the chunks that perplexities are measured on."""

import argparse
import json
import math
from pathlib import Path

import numpy as np
from gguf.constants import MODEL_ARCH_NAMES
from gguf.quants import dequantize
from gguf.tensor_mapping import get_tensor_name_map

from processes import run


def arguments(documentation):
    parser = argparse.ArgumentParser(description=documentation.split("\n")[0])
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


def gguf_modules(reader, modules):
    """The modules of a folder by the names that their tensors have in a GGUF file, without `.weight`."""
    name = field(reader, "general.architecture")
    arch = next(arch for arch, own in MODEL_ARCH_NAMES.items() if own == name)
    mapping = get_tensor_name_map(arch, int(field(reader, f"{name}.block_count")))
    return {mapping.get_name(module): module for module in modules}


def gguf_values(reader, tensor):
    """The values of a tensor of a GGUF file, rows in the order of the hub."""
    name = field(reader, "general.architecture")
    values = dequantize(tensor.data, tensor.tensor_type)
    if name == "llama" and (".attn_q." in tensor.name or ".attn_k." in tensor.name):
        key = "head_count" if ".attn_q." in tensor.name else "head_count_kv"
        values = unpermuted(values, int(field(reader, f"{name}.attention.{key}")))
    return values


def relative_error(values, expected):
    """The root mean square of the errors, as a share of that of the values."""
    size = np.sqrt(np.mean(np.square(expected, dtype=np.float64)))
    return float(np.sqrt(np.mean(np.square(values - expected, dtype=np.float64))) / size)


def text_chunks(nibble, gguf, reader, text, context, count):
    """Chunks of tokens, the first of each BOS where the vocabulary adds it."""
    listed, *_ = run([nibble, "tokenize", str(gguf), "--text", str(text), "--json"])
    ids = [token["id"] for token in json.loads(listed)["tokens"]]
    adds = "tokenizer.ggml.add_bos_token" in reader.fields and field(reader, "tokenizer.ggml.add_bos_token")
    first = int(field(reader, "tokenizer.ggml.bos_token_id")) if adds else None
    chunks = []
    for chunk in range(count):
        own = ids[chunk * context:(chunk + 1) * context]
        chunks.append(([first] + own[1:]) if first is not None else own)
    return chunks


def perplexity(logits_of, chunks):
    """Of the second half of each chunk, as llama-perplexity scores it; `logits_of` gives a row of logits for each token."""
    sums, count = 0.0, 0
    for own in chunks:
        logits = logits_of(own)
        for place in range(len(own) // 2, len(own) - 1):
            row = logits[place].astype(np.float64)
            top = row.max()
            sums -= row[own[place + 1]] - top - math.log(np.exp(row - top).sum())
            count += 1
    return math.exp(sums / count)


def nibble_perplexity(nibble, path, text, context, count):
    measured, *_ = run([nibble, "perplexity", str(path), "--text", str(text), "--context", str(context),
                        "--chunks", str(count), "--precision", "f32", "--json", "--quiet"])
    return json.loads(measured)["estimate"]["perplexity"]
