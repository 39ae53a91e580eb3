#!/usr/bin/env python3
"""Make the gradients of single operations for the tests, by PyTorch in float64.

    python make_operations.py [--output FOLDER]

Writes gradients/operations.safetensors and gradients/operations.json. A case has inputs, an upstream gradient, the
output, and the gradient of each input: the tensors `<case>.<input>`, `<case>.upstream`, `<case>.output` and
`<case>.<input>.gradient`. Inputs and upstream gradients are float32; the rest is computed from them in float64 and then
rounded to float32.

Every gradient is checked against central differences by torch.autograd.gradcheck.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy
import torch
from safetensors.numpy import save_file
from torch.nn.functional import gelu, silu, softmax

HERE = Path(__file__).resolve().parent
SEED = 20261125
TOKENS, HEADS, KEY_HEADS, HEAD = 37, 6, 2, 8


def rms_norm(x, weight, *, epsilon):
    """[tokens, width], [width]"""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def rotary(x, *, base, interleaved):
    """[tokens, heads, head]: pair i turned by position * base^(-2i / head); pairs are (2i, 2i + 1) or (i, i + head/2)."""
    half = x.shape[-1] // 2
    frequencies = base ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.arange(x.shape[0], dtype=torch.float64)[:, None, None] * frequencies
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else (x[..., :half], x[..., half:])
    turned = a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()
    return torch.stack(turned, -1).flatten(-2) if interleaved else torch.cat(turned, -1)


def gelu_gate(gate, up):
    return gelu(gate, approximate="tanh") * up


def silu_gate(gate, up):
    return silu(gate) * up


def softcap(x, *, cap):
    return cap * torch.tanh(x / cap)


def attention(query, key, value, *, scale, window):
    """[tokens, heads, head], two of [tokens, key heads, head]; query head h reads key head h / (heads / key heads).

    A token sees itself and those before it; with a window, the last `window` of these.
    """
    groups = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    scores = torch.einsum("qhd,khd->hqk", query, key) * scale
    distance = torch.arange(query.shape[0])[:, None] - torch.arange(query.shape[0])
    hidden = (distance < 0) | (distance >= window) if window else distance < 0
    return torch.einsum("hqk,khd->qhd", softmax(scores.masked_fill(hidden, -torch.inf), -1), value)


def cases(rng) -> dict:
    """Name, operation, its settings, and inputs."""
    def normal(*shape, scale=1.0, offset=0.0):
        return (offset + scale * rng.standard_normal(shape)).astype(numpy.float32)

    heads, key_heads = (TOKENS, HEADS, HEAD), (TOKENS, KEY_HEADS, HEAD)
    attended = {"query": normal(*heads, scale=2), "key": normal(*key_heads, scale=2), "value": normal(*key_heads)}
    gated = {"gate": normal(TOKENS, 24, scale=3), "up": normal(TOKENS, 24)}
    gated["gate"][0, :6] = [0, -0.0, 12, -12, 1e-20, -60]
    turned = {"x": normal(*heads)}
    return {
        "rmsNorm": (rms_norm, {"epsilon": 1e-6}, {"x": normal(TOKENS, 24), "weight": normal(24, scale=0.3, offset=1)}),
        # The mean square is of the order of epsilon.
        "rmsNormSmall": (rms_norm, {"epsilon": 1e-3},
                         {"x": normal(TOKENS, 24, scale=0.03), "weight": normal(24, scale=0.3, offset=1)}),
        "rotaryHalves": (rotary, {"base": 100.0, "interleaved": False}, turned),
        "rotaryNeighbours": (rotary, {"base": 100.0, "interleaved": True}, turned),
        "geluGate": (gelu_gate, {}, gated),
        "siluGate": (silu_gate, {}, gated),
        "softcap": (softcap, {"cap": 30.0}, {"x": normal(TOKENS, 24, scale=30)}),
        "attention": (attention, {"scale": 0.35, "window": None}, attended),
        "attentionWindow": (attention, {"scale": 0.35, "window": 7}, attended),
    }


def make(name: str, operation, settings: dict, inputs: dict, rng) -> tuple[dict, dict]:
    leaves = [torch.from_numpy(x).double().requires_grad_() for x in inputs.values()]
    output = operation(*leaves, **settings)
    upstream = rng.standard_normal(tuple(output.shape)).astype(numpy.float32)
    gradients = torch.autograd.grad(output, leaves, torch.from_numpy(upstream).double())
    assert torch.autograd.gradcheck(lambda *x: operation(*x, **settings), leaves, fast_mode=True)
    tensors = {f"{name}.{key}": value for key, value in inputs.items()}
    tensors |= {f"{name}.{key}.gradient": g.numpy() for key, g in zip(inputs, gradients)}
    tensors |= {f"{name}.upstream": upstream, f"{name}.output": output.detach().numpy()}
    tensors = {key: numpy.ascontiguousarray(value, dtype="<f4") for key, value in tensors.items()}
    assert all(numpy.isfinite(value).all() for value in tensors.values())
    return {"name": name, "inputs": list(inputs), **settings}, tensors


def main() -> None:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE)
    output = parser.parse_args().output.resolve() / "gradients"
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rng = numpy.random.default_rng(SEED)
    records, tensors = [], {}
    for name, (operation, settings, inputs) in cases(rng).items():
        record, values = make(name, operation, settings, inputs, rng)
        records.append(record)
        tensors |= values
    save_file(tensors, output / "operations.safetensors")
    versions = {"python": platform.python_version()} | {p: version(p) for p in ("torch", "safetensors", "numpy")}
    lines = ",\n".join("    " + json.dumps(record) for record in records)
    (output / "operations.json").write_text(
        f'{{\n  "versions": {json.dumps(versions)},\n  "cases": [\n{lines}\n  ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
