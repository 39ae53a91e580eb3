#!/usr/bin/env python3
"""Opens a folder that `nibble convert --format compressed-tensors` wrote with compressed-tensors and transformers, and
compares it with a GGUF file of the same codes.

usage: check_compressed_tensors.py --nibble NIBBLE --folder FOLDER --gguf FILE.gguf --text TEXT
                                   [--context 512] [--chunks 4] [--prompt PROMPT] [--tokens 24]

Values of all quantized matrices, decompressed in F32 by compressed-tensors, must equal those of gguf-py bit for bit; how far
they are off where they are decompressed in the type of the scales, and with scales in BF16, is told. transformers loads the
folder, continues the prompt, and its perplexity is told in F32 and in BF16, beside nibble's of the folder: chunks of
--context tokens, the first replaced by BOS where the vocabulary adds it, the second half of each scored.
Needs torch, transformers, compressed-tensors, safetensors and gguf. Exits with 1 where values differ, or the perplexity in
F32 does by more than 0.1 %.
"""

import json
import sys

import numpy as np
import torch
from compressed_tensors.compressors.pack_quantized import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from gguf import GGUFReader
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from folders import arguments, gguf_modules, gguf_values, nibble_perplexity, perplexity, relative_error, text_chunks


def scheme_of(module, groups):
    """The scheme of a module: one that names it, else that of all linear layers."""
    named = [group for group in groups.values() if module in group["targets"]]
    chosen = named[0] if named else next(group for group in groups.values() if "Linear" in group["targets"])
    own = {key: chosen["weights"][key] for key in ("num_bits", "type", "symmetric", "strategy", "group_size")}
    return QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**own))


def compare_values(folder, reader):
    arrays = {}
    for path in sorted(folder.glob("*.safetensors")):
        arrays.update(load_file(path))
    ending = ".weight_packed"
    modules = gguf_modules(reader, [name.removesuffix(ending) for name in arrays if name.endswith(ending)])
    groups = json.loads((folder / "config.json").read_text())["quantization_config"]["config_groups"]
    count, different, worst = 0, 0, {"own": 0.0, "BF16": 0.0}
    for tensor in reader.tensors:
        module = modules.get(tensor.name.removesuffix(".weight"))
        if module is None:
            continue
        expected = gguf_values(reader, tensor)
        state = {f"weight_{part}": arrays[f"{module}.weight_{part}"] for part in ("packed", "scale", "shape")}
        scheme = scheme_of(module, groups)

        def decode(dtype):
            changed = state | {"weight_scale": state["weight_scale"].to(dtype)}
            return PackedQuantizationCompressor.decompress(changed, scheme)["weight"].float().numpy()

        count += 1
        different += int(not np.array_equal(decode(torch.float32), expected))
        for label, dtype in (("own", state["weight_scale"].dtype), ("BF16", torch.bfloat16)):
            worst[label] = max(worst[label], relative_error(decode(dtype), expected))
    return count, len(modules), different, worst


def main():
    options = arguments(__doc__)
    reader = GGUFReader(options.gguf)
    count, modules, different, worst = compare_values(options.folder, reader)
    print(f"{count} of {modules} quantized modules compared with {options.gguf.name}, {different} differ in F32.")
    print("Decompressed in the type of their scales they are off by at most {own:.2e} of their size (root mean square), "
          "with scales in BF16 by {BF16:.2e}.".format(**worst))

    chunks = text_chunks(options.nibble, options.gguf, reader, options.text, options.context, options.chunks)
    measured = {}
    for label, dtype in (("F32", torch.float32), ("BF16", torch.bfloat16)):
        model = AutoModelForCausalLM.from_pretrained(options.folder, dtype=dtype).eval()

        def logits(tokens):
            with torch.no_grad():
                return model(torch.tensor([tokens])).logits[0].float().numpy()

        measured[label] = perplexity(logits, chunks)
        if label == "F32":
            tokenizer = AutoTokenizer.from_pretrained(options.folder)
            prompt = tokenizer(options.prompt, return_tensors="pt")
            ids = model.generate(**prompt, max_new_tokens=options.tokens, do_sample=False)
            print(f"transformers continues: {tokenizer.decode(ids[0], skip_special_tokens=True)!r}")
    ours = nibble_perplexity(options.nibble, options.folder, options.text, options.context, options.chunks)
    print(f"Perplexity over {options.chunks} chunks of {options.context}: transformers {measured['F32']:.4f} in F32, "
          f"{measured['BF16']:.4f} in BF16, nibble {ours:.4f} of the folder.")
    sys.exit(1 if different or count != modules or abs(measured["F32"] / ours - 1) > 1e-3 else 0)


if __name__ == "__main__":
    main()
