#!/usr/bin/env python3
"""Make the broken GGUF and safetensors files of the tests, each named for its flaw.

    python make_broken.py [--output broken]

Every file is right except for the flaw in its name; the files called valid* have none and are the controls.
Standard library only. broken/imatrix is made by make_quantized.py.
"""

import argparse
import json
import shutil
import struct
from pathlib import Path

from tiny_gguf import (ARRAY, F32, I32, STRING, U8, U16, U32, U64, container, layout, pair, string, tensor_info,
                       write)

NOTES: list[tuple[str, str]] = []


# --------------------------------------------------------------------------------------------------
# GGUF
# --------------------------------------------------------------------------------------------------

ARCHITECTURE = pair("general.architecture", STRING, "llama")


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


A = ("token_embd.weight", [2, 2], 0, floats(1, 2, 3, 4))
B = ("output_norm.weight", [2], 0, floats(1, 1))


def model_pairs(architecture: str | None = "llama") -> list[bytes]:
    """A whole Llama of width 2 with a vocabulary of three tokens."""
    name = architecture or "llama"
    pairs = [pair("general.architecture", STRING, architecture)] if architecture else []
    for key, value in [("context_length", 8), ("embedding_length", 2), ("block_count", 1), ("feed_forward_length", 2),
                       ("attention.head_count", 1), ("attention.head_count_kv", 1), ("rope.dimension_count", 2)]:
        pairs.append(pair(f"{name}.{key}", U32, value))
    pairs.append(pair(f"{name}.attention.layer_norm_rms_epsilon", F32, 1e-5))
    pairs.append(pair("tokenizer.ggml.model", STRING, "gpt2"))
    pairs.append(pair("tokenizer.ggml.pre", STRING, "smollm"))
    pairs.append(pair("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b", "ab"])))
    pairs.append(pair("tokenizer.ggml.token_type", ARRAY, (I32, [1, 1, 1])))
    pairs.append(pair("tokenizer.ggml.merges", ARRAY, (STRING, ["a b"])))
    return pairs


def model_tensors() -> list[tuple]:
    tensors = [("token_embd.weight", [2, 3], 0, floats(1, 2, 3, 4, 5, 6)), B]
    for name in ["attn_norm", "ffn_norm"]:
        tensors.append((f"blk.0.{name}.weight", [2], 0, floats(1, 1)))
    for name in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]:
        tensors.append((f"blk.0.{name}.weight", [2, 2], 0, floats(1, 0, 0, 1)))
    return tensors


