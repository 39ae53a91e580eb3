#!/usr/bin/env python3
"""Make the tiny Hugging Face checkpoints of the tests and the GGUF that llama.cpp writes for each.

    python make_tiny_checkpoints.py --llama-cpp PATH/TO/llama.cpp [--output hub] [--only NAME ...]

For every checkpoint NAME this writes

    <output>/NAME/                the hub folder (config.json, safetensors, tokenizer files, ...)
    <output>/NAME.expected.gguf   what `convert_hf_to_gguf.py <output>/NAME --outtype bf16` writes

Everything is seeded: the same library versions give the same bytes. The configuration files are
written by hand in the spelling of the real checkpoints on the hub; the parameter names and shapes come
from the model classes of `transformers` which these configurations select.

The converter is the unmodified one of the given llama.cpp folder with ONE exception: it recognises
the pre-tokenizer of a byte-level BPE tokenizer by a hash of the token ids of a fixed text
(`get_vocab_base_pre`), and no tiny vocabulary can have the hash of the real one. For the checkpoints
with such a tokenizer that one method is replaced by a function returning the intended name.
"""

import argparse
import json
import platform
import random
import shutil
import subprocess
import sys
from pathlib import Path

SEED = 20261124

# --------------------------------------------------------------------------------------------------
# Text for the tokenizers
# --------------------------------------------------------------------------------------------------

WORDS = """
the a of and to in is was it for on as with his they at be this from have or by one had not but what
all were when we there can an your which their said if do will each about how up out them then she
many some so these would other into has more her two like him see time could no make than first been
its who now people my made over did down only way find use may water long little very after words
called just where most know small number quantize weights tensor block scale nibble model token layer
""".split()
SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "I've seen that you're sure it's what they'd want, don't you think we'll make it?",
    "In 1998, 12345 people paid $3.50 (or 7%) for 42 apples; 2026 is another year.",
    "def f(x):\n    return x * 2 + 1\n",
    "Größe, façade, naïve: das Straßenfest beginnt um zehn Uhr.",
    "Съешь ещё этих мягких французских булок.",
    "我想在家里吃苹果。 こんにちは世界。",
    "email: someone@example.org, https://example.org/a_b?c=d&e=f",
]


