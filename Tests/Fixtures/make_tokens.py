#!/usr/bin/env python3
"""Records the tokens that llama.cpp gives.

    python make_tokens.py --llama-tokenize PATH/TO/llama-tokenize --models FOLDER

Writes
    tokens.json   texts (in hexadecimal) and their tokens for the expected GGUF files; digests of the tokens of texts
                  from seeded_texts.py for these and the real models

A digest is the sha256 of the ids as little-endian 32-bit integers. "plain" is without, "parsed" with the texts of
control tokens read as such. Where llama-tokenize fails, nothing is recorded. Models with a slash are the file before
it with another pre-tokenizer in its metadata. Needs gguf.
"""
import argparse
import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

import gguf

import seeded_texts

HERE = Path(__file__).resolve().parent
SEED = 20261125
TINY_SIZE, REAL_SIZE = 1 << 14, 1 << 20
TINY = [
    "gemma3-multimodal-new", "gemma3-multimodal-old", "gemma3-text", "llama2-spm", "llama3", "llama3-new", "qwen2",
    "qwen3", "smollm2", "sentencepiece", "byte-level", "byte-level/default", "byte-level/smollm", "byte-level/llama-bpe",
    "byte-level/qwen2",
]
REAL_FILES = {"gemma-3-270m": "gemma-3-270m-q4_k_m.gguf", "smollm2-135m": "SmolLM2-135M-Instruct.Q4_1.gguf"}
REAL = [
    "gemma-3-270m", "smollm2-135m", "smollm2-135m/default", "smollm2-135m/gpt-2", "smollm2-135m/llama-bpe",
    "smollm2-135m/qwen2",
]
TEXTS = [
    b"Hello", b" ", b"  ", b"   x", b"\n", b"\n\n\n", b"\r\n", b"\t\tx", b"a", b"a b", b" a", b"a ", b"Hello world",
    b"  leading and trailing  ", b"The quick brown fox jumps over the lazy dog.", b"don't DON'T 'tis it's 'S",
    b"1234567890", b"3.14 and 1,000,000", b"x=1;y=22;z=333", b"\x00", b"a\x00b", b"\x01\x02\x7f",
    "\u00e9 e\u0301 \u212b \ufb01".encode(), "\u4f60\u597d\uff0c\u4e16\u754c\uff01".encode(),
    "\u0645\u0631\u062d\u0628\u0627".encode(), "\u0928\u092e\u0938\u094d\u0924\u0947".encode(),
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\ufe0f \U0001f1e9\U0001f1ea".encode(), "\u2581a\u2581\u2581b".encode(),
    "\u00a0x\u3000\u2028y\u0085z".encode(), "\u0660\u0661\u0662\u0663 \u00b2\u2155 \u216b".encode(),
    "\ud7ff\ue000\uffff\U00010000\U0010ffff".encode(), b"\xff", b"\xc3", b"\xc3 x", b"\xe2\x96 x", b"\xf0 ab", b"\x80\x81",
    b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf0\x80\x80\xa0", b"a\xf0\x9f\x98", b"\xf8\x88\x80\x80\x80",
    b"\xe4\xbd\xa0\xe5", b"<s>a</s>", b"<bos>a<eos>", b"<start_of_turn>user\nhi<end_of_turn>\n", b"<|im_start|>a<|im_end|>",
    b"<|begin_of_text|>x<|eot_id|>", b"<|endoftext|>", b"<unk><pad>", b"<br><b></b><table>", b"x<br>y <br> z",
    b"<0x41>", b"<unused0>", b"[multimodal]", b"<<s>>", b"</s", b"<|im_", b"<tool_call>{}</tool_call>", b"<think>",
    b"Hello world" * 20, b"ab" * 40, b" " * 70, b"\n" * 40 + b" " * 40 + b"\t" * 5,
]


def digest(tokens):
    return hashlib.sha256(b"".join(t.to_bytes(4, "little", signed=True) for t in tokens)).hexdigest()


