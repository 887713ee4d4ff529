"""Lists the doubts about an imported generator: what neither its tensors nor its statistics show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..models import Generator, conv_side
from ._hypothesis import Hints, Hypothesis
from ._modules import brief

ROUGH_MISFIT = 0.1  # average over batch norms
SAMPLES = 32
MAX_VALUES = 2**22  # of the sampled images
ALMOST_ALL = 0.995  # of the pixels
NARROW = 0.8  # about tanh(1)


def find_warnings(found: Hypothesis, hints: Hints, generator: Generator, scaling: Any) -> list[str]:
    """Returns a sentence for each doubt, with the hint that would settle it."""
    return [*_about_layers(found, hints), *_about_size(found, hints), *_about_images(found, hints, generator, scaling)]


def _about_layers(found: Hypothesis, hints: Hints) -> Iterator[str]:
    """Warns about layers that no statistics confirm."""
    modules = [module for _, module in found.layers if module is not None]
    confirmed = max((place for place, module in enumerate(modules) if module.has_statistics), default=-1) + 1
    rest = [module for module in modules[confirmed:] if module.is_layer]
    batch_norms = [module for module in modules if module.kind == "batch_norm"]
    unused = [module for module in batch_norms if not module.has_statistics]
    if unused and not hints.settled:
        count = "all" if len(unused) == len(batch_norms) else str(len(unused))
        yield (
            f"{count} of its batch norms ({brief(unused[0].name)} first) were never used in training mode: they hold a "
            "mean of 0 and a variance of 1, like new ones, and confirm nothing"
        )
    if len(rest) > 1 and not hints.settled:  # no DCGAN has a norm after its last layer
        where = f"from {brief(rest[0].name)} on" if confirmed else "of any layer"
        what = "strides, paddings, activations and norms without weights"
        yield f"nothing in the file confirms the {what} {where}, so the usual ones were assumed"
    if any(layer["kind"] == "instance_norm" for layer, _ in found.layers) and not hints.settled:
        yield "nothing in the file shows whether its norms normalize single channels or groups of channels"
    if found.misfit > ROUGH_MISFIT * found.norms:
        yield "the statistics of its batch norms match its layers only roughly"


def _about_size(found: Hypothesis, hints: Hints) -> Iterator[str]:
    """Warns that grey images of 32 px may be images of 28 px, cut out by the padding of the last layer."""
    layer, _ = found.layers[-2]
    is_open = found.shape == (1, 32, 32) and hints.image_size is None and hints.paddings is None
    if is_open and layer["kind"] == "conv_transpose" and conv_side({**layer, "padding": 2}, 16) >= 1:
        yield (
            "nothing in the file shows whether its images have 32 px, or 28 px by a larger padding of the last layer: "
            "pass `image_size=28` or `image_size=32`"
        )


def _about_images(found: Hypothesis, hints: Hints, generator: Generator, scaling: Any) -> Iterator[str]:
    """Warns if the samples suggest another last activation or another normalization."""
    if hints.last is not None or scaling is not None or found.norms == 0:
        return
    values = _sample_values(generator)
    low, high = values.quantile(torch.tensor([1 - ALMOST_ALL, ALMOST_ALL])).tolist()
    if low > 0:
        yield (
            "its images use only the brighter half of the range, as if the network ended in a sigmoid, or was trained "
            'on images in 0..1: pass `last="sigmoid"`, or `normalization=(0, 1)`'
        )
    elif max(-low, high) < NARROW:
        yield (
            "its values before the last activation hardly ever leave -1..1, as if there were no activation: pass "
            '`last="none"` or `last="tanh"`'
        )


@torch.inference_mode()
def _sample_values(generator: Generator) -> Tensor:
    config = generator.config
    count = max(2, min(SAMPLES, MAX_VALUES // (config.channels * config.image_size**2)))
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % config.num_classes if config.num_classes else None
    shape = (count, config.latent_dim)
    uniform = config.latent == "uniform"
    latent = torch.rand(shape, generator=rng) * 2 - 1 if uniform else torch.randn(shape, generator=rng)
    images: Tensor = generator(latent, labels)
    step = max(1, config.image_size // 64)
    return images[:, :, ::step, ::step].flatten()
