#!/usr/bin/env python3
"""Make the recorded steps of the optimizer: torch.optim.AdamW in float32, on 64 values.

    python make_adamw.py [--output FOLDER]

Writes gradients/adamw.json: per case the settings, the start, and for each of 10 steps the gradients as they came, the
learning rate, the norm before clipping and the parameters after. Arrays are little-endian float32 in base64.

The loops of PyTorch are the plain ones (foreach and fused off). The gradients span eight orders of magnitude, so that
epsilon matters for some; three of them are zero at every step.
"""

import argparse
import base64
import json
import math
import platform
from pathlib import Path

import numpy
import torch

HERE = Path(__file__).resolve().parent
SEED, COUNT, STEPS = 20261124, 64, 10
BETAS, EPSILON = (0.9, 0.98), 1e-8

CASES = {
    "plain": {"learningRate": 1e-2, "weightDecay": 0.0},
    "weight-decay": {"learningRate": 1e-2, "weightDecay": 0.1},
    "clipped": {"learningRate": 1e-2, "weightDecay": 0.1, "clipNorm": 1.0},
    # (step + 1) / warmupSteps, then from 1 to finalFraction along half a cosine.
    "cosine": {"learningRate": 1e-2, "weightDecay": 0.1, "warmupSteps": 3, "finalFraction": 0.1},
}


def factor(case: dict, step: int) -> float:
    """What the learning rate is multiplied by at a step, counted from 0."""
    warmup = case.get("warmupSteps")
    if warmup is None:
        return 1.0
    if step < warmup:
        return (step + 1) / warmup
    final = case["finalFraction"]
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (STEPS - warmup)))


def encode(values) -> str:
    return base64.b64encode(numpy.asarray(values, dtype="<f4").tobytes()).decode()


def make(name: str, case: dict) -> dict:
    rng = numpy.random.default_rng(SEED)
    start = rng.standard_normal(COUNT).astype(numpy.float32)
    scales = 10.0 ** rng.uniform(-8, 0, COUNT)
    scales[[5, 21, 40]] = 0
    parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = torch.optim.AdamW([parameter], lr=case["learningRate"], betas=BETAS, eps=EPSILON,
                                  weight_decay=case["weightDecay"], foreach=False, fused=False)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(case, step))
    steps, norms = [], []
    for _ in range(STEPS):
        gradient = (rng.standard_normal(COUNT) * scales).astype(numpy.float32)
        parameter.grad = torch.from_numpy(gradient.copy())
        norm = parameter.grad.norm().item()
        if "clipNorm" in case:
            norm = torch.nn.utils.clip_grad_norm_([parameter], case["clipNorm"], foreach=False).item()
        rate = optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step()
        norms.append(norm)
        steps.append({"gradient": encode(gradient), "learningRate": rate, "norm": norm,
                      "parameters": encode(parameter.detach())})
    state = optimizer.state[parameter]
    # Clipping must bind at some steps and not at others.
    assert min(norms) < 0.9 and max(norms) > 1.1, norms
    return {"name": name, **case, "beta1": BETAS[0], "beta2": BETAS[1], "epsilon": EPSILON, "start": encode(start),
            "steps": steps, "firstMoment": encode(state["exp_avg"]), "secondMoment": encode(state["exp_avg_sq"])}


def main() -> None:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE)
    output = parser.parse_args().output.resolve() / "gradients"
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    versions = {"python": platform.python_version()} | {p: version(p) for p in ("torch", "numpy")}
    document = {"versions": versions, "cases": [make(name, case) for name, case in CASES.items()]}
    (output / "adamw.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
