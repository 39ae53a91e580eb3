#!/usr/bin/env python3
"""Make the logits of the tests: what transformers computes in F32 for tiny checkpoints.

    python make_logits.py [--output FOLDER]

Writes
    hub-logits/<name>/    further tiny checkpoints, whose weights are large enough for every part of the forward
                          pass to matter; tokenizer files are copied from a folder of hub/
    logits/<name>.f32     logits of the folders of hub/ and hub-logits/: little-endian float32, one row of the
                          vocabulary's size for each of the kept positions
    logits/logits.json    tokens, positions, size of the vocabulary and file of each model

The checkpoints of hub/ do not make every part of the forward pass matter. Those of hub-logits/ do: their attention
scores spread over several units. For each of them this script asserts that leaving out any part (CHECKS) changes
the kept logits by more than 1e-2 of the largest, or by what the check says, and that noise of 1e-7 in all weights
changes them by less than 1e-5, so that another order of summation stays far below the tolerance of 1e-4.

Everything is seeded. transformers runs in F32 on one thread, with eager attention and without a cache; of the
multimodal checkpoints, the text model alone. The same library versions on the same kind of processor give the same
bytes; on another, the last bits of the logits may differ.
"""

import argparse
import copy
import json
import os
import platform
import shutil
from pathlib import Path

# Without a graphics card: sums in one order.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy
import torch
import transformers
from safetensors.torch import load_file, save_file

SEED = 20261126
HERE = Path(__file__).resolve().parent
TOKENS = 48
# The first, those about the ends of the windows of 7 and 16, and the last.
POSITIONS = [0, 1, 5, 6, 7, 8, 15, 16, 17, 30, 40, 47]
NOISE, NOISE_LIMIT = 1e-7, 1e-5

HUB = ["gemma3-multimodal-new", "gemma3-multimodal-old", "gemma3-text", "llama2-spm", "llama3", "llama3-new", "qwen2",
       "qwen3", "smollm2"]
# The expected GGUF is BF16; these hold F16 and F32, which it rounds.
ROUNDED_IN_GGUF = ["llama2-spm", "qwen3"]

TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json",
                   "vocab.json", "merges.txt"]


# --------------------------------------------------------------------------------------------------
# The checkpoints of hub-logits: tokenizer, config.json
# --------------------------------------------------------------------------------------------------

GEMMA3 = {
    "architectures": ["Gemma3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
    "attn_logit_softcapping": None, "bos_token_id": 2, "eos_token_id": 1, "final_logit_softcapping": None,
    "hidden_activation": "gelu_pytorch_tanh", "initializer_range": 0.02, "max_position_embeddings": 256,
    "model_type": "gemma3_text", "pad_token_id": 0, "rms_norm_eps": 1e-06, "torch_dtype": "float32",
    "transformers_version": "4.50.0.dev0", "use_cache": True, "vocab_size": 448}
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "attention_dropout": 0.0, "hidden_act": "silu", "initializer_range": 0.02,
    "max_position_embeddings": 8192, "mlp_bias": False, "model_type": "llama", "pretraining_tp": 1,
    "torch_dtype": "float32", "transformers_version": "4.45.0.dev0", "use_cache": True}
QWEN = {
    "attention_dropout": 0.0, "bos_token_id": 304, "eos_token_id": 306, "hidden_act": "silu",
    "initializer_range": 0.02, "max_position_embeddings": 32768, "torch_dtype": "float32",
    "transformers_version": "4.51.0", "use_cache": True, "use_sliding_window": False}

