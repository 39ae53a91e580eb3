#!/usr/bin/env python3
"""Make the gradients of the tests: what PyTorch computes for distillation losses of tiny checkpoints.

    python make_gradients.py [--output FOLDER]

Writes
    gradients/<name>.<case>.safetensors    float32 gradients under the hub's names
    gradients/<name>.tied.safetensors      of one tied model: what the matrix gets as embedding, and what as head
    gradients/gradients.json               tokens and losses, which file holds what

The teacher is a checkpoint of hub-logits/; the student is the same checkpoint with the seven linear weights of every
block perturbed: in float32, w * 1.1 where row + column is even and w * 0.9 where it is odd. Gradients are with respect
to these perturbed weights, which is what a straight-through estimator hands on.

The classes are those of transformers, with eager attention. They round some steps to float32 by name (norms, softmax,
angles); here these names mean float64 (InDouble), so that all is float64 until the results are written. The embedding
has no padding index: the row of the padding token gets its gradient as any other.

The script asserts that the logits are those of make_logits.py, that every gradient agrees with a central difference
along a random direction, and that the two parts of the tied matrix add up. One thread: the same library versions give
the same bytes on any processor, but for the last bit of a few values.
"""

import argparse
import json
import os
import platform
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy
import torch
import transformers
from safetensors.numpy import save_file
from torch.nn.functional import kl_div, log_softmax, nll_loss
from torch.overrides import TorchFunctionMode

HERE = Path(__file__).resolve().parent
SEQUENCES, LENGTH = 2, 64
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

# Temperature, weights of forward KL, reverse KL and cross-entropy, and positions of a sequence that count. Case 'mixed'
# averages both of its terms over the positions that have a next token.
CASES = {
    "forward": {"temperature": 1.0, "forward": 1.0, "reverse": 0.0, "crossEntropy": 0.0, "positions": LENGTH},
    "temperature": {"temperature": 2.0, "forward": 1.0, "reverse": 0.0, "crossEntropy": 0.0, "positions": LENGTH},
    "mixed": {"temperature": 1.0, "forward": 0.7, "reverse": 0.0, "crossEntropy": 0.3, "positions": LENGTH - 1},
    "reverse": {"temperature": 1.0, "forward": 0.0, "reverse": 1.0, "crossEntropy": 0.0, "positions": LENGTH},
}
# 'forward' is stored whole; of the others, the first block and what is outside of the blocks, of matrices the leading
# rows.
LEADING_ROWS = 16
MODELS = {
    "gemma3-window": ["forward", "mixed"],
    "gemma3-linear-softcap": ["forward", "temperature", "reverse"],
    "llama-rope-biases": ["forward", "mixed"],
    "llama-tied": ["forward"],
    "qwen2-biases": ["forward", "temperature"],
    "qwen3-tied": ["forward", "reverse"],
    "qwen2-yarn": ["forward"],
}
TIED_PARTS = "gemma3-window"


class InDouble(TorchFunctionMode):
    """Lets what transformers does in float32 by name be done in float64."""

    def __torch_function__(self, function, types, arguments=(), named=None):
        def wide(value):
            return torch.float64 if value is torch.float32 else value

        if function is torch.Tensor.float:
            return arguments[0].double()
        return function(*map(wide, arguments), **{key: wide(value) for key, value in (named or {}).items()})


def load_model(folder: Path):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model, report = getattr(transformers, config["architectures"][0]).from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager", output_loading_info=True)
    assert not [n for n in report["missing_keys"] if n != "lm_head.weight"] and not report["unexpected_keys"]
    wrong = [n for n, v in [*model.named_parameters(), *model.named_buffers()]
             if v.is_floating_point() and v.dtype != torch.float64]
    assert not wrong, wrong
    model.model.embed_tokens.padding_idx = None
    return model.eval()


def perturb(model) -> None:
    for name, weight in model.named_parameters():
        if name.split(".")[-2] in LINEAR and name.endswith("weight"):
            values = weight.detach().numpy().astype(numpy.float32)
            rows, columns = numpy.indices(values.shape)
            factors = numpy.where((rows + columns) % 2 == 0, numpy.float32(1.1), numpy.float32(0.9))
            with torch.no_grad():
                weight.copy_(torch.from_numpy(values * factors))


def make_tokens(vocabulary: int) -> list[list[int]]:
    return [[(7 * i * i + 13 * i + 5 + 31 * sequence) % vocabulary for i in range(LENGTH)]
            for sequence in range(SEQUENCES)]


def logits(model, tokens):
    return model(input_ids=torch.tensor(tokens), use_cache=False).logits


def loss(case: dict, teacher, student, tokens):
    count, temperature = case["positions"], case["temperature"]
    t = log_softmax(teacher[:, :count] / temperature, -1).flatten(0, 1)
    s = log_softmax(student[:, :count] / temperature, -1).flatten(0, 1)
    # kl_div(q, p) is KL(p || q).
    total = case["forward"] * kl_div(s, t, reduction="batchmean", log_target=True)
    total = total + case["reverse"] * kl_div(t, s, reduction="batchmean", log_target=True)
    total = total * temperature ** 2
    if case["crossEntropy"]:
        targets = torch.tensor(tokens)[:, 1:].flatten()
        total = total + case["crossEntropy"] * nll_loss(log_softmax(student[:, :count], -1).flatten(0, 1), targets)
    return total


