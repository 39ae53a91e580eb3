#!/usr/bin/env python3
"""Make matrices as MLX and compressed-tensors pack them, with the values that they stand for.

    python make_packed.py mlx [--output FOLDER]
    python make_packed.py compressed-tensors [--output FOLDER]

Writes
    packed/mlx.safetensors, packed/mlx.json
    packed/compressed-tensors.safetensors, packed/compressed-tensors.json

The .json files are what config.json says of the matrices. Under NAME.expected stand the values in float32: product
and sum rounded one after the other. The library itself must come to these values (MLX, where its scales are float32,
to a part in a million: it may fuse the two).

Needs mlx[cpu], numpy and safetensors for the first; compressed-tensors, torch, numpy and safetensors for the second.
Versions: mlx 0.32.4; compressed-tensors 0.20.1, torch 2.15.0.
"""

import argparse
import json
from pathlib import Path

import numpy as np

ROWS, COLUMNS = 5, 256


def unpack(words, bits, columns):
    """The codes in rows of 32-bit words: a stream of bits, the lowest first."""
    stream = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, : columns * bits]
    return (stream.reshape(words.shape[0], columns, bits).astype(np.int32) << np.arange(bits)).sum(axis=2)


def mlx(folder):
    import mlx.core as mx

    rng = np.random.default_rng(7)
    tensors, modules = {}, {}
    types = {"bf16": mx.bfloat16, "f16": mx.float16, "f32": mx.float32}
    cases = [(group, bits, "bf16") for group in (32, 64, 128) for bits in (2, 3, 4, 5, 6, 8)]
    cases += [(64, bits, name) for bits in (3, 4, 8) for name in ("f16", "f32")]
    for group, bits, name in cases:
        module = f"{name}.g{group}b{bits}"
        weights = mx.array(rng.normal(0, 0.05, (ROWS, COLUMNS)).astype(np.float32)).astype(types[name])
        words, scales, biases = mx.quantize(weights, group_size=group, bits=bits)
        codes = unpack(np.array(words), bits, COLUMNS).astype(np.float32)
        scale, bias = (np.array(x.astype(mx.float32)).repeat(group, axis=1) for x in (scales, biases))
        expected = codes * scale + bias
        own = mx.dequantize(
            words, scales.astype(mx.float32), biases.astype(mx.float32), group_size=group, bits=bits)
        assert np.allclose(np.array(own), expected, rtol=1e-6, atol=1e-7), module
        assert name == "f32" or np.array_equal(np.array(own), expected), module
        tensors |= {f"{module}.weight": words, f"{module}.scales": scales, f"{module}.biases": biases}
        tensors[f"{module}.expected"] = mx.array(expected)
        modules[module] = {"group_size": group, "bits": bits}
    mx.save_safetensors(str(folder / "mlx.safetensors"), tensors)
    (folder / "mlx.json").write_text(
        json.dumps({"quantization": {"group_size": 64, "bits": 4, "mode": "affine"} | modules}, indent=1) + "\n")


def compressed_tensors(folder):
    import torch
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32, unpack_from_int32
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(7)
    tensors, groups = {}, {}
    types = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
    # Bits, columns of a group, type of scales, whether each group has its own zero, rows.
    cases = [(bits, 32, "bf16", False, 5) for bits in (2, 3, 4, 5, 6, 7, 8)]
    cases += [(4, None, "bf16", False, 5), (8, None, "bf16", False, 5), (4, 64, "f16", False, 5), (4, 32, "f32", False, 5)]
    cases += [(4, 128, "bf16", True, 12), (8, 64, "f16", True, 5), (3, 32, "bf16", True, 35)]
    for bits, group, name, zeros, rows in cases:
        width = group or COLUMNS
        module = f"{name}.{f'g{group}' if group else 'row'}b{bits}{'z' if zeros else ''}"
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        codes = torch.randint(low, high + 1, (rows, COLUMNS), generator=generator, dtype=torch.int8)
        scale = (torch.rand(rows, COLUMNS // width, generator=generator) * 0.05 + 0.001).to(types[name])
        zero = torch.zeros(scale.shape, dtype=torch.int8)
        if zeros:
            zero = torch.randint(low, high + 1, scale.shape, generator=generator, dtype=torch.int8)
            tensors[f"{module}.weight_zero_point"] = pack_to_int32(zero, bits, packed_dim=0)
        packed = pack_to_int32(codes, bits)
        assert torch.equal(unpack_from_int32(packed, bits, codes.shape), codes)
        tensors |= {f"{module}.weight_packed": packed, f"{module}.weight_scale": scale}
        tensors[f"{module}.weight_shape"] = torch.tensor(codes.shape)
        tensors[f"{module}.expected"] = values(codes, scale, zero, width)
        groups[f"group_{len(groups)}"] = scheme(bits, group, zeros)
    for zeros in (False, True):
        module = "i8z" if zeros else "i8"
        codes = torch.randint(-128, 128, (5, COLUMNS), generator=generator, dtype=torch.int8)
        scale = (torch.rand(5, 1, generator=generator) * 0.05 + 0.001).to(torch.bfloat16)
        zero = torch.randint(-128, 128, scale.shape, generator=generator, dtype=torch.int8) * zeros
        tensors |= {f"{module}.weight": codes, f"{module}.weight_scale": scale}
        if zeros:
            tensors[f"{module}.weight_zero_point"] = zero
        tensors[f"{module}.expected"] = values(codes, scale, zero, COLUMNS)
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / "compressed-tensors.safetensors")
    configuration = {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": groups}
    (folder / "compressed-tensors.json").write_text(json.dumps({"quantization_config": configuration}, indent=1) + "\n")


def scheme(bits, group, zeros):
    weights = {"num_bits": bits, "type": "int", "symmetric": not zeros, "group_size": group}
    return {"targets": ["Linear"], "weights": weights | {"strategy": "group" if group else "channel"}}


def values(codes, scale, zero, width):
    """What compressed-tensors makes of codes, with scales in float32."""
    import torch
    from compressed_tensors.quantization import QuantizationArgs
    from compressed_tensors.quantization.lifecycle.forward import dequantize

    grouped = scale.shape[1] > 1
    arguments = QuantizationArgs(
        num_bits=8, symmetric=False, strategy="group" if grouped else "channel", group_size=width if grouped else None)
    own = dequantize(codes, scale.float(), zero, args=arguments)
    spread = [x.float().repeat_interleave(width, dim=1) for x in (scale, zero)]
    expected = (codes.float() - spread[1]) * spread[0]
    assert torch.equal(own, expected)
    return expected


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("form", choices=["mlx", "compressed-tensors"])
parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder of packed/")
options = parser.parse_args()
folder = options.output / "packed"
folder.mkdir(parents=True, exist_ok=True)
(mlx if options.form == "mlx" else compressed_tensors)(folder)