def training_text() -> list[str]:
    """A small seeded text: common words in a Zipf-like distribution and a few varied sentences."""
    rng = random.Random(SEED)
    weights = [1.0 / (i + 1) for i in range(len(WORDS))]
    lines = []
    for i in range(400):
        words = rng.choices(WORDS, weights, k=rng.randint(4, 14))
        lines.append(words[0].capitalize() + " " + " ".join(words[1:]) + rng.choice(".,!?"))
        if i % 8 == 0:
            lines.append(SENTENCES[(i // 8) % len(SENTENCES)])
    return lines


# --------------------------------------------------------------------------------------------------
# Tokenizers
# --------------------------------------------------------------------------------------------------

def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def train_sentencepiece(vocab_size: int, **options) -> bytes:
    """Trains a SentencePiece BPE model and returns the bytes of tokenizer.model."""
    import io

    import sentencepiece

    # SentencePiece reads lines: a newline never reaches the trainer.
    sentences = [line for text in training_text() for line in text.split("\n") if line]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, model_type="bpe", vocab_size=vocab_size,
        character_coverage=0.9995, byte_fallback=True, split_digits=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, num_threads=1,
        minloglevel=2, **options)
    return model.getvalue()


def spm_vocabulary_and_merges(model: bytes):
    """The vocabulary and merges of tokenizer.json for a SentencePiece model, as transformers' converter
    makes them: every split of every piece in two pieces, by falling score."""
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges = []
    for i, piece in enumerate(pieces):
        splits = [(piece[:k], piece[k:], processor.get_score(i)) for k in range(1, len(piece))]
        splits = [s for s in splits if s[0] in vocabulary and s[1] in vocabulary]
        merges += sorted(splits, key=lambda s: (vocabulary[s[0]], vocabulary[s[1]]))
    merges.sort(key=lambda s: (s[2], len(s[0]), len(s[1])), reverse=True)
    return pieces, vocabulary, [(left, right) for left, right, _ in merges]


def added_token(content: str, special: bool, normalized: bool = False) -> dict:
    return {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False,
            "single_word": False, "special": special}


def tokenizer_added(content: str, special: bool):
    from tokenizers import AddedToken
    return AddedToken(content, special=special, normalized=False)


GEMMA_NEWLINES = ["\n" * n for n in range(1, 9)]
GEMMA_SPACES = ["▁" * n for n in range(2, 9)]
GEMMA_TEMPLATE = """{{ bos_token }}{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}{{ '<start_of_turn>' + role + '
' + (message['content'] | trim) + '<end_of_turn>
' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model
' }}{% endif %}"""


def write_gemma_tokenizer(folder: Path, vocab_size: int, template: str, image_token_id: int | None = None) -> None:
    """The Gemma 3 tokenizer in small: <pad> <eos> <bos> <unk>, then symbols, newline runs, space runs,
    the byte tokens and the learned pieces. All symbols are USER_DEFINED in tokenizer.model (as in the
    real file); which of them are special is said by tokenizer_config.json only.

    template: "config" (in tokenizer_config.json), "json" (chat_template.json) or "jinja"."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    symbols = ["<mask>", "[multimodal]", "<unused0>", "<unused1>", "<start_of_turn>", "<end_of_turn>"]
    html = ["<table>", "</s>", "<h1>"]
    images = ["<start_of_image>", "<end_of_image>"]
    user_defined = symbols + GEMMA_NEWLINES + GEMMA_SPACES + html + images
    model = train_sentencepiece(
        vocab_size, add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>",
        eos_piece="<eos>", bos_piece="<bos>", unk_piece="<unk>", user_defined_symbols=user_defined)
    (folder / "tokenizer.model").write_bytes(model)

    pieces, vocabulary, merges = spm_vocabulary_and_merges(model)
    special = set(["<pad>", "<eos>", "<bos>", "<unk>"] + symbols + images) - {"[multimodal]", "<unused1>"}
    listed = {i: added_token(piece, piece in special) for i, piece in enumerate(pieces)
              if piece in special or piece in user_defined}
    if image_token_id is not None:
        listed[image_token_id] = added_token("<image_soft_token>", True)
        write_json(folder / "added_tokens.json", {"<image_soft_token>": image_token_id})

    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", vocabulary["<bos>"])])
    for i in sorted(listed):
        token = tokenizer_added(listed[i]["content"], listed[i]["special"])
        (tokenizer.add_special_tokens if listed[i]["special"] else tokenizer.add_tokens)([token])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)

    config = {
        "add_bos_token": True, "add_eos_token": False,
        "added_tokens_decoder": {str(i): token for i, token in sorted(listed.items())},
        "additional_special_tokens": [],
        "boi_token": "<start_of_image>", "bos_token": "<bos>", "clean_up_tokenization_spaces": False,
        "eoi_token": "<end_of_image>", "eos_token": "<eos>", "model_max_length": 1000000000000000019884624838656,
        "pad_token": "<pad>", "sp_model_kwargs": None, "spaces_between_special_tokens": False,
        "tokenizer_class": "GemmaTokenizer", "unk_token": "<unk>", "use_default_system_prompt": False,
    }
    if template == "config":
        config["chat_template"] = GEMMA_TEMPLATE
    elif template == "json":
        write_json(folder / "chat_template.json", {"chat_template": GEMMA_TEMPLATE})
    else:
        (folder / "chat_template.jinja").write_text(GEMMA_TEMPLATE, encoding="utf-8")
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json",
               {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"})


def write_llama2_tokenizer(folder: Path, vocab_size: int) -> None:
    """The Llama 2 tokenizer in small (dummy prefix), with two traps: "<br>" is USER_DEFINED in
    tokenizer.model and nowhere else, and "<pad>" exists only in added_tokens.json."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors

    model = train_sentencepiece(vocab_size, add_dummy_prefix=True, user_defined_symbols=["<br>"])
    (folder / "tokenizer.model").write_bytes(model)
    _, vocabulary, merges = spm_vocabulary_and_merges(model)

    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens([tokenizer_added(t, True) for t in ["<unk>", "<s>", "</s>"]])
    tokenizer.add_special_tokens([tokenizer_added("<pad>", True)])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)

    write_json(folder / "added_tokens.json", {"<pad>": len(vocabulary)})
    token = {"__type": "AddedToken", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    write_json(folder / "tokenizer_config.json", {
        "add_bos_token": True, "add_eos_token": False, "bos_token": {**token, "content": "<s>"},
        "chat_template": "{% for message in messages %}[INST] {{ message['content'] }} [/INST]{% endfor %}",
        "clean_up_tokenization_spaces": False, "eos_token": {**token, "content": "</s>"}, "legacy": False,
        "model_max_length": 4096, "pad_token": None, "sp_model_kwargs": {}, "tokenizer_class": "LlamaTokenizer",
        "unk_token": {**token, "content": "<unk>"}})


LLAMA3_REGEX = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
                r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2_REGEX = LLAMA3_REGEX.replace(r"\p{N}{1,3}", r"\p{N}")


def train_byte_bpe(vocab_size: int, pre_tokenizer, normalizer=None, special_first=(), ignore_merges=False):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
    tokenizer.train_from_iterator(training_text(), trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(special_first), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    return tokenizer


def added_decoder(tokenizer) -> dict:
    return {str(i): added_token(t.content, t.special, t.normalized)
            for i, t in sorted(tokenizer.get_added_tokens_decoder().items())}


LLAMA3_TEMPLATE = "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
CHATML_TEMPLATE = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"


def write_llama3_tokenizer(folder: Path, vocab_size: int) -> int:
    from tokenizers import Regex, pre_tokenizers, processors

    tokenizer = train_byte_bpe(vocab_size, pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3_REGEX), "isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False)]), ignore_merges=True)
    specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
                "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer.add_special_tokens([tokenizer_added(t, True) for t in specials])
    bos = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
                                      special_tokens=[("<|begin_of_text|>", bos)])])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    write_json(folder / "tokenizer_config.json", {
        "added_tokens_decoder": added_decoder(tokenizer), "bos_token": "<|begin_of_text|>",
        "chat_template": LLAMA3_TEMPLATE, "clean_up_tokenization_spaces": True, "eos_token": "<|eot_id|>",
        "model_input_names": ["input_ids", "attention_mask"], "model_max_length": 131072,
        "tokenizer_class": "PreTrainedTokenizerFast"})
    return bos