def make_gguf(folder: Path) -> None:
    def save(name: str, flaw: str, data: bytes) -> None:
        path = folder / f"{name}.gguf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        NOTES.append((f"gguf/{name}.gguf", flaw))

    pairs = [ARCHITECTURE]
    good = write(pairs, [A, B])
    infos, data = layout([A, B])

    def one_tensor(info: bytes, values: bytes = bytes(32)) -> bytes:
        return container(pairs, [info], values)

    save("valid", "no flaw: one key, two tensors (not a whole model)", good)
    save("valid-model", "no flaw: a whole Llama of width 2", write(model_pairs(), model_tensors()))
    save("empty-file", "zero bytes", b"")
    save("bad-magic", "the first four bytes are GGML", b"GGML" + good[4:])
    save("version-0", "version 0", container(pairs, infos, data, version=0))
    save("version-1", "version 1, whose layout differs", container(pairs, infos, data, version=1))
    save("version-99", "version 99", container(pairs, infos, data, version=99))
    save("big-endian", "every number big-endian",
         container([pair("general.architecture", STRING, "llama", ">")], layout([A, B], order=">")[0], data, order=">"))
    save("truncated-header", "ends within the tensor count", good[:12])
    save("truncated-key", "ends within the first key", good[:24 + 8 + 5])
    save("truncated-tensor-info", "ends within the first tensor info", container(pairs, infos, data)[:24 + len(ARCHITECTURE) + 20])
    save("truncated-tensor-data", "ends before the data of the last tensor", good[:-32])
    save("truncated-last-padding", "the last tensor is whole but not padded (llama.cpp loads a model so, but not a blob)",
         good[:-24])
    save("negative-tensor-count", "tensor count -1", container(pairs, infos, data, n_tensors=-1))
    save("negative-kv-count", "key count -1", container(pairs, infos, data, n_pairs=-1))
    save("huge-tensor-count", "tensor count 2^60", container(pairs, infos, data, n_tensors=1 << 60))
    save("huge-kv-count", "key count 2^60", container(pairs, infos, data, n_pairs=1 << 60))
    save("huge-string", "a string value of 2^40 bytes",
         container(pairs + [string("general.name") + struct.pack("<iQ", STRING, 1 << 40)], infos, data))
    save("huge-array", "an array of 2^40 u8",
         container(pairs + [string("general.tags") + struct.pack("<iiQ", ARRAY, U8, 1 << 40)], infos, data))
    save("huge-array-overflow", "an array of 2^62 u64, whose size in bytes overflows 64 bits",
         container(pairs + [string("general.tags") + struct.pack("<iiQ", ARRAY, U64, 1 << 62)], infos, data))
    save("nested-array", "an array of arrays",
         container(pairs + [string("general.tags") + struct.pack("<iiQ", ARRAY, ARRAY, 1)
                            + struct.pack("<iQ", U8, 1) + b"\1"], infos, data))
    save("unknown-kv-type", "a value of type 13", container(pairs + [string("general.name") + struct.pack("<iI", 13, 1)], infos, data))
    save("unknown-array-type", "an array of type 13",
         container(pairs + [string("general.tags") + struct.pack("<iiQI", ARRAY, 13, 1, 1)], infos, data))
    save("empty-key", "a key of no characters", container(pairs + [pair("", U32, 1)], infos, data))
    save("duplicate-key", "general.name twice",
         container(pairs + [pair("general.name", STRING, "a"), pair("general.name", STRING, "b")], infos, data))
    save("invalid-utf8-key", "a key of the bytes FF FE", container(pairs + [pair(b"\xff\xfe", U32, 1)], infos, data))
    save("invalid-utf8-value", "general.name of the bytes FF FE (llama.cpp does not look)",
         container(pairs + [pair("general.name", STRING, b"\xff\xfe")], infos, data))
    save("duplicate-tensor", "token_embd.weight twice", write(pairs, [A, A]))
    save("long-tensor-name", "a tensor name of 64 bytes", write(pairs, [("a" * 57 + ".weight", [2], 0, floats(1, 1))]))
    save("five-dims", "a tensor of five dimensions", one_tensor(tensor_info("token_embd.weight", [2, 1, 1, 1, 1], 0, 0)))
    save("negative-dim", "a dimension of -2", one_tensor(tensor_info("token_embd.weight", [2, -2], 0, 0)))
    save("dim-overflow", "2^32 x 2^32 elements", one_tensor(tensor_info("token_embd.weight", [1 << 32, 1 << 32], 0, 0)))
    save("size-overflow", "2^62 F32 elements: the count fits 63 bits, the size does not",
         one_tensor(tensor_info("token_embd.weight", [1 << 62], 0, 0)))
    save("removed-type", "a tensor of type 4 (Q4_2, removed)", one_tensor(tensor_info("token_embd.weight", [32], 4, 0)))
    save("unknown-type", "a tensor of type 99", one_tensor(tensor_info("token_embd.weight", [32], 99, 0)))
    save("row-not-multiple-of-block", "a Q8_0 row of 48 elements",
         one_tensor(tensor_info("token_embd.weight", [48], 8, 0), bytes(64)))
    save("gapped-offsets", "64 bytes between two tensors, where 32 are needed",
         container(pairs, [infos[0], tensor_info("output_norm.weight", [2], 0, 64)], bytes(96)))
    save("overlapping-offsets", "two tensors at offset 0",
         container(pairs, [infos[0], tensor_info("output_norm.weight", [2], 0, 0)], bytes(64)))
    save("unordered-offsets", "the first tensor lies after the second",
         container(pairs, [tensor_info("token_embd.weight", [2, 2], 0, 32), tensor_info("output_norm.weight", [2], 0, 0)], bytes(64)))
    save("misaligned-offset", "the second tensor at offset 16",
         container(pairs, [infos[0], tensor_info("output_norm.weight", [2], 0, 16)], bytes(64)))
    save("offset-beyond-file", "the second tensor at offset 2^40",
         container(pairs, [infos[0], tensor_info("output_norm.weight", [2], 0, 1 << 40)], bytes(64)))
    save("alignment-not-power-of-two", "general.alignment 24",
         container(pairs + [pair("general.alignment", U32, 24)], *layout([A, B], 24), alignment=24))
    save("alignment-zero", "general.alignment 0", container(pairs + [pair("general.alignment", U32, 0)], infos, data))
    save("alignment-wrong-type", "general.alignment is a u64", container(pairs + [pair("general.alignment", U64, 32)], infos, data))
    save("alignment-64-ignored", "general.alignment 64, but the offsets are multiples of 32",
         container(pairs + [pair("general.alignment", U32, 64)], infos, data, alignment=64))
    save("missing-architecture", "a whole model without general.architecture", write(model_pairs(None), model_tensors()))
    save("unknown-architecture", "general.architecture nibble", write(model_pairs("nibble"), model_tensors()))
    save("architecture-wrong-type", "general.architecture is a u32",
         write([pair("general.architecture", U32, 1)] + model_pairs(None), model_tensors()))
    save("unknown-tensor", "a whole model and blk.0.mystery.weight",
         write(model_pairs(), model_tensors() + [("blk.0.mystery.weight", [2], 0, floats(1, 1))]))
    save("missing-tensor", "a model without blk.0.ffn_up.weight",
         write(model_pairs(), [t for t in model_tensors() if t[0] != "blk.0.ffn_up.weight"]))
    save("wrong-shape", "blk.0.attn_q.weight is 2 x 3",
         write(model_pairs(), [(t[0], [2, 3], 0, floats(1, 0, 0, 1, 0, 0)) if t[0] == "blk.0.attn_q.weight" else t
                               for t in model_tensors()]))
    save("kv-wrong-type", "llama.block_count is a u64",
         write([pair("llama.block_count", U64, 1) if b"llama.block_count" in p else p for p in model_pairs()], model_tensors()))

    # Split models: two shards in a folder.
    def shard(number: int, count: int, total: int, tensors, leading=()) -> bytes:
        return write(list(leading) + [pair("split.no", U16, number), pair("split.count", U16, count),
                                      pair("split.tensors.count", I32, total)], tensors)

    def split(name: str, flaw: str, first: bytes, second: bytes | None) -> None:
        target = folder / name
        target.mkdir(parents=True)
        (target / "model-00001-of-00002.gguf").write_bytes(first)
        if second is not None:
            (target / "model-00002-of-00002.gguf").write_bytes(second)
        NOTES.append((f"gguf/{name}/", flaw))

    first = shard(0, 2, 2, [A], pairs)
    second = shard(1, 2, 2, [B])
    split("valid-split", "no flaw: two shards of one tensor each", first, second)
    split("split-missing", "the second shard is missing", first, None)
    split("split-count-mismatch", "split.count is 3 in the second shard and 2 in the first", first, shard(1, 3, 2, [B]))
    split("split-count-name-mismatch", "split.count is 3, the names say 2", shard(0, 3, 2, [A], pairs), shard(1, 3, 2, [B]))
    split("split-no-mismatch", "split.no of the second shard is 0", first, shard(0, 2, 2, [B]))
    split("split-duplicate-tensor", "token_embd.weight in both shards", first, shard(1, 2, 2, [A]))
    split("split-tensor-total-mismatch", "split.tensors.count says 3 tensors, there are two",
          shard(0, 2, 3, [A], pairs), shard(1, 2, 3, [B]))
    split("split-wrong-type", "split.no and split.count are u32",
          write(pairs + [pair("split.no", U32, 0), pair("split.count", U32, 2), pair("split.tensors.count", I32, 2)], [A]), second)


