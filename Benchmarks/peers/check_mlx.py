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

import json
import sys

import mlx.core as mx
import numpy as np
from gguf import GGUFReader
from mlx_lm import generate, load

from folders import arguments, gguf_modules, gguf_values, nibble_perplexity, perplexity, relative_error, text_chunks


def compare_values(folder, reader):
    arrays = {}
    for path in sorted(folder.glob("*.safetensors")):
        arrays.update(mx.load(str(path)))
    modules = gguf_modules(reader, [name.removesuffix(".scales") for name in arrays if name.endswith(".scales")])
    config = json.loads((folder / "config.json").read_text())["quantization"]
    count, different, worst = 0, 0, {"F16": 0.0, "BF16": 0.0}
    for tensor in reader.tensors:
        module = modules.get(tensor.name.removesuffix(".weight"))
        if module is None:
            continue
        expected = gguf_values(reader, tensor)
        own = config.get(module, config)
        weight, scales, biases = (arrays[f"{module}.{part}"] for part in ("weight", "scales", "biases"))

        def decode(dtype):
            values = mx.dequantize(weight, scales.astype(dtype), biases.astype(dtype), own["group_size"], own["bits"])
            return np.array(values.astype(mx.float32))

        count += 1
        different += int(not np.array_equal(decode(mx.float32), expected[: weight.shape[0]]))
        for label, dtype in (("F16", mx.float16), ("BF16", mx.bfloat16)):
            worst[label] = max(worst[label], relative_error(decode(dtype), expected[: weight.shape[0]]))
    return count, len(modules), different, worst


def main():
    options = arguments(__doc__)
    reader = GGUFReader(options.gguf)
    count, modules, different, worst = compare_values(options.folder, reader)
    print(f"{count} of {modules} quantized modules compared with {options.gguf.name}, {different} differ in F32.")
    print("Decoded in F16 they are off by at most {F16:.2e} of their size (root mean square), in BF16 by {BF16:.2e}.".format(**worst))

    model, tokenizer = load(str(options.folder))
    text = generate(model, tokenizer, prompt=options.prompt, max_tokens=options.tokens, verbose=False)
    print(f"mlx-lm continues: {options.prompt}{text!r}")

    chunks = text_chunks(options.nibble, options.gguf, reader, options.text, options.context, options.chunks)

    def logits(tokens):
        return np.array(model(mx.array([tokens]))[0].astype(mx.float32))

    loaded = perplexity(logits, chunks)
    model.set_dtype(mx.float32)
    theirs = perplexity(logits, chunks)
    ours = nibble_perplexity(options.nibble, options.gguf, options.text, options.context, options.chunks)
    print(f"Perplexity over {options.chunks} chunks of {options.context}: mlx-lm {loaded:.4f} as loaded, {theirs:.4f} in F32, "
          f"nibble {ours:.4f}.")
    sys.exit(1 if different or count != modules or abs(theirs / ours - 1) > 1e-3 else 0)


if __name__ == "__main__":
    main()
