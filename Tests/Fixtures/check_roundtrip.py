#!/usr/bin/env python3
"""Compare a hub folder written from a GGUF file with the folder that the GGUF was made from.

    python check_roundtrip.py CONVERTED ORIGINAL [--tolerance 1e-4]

Loads both with transformers in F32 and checks that
  - the logits for a few token sequences agree: the largest difference is at most `tolerance` times the largest
    logit of the original. The fixtures keep BF16 and F16 weights exactly through a BF16 or F32 GGUF, except that
    F16 weights become BF16 with --outtype bf16 (then use --tolerance 0.05), and except for the rounding of
    Gemma's norms, which GGUF stores plus one;
  - the same token ids come from AutoTokenizer for a few strings, and the same text from these ids.
A multimodal original is compared with the text model alone. Run by hand and by the full test; needs the packages
named in README.md.
"""

import argparse
import json
import sys
from pathlib import Path

STRINGS = [
    "The quick brown fox jumps over the lazy dog.",
    "I've seen 12345 apples; THEY'RE $3.50 each (or 7%)!",
    "def f(x):\n    return x * 2\n\n\nend",
    "Größe naïve Съешь 我想吃苹果 🙂",
    "  leading, trailing and   inner spaces  ",
    "tab\tand\r\nreturn",
    "",
]


def load_model(folder: Path):
    import torch
    import transformers

    architecture = json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"][0]
    model, report = getattr(transformers, architecture).from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    missing = [n for n in report["missing_keys"] if n != "lm_head.weight"]
    assert not missing, f"{folder}: tensors are missing: {missing}"
    assert not report["unexpected_keys"], f"{folder}: unexpected tensors: {report['unexpected_keys']}"
    return model.eval()


def check_logits(converted: Path, original: Path, tolerance: float) -> None:
    import torch

    ours, theirs = load_model(converted), load_model(original)
    vocabulary = min(m.config.get_text_config().vocab_size for m in (ours, theirs))
    generator = torch.Generator().manual_seed(1)
    # 48 tokens are more than the sliding windows of the fixtures.
    for length in [1, 5, 48]:
        ids = torch.randint(0, vocabulary - 16, (1, length), generator=generator)
        with torch.no_grad():
            a, b = ours(input_ids=ids).logits, theirs(input_ids=ids).logits
        rows = min(a.shape[-1], b.shape[-1])
        difference = (a[..., :rows] - b[..., :rows]).abs().max().item()
        largest = b.abs().max().item()
        print(f"logits of {length} tokens: largest {largest:.4f}, difference {difference:.2e}")
        assert difference <= tolerance * largest, f"the logits differ by {difference} of {largest}"


def check_tokenizer(converted: Path, original: Path) -> None:
    from transformers import AutoTokenizer

    ours, theirs = AutoTokenizer.from_pretrained(converted), AutoTokenizer.from_pretrained(original)
    special = "".join(token for token in theirs.all_special_tokens) + "a"
    for text in STRINGS + [special]:
        for add_special_tokens in [False, True]:
            a = ours(text, add_special_tokens=add_special_tokens)["input_ids"]
            b = theirs(text, add_special_tokens=add_special_tokens)["input_ids"]
            assert a == b, f"{text!r} (special tokens: {add_special_tokens})\n ours   {a}\n theirs {b}"
        assert ours.decode(a) == theirs.decode(a), f"decoding of {a} differs"
    print(f"{len(STRINGS) + 1} strings give the same tokens")
    if theirs.chat_template:
        chat = [{"role": "user", "content": "Hello"}]
        a, b = (t.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for t in (ours, theirs))
        assert a == b, f"chat template:\n{a!r}\n{b!r}"
        print("the chat template gives the same text")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("converted", type=Path)
    parser.add_argument("original", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    try:
        check_logits(arguments.converted, arguments.original, arguments.tolerance)
        check_tokenizer(arguments.converted, arguments.original)
    except AssertionError as error:
        sys.exit(f"DIFFERENT: {error}")
    print("equal")


if __name__ == "__main__":
    main()
