#!/usr/bin/env python3
"""Record what llama-quantize writes for some of the expected GGUF files.

    python make_quantized.py --llama-quantize PATH/TO/llama-quantize

Writes
    imatrix/<model>.dat, .gguf   a seeded synthetic importance matrix in both formats, of equal content
    broken/imatrix/              wrong ones
    quantized.json               for each model and case: the sha256 of the whole file, its size, the sha256 of its
                                 tensor data alone, and for each tensor its type and the first 8 hex digits of the
                                 sha256 of its data

llama-quantize runs in a temporary folder where the model is `input.gguf`, the importance matrix `imatrix.gguf` or
`imatrix.dat` and the result `output.gguf`: it writes the path of the importance matrix as it was given into the
result (quantize.imatrix.file). Only the hashes are kept. Needs numpy.
"""

import argparse
import hashlib
import json
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy

from tiny_gguf import ARRAY, STRING, U32, Reader, pair, write

MODELS = ["gemma3-text", "llama3", "smollm2"]
SEED = 20261125
TOKENS, CHUNK_SIZE = 128, 64          # powers of two: both formats give exactly the same weights
CHUNKS = TOKENS // CHUNK_SIZE
DATASET = "synthetic.txt"

TYPES = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_0", "q2_k", "q3_k_s", "q3_k_m", "q3_k_l", "q6_k", "q4_k_s", "q4_k_m", "q5_k_s",
         "q5_k_m", "iq4_nl", "iq4_xs", "f16", "bf16", "f32"]
CASES = [([], type) for type in TYPES]
CASES += [(["--imatrix", "imatrix.gguf"], type) for type in TYPES if type not in ("f16", "bf16", "f32")]
CASES += [(["--imatrix", "imatrix.dat"], type) for type in ("q4_0", "q4_k_m")]
CASES += [(["--pure"], type) for type in ("q4_0", "q4_1", "q8_0", "q2_0", "q2_k", "q3_k_m", "q6_k", "q4_k_m", "q5_k_s", "iq4_nl", "iq4_xs")]
CASES += [(["--pure", "--imatrix", "imatrix.gguf"], type) for type in ("q4_0", "q5_k_m")]
CASES += [(["--token-embedding-type", t], "q4_0") for t in ("q8_0", "f16", "q4_0", "f32")]
CASES += [(["--output-tensor-type", t], "q4_0") for t in ("q8_0", "f16", "q4_0")]
CASES += [
    (["--pure", "--token-embedding-type", "q8_0"], "q4_0"),
    (["--pure", "--output-tensor-type", "q8_0"], "q4_0"),
    (["--token-embedding-type", "q5_0", "--output-tensor-type", "q8_0"], "q4_k_m"),
    (["--tensor-type", "attn_q=q8_0"], "q4_0"),
    (["--tensor-type", "attn_v=q5_1", "--tensor-type", "ffn_down=q8_0"], "q4_0"),
    (["--tensor-type", r"blk\.[01]\.ffn_.*=q5_0"], "q4_k_m"),
    (["--tensor-type", "attn_k=f16", "--pure"], "q4_0"),
    (["--leave-output-tensor"], "q4_0"),
]


# --------------------------------------------------------------------------------------------------
# Importance matrices
# --------------------------------------------------------------------------------------------------

def importance(model: str, reader: Reader) -> dict[str, tuple[numpy.ndarray, int]]:
    """Mean squares of the inputs of every matrix of the layers (and of output.weight) and their token count.
    As in real files token_embd has no entry. In gemma3-text blk.5.ffn_up has none either, and blk.3.attn_v
    was never used: its count is 0, which means weights of one."""
    rng = numpy.random.default_rng([SEED, MODELS.index(model)])
    entries = {}
    for name, (_, dims, _) in sorted(reader.tensors.items()):
        if len(dims) != 2 or not name.endswith(".weight") or name == "token_embd.weight":
            continue
        mean = numpy.exp(rng.standard_normal(dims[0])).astype(numpy.float32)
        if model == "gemma3-text" and name == "blk.5.ffn_up.weight":
            continue
        count = 0 if model == "gemma3-text" and name == "blk.3.attn_v.weight" else TOKENS
        entries[name] = (mean, count)
    return entries


