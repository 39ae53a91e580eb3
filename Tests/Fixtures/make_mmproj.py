#!/usr/bin/env python3
"""Make a tiny Gemma 3 that sees, as the hub has such models, and what llama.cpp's converter writes of its vision tower.

    python make_mmproj.py LLAMA_CPP [--output FOLDER]

LLAMA_CPP is a source tree of llama.cpp (the sdist of llama-cpp-python has one in vendor/llama.cpp). Writes
    vision/gemma3-vision/                         config.json, preprocessor_config.json, model.safetensors; no text model
    vision/gemma3-vision.{f16,bf16,q8_0}.gguf     convert_hf_to_gguf.py --mmproj --outtype ...

Needs what the converter needs (torch, transformers, sentencepiece) and safetensors. llama-cpp-python 0.3.36, torch 2.15.0.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

WIDTH, FEED_FORWARD, LAYERS, TEXT, IMAGE, PATCH = 32, 64, 12, 96, 32, 8

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("llama_cpp", type=Path)
parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder of vision/")
options = parser.parse_args()
folder = options.output / "vision" / "gemma3-vision"
folder.mkdir(parents=True, exist_ok=True)

generator = torch.Generator().manual_seed(5)
tensors = {}


def add(name, *shape, around=0.0):
    tensors[name] = (torch.randn(shape, generator=generator) * 0.1 + around).to(torch.bfloat16)


tower = "vision_tower.vision_model."
add(tower + "embeddings.patch_embedding.weight", WIDTH, 3, PATCH, PATCH)
add(tower + "embeddings.patch_embedding.bias", WIDTH)
add(tower + "embeddings.position_embedding.weight", (IMAGE // PATCH) ** 2, WIDTH)
for layer in range(LAYERS):
    own = f"{tower}encoder.layers.{layer}."
    for norm in ("layer_norm1", "layer_norm2"):
        add(f"{own}{norm}.weight", WIDTH, around=1.0)
        add(f"{own}{norm}.bias", WIDTH)
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        add(f"{own}self_attn.{name}.weight", WIDTH, WIDTH)
        add(f"{own}self_attn.{name}.bias", WIDTH)
    add(f"{own}mlp.fc1.weight", FEED_FORWARD, WIDTH)
    add(f"{own}mlp.fc1.bias", FEED_FORWARD)
    add(f"{own}mlp.fc2.weight", WIDTH, FEED_FORWARD)
    add(f"{own}mlp.fc2.bias", WIDTH)
add(tower + "post_layernorm.weight", WIDTH, around=1.0)
add(tower + "post_layernorm.bias", WIDTH)
add("multi_modal_projector.mm_input_projection_weight", WIDTH, TEXT)
add("multi_modal_projector.mm_soft_emb_norm.weight", WIDTH)
save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

config = {
    "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "mm_tokens_per_image": 4,
    "text_config": {
        "model_type": "gemma3_text", "hidden_size": TEXT, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 48, "intermediate_size": 64, "sliding_window": 16, "vocab_size": 64},
    "vision_config": {
        "model_type": "siglip_vision_model", "hidden_size": WIDTH, "intermediate_size": FEED_FORWARD, "image_size": IMAGE,
        "patch_size": PATCH, "num_attention_heads": 2, "num_hidden_layers": LAYERS, "vision_use_head": False}}
preprocessor = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.2], "image_seq_length": 4,
                "image_processor_type": "Gemma3ImageProcessor", "size": {"height": IMAGE, "width": IMAGE}}
(folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
(folder / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=1) + "\n")

for kind in ("f16", "bf16", "q8_0"):
    subprocess.run(
        [sys.executable, options.llama_cpp / "convert_hf_to_gguf.py", folder, "--mmproj", "--outtype", kind, "--outfile",
         f"{folder}.{kind}.gguf"],
        check=True, env=os.environ | {"PYTHONPATH": str(options.llama_cpp / "gguf-py")})