CHECKPOINTS = {
    # Window of 7; layer 5 of 7 is global; 2 query heads for each of 2 others; heads wider than hidden / heads.
    "gemma3-window": ("gemma3-text", GEMMA3 | {
        "head_dim": 8, "hidden_size": 24, "intermediate_size": 24, "num_attention_heads": 4, "num_hidden_layers": 7,
        "num_key_value_heads": 2, "query_pre_attn_scalar": 8, "rope_local_base_freq": 100, "rope_scaling": None,
        "rope_theta": 10000, "sliding_window": 7, "sliding_window_pattern": 6}),
    # Linear scaling of the global layers' positions, capped logits, an irregular order of layers.
    "gemma3-linear-softcap": ("gemma3-text", GEMMA3 | {
        "final_logit_softcapping": 30.0, "head_dim": 8, "hidden_size": 32, "intermediate_size": 24,
        "layer_types": [("full" if i in (1, 4) else "sliding") + "_attention" for i in range(5)],
        "num_attention_heads": 4, "num_hidden_layers": 5, "num_key_value_heads": 2, "query_pre_attn_scalar": 8,
        "rope_parameters": {
            "full_attention": {"factor": 8.0, "rope_theta": 1000000.0, "rope_type": "linear"},
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"}},
        "sliding_window": 16}),
    # As many layers as Gemma 3 27B: scores are scaled by (hidden / heads)^-1/2, not by head_dim^-1/2.
    "gemma3-62-layers": ("gemma3-text", GEMMA3 | {
        "head_dim": 8, "hidden_size": 24, "intermediate_size": 8, "num_attention_heads": 2, "num_hidden_layers": 62,
        "num_key_value_heads": 1, "query_pre_attn_scalar": 12, "rope_local_base_freq": 10000, "rope_scaling": None,
        "rope_theta": 1000000, "sliding_window": 16, "sliding_window_pattern": 6}),
    # Llama 3's scaling with an original context short enough for 48 tokens to feel it; biases; untied.
    "llama-rope-biases": ("llama3", LLAMA | {
        "attention_bias": True, "bos_token_id": 290, "eos_token_id": 291, "head_dim": 16, "hidden_size": 32,
        "intermediate_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-05,
        "rope_scaling": {"factor": 8.0, "high_freq_factor": 8.0, "low_freq_factor": 1.0,
                         "original_max_position_embeddings": 64, "rope_type": "llama3"},
        "rope_theta": 1000.0, "tie_word_embeddings": False, "vocab_size": 296}),
    # Tied; three query heads for each of two others; an epsilon that matters.
    "llama-tied": ("smollm2", LLAMA | {
        "attention_bias": False, "bos_token_id": 1, "eos_token_id": 2, "hidden_size": 48, "intermediate_size": 40,
        "num_attention_heads": 6, "num_hidden_layers": 2, "num_key_value_heads": 2, "rms_norm_eps": 0.05,
        "rope_scaling": None, "rope_theta": 10000.0, "tie_word_embeddings": True, "vocab_size": 300}),
    # Biases of Q, K and V; untied.
    "qwen2-biases": ("qwen2", QWEN | {
        "architectures": ["Qwen2ForCausalLM"], "hidden_size": 32, "intermediate_size": 48, "max_window_layers": 2,
        "model_type": "qwen2", "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "sliding_window": 32768, "tie_word_embeddings": False,
        "vocab_size": 320}),
    # Norms of Q and K; tied.
    "qwen3-tied": ("qwen3", QWEN | {
        "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "head_dim": 16, "hidden_size": 32,
        "intermediate_size": 48, "max_window_layers": 2, "model_type": "qwen3", "num_attention_heads": 4,
        "num_hidden_layers": 2, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_scaling": None,
        "rope_theta": 10000, "sliding_window": None, "tie_word_embeddings": True, "vocab_size": 310}),
    # YaRN with an original context short enough for 48 tokens to feel it, in the older spelling; a ramp of several
    # pairs.
    "llama-yarn": ("llama3", LLAMA | {
        "attention_bias": False, "bos_token_id": 290, "eos_token_id": 291, "head_dim": 32, "hidden_size": 32,
        "intermediate_size": 24, "max_position_embeddings": 256, "num_attention_heads": 2, "num_hidden_layers": 2,
        "num_key_value_heads": 1, "rms_norm_eps": 1e-05,
        "rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 64, "type": "yarn"},
        "rope_theta": 500.0, "tie_word_embeddings": True, "vocab_size": 296}),
    # YaRN in the newer spelling, with a factor of attention of its own.
    "qwen2-yarn": ("qwen2", QWEN | {
        "architectures": ["Qwen2ForCausalLM"], "hidden_size": 32, "intermediate_size": 24,
        "max_position_embeddings": 256, "max_window_layers": 2, "model_type": "qwen2", "num_attention_heads": 2,
        "num_hidden_layers": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-06,
        "rope_parameters": {"attention_factor": 1.3, "factor": 4.0, "original_max_position_embeddings": 32,
                            "rope_theta": 1000.0, "rope_type": "yarn"},
        "sliding_window": 32768, "tie_word_embeddings": True, "vocab_size": 320}),
    # YaRN as the model cards of Qwen 3 write it, a large base and norms of Q and K.
    "qwen3-yarn": ("qwen3", QWEN | {
        "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "head_dim": 16, "hidden_size": 32,
        "intermediate_size": 24, "max_position_embeddings": 512, "max_window_layers": 2, "model_type": "qwen3",
        "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
        "rope_scaling": {"factor": 8.0, "original_max_position_embeddings": 64, "rope_type": "yarn"},
        "rope_theta": 10000, "sliding_window": None, "tie_word_embeddings": True, "vocab_size": 310}),
    # YaRN in global layers alone.
    "gemma3-yarn": ("gemma3-text", GEMMA3 | {
        "head_dim": 16, "hidden_size": 24, "intermediate_size": 24,
        "layer_types": [("full" if i == 1 else "sliding") + "_attention" for i in range(3)],
        "num_attention_heads": 2, "num_hidden_layers": 3, "num_key_value_heads": 1, "query_pre_attn_scalar": 16,
        "rope_parameters": {
            "full_attention": {"factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 1000.0,
                               "rope_type": "yarn"},
            "sliding_attention": {"rope_theta": 100.0, "rope_type": "default"}},
        "sliding_window": 16}),
}


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_checkpoint(folder: Path, tokenizer: Path, config: dict, seed: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in TOKENIZER_FILES:
        if (tokenizer / name).exists():
            shutil.copyfile(tokenizer / name, folder / name)
    write_json(folder / "config.json", dict(sorted(config.items())))
    save_file(make_state(config, seed), folder / "model.safetensors", metadata={"format": "pt"})


def make_state(config: dict, seed: int) -> dict:
    """Random weights under the names and shapes of the model class which the configuration selects."""
    with torch.device("meta"):
        model = make_model(config)
    rng = numpy.random.default_rng(seed)
    state = {}
    for name, value in sorted(model.state_dict().items()):
        if model.config.tie_word_embeddings and name == "lm_head.weight":
            continue
        values = rng.standard_normal(tuple(value.shape)).astype(numpy.float32)
        if name.endswith(("q_norm.weight", "k_norm.weight")):
            # Above one, so that scores of normalized heads spread too; Gemma's are stored less one.
            values = values * numpy.float32(0.3) + numpy.float32(0.5 if is_gemma(config) else 1.5)
        elif "layernorm" in name and config["num_hidden_layers"] > 8 and "post_" in name:
            # What a layer adds, less of it where there are many: rounding must not grow too much.
            values = values * numpy.float32(0.2) - numpy.float32(0.6)
        elif name.endswith("norm.weight"):
            values = values * numpy.float32(0.3) + numpy.float32(0 if is_gemma(config) else 1)
        elif name.endswith("bias"):
            values *= numpy.float32(1)
        elif "embed_tokens" in name or "lm_head" in name:
            values *= numpy.float32(1)
        elif "q_proj" in name or "k_proj" in name:
            values *= numpy.float32(0.3)
        else:
            values *= numpy.float32(1.5 / value.shape[-1] ** 0.5)
        state[name] = torch.from_numpy(values).contiguous()
    return state


def is_gemma(config: dict) -> bool:
    return config["model_type"] == "gemma3_text"


# --------------------------------------------------------------------------------------------------
# Logits
# --------------------------------------------------------------------------------------------------

def make_model(config: dict, state: dict | None = None):
    """The model of a configuration in memory."""
    model_class = getattr(transformers, config["architectures"][0])
    parsed = model_class.config_class.from_dict(copy.deepcopy(config))
    parsed._attn_implementation = "eager"
    model = model_class(parsed).to(torch.float32).eval()
    if state is not None:
        report = model.load_state_dict(state, strict=False)
        unset = [n for n in report.missing_keys if not (n == "lm_head.weight" and parsed.tie_word_embeddings)]
        assert not unset and not report.unexpected_keys, f"{unset}, {report.unexpected_keys}"
        model.tie_weights()
    return model


def load_model(folder: Path):
    """The model of a hub folder."""
    architecture = json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"][0]
    model, report = getattr(transformers, architecture).from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    missing = [n for n in report["missing_keys"] if n != "lm_head.weight"]
    assert not missing and not report["unexpected_keys"], f"{folder}: {report}"
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert model.config.get_text_config()._attn_implementation == "eager"
    return model.eval()


def make_tokens(name: str, vocabulary_size: int) -> list[int]:
    return numpy.random.default_rng([SEED, *name.encode()]).integers(0, vocabulary_size, TOKENS).tolist()


def compute(model, tokens: list[int]) -> numpy.ndarray:
    """The logits of the kept positions."""
    ids = torch.tensor([tokens])
    with torch.no_grad():
        if hasattr(model.model, "language_model"):
            # The multimodal class replaces the embedding of the image token.
            logits = model.lm_head(model.model.language_model(input_ids=ids, use_cache=False).last_hidden_state)
        else:
            logits = model(input_ids=ids, use_cache=False).logits
    values = logits[0, POSITIONS].numpy().astype("<f4")
    assert numpy.isfinite(values).all()
    return values


def difference(values: numpy.ndarray, reference: numpy.ndarray) -> float:
    """The largest difference, relative to the largest logit."""
    return float(numpy.abs(values - reference).max() / numpy.abs(reference).max())


# --------------------------------------------------------------------------------------------------
# Parts of the forward pass that the logits have to notice
# --------------------------------------------------------------------------------------------------

class Variant:
    """A model with a part of the forward pass left out or done wrong."""

    def __init__(self, what, config=None, state=None, model=None, functions=None, threshold=1e-2):
        self.what, self.config, self.threshold = what, config or {}, threshold
        self.state, self.model, self.functions = state, model, functions or {}

    def compute(self, config: dict, state: dict, tokens: list[int]) -> numpy.ndarray:
        changed = self.state(dict(state)) if self.state else state
        model = make_model(config | self.config, changed)
        if self.model:
            self.model(model)
        module = __import__(type(model).__module__, fromlist=["x"])
        originals = {name: getattr(module, name) for name in self.functions}
        for name, wrap in self.functions.items():
            setattr(module, name, wrap(originals[name]))
        try:
            return compute(model, tokens)
        finally:
            for name, original in originals.items():
                setattr(module, name, original)


def each_attention(action):
    return lambda model: [action(layer.self_attn) for layer in model.model.layers]


def without_norm(name: str):
    return each_attention(lambda attention: setattr(attention, name, torch.nn.Identity()))


def zeroed(*endings: str):
    return lambda state: {n: torch.zeros_like(v) if n.endswith(endings) else v for n, v in state.items()}


def repeated_in_turn(original):
    """Query head i attends to head i modulo their number."""
    return lambda states, times: states.repeat(1, times, 1, 1)


def interleaved(original):
    """Rotates neighbours rather than dimensions half a head apart."""
    def apply(q, k, *arguments, **named):
        order = list(range(0, q.shape[-1], 2)) + list(range(1, q.shape[-1], 2))
        return original(q[..., order], k[..., order], *arguments, **named)
    return apply


def unrotated(original):
    return lambda q, k, *arguments, **named: (q, k)


def noise(state: dict) -> dict:
    rng = numpy.random.default_rng(SEED)
    return {n: v + v * torch.from_numpy(NOISE * rng.standard_normal(tuple(v.shape)).astype(numpy.float32))
            for n, v in state.items()}


COMMON = [
    Variant("rotary embedding left out", functions={"apply_rotary_pos_emb": unrotated}),
    Variant("neighbours rotated", functions={"apply_rotary_pos_emb": interleaved}),
    Variant("other epsilon", config={"rms_norm_eps": 1e-1}),
    Variant("gate without its function", model=lambda model: [
        setattr(layer.mlp, "act_fn", torch.nn.Identity()) for layer in model.model.layers]),
]
GROUPED = [Variant("heads grouped in turn", functions={"repeat_kv": repeated_in_turn})]
QUERY_KEY_NORMS = [Variant(f"without {n}", model=without_norm(n)) for n in ("q_norm", "k_norm")]
GEMMA = COMMON + QUERY_KEY_NORMS + [
    Variant("weights of norms without one", state=lambda state: {
        n: v - 1 if n.endswith("norm.weight") else v for n, v in state.items()}),
    Variant("norm after attention left out", model=lambda model: [
        setattr(layer, "post_attention_layernorm", torch.nn.Identity()) for layer in model.model.layers]),
    Variant("norm after MLP left out", model=lambda model: [
        setattr(layer, "post_feedforward_layernorm", torch.nn.Identity()) for layer in model.model.layers]),
    Variant("embeddings not scaled", model=lambda model: model.model.embed_tokens.embed_scale.fill_(1)),
    Variant("SiLU for GELU", config={"hidden_activation": "silu"}),
    Variant("window left out", config={"sliding_window": 4096}),
]


def untied(state: dict) -> dict:
    return state | {"lm_head.weight": state["model.embed_tokens.weight"]}


def bases(local, whole) -> dict:
    return {"rope_local_base_freq": local, "rope_theta": whole}


def linear(local: dict, whole: dict) -> dict:
    return {"rope_parameters": {"full_attention": {"rope_theta": 1000000.0} | whole,
                                "sliding_attention": {"rope_theta": 10000.0} | local}}


DEFAULT, BY_8 = {"rope_type": "default"}, {"factor": 8.0, "rope_type": "linear"}
LAYERS_OF_7 = ["sliding_attention"] * 7
SCALING = CHECKPOINTS["llama-rope-biases"][1]["rope_scaling"]
YARN = {name: CHECKPOINTS[name][1].get("rope_scaling") or CHECKPOINTS[name][1]["rope_parameters"]
        for name in ("llama-yarn", "qwen2-yarn", "qwen3-yarn")}
GEMMA_YARN = CHECKPOINTS["gemma3-yarn"][1]["rope_parameters"]


def yarn(name: str, field: str) -> list:
    scaling = YARN[name]
    base = {"rope_theta": scaling["rope_theta"]} if field == "rope_parameters" else {}
    return [
        Variant("scaling left out", config={field: base | {"rope_type": "default"}}),
        Variant("scaling linear", config={field: base | {"factor": scaling["factor"], "rope_type": "linear"}}),
        Variant("factor of attention left out", config={field: scaling | {"attention_factor": 1.0}}),
        Variant("original context of four times the length", config={field: scaling | {
            "original_max_position_embeddings": 4 * scaling["original_max_position_embeddings"]}}),
        Variant("beta_slow of 4", config={field: scaling | {"beta_slow": 4.0}}),
    ]


CHECKS = {
    "gemma3-window": GEMMA + GROUPED + [
        Variant("window of 6", config={"sliding_window": 6}),
        Variant("window of 8", config={"sliding_window": 8}),
        Variant("no global layer", config={"layer_types": LAYERS_OF_7}),
        Variant("first layer global", config={
            "layer_types": ["sliding_attention" if i % 6 else "full_attention" for i in range(7)]}),
        Variant("one base: the global", config=bases(10000, 10000)),
        Variant("one base: the local", config=bases(100, 100)),
        Variant("scaled by hidden / heads", config={"query_pre_attn_scalar": 6}),
    ],
    "gemma3-linear-softcap": GEMMA + GROUPED + [
        Variant("window of 15", config={"sliding_window": 15}),
        Variant("window of 17", config={"sliding_window": 17}),
        Variant("regular order of layers", config={"layer_types": [
            ("full" if i in (2, 4) else "sliding") + "_attention" for i in range(5)]}),
        Variant("scaling left out", config=linear(DEFAULT, DEFAULT)),
        Variant("scaling everywhere", config=linear(BY_8, BY_8)),
        Variant("scaling in local layers alone", config=linear(BY_8, DEFAULT)),
        Variant("logits not capped", config={"final_logit_softcapping": None}),
    ],
    "gemma3-62-layers": GEMMA + [
        # The two functions differ by less than 5e-4 everywhere.
        Variant("GELU not by tanh", config={"hidden_activation": "gelu"}, threshold=1e-3),
        Variant("scaled by head_dim", config={"query_pre_attn_scalar": 8}),
        Variant("no global layer", config={"layer_types": ["sliding_attention"] * 62}),
        Variant("one base: the global", config=bases(1000000, 1000000)),
        Variant("one base: the local", config=bases(10000, 10000)),
    ],
    "llama-rope-biases": COMMON + GROUPED + [
        Variant("scaling left out", config={"rope_scaling": None}),
        Variant("scaling linear", config={"rope_scaling": {"factor": 8.0, "rope_type": "linear"}}),
        Variant("high_freq_factor of 4", config={"rope_scaling": SCALING | {"high_freq_factor": 4.0}}),
        Variant("embeddings as head", state=untied),
    ] + [Variant(f"without the bias of {n}", state=zeroed(f"{n}_proj.bias")) for n in "qkvo"],
    "llama-tied": COMMON + GROUPED + [Variant("epsilon left out", config={"rms_norm_eps": 1e-12})],
    "qwen2-biases": COMMON + GROUPED + [
        Variant("embeddings as head", state=untied),
    ] + [Variant(f"without the bias of {n}", state=zeroed(f"{n}_proj.bias")) for n in "qkv"],
    "qwen3-tied": COMMON + GROUPED + QUERY_KEY_NORMS,
    "llama-yarn": COMMON + yarn("llama-yarn", "rope_scaling"),
    "qwen2-yarn": COMMON + yarn("qwen2-yarn", "rope_parameters") + [
        Variant("the usual factor of attention", config={"rope_parameters": YARN["qwen2-yarn"] | {
            "attention_factor": None}}),
    ],
    "qwen3-yarn": COMMON + QUERY_KEY_NORMS + yarn("qwen3-yarn", "rope_scaling"),
    "gemma3-yarn": GEMMA + [
        Variant("scaling left out", config={"rope_parameters": GEMMA_YARN | {
            "full_attention": {"rope_theta": 1000.0, "rope_type": "default"}}}),
        Variant("scaling everywhere", config={"rope_parameters": GEMMA_YARN | {
            "sliding_attention": GEMMA_YARN["full_attention"] | {"rope_theta": 100.0}}}),
        Variant("factor of attention left out", config={"rope_parameters": GEMMA_YARN | {
            "full_attention": GEMMA_YARN["full_attention"] | {"attention_factor": 1.0}}}),
    ],
}


def check(name: str, config: dict, folder: Path, tokens: list[int], reference: numpy.ndarray) -> None:
    state = load_file(folder / "model.safetensors")
    same = Variant("unchanged").compute(config, state, tokens)
    assert numpy.array_equal(same, reference), f"{name}: the model in memory differs from that of the folder"
    changes = {}
    for variant in CHECKS[name]:
        changes[variant.what] = change = difference(variant.compute(config, state, tokens), reference)
        assert change > variant.threshold, f"{name}: '{variant.what}' changes the logits by {change:.1e} only"
    weakest = sorted(changes, key=changes.get)[:3]
    print("    weakest:", ", ".join(f"{what} {changes[what]:.1e}" for what in weakest))
    change = difference(Variant("noise", state=noise).compute(config, state, tokens), reference)
    print(f"    noise of {NOISE}: {change:.1e}")
    assert change < NOISE_LIMIT, f"{name}: noise of {NOISE} in the weights changes the logits by {change:.1e}"


def gguf_is_exact(folder: Path, gguf: Path) -> bool:
    """Whether a GGUF holds the values of the folder, in any order within a tensor; Gemma's norms plus one."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    ours = sorted(
        (tuple(sorted(v.shape)), numpy.sort((v + 1 if n.endswith("norm.weight") and "gemma3" in folder.name else v)
                                            .numpy().ravel()).tobytes())
        for n, v in load_model(folder).state_dict().items() if "vision" not in n and "multi_modal" not in n)
    theirs = sorted(
        (tuple(sorted(int(d) for d in t.shape)), numpy.sort(dequantize(t.data, t.tensor_type).ravel()).tobytes())
        for t in GGUFReader(gguf).tensors if t.name != "rope_freqs.weight")
    # A tied head is in one of them only.
    return set(ours) == set(theirs)


# --------------------------------------------------------------------------------------------------

def main() -> None:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE)
    output = parser.parse_args().output.resolve()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()

    shutil.rmtree(output / "logits", ignore_errors=True)
    (output / "logits").mkdir(parents=True)
    for i, (name, (tokenizer, config)) in enumerate(CHECKPOINTS.items()):
        write_checkpoint(output / "hub-logits" / name, HERE / "hub" / tokenizer, config, SEED + 1 + i)

    models = []
    for group, names in (("hub", HUB), ("hub-logits", CHECKPOINTS)):
        for name in names:
            folder = (HERE if group == "hub" else output) / group / name
            model = load_model(folder)
            vocabulary_size = model.config.get_text_config().vocab_size
            tokens = make_tokens(name, vocabulary_size)
            values = compute(model, tokens)
            print(f"{group}/{name}: {sum(f.stat().st_size for f in folder.iterdir())} bytes, "
                  f"largest logit {numpy.abs(values).max():.2f}, deviation {values.std():.2f}")
            exact = group == "hub" and name not in ROUNDED_IN_GGUF
            if group == "hub":
                assert gguf_is_exact(folder, HERE / "hub" / f"{name}.expected.gguf") == exact, name
            else:
                check(name, CHECKPOINTS[name][1], folder, tokens, values)
            values.tofile(output / "logits" / f"{name}.f32")
            models.append({
                "name": name, "folder": f"{group}/{name}", "gguf": exact, "vocabularySize": vocabulary_size,
                "file": f"logits/{name}.f32", "positions": POSITIONS, "tokens": tokens})

    versions = {"python": platform.python_version()}
    versions |= {p: version(p) for p in ("torch", "transformers", "safetensors", "numpy")}
    # One model a line.
    lines = ",\n".join("    " + json.dumps(m) for m in models)
    (output / "logits" / "logits.json").write_text(
        f'{{\n  "versions": {json.dumps(versions)},\n  "models": [\n{lines}\n  ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