def write_smollm2_tokenizer(folder: Path, vocab_size: int) -> None:
    from tokenizers import pre_tokenizers

    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>",
                "<filename>", "<gh_stars>", "<issue_start>", "<issue_comment>", "<issue_closed>",
                "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>", "<jupyter_script>",
                "<empty_output>"]
    tokenizer = train_byte_bpe(vocab_size, pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True)]), special_first=specials)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    # The same vocabulary in the two older files which the real folder has as well.
    data = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    write_json(folder / "vocab.json", data["model"]["vocab"])
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in data["model"]["merges"]), encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {
        "add_prefix_space": False, "added_tokens_decoder": added_decoder(tokenizer),
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "bos_token": "<|im_start|>",
        "chat_template": CHATML_TEMPLATE, "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>",
        "model_max_length": 8192, "pad_token": "<|im_end|>", "tokenizer_class": "GPT2Tokenizer",
        "unk_token": "<|endoftext|>", "vocab_size": vocab_size})


def write_qwen_tokenizer(folder: Path, vocab_size: int, template: str) -> None:
    from tokenizers import Regex, normalizers, pre_tokenizers, processors

    tokenizer = train_byte_bpe(vocab_size, pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2_REGEX), "isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)]), normalizers.NFC())
    tokenizer.add_special_tokens([tokenizer_added(t, True) for t in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]])
    tokenizer.add_tokens([tokenizer_added(t, False) for t in ["<tool_call>", "</tool_call>", "<|fim_prefix|>"]])
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": added_decoder(tokenizer),
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "bos_token": None,
        "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace",
        "model_max_length": 32768, "pad_token": "<|endoftext|>", "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None}
    if template == "config":
        config["chat_template"] = CHATML_TEMPLATE
    else:
        (folder / "chat_template.jinja").write_text(CHATML_TEMPLATE, encoding="utf-8")
    write_json(folder / "tokenizer_config.json", config)


