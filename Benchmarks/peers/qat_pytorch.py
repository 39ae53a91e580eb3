#!/usr/bin/env python3
"""Quantization-aware training by distillation with PyTorch and transformers on a CPU.

usage: qat_pytorch.py --model FOLDER --text FILE [--steps 20] [--sequence-length 512] [--precision bf16|fp32]
                      [--threads 2] [--learning-rate 1e-5] [--slice 256] [--eager] [--eval-text FILE] [--output FOLDER]
                      [--json]

The teacher is the hub folder as it is. The student is the same model with its linear weights fake-quantized to Q4_0 by
llama.cpp's arithmetic, straight-through, and its embedding (the tied head, too) frozen and quantized to Q8_0. A step is
one sequence: the teacher's forward pass, the student's forward and backward pass, and AdamW (0.9, 0.98) on float32
master weights. The loss is the mean of KL(teacher || student) over the whole vocabulary.

What is meant to make it fast. Measured: the size of the slice (on the products alone) and torch.compile (Gemma 3 270M,
BF16, 2 threads, one run of 4 steps each: 288 tokens/s, 133 without):
    - the model holds the rounded weights in the precision of the products and gets plain gradients for them, so that
      quantizing is one pass over the master weights a step and nothing of it is kept for the backward pass
    - torch.compile of both models' blocks, of the quantizer and of the loss
    - the head a slice of tokens at a time: logits of both, loss and gradient at once, into buffers that stay
    - fused AdamW

Prints tokens a second of each step, and their median after --warm-up steps (the first compiles); loss of each step; peak
resident memory (VmHWM). --eval-text adds the student's perplexity on the second half of 16 sequences. --output writes the
master weights as a hub folder, linear weights in F32, for `nibble convert` and `nibble compare`.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
BLOCK = 32
EVALUATED = 16


def extremum(x):
    """Of each block, the value of largest magnitude; of several, the first."""
    magnitude = x.abs()
    largest = magnitude.amax(-1, keepdim=True)
    order = torch.arange(BLOCK, 0, -1, dtype=torch.float32)
    signed = torch.where(magnitude == largest, torch.copysign(order, x), 0.0)
    return torch.where(signed.amax(-1, keepdim=True) > -signed.amin(-1, keepdim=True), largest, -largest)


def decode(x, inverse, d, dtype: torch.dtype):
    """The codes of Q4_0 for blocks, times the scale."""
    return (((x * inverse + 8.5).trunc().clamp(0, 15) - 8) * d).to(dtype)


def round_q4_0(weights, dtype: torch.dtype, extremum=extremum, decode=decode):
    """What Q4_0 makes of float32 weights (ggml-quants.c, quantize_row_q4_0_ref).

    Scales are computed between the two compiled functions: the compiler would leave out their rounding to F16.
    """
    x = weights.view(-1, BLOCK)
    d = extremum(x) / -8
    return decode(x, torch.where(d == 0, 0.0, 1 / d), d.half().float(), dtype).view(weights.shape)


def round_q8_0(weights, dtype: torch.dtype):
    """What Q8_0 makes of float32 weights (ggml-quants.c, quantize_row_q8_0_ref)."""
    x = weights.view(-1, BLOCK)
    d = x.abs().amax(-1, keepdim=True) / 127
    scaled = x * torch.where(d == 0, 0.0, 1 / d)
    codes = torch.copysign((scaled.abs() + 0.5).floor(), scaled)
    return (codes * d.half().float()).to(dtype).view(weights.shape)


def divergence(teacher, student, count: int):
    """Sum of KL(teacher || student) over a slice, and its gradient as a part of a mean over `count` tokens."""
    t, s = teacher.float(), student.float()
    t = t - t.logsumexp(-1, keepdim=True)
    s = s - s.logsumexp(-1, keepdim=True)
    p = t.exp()
    return (p * (t - s)).sum(), ((s.exp() - p) * (1 / count)).to(student.dtype)


class Trainer:
    """Teacher, student, and what a step needs."""

    def __init__(self, arguments):
        self.slice = arguments.slice or arguments.sequence_length
        self.dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[arguments.precision]
        compiled = (lambda function, **named: function) if arguments.eager else torch.compile
        self.rounding = {"extremum": compiled(extremum), "decode": compiled(decode)}
        self.divergence = compiled(divergence, dynamic=False)

        def load():
            return transformers.AutoModelForCausalLM.from_pretrained(
                arguments.model, dtype=self.dtype, attn_implementation="sdpa").eval().requires_grad_(False)

        teacher, self.student = load(), load()
        self.cap = getattr(teacher.config, "final_logit_softcapping", None)
        if self.cap:
            sys.exit(f"{arguments.model}: caps its logits, which this script does not")
        # From the folder: the master weights are what it has, whatever the precision of the products.
        state = load_files(arguments.model)
        self.weights, self.masters = {}, {}
        for name, weight in self.student.named_parameters():
            if name.split(".")[-2] in LINEAR and name.endswith("weight"):
                self.weights[name] = weight.requires_grad_(True)
                self.masters[name] = state[name].float().clone()
        embedding = self.student.get_input_embeddings().weight
        for rows in embedding.split(8192):
            rows.copy_(round_q8_0(rows.float(), self.dtype))
        self.teacher_head, self.student_head = teacher.lm_head.weight, self.student.lm_head.weight
        if not self.student.config.tie_word_embeddings:
            self.student_head.copy_(round_q8_0(self.student_head.float(), self.dtype))
        self.teacher_body = compiled(teacher.model, dynamic=False)
        self.student_body = compiled(self.student.model, dynamic=False)
        vocabulary = self.teacher_head.shape[0]
        self.buffers = [torch.empty(self.slice, vocabulary, dtype=self.dtype) for _ in range(2)]
        self.optimizer = torch.optim.AdamW(self.masters.values(), lr=arguments.learning_rate, betas=(0.9, 0.98),
                                           weight_decay=0.0, fused=True)
        self.quantize()

    @torch.no_grad()
    def quantize(self):
        for name, weight in self.weights.items():
            weight.copy_(round_q4_0(self.masters[name], self.dtype, **self.rounding))

    @torch.no_grad()
    def head(self, teacher, student):
        """The loss of hidden states of teacher and student, and its gradient with respect to the latter."""
        count, total = student.shape[0], 0.0
        gradient = torch.empty_like(student)
        for start in range(0, count, self.slice):
            rows = slice(start, start + self.slice)
            logits = [torch.mm(states[rows], weight.t(), out=buffer[:states[rows].shape[0]])
                      for states, weight, buffer in
                      zip((teacher, student), (self.teacher_head, self.student_head), self.buffers)]
            loss, upstream = self.divergence(*logits, count)
            torch.mm(upstream, self.student_head, out=gradient[rows])
            total += loss.item()
        return total / count, gradient

    def step(self, tokens) -> float:
        with torch.no_grad():
            teacher = self.teacher_body(input_ids=tokens, use_cache=False).last_hidden_state[0]
        student = self.student_body(input_ids=tokens, use_cache=False).last_hidden_state[0]
        loss, gradient = self.head(teacher, student.detach())
        student.backward(gradient)
        for name, weight in self.weights.items():
            self.masters[name].grad, weight.grad = weight.grad.float(), None
        self.optimizer.step()
        self.quantize()
        return loss

    @torch.no_grad()
    def perplexity(self, sequences) -> float:
        losses = []
        for tokens in sequences:
            states = self.student_body(input_ids=tokens, use_cache=False).last_hidden_state[0]
            first = tokens.shape[1] // 2
            for start in range(first, tokens.shape[1] - 1, self.slice):
                stop = min(start + self.slice, tokens.shape[1] - 1)
                logits = states[start:stop] @ self.student_head.t()
                losses.append(cross_entropy(logits.float(), tokens[0, start + 1:stop + 1], reduction="none"))
        return math.exp(torch.cat(losses).mean().item())

    def save(self, model: Path, output: Path):
        partial = output.with_name(output.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for file in model.iterdir():
            if file.is_file() and ".safetensors" not in file.name:
                shutil.copyfile(file, partial / file.name)
        save_file(load_files(model) | self.masters, partial / "model.safetensors", metadata={"format": "pt"})
        partial.rename(output)


def load_files(folder) -> dict:
    return {name: value for file in sorted(Path(folder).glob("*.safetensors"))
            for name, value in load_file(file).items()}


def sequences(tokenizer, path: str, count: int, length: int) -> list:
    """The first sequences of a text, each with a BOS as first token where the tokenizer has one."""
    # No need to read all of a long text.
    text = Path(path).read_text(encoding="utf-8")[:count * length * 16]
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    bos = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    own = length - len(bos)
    if len(ids) < own * count:
        sys.exit(f"{path}: has {len(ids)} tokens, {count} sequences of {length} need {own * count}")
    return [torch.tensor([bos + ids[i * own:(i + 1) * own]]) for i in range(count)]


def peak_resident() -> int:
    """Bytes; VmHWM of this process."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="hub folder of the unquantized checkpoint")
    parser.add_argument("--text", required=True, help="what to train on")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=2, help="first steps that the median leaves out")
    parser.add_argument("--sequence-length", type=int, default=512)
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--slice", type=int, default=256, help="tokens that the head takes at a time; 0 for all")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    parser.add_argument("--eval-text", help="text for the student's perplexity")
    parser.add_argument("--output", type=Path, help="hub folder to write; must not exist")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")
    arguments = parser.parse_args()
    if arguments.steps <= arguments.warm_up:
        sys.exit(f"--steps {arguments.steps}: must be more than --warm-up {arguments.warm_up}")
    if arguments.output and arguments.output.exists():
        sys.exit(f"{arguments.output} exists")
    torch.set_num_threads(arguments.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()

    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
    length = arguments.sequence_length
    batches = sequences(tokenizer, arguments.text, arguments.steps, length)
    evaluated = sequences(tokenizer, arguments.eval_text, EVALUATED, length) if arguments.eval_text else []
    trainer = Trainer(arguments)
    losses, speeds = [], []
    for index, tokens in enumerate(batches):
        start = time.monotonic()
        losses.append(trainer.step(tokens))
        speeds.append(length / (time.monotonic() - start))
        print(f"step {index + 1}: loss {losses[-1]:.6f}, {speeds[-1]:.1f} tokens/s", file=sys.stderr, flush=True)
    result = {"tokens_per_second": statistics.median(speeds[arguments.warm_up:]), "peak_resident_bytes": peak_resident(),
              "losses": losses, "stepTokensPerSecond": speeds, "precision": arguments.precision,
              "threads": arguments.threads, "torch": torch.__version__, "transformers": transformers.__version__}
    if evaluated:
        result["perplexity"] = trainer.perplexity(evaluated)
    if arguments.output:
        trainer.save(Path(arguments.model), arguments.output)
    if arguments.json:
        print(json.dumps(result))
    else:
        print(f"{result['tokens_per_second']:.1f} tokens/s (median of {arguments.steps - arguments.warm_up} steps), "
              f"{result['peak_resident_bytes'] / 2**30:.2f} GiB, last loss {losses[-1]:.6f}"
              + (f", perplexity {result['perplexity']:.4f}" if evaluated else ""))


if __name__ == "__main__":
    main()
