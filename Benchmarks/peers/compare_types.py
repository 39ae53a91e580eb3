#!/usr/bin/env python3
"""What each type loses, rounded to nearest, with an importance matrix of llama-imatrix, and calibrated.

usage: compare_types.py --nibble NIBBLE --llama-cpp BIN --base BF16.gguf --training FOLDER --evaluation FOLDER [FOLDER]
                        --folder FOLDER [--types q4_0 q4_k_m ...] [--embedding-type TYPE] [--sequences 256]
                        [--context 512] [--chunks 40]

--base is the unquantized file. --training is a folder of text files: calibration draws its sequences from all of them;
llama-imatrix reads a stretch from the middle of each, about as many tokens in all. Each --evaluation is a folder of documents.
llama-perplexity measures each file with --kl-divergence on the first --chunks chunks of the documents put together; nibble
compare measures the documents one by one, and says by how much calibrated differs from the importance matrix, with a 95 %
interval over documents. int4 types are folders: llama-perplexity gets their values as F32.

The calibrated files are made together, by one command with all types, each with the bytes that it would have alone. All that is
made lies in --folder, each thing beside the digest of what it is made of; the same command goes on after a stop.
Prints a Markdown table for each text.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np

from compare_methods import BYTES, Folder, sample_of, shown
from processes import Progress, run, run_until, tools_in

ROWS = ["nearest", "imatrix", "calibrated"]


def tensors_of(path):
    """Of a .safetensors file name, type, shape and bytes of each tensor."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            yield name, entry["dtype"], entry["shape"], data[8 + size + begin:8 + size + end]