def imatrix_gguf(entries, metadata: bool = True, without_counts: str | None = None) -> bytes:
    pairs = [pair("general.type", STRING, "imatrix")]
    if metadata:
        pairs += [pair("imatrix.datasets", ARRAY, (STRING, [DATASET])), pair("imatrix.chunk_count", U32, CHUNKS),
                  pair("imatrix.chunk_size", U32, CHUNK_SIZE)]
    tensors = []
    for name, (mean, count) in sorted(entries.items()):
        if name != without_counts:
            tensors.append((f"{name}.counts", [1, 1], 0, struct.pack("<f", count)))
        tensors.append((f"{name}.in_sum2", [len(mean), 1], 0, (mean * numpy.float32(count)).tobytes()))
    return write(pairs, tensors)


def imatrix_legacy(entries) -> bytes:
    data = struct.pack("<i", len(entries))
    for name, (mean, count) in sorted(entries.items()):
        values = mean if count else numpy.ones_like(mean)
        data += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", CHUNKS, len(values))
        data += (values * numpy.float32(CHUNKS)).tobytes()
    return data + struct.pack("<ii", CHUNKS, len(DATASET)) + DATASET.encode()


def make_broken_imatrices(folder: Path, entries) -> None:
    """For gemma3-text, only some entries. The flaws are told in broken/README.md (make_broken.py)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    name = "blk.0.attn_q.weight"
    entries = {n: e for n, e in entries.items() if n in (name, "blk.0.ffn_down.weight")}
    mean, count = entries[name]
    nan = mean.copy()
    nan[4] = numpy.nan
    for flaw, values in [("wrong-length", mean[:-1]), ("nan", nan)]:
        (folder / f"{flaw}.dat").write_bytes(imatrix_legacy(entries | {name: (values, count)}))
        (folder / f"{flaw}.gguf").write_bytes(imatrix_gguf(entries | {name: (values, count)}))
    (folder / "truncated.dat").write_bytes(imatrix_legacy(entries)[:-8 - len(DATASET) - 6])
    (folder / "empty.dat").write_bytes(struct.pack("<i", 0))
    (folder / "no-metadata.gguf").write_bytes(imatrix_gguf(entries, metadata=False))
    (folder / "no-counts.gguf").write_bytes(imatrix_gguf(entries, without_counts=name))


# --------------------------------------------------------------------------------------------------

def quantize(program: Path, model: Path, imatrices: Path, flags: list[str], type: str) -> bytes:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copy(model, folder / "input.gguf")
        name = model.name.removesuffix(".expected.gguf")
        for suffix in ["dat", "gguf"]:
            shutil.copy(imatrices / f"{name}.{suffix}", folder / f"imatrix.{suffix}")
        result = subprocess.run([program, *flags, "input.gguf", "output.gguf", type.upper(), "1"], cwd=folder,
                                capture_output=True, text=True, errors="replace")
        if result.returncode != 0:
            raise SystemExit(f"{model.name} {flags} {type}:\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}")
        return (folder / "output.gguf").read_bytes()


def describe(data: bytes) -> dict:
    reader = Reader(data)
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "dataSha256": hashlib.sha256(data[reader.start:]).hexdigest(),
        "types": " ".join(kind for kind, _, _ in reader.tensors.values()),
        "digests": " ".join(hashlib.sha256(values).hexdigest()[:8] for _, _, values in reader.tensors.values()),
    }


def main() -> None:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-quantize", type=Path, required=True)
    parser.add_argument("--fixtures", type=Path, default=here)
    arguments = parser.parse_args()
    program, fixtures = arguments.llama_quantize.resolve(), arguments.fixtures.resolve()

    imatrices = fixtures / "imatrix"
    imatrices.mkdir(exist_ok=True)
    manifest = {"about": "Made by make_quantized.py. types and digests (first 8 hex digits of the sha256 of the data) "
                         "are in the order of tensors, which is the order in every output of that model.",
                "models": {}}
    for model in MODELS:
        path = fixtures / "hub" / f"{model}.expected.gguf"
        source = path.read_bytes()
        reader = Reader(source)
        entries = importance(model, reader)
        (imatrices / f"{model}.gguf").write_bytes(imatrix_gguf(entries))
        (imatrices / f"{model}.dat").write_bytes(imatrix_legacy(entries))
        if model == "gemma3-text":
            make_broken_imatrices(fixtures / "broken" / "imatrix", entries)

        order, cases = None, []
        for flags, type in CASES:
            output = quantize(program, path, imatrices, flags, type)
            names = list(Reader(output).tensors)
            assert order in (None, names), "the order of the tensors depends on the case"
            order = names
            cases.append({"type": type, "flags": flags, **describe(output)})
        manifest["models"][model] = {"sourceSha256": hashlib.sha256(source).hexdigest(), "tensors": order, "cases": cases}
        print(f"{model}: {len(entries)} importance entries, {len(cases)} cases")
    (fixtures / "quantized.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