def with_pre_tokenizer(source, name, target):
    """A GGUF file with the metadata of another, and no tensors."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        if key == "tokenizer.ggml.pre":
            writer.add_string(key, name)
        elif field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(key, field.contents())
        else:
            writer.add_key_value(key, field.contents(), field.types[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


class Tokenizer:
    def __init__(self, tool, model, folder):
        self.tool, self.model, self.text = tool, model, Path(folder) / "text"

    def tokens(self, text, parses):
        self.text.write_bytes(text)
        command = [self.tool, "-m", self.model, "-f", self.text, "--ids", "--no-escape", "--log-disable"]
        run = subprocess.run(command + ([] if parses else ["--no-parse-special"]), capture_output=True)
        if run.returncode:
            return None
        return [int(token) for token in run.stdout.strip().strip(b"[]").split(b", ") if token]


def record(tokenizer, size, with_texts):
    result = {"texts": []} if with_texts else {}
    if with_texts:
        for text in TEXTS:
            pair = [tokenizer.tokens(text, parses) for parses in (False, True)]
            result["texts"].append({"plain": pair[0]} if pair[0] == pair[1] else {"plain": pair[0], "parsed": pair[1]})
    result["seeded"] = {}
    for kind in seeded_texts.KINDS:
        text = seeded_texts.text(kind, SEED, size)
        entries = {}
        for name, parses in (("plain", False), ("parsed", True)):
            tokens = tokenizer.tokens(text, parses)
            if tokens is not None:
                entries[name] = {"count": len(tokens), "sha256": digest(tokens)}
        result["seeded"][kind] = entries
    return result


def compact(value):
    """JSON with a line for each model and text."""
    lines = ["{"]
    lines.append(f' "seed": {value["seed"]}, "tinySize": {value["tinySize"]}, "realSize": {value["realSize"]},')
    lines.append(' "texts": [\n  ' + ",\n  ".join(json.dumps(t) for t in value["texts"]) + "],")
    for group in ("tiny", "real"):
        models = []
        for name, model in value[group].items():
            parts = []
            if "texts" in model:
                rows = ",\n   ".join(json.dumps(t, separators=(",", ":")) for t in model["texts"])
                parts.append(f'  "texts": [\n   {rows}]')
            rows = ",\n   ".join(f'{json.dumps(k)}: {json.dumps(v)}' for k, v in model["seeded"].items())
            parts.append(f'  "seeded": {{\n   {rows}}}')
            models.append(f' {json.dumps(name)}: {{\n' + ",\n".join(parts) + "}")
        lines.append(f' "{group}": {{\n' + ",\n".join(models) + "}" + ("," if group == "tiny" else "}"))
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-tokenize", required=True)
    parser.add_argument("--models", type=Path, required=True)
    arguments = parser.parse_args()
    value = {"seed": SEED, "tinySize": TINY_SIZE, "realSize": REAL_SIZE, "texts": [t.hex() for t in TEXTS]}
    with tempfile.TemporaryDirectory() as folder:
        for group, names, size in (("tiny", TINY, TINY_SIZE), ("real", REAL, REAL_SIZE)):
            value[group] = {}
            for name in names:
                base, _, pre_tokenizer = name.partition("/")
                if group == "tiny":
                    model = HERE / "tokens" / f"{base}.gguf"
                    if not model.exists():
                        model = HERE / "hub" / f"{base}.expected.gguf"
                else:
                    model = arguments.models / REAL_FILES[base]
                if pre_tokenizer:
                    with_pre_tokenizer(model, pre_tokenizer, f"{folder}/model.gguf")
                    model = f"{folder}/model.gguf"
                tokenizer = Tokenizer(arguments.llama_tokenize, model, folder)
                value[group][name] = record(tokenizer, size, with_texts=group == "tiny" or "/" not in name)
                print(name, flush=True)
    (HERE / "tokens.json").write_text(compact(value))


if __name__ == "__main__":
    main()
