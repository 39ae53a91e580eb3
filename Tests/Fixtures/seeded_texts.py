"""Texts that are made from a seed: the same as Tests/NibbleTestSupport/SeededTexts.swift makes."""
from pathlib import Path

MASK = (1 << 64) - 1
FOLDER = Path(__file__).resolve().parent / "texts"
WRITTEN = ["english", "code", "chinese", "arabic", "hindi"]
KINDS = [*WRITTEN, "emoji", "scalars", "bytes", "mixed"]
PUNCTUATION = b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
SPACES = [" ", "\n", "\t", "\r\n", "\u00a0", "\u3000", "\u2028", "\u0085", "\x0b"]
SPECIALS = [
    "<s>", "</s>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<|im_start|>", "<|im_end|>", "<|endoftext|>",
    "<|eot_id|>", "<|begin_of_text|>", "<b>", "</div>", "<unk>", "<pad>", "<br>", "[multimodal]", "<0x41>", "\u2581",
]


class Generator:
    """SplitMix64."""

    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, limit):
        return self.next() % limit


def scalar(generator):
    limit = [0x80, 0x800, 0x3000, 0x10000, 0x110000][generator.below(5)]
    value = generator.below(limit)
    return chr(value if not 0xD800 <= value < 0xE000 else 0xFFFD).encode()


def emoji(generator):
    choice = generator.below(8)
    if choice == 0:
        return "\u200d".encode()
    if choice == 1:
        return "\ufe0f".encode()
    if choice == 2:
        return chr(0x1F3FB + generator.below(5)).encode()
    if choice == 3:
        return chr(0x1F1E6 + generator.below(26)).encode()
    if choice == 4:
        return chr(0x2600 + generator.below(0x1C0)).encode()
    return chr(0x1F300 + generator.below(0x350)).encode()


def written(generator, snippets):
    snippet = snippets[generator.below(len(snippets))]
    choice = generator.below(16)
    if choice == 0:
        return snippet.upper()  # of bytes: ASCII alone
    if choice == 1:
        return b" " * generator.below(40)
    if choice == 2:
        return b"\n" * (1 + generator.below(4))
    if choice == 3:
        return str(generator.below(10 ** generator.below(10))).encode()
    if choice == 4:
        return bytes(PUNCTUATION[generator.below(len(PUNCTUATION))] for _ in range(1 + generator.below(4)))
    if choice == 5:
        return SPACES[generator.below(len(SPACES))].encode() * (1 + generator.below(3))
    if choice == 6:
        return SPECIALS[generator.below(len(SPECIALS))].encode()
    if choice < 10:
        words = snippet.split(b" ")
        start = generator.below(len(words))
        return b" ".join(words[start : start + 1 + generator.below(6)])
    if choice == 10:
        return b" " + scalar(generator)
    return snippet + b"\n"


def text(kind, seed, size):
    generator = Generator(seed)
    result = bytearray()
    snippets = {name: (FOLDER / f"{name}.txt").read_bytes().rstrip(b"\n").split(b"\n") for name in WRITTEN}
    while len(result) < size:
        part = kind
        if kind == "mixed":
            part = KINDS[generator.below(len(KINDS) - 1)]
        if part == "bytes":
            # Not F4...F7: for what they may start beyond U+10FFFF, llama.cpp ends with an exception.
            part = generator.next().to_bytes(8, "little")[: 1 + generator.below(8)]
            result += bytes(byte ^ 0x30 if 0xF4 <= byte <= 0xF7 else byte for byte in part)
        elif part == "scalars":
            result += scalar(generator)
        elif part == "emoji":
            result += emoji(generator)
        else:
            result += written(generator, snippets[part])
    return bytes(result)


if __name__ == "__main__":
    import sys

    sys.stdout.buffer.write(text(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