# --------------------------------------------------------------------------------------------------
# safetensors
# --------------------------------------------------------------------------------------------------

def safetensors(header, data: bytes, length: int | None = None) -> bytes:
    """header: a JSON value, a JSON text, or bytes; padded with spaces as the reference writer does."""
    if not isinstance(header, (str, bytes)):
        header = json.dumps(header, separators=(",", ":"))
    if isinstance(header, str):
        header = header.encode("utf-8")
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(begin: int, end: int, shape=None, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": [(end - begin) // 4] if shape is None else shape, "data_offsets": [begin, end]}


CONFIG = {"architectures": ["LlamaForCausalLM"], "bos_token_id": 0, "eos_token_id": 1, "head_dim": 2, "hidden_act": "silu",
          "hidden_size": 2, "intermediate_size": 2, "max_position_embeddings": 8, "model_type": "llama",
          "num_attention_heads": 1, "num_hidden_layers": 1, "num_key_value_heads": 1, "rms_norm_eps": 1e-05,
          "rope_theta": 10000.0, "tie_word_embeddings": True, "torch_dtype": "float32", "vocab_size": 3}
TOKENIZER = {
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
    "post_processor": None,
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
              "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
              "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}}


def hub_tensors() -> dict[str, tuple[list[int], bytes]]:
    tensors = {"model.embed_tokens.weight": ([3, 2], floats(1, 2, 3, 4, 5, 6)), "model.norm.weight": ([2], floats(1, 1))}
    layer = "model.layers.0."
    for name in ["input_layernorm", "post_attention_layernorm"]:
        tensors[f"{layer}{name}.weight"] = ([2], floats(1, 1))
    for name in ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
                 "mlp.up_proj", "mlp.down_proj"]:
        tensors[f"{layer}{name}.weight"] = ([2, 2], floats(1, 0, 0, 1))
    return tensors


def weights(tensors) -> bytes:
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (shape, values) in sorted(tensors.items()):
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    return safetensors(header, data)


def make_safetensors(folder: Path) -> None:
    def save(name: str, flaw: str, data: bytes) -> None:
        (folder / f"{name}.safetensors").write_bytes(data)
        NOTES.append((f"safetensors/{name}.safetensors", flaw))

    folder.mkdir(parents=True, exist_ok=True)
    two = {"a": entry(0, 8), "b": entry(8, 16)}
    good = safetensors(two, bytes(16))
    save("valid", "no flaw: two tensors", good)
    save("valid-scalar-and-empty", "no flaw: a scalar and a tensor with a dimension of zero",
         safetensors({"a": entry(0, 4, []), "b": entry(4, 4, [0, 5])}, bytes(4)))
    save("short-file", "five bytes", good[:5])
    save("header-too-long", "a header length of 2^40", safetensors(two, bytes(16), 1 << 40))
    save("header-beyond-file", "a header length of 10 more than the file has", safetensors(two, b"", len(good)))
    save("header-not-json", "the header is not JSON", safetensors('{"a": nonsense}', bytes(16)))
    save("header-not-object", "the header is a JSON array", safetensors("[1, 2, 3]", b""))
    save("header-empty", "a header of no bytes", struct.pack("<Q", 0))
    save("not-utf8", "a tensor name of the bytes FF FE",
         safetensors(b'{"\xff\xfe":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', bytes(8)))
    save("hole", "four bytes between two tensors belong to none", safetensors({"a": entry(0, 8), "b": entry(12, 20)}, bytes(20)))
    save("hole-at-start", "the first tensor begins at 4", safetensors({"a": entry(4, 12)}, bytes(12)))
    save("overlap", "two tensors share four bytes", safetensors({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)))
    save("trailing-bytes", "eight bytes after the last tensor", good + bytes(8))
    save("data-beyond-file", "the last tensor ends four bytes after the file", good[:-4])
    save("size-mismatch", "three F32 in eight bytes", safetensors({"a": entry(0, 8, [3])}, bytes(8)))
    save("unknown-dtype", "dtype F31", safetensors({"a": entry(0, 8, dtype="F31")}, bytes(8)))
    save("negative-shape", "shape [-2, -1]", safetensors({"a": entry(0, 8, [-2, -1])}, bytes(8)))
    save("shape-overflow", "shape [2^32, 2^32]", safetensors({"a": entry(0, 8, [1 << 32, 1 << 32])}, bytes(8)))
    save("shape-fraction", "shape [1.5]", safetensors({"a": entry(0, 8, [1.5])}, bytes(8)))
    save("offset-overflow", "offsets beyond 64 bits",
         safetensors('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,36893488147419103232]}}', bytes(8)))
    save("duplicate-key", "tensor a twice",
         safetensors('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
                     bytes(8)))
    save("metadata-not-string", "__metadata__ has a number", safetensors({"__metadata__": {"format": 1}, "a": entry(0, 8)}, bytes(8)))
    save("deep-nesting", "600 nested arrays in the header", safetensors('{"a":' + "[" * 600 + "]" * 600 + "}", bytes(8)))
    save("end-before-begin", "a tensor from 8 to 0", safetensors({"a": entry(8, 0, [2])}, bytes(8)))
    save("missing-field", "a tensor without shape", safetensors('{"a":{"dtype":"F32","data_offsets":[0,8]}}', bytes(8)))

    # Folders.
    tensors = hub_tensors()
    names = sorted(tensors)
    halves = {"model-00001-of-00002.safetensors": {n: tensors[n] for n in names[:6]},
              "model-00002-of-00002.safetensors": {n: tensors[n] for n in names[6:]}}
    weight_map = {n: file for file, part in halves.items() for n in part}

    def hub(name: str, flaw: str, *, config=CONFIG, files=None, index=None) -> None:
        target = folder / name
        target.mkdir()
        if config is not None:
            (target / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
        (target / "tokenizer.json").write_text(json.dumps(TOKENIZER))
        (target / "tokenizer_config.json").write_text(json.dumps({"add_prefix_space": False, "tokenizer_class": "PreTrainedTokenizerFast"}))
        for file, data in (files or {"model.safetensors": weights(tensors)}).items():
            (target / file).write_bytes(data)
        if index is not None:
            (target / "model.safetensors.index.json").write_text(index if isinstance(index, str) else json.dumps(
                {"metadata": {"total_size": sum(len(v) for _, v in tensors.values())}, "weight_map": index}))
        NOTES.append((f"safetensors/{name}/", flaw))

    shards = {file: weights(part) for file, part in halves.items()}
    hub("valid-folder", "no flaw: a whole Llama of width 2")
    hub("valid-sharded-folder", "no flaw: the same in two shards", files=shards, index=weight_map)
    hub("index-missing-shard", "the second shard is missing",
        files={n: d for n, d in shards.items() if "-00001-of-" in n}, index=weight_map)
    hub("index-absent-tensor", "the index puts lm_head.weight in a shard which lacks it", files=shards,
        index=weight_map | {"lm_head.weight": "model-00002-of-00002.safetensors"})
    hub("index-unlisted-tensor", "a shard has model.norm.weight, the index does not", files=shards,
        index={n: f for n, f in weight_map.items() if n != "model.norm.weight"})
    hub("index-escapes-folder", "the index names ../outside.safetensors, which exists",
        files={n: d for n, d in shards.items() if "-00001-of-" in n},
        index={n: ("../outside.safetensors" if "-00002-of-" in f else f) for n, f in weight_map.items()})
    (folder / "outside.safetensors").write_bytes(shards["model-00002-of-00002.safetensors"])
    NOTES.append(("safetensors/outside.safetensors", "no flaw: the shard outside the folder above"))
    hub("index-absolute-path", "the index names /model-00002-of-00002.safetensors", files=shards,
        index={n: ("/" + f if "-00002-of-" in f else f) for n, f in weight_map.items()})
    hub("index-not-json", "the index is not JSON", files=shards, index="{")
    hub("duplicate-tensor-in-shards", "model.norm.weight in both shards",
        files={f: weights(part | {"model.norm.weight": tensors["model.norm.weight"]}) for f, part in halves.items()},
        index=weight_map)
    hub("no-weights", "no safetensors file", files={"README.md": b"no weights\n"})
    hub("config-missing", "no config.json", config=None)
    hub("config-not-json", "config.json is not JSON", config="{")
    hub("config-unknown-architecture", "architecture NibbleForCausalLM",
        config=CONFIG | {"architectures": ["NibbleForCausalLM"], "model_type": "nibble"})
    hub("config-missing-size", "no hidden_size", config={k: v for k, v in CONFIG.items() if k != "hidden_size"})
    hub("unknown-tensor-name", "a tensor model.layers.0.self_attn.mystery.weight",
        files={"model.safetensors": weights(tensors | {"model.layers.0.self_attn.mystery.weight": ([2], floats(1, 1))})})
    hub("missing-tensor", "no model.layers.0.mlp.up_proj.weight",
        files={"model.safetensors": weights({n: t for n, t in tensors.items() if "up_proj" not in n})})
    hub("wrong-shape", "model.layers.0.self_attn.q_proj.weight is 3 x 2",
        files={"model.safetensors": weights(tensors | {"model.layers.0.self_attn.q_proj.weight": ([3, 2], floats(1, 0, 0, 1, 0, 0))})})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent / "broken")
    output = parser.parse_args().output
    for name in ["gguf", "safetensors"]:
        shutil.rmtree(output / name, ignore_errors=True)
    make_gguf(output / "gguf")
    make_safetensors(output / "safetensors")
    lines = ["# Broken files", "",
             "Each file is right except for the flaw told here. `gguf` and `safetensors` are made by `make_broken.py`",
             "(which writes this list), `imatrix` by `make_quantized.py`.", ""]
    lines += [f"- `{name}`: {flaw}" for name, flaw in NOTES]
    lines += ["", "Importance matrices, for `gemma3-text` unless said otherwise:", ""]
    lines += [f"- `imatrix/{name}`: {flaw}" for name, flaw in IMATRIX_NOTES]
    (output / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(NOTES)} files and folders")


IMATRIX_NOTES = [
    ("wrong-length.dat", "blk.0.attn_q.weight has 31 values, the tensor 32 columns"),
    ("wrong-length.gguf", "the same in the GGUF form"),
    ("nan.dat", "the fifth value of blk.0.attn_q.weight is NaN"),
    ("nan.gguf", "the same in the GGUF form"),
    ("truncated.dat", "ends within the values of the last entry"),
    ("empty.dat", "says that it has no entries"),
    ("no-metadata.gguf", "lacks imatrix.datasets, imatrix.chunk_count and imatrix.chunk_size"),
    ("no-counts.gguf", "blk.0.attn_q.weight.in_sum2 has no .counts"),
]

if __name__ == "__main__":
    main()
