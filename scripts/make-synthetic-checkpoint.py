#!/usr/bin/env python3
"""Makes a checkpoint as the hub has them, with random weights.

For measuring Nibble on a model too large to ship, and for trying the hub's
layout without its terms: sharded BF16 safetensors with an index, config.json, a
SentencePiece tokenizer.model and tokenizer_config.json, named and shaped like
Gemma 3 4B, 12B or 27B, image part included (shortened: its tensors are to be
left out).

    python3 scripts/make-synthetic-checkpoint.py FOLDER --shape 4b              (7.8 GB)
    python3 scripts/make-synthetic-checkpoint.py FOLDER --shape tiny            (5 MB)
    python3 scripts/make-synthetic-checkpoint.py FOLDER --shape 27b --layers 4  (6 GB)
    python3 scripts/make-synthetic-checkpoint.py FOLDER --shape 27b --sparse    (54 GB of
        zeros, which take no space: for looking at shapes)

Needs numpy only, and about 150 MB of memory for any shape. The same shape and
seed always give the same bytes. A folder that already holds that checkpoint is
left as it is.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import struct
import sys
import zlib

import numpy

SPACE = "\u2581"

# SentencePiece's piece types. GGUF's token types are the same numbers.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6


@dataclasses.dataclass
class Shape:
    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    head_dim: int
    feed_forward: int
    pieces: int
    sliding_window: int
    vision_hidden: int
    vision_feed_forward: int
    vision_heads: int
    shard_bytes: int
    # A config.json on the hub leaves out what equals the 4B's defaults.
    spells_defaults: bool
    # What scores of attention are divided by the root of; None: head_dim.
    query_scalar: int | None = None

    @property
    def rows(self):
        """The embedding has 64 rows more than the tokenizer has pieces."""
        return self.pieces + 64


SHAPES = {
    "4b": Shape(
        hidden=2560,
        layers=34,
        heads=8,
        key_value_heads=4,
        head_dim=256,
        feed_forward=10240,
        pieces=262144,
        sliding_window=1024,
        vision_hidden=1152,
        vision_feed_forward=4304,
        vision_heads=16,
        shard_bytes=5_000_000_000,
        spells_defaults=False,
    ),
    # 7 layers: one of them is global. Small shards, so that there are several.
    "tiny": Shape(
        hidden=256,
        layers=7,
        heads=4,
        key_value_heads=2,
        head_dim=32,
        feed_forward=256,
        pieces=1024,
        sliding_window=64,
        vision_hidden=64,
        vision_feed_forward=128,
        vision_heads=4,
        shard_bytes=2_000_000,
        spells_defaults=True,
    ),
}
SHAPES["12b"] = dataclasses.replace(
    SHAPES["4b"], hidden=3840, layers=48, heads=16, key_value_heads=8, feed_forward=15360, spells_defaults=True
)
SHAPES["27b"] = dataclasses.replace(
    SHAPES["12b"],
    hidden=5376,
    layers=62,
    heads=32,
    key_value_heads=16,
    head_dim=128,
    feed_forward=21504,
    query_scalar=168,
)


# MARK: Tensors


def tensors(shape):
    """Names and shapes, in the order of the model."""
    hidden, vision = shape.hidden, shape.vision_hidden
    queries = shape.heads * shape.head_dim
    keys = shape.key_value_heads * shape.head_dim

    yield "language_model.model.embed_tokens.weight", (shape.rows, hidden)
    for index in range(shape.layers):
        layer = f"language_model.model.layers.{index}."
        yield layer + "self_attn.q_proj.weight", (queries, hidden)
        yield layer + "self_attn.k_proj.weight", (keys, hidden)
        yield layer + "self_attn.v_proj.weight", (keys, hidden)
        yield layer + "self_attn.o_proj.weight", (hidden, queries)
        yield layer + "self_attn.q_norm.weight", (shape.head_dim,)
        yield layer + "self_attn.k_norm.weight", (shape.head_dim,)
        yield layer + "mlp.gate_proj.weight", (shape.feed_forward, hidden)
        yield layer + "mlp.up_proj.weight", (shape.feed_forward, hidden)
        yield layer + "mlp.down_proj.weight", (hidden, shape.feed_forward)
        yield layer + "input_layernorm.weight", (hidden,)
        yield layer + "post_attention_layernorm.weight", (hidden,)
        yield layer + "pre_feedforward_layernorm.weight", (hidden,)
        yield layer + "post_feedforward_layernorm.weight", (hidden,)
    yield "language_model.model.norm.weight", (hidden,)

    yield "multi_modal_projector.mm_input_projection_weight", (vision, hidden)
    yield "multi_modal_projector.mm_soft_emb_norm.weight", (vision,)

    tower = "vision_tower.vision_model."
    yield tower + "embeddings.patch_embedding.weight", (vision, 3, 14, 14)
    yield tower + "embeddings.patch_embedding.bias", (vision,)
    yield tower + "embeddings.position_embedding.weight", (4096, vision)
    layer = tower + "encoder.layers.0."
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        yield f"{layer}self_attn.{name}.weight", (vision, vision)
        yield f"{layer}self_attn.{name}.bias", (vision,)
    yield layer + "mlp.fc1.weight", (shape.vision_feed_forward, vision)
    yield layer + "mlp.fc1.bias", (shape.vision_feed_forward,)
    yield layer + "mlp.fc2.weight", (vision, shape.vision_feed_forward)
    yield layer + "mlp.fc2.bias", (vision,)
    for name in ("layer_norm1", "layer_norm2"):
        yield f"{layer}{name}.weight", (vision,)
        yield f"{layer}{name}.bias", (vision,)
    yield tower + "post_layernorm.weight", (vision,)
    yield tower + "post_layernorm.bias", (vision,)


class Weights:
    """Random BF16 values of a normal distribution, a piece at a time."""

    # Values per piece: 16 MiB of BF16.
    PIECE = 1 << 23

    def __init__(self, seed):
        self.seed = seed
        # Drawing from 65,536 prepared values is ten times faster than
        # computing four billion, and no different to a quantizer.
        generator = numpy.random.Generator(numpy.random.PCG64(seed))
        self.unit = generator.standard_normal(1 << 16, dtype=numpy.float32)

    @staticmethod
    def bfloat16(values):
        """Bits of float32 values rounded to the nearest BF16, ties to even."""
        bits = values.astype(numpy.float32).view(numpy.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)

    def pieces(self, name, shape):
        # Gemma keeps norms minus one, and they are not small.
        deviation = 0.5 if len(shape) == 1 else 1 / math.sqrt(shape[-1])
        table = self.bfloat16(self.unit * numpy.float32(deviation))
        # Per tensor, so that a tensor does not depend on those before it.
        generator = numpy.random.SFC64([self.seed, zlib.crc32(name.encode())])
        remaining = math.prod(shape)
        while remaining:
            count = min(remaining, self.PIECE)
            indices = generator.random_raw((count + 3) // 4).view(numpy.uint16)[:count]
            yield table[indices]
            remaining -= count


# MARK: Safetensors


def split(entries, shard_bytes):
    """Groups of at most shard_bytes, in order; a larger tensor is alone."""
    shards, size = [[]], 0
    for name, shape in entries:
        count = 2 * math.prod(shape)
        if shards[-1] and size + count > shard_bytes:
            shards.append([])
            size = 0
        shards[-1].append((name, shape))
        size += count
    return shards


def write_shard(path, entries, weights, progress):
    """Without weights all are zero, and no more than the header is written."""
    entries = sorted(entries)
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in entries:
        end = offset + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)

    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "wb") as output:
        output.write(struct.pack("<Q", len(encoded)))
        output.write(encoded)
        if weights is None:
            output.truncate(8 + len(encoded) + offset)
        for name, shape in entries if weights else []:
            for piece in weights.pieces(name, shape):
                output.write(piece.astype("<u2", copy=False))
                progress(piece.nbytes)
    partial.replace(path)
    return offset


# MARK: Tokenizer


def tokenizer_pieces(count):
    """(piece, score, type) of each id, laid out as Gemma 3 does."""
    pieces = [
        ("<pad>", 0.0, CONTROL),
        ("<eos>", 0.0, CONTROL),
        ("<bos>", 0.0, CONTROL),
        ("<unk>", 0.0, UNKNOWN),
        ("<mask>", 0.0, USER_DEFINED),
        ("[multimodal]", 0.0, USER_DEFINED),
    ]
    pieces += [(f"<unused{n}>", 0.0, USER_DEFINED) for n in range(99)]
    pieces += [("<start_of_turn>", 0.0, USER_DEFINED), ("<end_of_turn>", 0.0, USER_DEFINED)]
    pieces += [("\n" * n, 0.0, USER_DEFINED) for n in range(1, 32)]
    pieces += [(SPACE * n, 0.0, USER_DEFINED) for n in range(2, 32)]
    # Gemma has 70 pieces of HTML here.
    tags = ["table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "ul", "ol", "li", "p", "b", "i", "u"]
    tags += [f"tag{n}" for n in range(35 - len(tags))]
    pieces += [(f"<{tag}>", 0.0, USER_DEFINED) for tag in tags]
    pieces += [(f"</{tag}>", 0.0, USER_DEFINED) for tag in tags]
    pieces += [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]

    # Gemma ends with the image marks and the rest of the unused pieces.
    unused = min(6143, (count - len(pieces)) // 8)
    normal = count - len(pieces) - unused - 2
    characters = [SPACE] + [chr(code) for code in range(0x21, 0x7F)]
    if normal < len(characters):
        sys.exit(f"a vocabulary of {count} has no room for normal pieces")
    for index in range(normal):
        left = normal - index
        # Single characters come last, as the least merged.
        text = characters[-left] if left <= len(characters) else f"{SPACE}w{index:05x}"
        pieces.append((text, -float(index), NORMAL))
    pieces += [("<start_of_image>", 0.0, USER_DEFINED), ("<end_of_image>", 0.0, USER_DEFINED)]
    pieces += [(f"<unused{99 + n}>", 0.0, USER_DEFINED) for n in range(unused)]
    assert len(pieces) == count and len({piece for piece, _, _ in pieces}) == count
    return pieces


def varint(value):
    # A negative int32 is sent as 64 bits.
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def number(field, value):
    return varint(field << 3) + varint(int(value))


def data(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def single(field, value):
    return varint(field << 3 | 5) + struct.pack("<f", value)


def tokenizer_model(pieces):
    """The bytes of a SentencePiece ModelProto; field numbers from
    https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
    """
    encoded = bytearray()
    for piece, score, kind in pieces:
        body = data(1, piece) + single(2, score)
        if kind != NORMAL:
            body += number(3, kind)
        encoded += data(1, body)
    trainer = [
        number(3, 2),  # model_type: BPE
        number(4, len(pieces)),  # vocab_size
        number(24, False),  # treat_whitespace_as_suffix
        number(25, True),  # split_digits
        number(35, True),  # byte_fallback
        number(40, 3),  # unk_id
        number(41, 2),  # bos_id
        number(42, 1),  # eos_id
        number(43, 0),  # pad_id
        data(45, "<unk>"),
        data(46, "<bos>"),
        data(47, "<eos>"),
        data(48, "<pad>"),
    ]
    normalizer = [
        data(1, "identity"),
        number(3, False),  # add_dummy_prefix
        number(4, False),  # remove_extra_whitespaces
        number(5, True),  # escape_whitespaces
    ]
    encoded += data(2, b"".join(trainer))
    encoded += data(3, b"".join(normalizer))
    return bytes(encoded)


CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n'"
    " + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)


def tokenizer_config(pieces):
    special = {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>"}
    added = {}

    def add(index, content, is_special):
        added[str(index)] = {
            "content": content,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": is_special,
        }

    for index, (piece, _, kind) in enumerate(pieces):
        if kind in (CONTROL, UNKNOWN, USER_DEFINED):
            add(index, piece.replace(SPACE, " "), piece in special)
    add(len(pieces), "<image_soft_token>", True)
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": added,
        "boi_token": "<start_of_image>",
        "bos_token": "<bos>",
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eoi_token": "<end_of_image>",
        "eos_token": "<eos>",
        "image_token": "<image_soft_token>",
        "model_max_length": 1000000000000000019884624838656,
        "pad_token": "<pad>",
        "spaces_between_special_tokens": False,
        "tokenizer_class": "GemmaTokenizer",
        "unk_token": "<unk>",
        "use_default_system_prompt": False,
    }


# MARK: Configuration


def config(shape, pieces):
    ids = {piece: index for index, (piece, _, _) in enumerate(pieces)}
    text = {
        "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward,
        "model_type": "gemma3_text",
        "num_hidden_layers": shape.layers,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": shape.sliding_window,
    }
    if shape.spells_defaults:
        text |= {
            "head_dim": shape.head_dim,
            "max_position_embeddings": 4096,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.key_value_heads,
            "query_pre_attn_scalar": shape.query_scalar or shape.head_dim,
            "vocab_size": shape.rows,
        }
    return {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "boi_token_index": ids["<start_of_image>"],
        "eoi_token_index": ids["<end_of_image>"],
        "eos_token_id": [1, 106],
        "image_token_index": len(pieces),
        "initializer_range": 0.02,
        "mm_tokens_per_image": 256,
        "model_type": "gemma3",
        "text_config": text,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.50.0.dev0",
        "vision_config": {
            "hidden_size": shape.vision_hidden,
            "image_size": 896,
            "intermediate_size": shape.vision_feed_forward,
            "model_type": "siglip_vision_model",
            "num_attention_heads": shape.vision_heads,
            # Not 27 as in the 4B: see above.
            "num_hidden_layers": 1,
            "patch_size": 14,
            "vision_use_head": False,
        },
    }


GENERATION_CONFIG = {
    "bos_token_id": 2,
    "cache_implementation": "hybrid",
    "do_sample": True,
    "eos_token_id": [1, 106],
    "pad_token_id": 0,
    "top_k": 64,
    "top_p": 0.95,
}


# MARK: The folder


def write(path, content):
    """Replaces a small file as a whole."""
    if not isinstance(content, bytes):
        content = (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def is_there(folder, description):
    """Whether the index, which is written last, tells of the same checkpoint."""
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_text())
        files = set(index["weight_map"].values())
        return index["metadata"].get("synthetic") == description and all((folder / file).is_file() for file in files)
    except (OSError, ValueError, KeyError):
        return False


def main():
    parser = argparse.ArgumentParser(
        description="Makes a hub checkpoint with random BF16 weights, named and shaped like Gemma 3."
    )
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--shape", choices=SHAPES, default="4b", help="default: 4b, which is 7.8 GB")
    parser.add_argument("--layers", type=int, help="as many instead of the shape's")
    parser.add_argument("--sparse", action="store_true", help="all weights zero, in files with holes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shard-size", type=int, metavar="BYTES", help="most tensor bytes in one file")
    parser.add_argument("--force", action="store_true", help="replace what is in the folder")
    arguments = parser.parse_args()
    if arguments.seed < 0:
        parser.error("--seed must not be negative")

    if arguments.layers is not None and arguments.layers < 1:
        parser.error("--layers must be 1 or more")

    shape = SHAPES[arguments.shape]
    if arguments.layers:
        # GGUF has no key for a scale of attention of its own: llama.cpp knows 27B's by its 62 layers.
        scalar = shape.query_scalar if arguments.layers == shape.layers else None
        shape = dataclasses.replace(shape, layers=arguments.layers, query_scalar=scalar)
    shard_bytes = arguments.shard_size or shape.shard_bytes
    folder = arguments.folder
    description = f"shape {arguments.shape}, seed {arguments.seed}, shards of {shard_bytes}"
    if arguments.layers:
        description += f", {arguments.layers} layers"
    if arguments.sparse:
        description += ", sparse"

    if not arguments.force:
        if is_there(folder, description):
            print(f"{folder} holds this checkpoint already", file=sys.stderr)
            return
        if (folder / "config.json").exists() or list(folder.glob("*.safetensors*")):
            sys.exit(f"make-synthetic-checkpoint.py: {folder} holds another checkpoint: use --force to replace it")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("model*.safetensors*"):
        old.unlink()

    pieces = tokenizer_pieces(shape.pieces)
    write(folder / "tokenizer.model", tokenizer_model(pieces))
    write(folder / "tokenizer_config.json", tokenizer_config(pieces))
    write(folder / "config.json", config(shape, pieces))
    write(folder / "generation_config.json", GENERATION_CONFIG)
    del pieces

    shards = split(tensors(shape), shard_bytes)
    expected = sum(2 * math.prod(size) for shard in shards for _, size in shard)
    written, shown = 0, -1

    def progress(count):
        nonlocal written, shown
        written += count
        percent = 100 * written // expected
        if percent // 10 > shown:
            shown = percent // 10
            print(f"{percent:3} % of {expected / 1e9:.2f} GB", file=sys.stderr)

    weights = None if arguments.sparse else Weights(arguments.seed)
    weight_map, total = {}, 0
    for ordinal, shard in enumerate(shards, 1):
        name = f"model-{ordinal:05}-of-{len(shards):05}.safetensors"
        total += write_shard(folder / name, shard, weights, progress)
        weight_map |= {tensor: name for tensor, _ in shard}
    assert total == expected
    write(
        folder / "model.safetensors.index.json",
        {
            "metadata": {"total_size": total, "synthetic": description},
            "weight_map": dict(sorted(weight_map.items())),
        },
    )
    print(folder)


if __name__ == "__main__":
    main()