# --------------------------------------------------------------------------------------------------
# Weights
# --------------------------------------------------------------------------------------------------

def make_state(folder: Path, seed: int, dtype: str, class_name: str) -> dict:
    """Random weights under the names and shapes of the model class which config.json selects."""
    import numpy
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = getattr(transformers, class_name)(config)
    tied = config.get_text_config().tie_word_embeddings
    rng = numpy.random.default_rng(seed)
    state = {}
    for name, value in sorted(model.state_dict().items()):
        if tied and name == "lm_head.weight":
            continue
        values = rng.standard_normal(tuple(value.shape)).astype(numpy.float32)
        if name.endswith("norm.weight"):
            # Gemma's norms are stored less one.
            values = values * 0.2 + (0.0 if "gemma3" in config.model_type and "vision" not in name else 1.0)
        elif name.endswith("bias"):
            values *= 0.1
        elif "embed_tokens" in name:
            values *= 0.5
        else:
            values *= 1.0 / max(1.0, float(value.shape[-1])) ** 0.5
        state[name] = torch.from_numpy(values).to(getattr(torch, dtype)).contiguous()
    return state


def save_weights(folder: Path, state: dict, shards: int = 1) -> None:
    from safetensors.torch import save_file

    if shards == 1:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        return
    # By size, in the order of the names of the real checkpoints: vision first, then the text model.
    names = sorted(state, key=lambda n: ("language_model" in n, n))
    total = sum(t.numel() * t.element_size() for t in state.values())
    parts, done = [{} for _ in range(shards)], 0
    for name in names:
        parts[min(shards - 1, done * shards // total)][name] = state[name]
        done += state[name].numel() * state[name].element_size()
    weight_map = {}
    for i, part in enumerate(parts):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        save_file(part, folder / file, metadata={"format": "pt"})
        weight_map |= {name: file for name in part}
    write_json(folder / "model.safetensors.index.json",
               {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))})


# --------------------------------------------------------------------------------------------------
# The checkpoints
# --------------------------------------------------------------------------------------------------

