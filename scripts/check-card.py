#!/usr/bin/env python3
"""Reads cards as the hub's own library does, and checks what its validator asks for.

usage: check-card.py CARD.md...

huggingface_hub parses the front matter and refuses fields of a wrong type; its
validator needs a network, so that its rules stand here: a base model is
OWNER/NAME and its relation one of four, a license is an identifier in lower
case, and has a name of its own only where it is 'other', tags and metrics are
lists of text.
"""

import re
import sys

from huggingface_hub import ModelCard

RELATIONS = {"adapter", "merge", "quantized", "finetune"}


def faults(path):
    card = ModelCard.load(path)
    data = card.data.to_dict()
    if not data:
        yield "has no front matter"
    for name in data.get("base_model", []):
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            yield f"base_model '{name}' is no OWNER/NAME"
    if ("base_model" in data) != ("base_model_relation" in data):
        yield "base_model and base_model_relation do not go together"
    if data.get("base_model_relation", "quantized") not in RELATIONS:
        yield f"base_model_relation is '{data['base_model_relation']}'"
    if not re.fullmatch(r"[a-z0-9.-]+", data.get("license", "other")):
        yield f"license is '{data['license']}'"
    if "license_name" in data and data.get("license") != "other":
        yield "license_name is for license: other"
    for field in ("tags", "metrics", "language"):
        if not all(isinstance(text, str) and text for text in data.get(field, [])):
            yield f"{field} is {data[field]}"
    if data.get("pipeline_tag") != "text-generation" or data.get("library_name") not in ("gguf", "transformers"):
        yield f"pipeline_tag is {data.get('pipeline_tag')}, library_name {data.get('library_name')}"
    if "\n# " not in card.content:
        yield "has no title"


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    found = [f"{path}: {fault}" for path in sys.argv[1:] for fault in faults(path)]
    if found:
        sys.exit("\n".join(found))
    print(f"{len(sys.argv) - 1} cards without fault")


if __name__ == "__main__":
    main()
