#!/usr/bin/env python3
"""Writes Sources/CKernels/codebooks.c: the codebooks of ggml's IQ1, IQ2 and IQ3 types, as gguf-py has them.

    /path/to/venv/bin/python scripts/make-codebooks.py

needs gguf (scripts/requirements.txt). An entry is a group of 8 values (IQ1, IQ2) or 4 (IQ3), each the number of a level:
2 bits a value where there are three levels, 3 bits where there are eight, the first value lowest.
"""

import pathlib

import gguf
import gguf.quants

TARGET = pathlib.Path(__file__).parent.parent / "Sources/CKernels/codebooks.c"
BOOKS = {"iq1": "IQ1_S", "iq2_xxs": "IQ2_XXS", "iq2_xs": "IQ2_XS", "iq2_s": "IQ2_S", "iq3_xxs": "IQ3_XXS", "iq3_s": "IQ3_S"}


def entries(name):
    codec = getattr(gguf.quants, name)
    codec.init_grid()
    levels = list(codec.grid_map)
    bits = 2 if len(levels) == 3 else 3
    return [sum(levels.index(int(value)) << bits * place for place, value in enumerate(group)) for group in codec.grid[0, 0]]


def main():
    lines = ["// Codebooks of IQ1, IQ2 and IQ3, written by scripts/make-codebooks.py. Do not edit.", "",
             '#include "codebooks.h"']
    for book, name in BOOKS.items():
        codes = entries(name)
        lines += ["", f"const uint16_t nibble_codebook_{book}[{len(codes)}] = {{"]
        lines += ["    " + " ".join(f"0x{code:04x}," for code in codes[start:start + 12]) for start in range(0, len(codes), 12)]
        lines += ["};"]
    TARGET.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