def gemma3_text(folder: Path) -> str | None:
    """Gemma3ForCausalLM as the hub's 1B: sliding_window_pattern, rope_theta, rope_local_base_freq."""
    write_gemma_tokenizer(folder, 448, "config")
    write_json(folder / "config.json", {
        "architectures": ["Gemma3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "attn_logit_softcapping": None, "bos_token_id": 2, "cache_implementation": "hybrid",
        "eos_token_id": [1, 9], "final_logit_softcapping": None, "head_dim": 32,
        "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 32, "initializer_range": 0.02,
        "intermediate_size": 32, "max_position_embeddings": 256, "model_type": "gemma3_text",
        "num_attention_heads": 2, "num_hidden_layers": 8, "num_key_value_heads": 1, "pad_token_id": 0,
        "query_pre_attn_scalar": 32, "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000, "rope_scaling": None,
        "rope_theta": 1000000, "sliding_window": 16, "sliding_window_pattern": 6, "torch_dtype": "bfloat16",
        "transformers_version": "4.50.0.dev0", "use_cache": True, "vocab_size": 448})
    write_json(folder / "generation_config.json", {
        "bos_token_id": 2, "cache_implementation": "hybrid", "do_sample": True, "eos_token_id": [1, 9],
        "pad_token_id": 0, "top_k": 64, "top_p": 0.95, "transformers_version": "4.50.0.dev0"})
    (folder / "README.md").write_text(
        "---\nlicense: gemma\nlibrary_name: transformers\npipeline_tag: text-generation\n"
        "base_model: google/gemma-3-1b-pt\ntags:\n- gemma3\n- nibble-test\n---\n\n# A tiny checkpoint for tests\n",
        encoding="utf-8")
    save_weights(folder, make_state(folder, SEED + 1, "bfloat16", "Gemma3ForCausalLM"))
    return None


GEMMA3_VISION = {"hidden_size": 16, "image_size": 32, "intermediate_size": 32, "model_type": "siglip_vision_model",
                 "num_attention_heads": 2, "num_hidden_layers": 1, "patch_size": 8, "vision_use_head": False}
GEMMA3_MULTIMODAL_VOCABULARY = 440   # pieces of tokenizer.model; <image_soft_token> is the next id


def write_preprocessor(folder: Path) -> None:
    write_json(folder / "preprocessor_config.json", {
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5],
        "image_processor_type": "Gemma3ImageProcessor", "image_seq_length": 4, "image_std": [0.5, 0.5, 0.5],
        "processor_class": "Gemma3Processor", "resample": 2, "rescale_factor": 0.00392156862745098,
        "size": {"height": 32, "width": 32}})


def gemma3_multimodal_old(folder: Path) -> str | None:
    """Gemma3ForConditionalGeneration as the hub's 4B: text_config without defaults (8 heads, 4 KV heads,
    pattern 6, bases, epsilon, context), "language_model.model." names, rows beyond the tokenizer, shards."""
    tokens = GEMMA3_MULTIMODAL_VOCABULARY
    write_gemma_tokenizer(folder, tokens, "json", image_token_id=tokens)
    write_json(folder / "config.json", {
        "architectures": ["Gemma3ForConditionalGeneration"], "boi_token_index": 28, "eoi_token_index": 29,
        "eos_token_id": [1, 9], "image_token_index": tokens, "initializer_range": 0.02, "mm_tokens_per_image": 4,
        "model_type": "gemma3",
        "text_config": {
            "head_dim": 8, "hidden_size": 32, "intermediate_size": 32, "model_type": "gemma3_text",
            "num_hidden_layers": 6, "query_pre_attn_scalar": 8, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            "sliding_window": 16, "vocab_size": tokens + 8},
        "torch_dtype": "bfloat16", "transformers_version": "4.50.0.dev0", "vision_config": GEMMA3_VISION})
    write_json(folder / "generation_config.json", {
        "_from_model_config": True, "bos_token_id": 2, "cache_implementation": "hybrid", "do_sample": True,
        "eos_token_id": [1, 9], "pad_token_id": 0, "top_k": 64, "top_p": 0.95, "transformers_version": "4.50.0.dev0"})
    write_preprocessor(folder)
    state = make_state(folder, SEED + 2, "bfloat16", "Gemma3ForConditionalGeneration")
    renamed = {}
    for name, value in state.items():
        name = name.removeprefix("model.")
        renamed[name.replace("language_model.", "language_model.model.", 1)] = value
    save_weights(folder, renamed, shards=2)
    return None


