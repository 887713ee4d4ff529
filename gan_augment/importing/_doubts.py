"""What of an imported generator neither its tensors nor their statistics show."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..models import Generator, conv_side
from ._modules import brief
from ._path import Hints, Path

DOUBTFUL_MISFIT = 0.1  # of a norm, on average
SAMPLES = 32
MOST_VALUES = 2**22  # of sampled images
ALL = 0.995  # the share of pixels taken for all of them
CONFINED = 0.8  # what tanh makes of about 1


def doubts(found: Path, hints: Hints, generator: Generator, scaling: Any) -> list[str]:
    """Says what is doubtful, each with the hint that would settle it."""
    return [*_of_layers(found, hints), *_of_side(found, hints), *_of_images(found, hints, generator, scaling)]


def _of_layers(found: Path, hints: Hints) -> list[str]:
    modules = [module for _, module in found.layers if module is not None]
    confirmed = max((place for place, module in enumerate(modules) if module.has_statistics), default=-1) + 1
    rest = [module for module in modules[confirmed:] if module.kind in ("conv", "linear")]
    unused = [module for module in modules if module.is_unused]
    given = hints.settled
    reasons = []
    if unused and not given:
        count = "all" if len(unused) == sum(module.kind == "batch_norm" for module in modules) else str(len(unused))
        reasons.append(
            f"{count} of its batch norms ({brief(unused[0].name)} first) were never used in training mode: they hold a "
            "mean of 0 and a variance of 1, as new ones do, and confirm nothing"
        )
    if len(rest) > 1 and not given:  # the last one has no norm after it in any DCGAN
        where = f"of {brief(rest[0].name)} and what follows it" if confirmed else "of any layer"
        what = "strides, paddings, activations and norms without weights"
        reasons.append(f"nothing in the file confirms the {what} {where}, which are what is usual")
    if any(layer["kind"] == "instance_norm" for layer, _ in found.layers) and not given:
        reasons.append("nothing in the file confirms that norms are of each channel by itself and not of groups")
    if found.misfit > DOUBTFUL_MISFIT * found.norms:
        reasons.append("the statistics of its norms match its layers only roughly")
    return reasons


def _of_side(found: Path, hints: Hints) -> list[str]:
    """Grey images of 32 px may be those of 28 px, cut by the last layer's padding."""
    layer, _ = found.layers[-2]
    cut = {**layer, "padding": layer.get("padding", 0) + 2}
    if found.shape != (1, 32, 32) or hints.image_size is not None or hints.paddings is not None:
        return []
    if layer["kind"] != "conv_transpose" or conv_side({**cut, "padding": 2}, 16) < 1:
        return []
    return [
        "nothing in the file tells images of 32 px from images of 28 px, which a larger padding of the last layer "
        "would give: pass `image_size=28` or `image_size=32`"
    ]


def _of_images(found: Path, hints: Hints, generator: Generator, scaling: Any) -> list[str]:
    """The last activation and the normalization, if samples look as if they were others."""
    if hints.last is not None or scaling is not None or found.norms == 0:
        return []
    values = _samples(generator).flatten()
    low, high = values.quantile(torch.tensor([1 - ALL, ALL])).tolist()
    if low > 0:
        return [
            "its images use the brighter half of the range alone, as if the network ended in a sigmoid, or was trained "
            'on images in 0..1: pass `last="sigmoid"`, or `normalization=(0, 1)`'
        ]
    if max(-low, high) < CONFINED:
        return [
            "its values hardly leave the range from -1 to 1 before the last activation, as if there were none: pass "
            '`last="none"` or `last="tanh"`'
        ]
    return []


@torch.inference_mode()
def _samples(generator: Generator) -> Tensor:
    config = generator.config
    count = max(2, min(SAMPLES, MOST_VALUES // (config.channels * config.image_size**2)))
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % config.num_classes if config.num_classes else None
    uniform = config.latent == "uniform"
    shape = (count, config.latent_dim)
    latent = torch.rand(shape, generator=rng) * 2 - 1 if uniform else torch.randn(shape, generator=rng)
    images: Tensor = generator(latent, labels)
    return images[:, :, :: max(1, config.image_size // 64), :: max(1, config.image_size // 64)]