def check_logits(name: str, model) -> None:
    listed = json.loads((HERE / "logits" / "logits.json").read_text(encoding="utf-8"))["models"]
    entry = next(m for m in listed if m["name"] == name)
    expected = numpy.fromfile(HERE / entry["file"], "<f4").reshape(len(entry["positions"]), -1)
    with torch.no_grad():
        found = logits(model, [entry["tokens"]])[0, entry["positions"]].numpy()
    difference = numpy.abs(found - expected).max() / numpy.abs(expected).max()
    assert difference < 1e-5, f"{name}: logits differ from the recorded ones by {difference:.1e}"


def check_gradients(name: str, model, compute, gradients: dict) -> float:
    """Compares each gradient with a central difference along a random direction; returns the largest error."""
    generator = torch.Generator().manual_seed(1)
    worst, step = 0.0, 1e-6
    for parameter, gradient in gradients.items():
        weight = model.get_parameter(parameter)
        direction = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        original, values = weight.detach().clone(), []
        with torch.no_grad():
            for sign in (1, -1):
                weight.copy_(original + sign * step * direction)
                values.append(compute().item())
            weight.copy_(original)
        expected = (values[0] - values[1]) / (2 * step)
        error = abs(expected - (gradient * direction).sum().item()) / gradient.norm().item()
        assert error < 1e-5, f"{name}, {parameter}: {error:.1e}"
        worst = max(worst, error)
    return worst


def select(gradients: dict) -> dict:
    """What is stored of the cases beside 'forward'."""
    return {name: value[:LEADING_ROWS] if value.dim() == 2 else value for name, value in gradients.items()
            if not name.startswith("model.layers.") or name.startswith("model.layers.0.")}


def save(gradients: dict, path: Path) -> None:
    values = {name: numpy.ascontiguousarray(value.numpy(), dtype="<f4") for name, value in gradients.items()}
    assert all(numpy.isfinite(value).all() and value.any() for value in values.values())
    save_file(values, path)


def tied_parts(model, case: dict, teacher, tokens, total) -> dict:
    """The gradients of the matrix as embedding and as head."""
    model.lm_head.weight = torch.nn.Parameter(model.model.embed_tokens.weight.detach().clone())
    parts = torch.autograd.grad(loss(case, teacher, logits(model, tokens), tokens),
                                [model.model.embed_tokens.weight, model.lm_head.weight])
    assert torch.allclose(parts[0] + parts[1], total, rtol=1e-12, atol=1e-15)
    assert all(part.norm() > 0.05 * total.norm() for part in parts)
    return {"embedding": parts[0], "head": parts[1]}


def make(name: str, cases: list[str], output: Path) -> dict:
    folder = HERE / "hub-logits" / name
    model = load_model(folder)
    check_logits(name, model)
    tokens = make_tokens(model.config.vocab_size)
    with torch.no_grad():
        teacher = logits(model, tokens)
    perturb(model)
    names, parameters = zip(*model.named_parameters())
    records = []
    for key in cases:
        case = CASES[key]

        def compute():
            return loss(case, teacher, logits(model, tokens), tokens)

        value = compute()
        gradients = dict(zip(names, torch.autograd.grad(value, parameters)))
        error = check_gradients(f"{name}, {key}", model, compute, gradients)
        stored = gradients if key == "forward" else select(gradients)
        file = f"{name}.{key}.safetensors"
        save(stored, output / file)
        record = {"name": key, **case, "loss": value.item(), "file": f"gradients/{file}"}
        if key == "forward" and name == TIED_PARTS:
            total = gradients["model.embed_tokens.weight"]
            save(tied_parts(model, case, teacher, tokens, total), output / f"{name}.tied.safetensors")
            record["tiedFile"] = f"gradients/{name}.tied.safetensors"
            model.tie_weights()
        records.append(record)
        print(f"{name}, {key}: loss {value.item():.6f}, {len(stored)} tensors, "
              f"{(output / file).stat().st_size} bytes, differences within {error:.1e}")
    return {"name": name, "folder": f"hub-logits/{name}", "vocabularySize": model.config.vocab_size,
            "tokens": tokens, "cases": records}


def main() -> None:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE)
    output = parser.parse_args().output.resolve() / "gradients"
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with InDouble():
        models = [make(name, cases, output) for name, cases in MODELS.items()]
    versions = {"python": platform.python_version()}
    versions |= {p: version(p) for p in ("torch", "transformers", "safetensors", "numpy")}
    # One model a line.
    lines = ",\n".join("    " + json.dumps(m) for m in models)
    (output / "gradients.json").write_text(
        f'{{\n  "versions": {json.dumps(versions)},\n  "models": [\n{lines}\n  ]\n}}\n',
        encoding="utf-8")


if __name__ == "__main__":
    main()