def gemma3_multimodal_new(folder: Path) -> str | None:
    """The same in the newer spelling: rope_parameters, layer_types, "model.language_model." names."""
    tokens = GEMMA3_MULTIMODAL_VOCABULARY
    write_gemma_tokenizer(folder, tokens, "jinja", image_token_id=tokens)
    layers = ["full_attention" if (i + 1) % 6 == 0 else "sliding_attention" for i in range(6)]
    write_json(folder / "config.json", {
        "architectures": ["Gemma3ForConditionalGeneration"], "boi_token_index": 28, "dtype": "bfloat16",
        "eoi_token_index": 29, "eos_token_id": [1, 9], "image_token_index": tokens, "initializer_range": 0.02,
        "mm_tokens_per_image": 4, "model_type": "gemma3",
        "text_config": {
            "_sliding_window_pattern": 6, "attention_bias": False, "attention_dropout": 0.0,
            "attn_logit_softcapping": None, "bos_token_id": 2, "dtype": "bfloat16", "eos_token_id": 1,
            "final_logit_softcapping": None, "head_dim": 16, "hidden_activation": "gelu_pytorch_tanh",
            "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 32, "layer_types": layers,
            "max_position_embeddings": 512, "model_type": "gemma3_text", "num_attention_heads": 4,
            "num_hidden_layers": 6, "num_key_value_heads": 2, "pad_token_id": 0, "query_pre_attn_scalar": 16,
            "rms_norm_eps": 1e-06,
            "rope_parameters": {
                "full_attention": {"factor": 8.0, "rope_theta": 1000000.0, "rope_type": "linear"},
                "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"}},
            "sliding_window": 16, "tie_word_embeddings": True, "use_bidirectional_attention": False,
            "use_cache": True, "vocab_size": tokens + 8},
        "tie_word_embeddings": True, "transformers_version": "5.0.0", "vision_config": GEMMA3_VISION})
    write_json(folder / "generation_config.json", {
        "bos_token_id": 2, "do_sample": True, "eos_token_id": [1, 9], "pad_token_id": 0, "top_k": 64, "top_p": 0.95,
        "transformers_version": "5.0.0"})
    write_preprocessor(folder)
    save_weights(folder, make_state(folder, SEED + 3, "bfloat16", "Gemma3ForConditionalGeneration"))
    return None


def llama3(folder: Path) -> str | None:
    """LlamaForCausalLM with rope_scaling of type llama3, untied; the only one with a hidden size of 256,
    and rows of 16 in o_proj, which no block type divides."""
    bos = write_llama3_tokenizer(folder, 290)
    write_json(folder / "config.json", {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": bos, "eos_token_id": [bos + 1, bos + 5], "head_dim": 8, "hidden_act": "silu",
        "hidden_size": 256, "initializer_range": 0.02, "intermediate_size": 32, "max_position_embeddings": 131072,
        "mlp_bias": False, "model_type": "llama", "num_attention_heads": 2, "num_hidden_layers": 2,
        "num_key_value_heads": 1, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
        "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                         "original_max_position_embeddings": 8192, "rope_type": "llama3"},
        "rope_theta": 500000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "transformers_version": "4.45.0.dev0", "use_cache": True, "vocab_size": bos + 6})
    write_json(folder / "generation_config.json", {
        "bos_token_id": bos, "do_sample": True, "eos_token_id": [bos + 1, bos + 5], "temperature": 0.6, "top_p": 0.9,
        "transformers_version": "4.45.0.dev0"})
    save_weights(folder, make_state(folder, SEED + 4, "bfloat16", "LlamaForCausalLM"))
    return "llama-bpe"


def llama3_new(folder: Path) -> str | None:
    """Llama 3 in the newer spelling (rope_parameters, dtype, no head_dim), one layer."""
    bos = write_llama3_tokenizer(folder, 330)
    write_json(folder / "config.json", {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": bos, "dtype": "bfloat16", "eos_token_id": bos + 1, "hidden_act": "silu", "hidden_size": 32,
        "initializer_range": 0.02, "intermediate_size": 64, "max_position_embeddings": 131072, "mlp_bias": False,
        "model_type": "llama", "num_attention_heads": 4, "num_hidden_layers": 1, "num_key_value_heads": 2,
        "pad_token_id": None, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
        "rope_parameters": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                            "original_max_position_embeddings": 8192, "rope_theta": 500000.0, "rope_type": "llama3"},
        "tie_word_embeddings": False, "transformers_version": "5.0.0", "use_cache": True, "vocab_size": bos + 6})
    save_weights(folder, make_state(folder, SEED + 5, "bfloat16", "LlamaForCausalLM"))
    return "llama-bpe"


