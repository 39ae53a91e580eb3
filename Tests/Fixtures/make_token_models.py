#!/usr/bin/env python3
"""Makes two vocabularies with tokens that reach across words, so that tokens show where a text was split.

    python make_token_models.py

Writes
    tokens/byte-level.gguf      byte-level BPE, trained on the snippets in texts/ without a pre-tokenizer
    tokens/sentencepiece.gguf   the same for SentencePiece, with a space before texts and tokens of all kinds

Vocabularies alone, without tensors. Needs gguf and tokenizers.
"""
from pathlib import Path

import gguf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = Path(__file__).resolve().parent
SIZE = 1500
EXTRA = [b"it's don't we'll 12 345 678 90 1999 2024 $5.00 a  b\n\n c\t\td\r\n x", b"    return 0;\n}\n\n", b"   \n \n  ,.!?"]


def lines():
    result = []
    for name in ("english", "code", "chinese", "arabic", "hindi"):
        result += (HERE / "texts" / f"{name}.txt").read_text().splitlines()
    return result + [text.decode() for text in EXTRA] * 4


def trained(byte_level):
    tokenizer = Tokenizer(models.BPE())
    alphabet = []
    if byte_level:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=SIZE, initial_alphabet=alphabet, max_token_length=24, show_progress=False)
    texts = lines() if byte_level else [line.replace(" ", "\u2581") for line in lines()]
    tokenizer.train_from_iterator(texts, trainer)
    import json

    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = sorted(model["vocab"], key=model["vocab"].get)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return vocabulary, merges


def write(name, model, tokens, kinds, configure):
    (HERE / "tokens").mkdir(exist_ok=True)
    writer = gguf.GGUFWriter(HERE / "tokens" / name, "llama")
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    configure(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def byte_level():
    vocabulary, merges = trained(byte_level=True)
    # A word that no merge gives, for pre-tokenizers that take whole words.
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool>"]
    tokens = specials + vocabulary + ["\u0120Netherfield"]
    kinds = [3, 3, 3, 4] + [1] * (len(tokens) - 4)

    def configure(writer):
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_merges(merges)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)

    write("byte-level.gguf", "gpt2", tokens, kinds, configure)


def sentencepiece():
    vocabulary, _ = trained(byte_level=False)
    specials = ["<unk>", "<s>", "</s>", "<mask>", "  ", "\n\n", "<b>"]
    kinds = [2, 3, 3, 3, 4, 4, 4]
    tokens = specials + [f"<0x{byte:02X}>" for byte in range(256)]
    kinds += [6] * 256
    # Single letters are left out here and there: the bytes stand for them.
    pieces = [piece for i, piece in enumerate(vocabulary) if (len(piece) > 1 or i % 5) and piece not in tokens]
    scores = [0.0] * len(tokens) + [-float(i // 2) for i in range(len(pieces))]  # pairs with equal scores
    tokens += pieces
    kinds += [1] * len(pieces)

    def configure(writer):
        writer.add_token_scores(scores)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_eos_token(True)

    write("sentencepiece.gguf", "llama", tokens, kinds, configure)


byte_level()
sentencepiece()
