"""Builds a generator from the layers that were found and the tensors of their modules."""

from __future__ import annotations

from typing import Any

import torch

from ..models import Generator, GeneratorConfig, LayeredConfig, LayeredGenerator
from ._hypothesis import Hypothesis
from ._modules import Module

Normalization = tuple[tuple[float, ...], tuple[float, ...]]  # mean and standard deviation, of all channels or of each


def build_layered(found: Hypothesis, scaling: Normalization | None = None) -> Generator:
    """Builds a generator from layers, with images in -1..1 even if its training images were normalized otherwise."""
    parts = found.layers
    no_last = parts[-1][0]["function"] == "none"
    if no_last or scaling is not None:
        parts = [*parts[: -1 if no_last else None], *_undo_normalization(found.shape[0], scaling)]
    config = LayeredConfig(
        image_size=found.shape[1],
        channels=found.shape[0],
        latent_dim=found.latent_dim,
        latent=found.latent,
        num_classes=found.num_classes,
        layers=tuple(layer for layer, _ in parts),
    )
    generator = LayeredGenerator(config)
    for built, (layer, module) in zip(generator.layers, parts):
        if module is not None:
            part: Any = built.embedding if layer["kind"] == "embedding" else built
            part.load_state_dict(module.tensors, strict=False)
    return generator


def _undo_normalization(channels: int, scaling: Normalization | None) -> list[tuple[dict[str, Any], Module | None]]:
    """Returns layers that map normalized images to -1..1: a scale and a shift of each channel, and a clamp."""
    clamp = ({"kind": "activation", "function": "hardtanh"}, None)
    if scaling is None:
        return [clamp]
    mean, std = (torch.tensor(each, dtype=torch.float32) for each in scaling)
    if channels not in (len(mean), channels * len(mean)) or channels not in (len(std), channels * len(std)):
        raise ValueError(f"`normalization` must be for {channels} channels, but got {scaling}.")
    conv = {"kind": "conv", "in_channels": channels, "out_channels": channels, "kernel_size": 1, "stride": 1}
    weight = torch.diag((2 * std).expand(channels))[:, :, None, None].clone()
    module = Module("normalization", "conv", {"weight": weight, "bias": (2 * mean - 1).expand(channels).clone()})
    return [({**conv, "padding": 0, "bias": True}, module), clamp]


def build_trainable(found: Hypothesis) -> Generator | None:
    """Builds a :class:`Generator`, which can be trained further, or returns None if the found layers do not fit it."""
    pairs = [(layer, module) for layer, module in found.layers if layer["kind"] != "activation"]
    kinds = [layer["kind"] for layer, _ in pairs]
    functions = {(la["function"], la.get("slope", 0.0)) for la, _ in found.layers[:-1] if la["kind"] == "activation"}
    if (
        kinds != ["conv_transpose", "batch_norm"] * (len(pairs) // 2) + ["conv_transpose"]
        or len(functions) != 1
        or not {name for name, _ in functions} <= {"relu", "leaky_relu"}
        or found.layers[-1][0]["function"] != "tanh"
        or any(layer.get("eps", 1e-5) != 1e-5 or not layer.get("affine", True) for layer, _ in pairs)
        or any(layer.get("bias") for layer, _ in pairs)
    ):
        return None
    convs = [layer for layer, _ in pairs[::2]]
    try:
        config = GeneratorConfig(
            image_size=found.shape[1],
            channels=found.shape[0],
            latent_dim=convs[0]["in_channels"],
            latent=found.latent,
            width=convs[-1]["in_channels"],
            max_width=max(conv["in_channels"] for conv in convs[1:]),
            kernel_size=convs[-1]["kernel_size"],
            base_size=convs[0]["kernel_size"],
            negative_slope=next(iter(functions))[1],
        )
    except ValueError:
        return None
    generator = Generator(config).eval()
    parts: list[Any] = [*(part for block in generator.blocks for part in (block.conv, block.norm)), generator.to_image]
    modules = [module for _, module in pairs if module is not None]
    if [part.weight.shape for part in parts] != [module.weight.shape for module in modules]:
        return None
    for part, module in zip(parts, modules):
        part.load_state_dict(module.tensors, strict=False)
    layered, latent = build_layered(found).eval(), torch.randn(4, config.latent_dim)
    with torch.inference_mode():
        same = torch.allclose(generator(latent), layered(latent), atol=1e-4)
    return generator if same else None