def llama2_spm(folder: Path) -> str | None:
    """LlamaForCausalLM with a SentencePiece tokenizer, F16 weights, as many KV heads as heads (the key is
    absent, as in the oldest checkpoints) and _name_or_path, which the converter takes the name from."""
    write_llama2_tokenizer(folder, 400)
    write_json(folder / "config.json", {
        "_name_or_path": "nibble-tests/Tiny-Llama-2-1B-chat", "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02,
        "intermediate_size": 256, "max_position_embeddings": 4096, "model_type": "llama", "num_attention_heads": 4,
        "num_hidden_layers": 1, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": None,
        "tie_word_embeddings": False, "torch_dtype": "float16", "transformers_version": "4.31.0.dev0",
        "use_cache": True, "vocab_size": 401})
    write_json(folder / "generation_config.json", {
        "_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "temperature": 1.0,
        "top_p": 1.0, "transformers_version": "4.31.0.dev0"})
    save_weights(folder, make_state(folder, SEED + 6, "float16", "LlamaForCausalLM"))
    return None


def smollm2(folder: Path) -> str | None:
    """LlamaForCausalLM as SmolLM2: tied, three heads for each KV head, digits split one by one."""
    write_smollm2_tokenizer(folder, 300)
    write_json(folder / "config.json", {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1,
        "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 96, "initializer_range": 0.041666666666666664,
        "intermediate_size": 32, "is_llama_config": True, "max_position_embeddings": 8192, "mlp_bias": False,
        "model_type": "llama", "num_attention_heads": 3, "num_hidden_layers": 2, "num_key_value_heads": 1,
        "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": False, "rope_scaling": None,
        "rope_theta": 100000, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "transformers_version": "4.42.3", "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16"}},
        "use_cache": True, "vocab_size": 300})
    write_json(folder / "generation_config.json", {
        "_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
        "transformers_version": "4.42.3"})
    (folder / "README.md").write_text(
        "---\nlibrary_name: transformers\nlicense: apache-2.0\nlanguage:\n- en\npipeline_tag: text-generation\n"
        "tags:\n- nibble-test\nbase_model:\n- HuggingFaceTB/SmolLM2-135M\ndatasets:\n- HuggingFaceTB/smoltalk\n---\n\n# Tiny\n",
        encoding="utf-8")
    save_weights(folder, make_state(folder, SEED + 7, "bfloat16", "LlamaForCausalLM"))
    return "smollm"


def qwen2(folder: Path) -> str | None:
    """Qwen2ForCausalLM: biases of Q, K and V, tied, NFC, more rows than tokens."""
    write_qwen_tokenizer(folder, 304, "config")     # 304 + 6 added tokens
    write_json(folder / "config.json", {
        "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 304, "eos_token_id": 306,
        "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 96,
        "max_position_embeddings": 32768, "max_window_layers": 2, "model_type": "qwen2", "num_attention_heads": 4,
        "num_hidden_layers": 2, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
        "sliding_window": 32768, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "transformers_version": "4.43.1", "use_cache": True, "use_sliding_window": False, "vocab_size": 320})
    write_json(folder / "generation_config.json", {
        "bos_token_id": 304, "do_sample": True, "eos_token_id": [306, 304], "pad_token_id": 304,
        "repetition_penalty": 1.1, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "transformers_version": "4.43.1"})
    save_weights(folder, make_state(folder, SEED + 8, "bfloat16", "Qwen2ForCausalLM"))
    return "qwen2"