def plain_folder(source, target):
    """A folder of compressed-tensors with the values of its codes in their place, F32."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    header, chunks, offset = {}, [], 0
    found = {name: rest for path in sorted(source.glob("*.safetensors")) for name, *rest in tensors_of(path)}

    def add(name, kind, shape, data):
        nonlocal offset
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        chunks.append(data)
        offset += len(data)

    for name, (kind, shape, data) in found.items():
        if name.endswith(("_scale", "_shape")) and name.rsplit("_", 1)[0] + "_packed" in found:
            continue
        if not name.endswith("_packed"):
            add(name, kind, shape, data)
            continue
        matrix = name.removesuffix("_packed")
        rows, columns = np.frombuffer(found[matrix + "_shape"][2], np.int64)
        words = np.frombuffer(data, np.uint32).reshape(rows, -1)
        codes = (words[:, :, None] >> np.arange(0, 32, 4, dtype=np.uint32) & 15).reshape(rows, -1)[:, :columns]
        scales = (np.frombuffer(found[matrix + "_scale"][2], np.uint16).astype(np.uint32) << 16).view(np.float32)
        scales = scales.reshape(rows, -1).repeat(columns // (scales.size // rows), axis=1)
        values = (codes.astype(np.float32) - 8) * scales
        add(matrix, "F32", [int(rows), int(columns)], values.astype(np.float32).tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(target / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for chunk in chunks:
            file.write(chunk)
    for path in source.iterdir():
        if path.suffix == ".safetensors" or path.name == "model.safetensors.index.json":
            continue
        if path.name == "config.json":
            config = json.loads(path.read_text())
            config.pop("quantization_config", None)
            (target / path.name).write_text(json.dumps(config))
        elif path.is_file():
            shutil.copyfile(path, target / path.name)


def judged(arguments, output, target):
    """What llama-perplexity is given of an output: itself, or of a folder of int4 a GGUF file with its values."""
    if output.suffix == ".gguf":
        return output
    if not target.exists():
        values = target.with_suffix(".values")
        plain_folder(output, values)
        run([str(part) for part in (arguments.nibble, "convert", values, "-o", target, "--type", "f32", "--quiet")])
        shutil.rmtree(values)
    return target


def files(arguments, folder):
    """By type and row the file, and the seconds that the calibrated ones took together."""
    base, training = arguments.base, arguments.training
    text, matrix = folder.path / "imatrix.txt", folder.path / "types-imatrix.gguf"
    folder.write(text, sample_of(training, arguments.sequences * arguments.context * BYTES))
    folder.make(
        "importance matrix", matrix,
        [arguments.llama_cpp / "llama-imatrix", "-m", base, "-f", text, "-c", arguments.context, "-o", matrix], [base, text])
    convert = [arguments.nibble, "convert", base, "--force", "--quiet"]
    embedding = ["--embedding-type", arguments.embedding_type] if arguments.embedding_type else []
    # Folders of int4 keep their embedding, and so are made for themselves where GGUF files have a type for it.
    sets = [[kind for kind in arguments.types if not kind.startswith("int4")],
            [kind for kind in arguments.types if kind.startswith("int4")]]
    found, seconds = {kind: {} for kind in arguments.types}, 0
    for kind in arguments.types:
        is_folder = kind.startswith("int4")
        for row in ROWS[:1] if is_folder else ROWS[:2]:
            output = folder.path / (f"{kind}-{row}" if is_folder else f"{kind}-{row}.gguf")
            command = [*convert, "--type", kind, "-o", output, *([] if is_folder else embedding)]
            inputs = [base]
            if row == "imatrix":
                command, inputs = [*command, "--imatrix", matrix], [base, matrix]
            folder.make(f"{kind}-{row}", output, command, inputs)
            found[kind][row] = judged(arguments, output, folder.path / f"{kind}-{row}.gguf")
    for name, kinds in zip(("calibrated", "calibrated-int4"), sets):
        if not kinds:
            continue
        is_set, output = len(kinds) > 1, folder.path / name
        if not is_set:
            output = folder.path / (name + ("" if kinds[0].startswith("int4") else ".gguf"))
        command = [*convert, "-o", output, *(part for kind in kinds for part in ("--type", kind)), "--calibrate", training,
                   "--sequences", arguments.sequences, "--sequence-length", arguments.context,
                   *([] if kinds[0].startswith("int4") else embedding)]
        seconds += folder.make(name, output, command, [base, training])["seconds"]
        for kind in kinds:
            own = next(path for path in output.iterdir() if f".{kind}." in path.name + ".") if is_set else output
            found[kind]["calibrated"] = judged(arguments, own, folder.path / f"{kind}-calibrated.gguf")
    return found, seconds


class Judge:
    """llama-perplexity on a text, whose base logits are made where one is still to be measured, and removed at the end."""

    def __init__(self, arguments, folder, text, place):
        self.arguments, self.folder, self.text, self.place = arguments, folder, text, place
        self.logits = folder.path / f"{place}.logits"
        self.has_logits = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.logits.unlink(missing_ok=True)

    def get(self, name, model, patterns, more):
        """The figures that follow the patterns."""

        def measure(_, keep):
            if more and not self.has_logits:
                self.run("unquantized", self.arguments.base, [], [])
                self.has_logits = True
            found = self.run(name, model, patterns, more)
            self.has_logits = self.has_logits or not more
            return found

        settings = [self.place, self.arguments.chunks, self.arguments.context]
        key = self.folder.key(settings, [self.arguments.base, self.text, model])
        return self.folder.get(f"{self.place}-{name}", key, measure)

    def run(self, name, model, patterns, more):
        progress = Progress(f"llama-perplexity, {name} on {self.place}")
        progress.begin()
        command = [self.arguments.llama_cpp / "llama-perplexity", "-m", model, "-f", self.text, "-c", self.arguments.context,
                   "--chunks", self.arguments.chunks, "--kl-divergence-base", self.logits, *more]
        matches, seconds, _ = run_until(patterns, [str(part) for part in command], progress.tick, progress.begin)
        progress.end(seconds)
        return [float(match[1]) for match in matches]

    def base(self):
        return self.get("base", self.arguments.base, [r"Final estimate: PPL = ([0-9.]+)"], [])[0]

    def file(self, name, model):
        """Perplexity and mean KL divergence."""
        return self.get(name, model, [r"^Mean PPL\(Q\)\s*:\s*([0-9.]+)", r"^Mean\s+KLD:\s*([0-9.]+)"], ["--kl-divergence"])


def difference(arguments, folder, place, documents, kind, models):
    """Mean divergence of calibrated less that of the importance matrix, or of nearest where there is none, by nibble."""
    first = "imatrix" if "imatrix" in models else "nearest"
    pair = [models[first], models["calibrated"]]

    def measure(_, keep):
        progress = Progress(f"nibble compare, {kind} on {place}")
        progress.begin()
        command = [arguments.nibble, "compare", arguments.base, *pair, "--text", documents, "--context", arguments.context,
                   "--json", "--quiet"]
        output, _, seconds, _ = run([str(part) for part in command], progress.tick)
        progress.end(seconds)
        rows = json.loads(output)["models"][1:]
        value = rows[1]["kl_divergence"]["value"] - rows[0]["kl_divergence"]["value"]
        return value, (rows[1]["intervals"] or {}).get("kl_divergence_less_first")

    return folder.get(f"{place}-{kind}-paired", folder.key([place, arguments.context], [arguments.base, *pair, documents]), measure)


def table(arguments, folder, models, documents, judge):
    print(f"\n{arguments.base.name} on {judge.place}, {arguments.chunks} chunks of {arguments.context}: perplexity "
          f"{judge.base():.4f}\n")
    print("| type | MB | " + " | ".join(f"{row}, perplexity" for row in ROWS) + " | "
          + " | ".join(f"{row}, mean KLD" for row in ROWS) + " | calibrated less imatrix, all documents |")
    print("|---|---:|" + "---:|" * 7)
    for kind, rows in models.items():
        found = {row: judge.file(f"{kind}-{row}", model) for row, model in rows.items()}
        cells = [f"{found[row][index]:.{digits}f}" if row in found else "" for index, digits in ((0, 4), (1, 5)) for row in ROWS]
        value, interval = difference(arguments, folder, judge.place, documents, kind, rows)
        # Of a folder that is not judged itself there is no size to show.
        size = "" if kind.startswith("int4") else f"{rows['calibrated'].stat().st_size / 1e6:.1f}"
        print(f"| {kind} | {size} | " + " | ".join(cells) + f" | {shown(value, interval, 4)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("nibble", "llama-cpp", "base", "training", "folder"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--evaluation", type=Path, nargs="+", required=True)
    parser.add_argument("--types", nargs="+", default=["q4_0", "q4_1", "q5_0", "iq4_nl", "int4_32"])
    parser.add_argument("--embedding-type")
    parser.add_argument("--sequences", type=int, default=256)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--chunks", type=int, default=40)
    arguments = parser.parse_args()
    tools = tools_in(arguments.llama_cpp, ("llama-imatrix", "llama-perplexity"))
    folder = Folder(arguments.folder, [arguments.nibble, *tools])
    models, seconds = files(arguments, folder)
    print(f"Calibrated in {seconds:.0f} s, all types together.")
    for documents in arguments.evaluation:
        place = documents.name
        text = folder.path / f"{place}.txt"
        parts = [path.read_text(errors="replace") for path in sorted(documents.iterdir()) if path.is_file()]
        folder.write(text, "\n\n".join(parts))
        with Judge(arguments, folder, text, place) as judge:
            table(arguments, folder, models, documents, judge)


if __name__ == "__main__":
    main()