def qwen3(folder: Path) -> str | None:
    """Qwen3ForCausalLM: norms of Q and K, explicit head_dim, untied, F32 weights."""
    write_qwen_tokenizer(folder, 304, "jinja")
    write_json(folder / "config.json", {
        "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 304,
        "eos_token_id": 306, "head_dim": 32, "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02,
        "intermediate_size": 96, "max_position_embeddings": 40960, "max_window_layers": 2, "model_type": "qwen3",
        "num_attention_heads": 2, "num_hidden_layers": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-06,
        "rope_scaling": None, "rope_theta": 1000000, "sliding_window": None, "tie_word_embeddings": False,
        "torch_dtype": "float32", "transformers_version": "4.51.0", "use_cache": True, "use_sliding_window": False,
        "vocab_size": 310})
    write_json(folder / "generation_config.json", {
        "bos_token_id": 304, "do_sample": True, "eos_token_id": [306, 304], "pad_token_id": 304, "temperature": 0.6,
        "top_k": 20, "top_p": 0.95, "transformers_version": "4.51.0"})
    save_weights(folder, make_state(folder, SEED + 9, "float32", "Qwen3ForCausalLM"))
    return "qwen2"


CHECKPOINTS = {
    "gemma3-text": gemma3_text,
    "gemma3-multimodal-old": gemma3_multimodal_old,
    "gemma3-multimodal-new": gemma3_multimodal_new,
    "llama3": llama3,
    "llama3-new": llama3_new,
    "llama2-spm": llama2_spm,
    "smollm2": smollm2,
    "qwen2": qwen2,
    "qwen3": qwen3,
}


# --------------------------------------------------------------------------------------------------
# Conversion (in a process of its own, so that llama.cpp's gguf-py is the one imported)
# --------------------------------------------------------------------------------------------------

def convert(llama_cpp: Path, folder: Path, output: Path, pre_tokenizer: str | None) -> None:
    sys.path.insert(0, str(llama_cpp))
    import convert_hf_to_gguf
    from conversion.base import TextModel

    if pre_tokenizer:
        # The only change to the converter: see the text at the top.
        TextModel.get_vocab_base_pre = lambda self, tokenizer: pre_tokenizer
    sys.argv = ["convert_hf_to_gguf.py", str(folder), "--outtype", "bf16", "--outfile", str(output)]
    convert_hf_to_gguf.main()


def print_versions(llama_cpp: Path) -> None:
    from importlib.metadata import version

    print("python", platform.python_version())
    for package in ["torch", "transformers", "tokenizers", "sentencepiece", "protobuf", "safetensors", "numpy"]:
        print(package, version(package))
    for line in (llama_cpp / "gguf-py" / "pyproject.toml").read_text().splitlines():
        if line.startswith("version"):
            print("gguf-py of llama.cpp:", line.split("=")[1].strip().strip('"'))


def main() -> None:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-cpp", type=Path, required=True, help="source folder of llama.cpp")
    parser.add_argument("--output", type=Path, default=here / "hub")
    parser.add_argument("--only", nargs="*", choices=sorted(CHECKPOINTS), help="make only these")
    parser.add_argument("--convert-one", nargs=3, metavar=("FOLDER", "GGUF", "PRE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    llama_cpp = arguments.llama_cpp.resolve()
    if arguments.convert_one:
        folder, output, pre_tokenizer = arguments.convert_one
        convert(llama_cpp, Path(folder), Path(output), None if pre_tokenizer == "-" else pre_tokenizer)
        return

    print_versions(llama_cpp)
    for name in arguments.only or CHECKPOINTS:
        folder = arguments.output.resolve() / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        pre_tokenizer = CHECKPOINTS[name](folder)
        output = folder.with_name(name + ".expected.gguf")
        result = subprocess.run(
            [sys.executable, __file__, "--llama-cpp", str(llama_cpp), "--convert-one", str(folder), str(output),
             pre_tokenizer or "-"], capture_output=True, text=True)
        if result.returncode != 0:
            print(result.stderr, file=sys.stderr)
            raise SystemExit(f"llama.cpp does not convert {name}")
        size = sum(f.stat().st_size for f in folder.iterdir())
        print(f"{name}: hub {size} bytes, gguf {output.stat().st_size} bytes")
        for line in result.stderr.splitlines():
            if line.startswith("WARNING"):
                print("   ", line)


if __name__ == "__main__":
    main()
