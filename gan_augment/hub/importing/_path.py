"""A hypothesis about the layers of a generator, and what a few latents become by them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...models import build_layer
from ._modules import Module

LATENTS = 64


@dataclass(frozen=True)
class Hints:
    """What the user knows; None is unknown."""

    image_size: int | None = None
    latent: str | None = None
    num_classes: int | None = None
    strides: tuple[int, ...] | None = None
    paddings: tuple[int, ...] | None = None
    output_paddings: tuple[int, ...] | None = None
    function: str | None = None
    negative_slope: float | None = None
    last: str | None = None
    eps: float | None = None


@dataclass
class Path:
    """A hypothesis about the first layers.

    Attributes:
        order (tuple of Module): All modules, in the order that is assumed.
        latent (str): The latent's distribution.
        layer (dict): The last layer.
        module (Module, optional): Whose tensors it has.
        parent (Path, optional): All layers before it.
        shape (tuple of int): What comes out of it for each image: ``(features,)`` or ``(channels, side, side)``.
        cost (float): Of all that was assumed; the lower, the likelier.
        index (int): How many of the modules there are in it.
        convs (int): How many of them are convolutions.
        function (tuple, optional): The activation's name and slope, once one was assumed.
        misfit (float): How far the statistics are from those of training, summed.
        ended (bool): Whether it gives images.
    """

    order: tuple[Module, ...]
    latent: str
    layer: dict[str, Any]
    module: Module | None
    parent: Path | None
    shape: tuple[int, ...]
    cost: float
    index: int = 0
    convs: int = 0
    function: tuple[str, float] | None = None
    misfit: float = 0.0
    ended: bool = False

    @cached_property
    def x(self) -> Tensor:
        """What the layers make of a few latents; computed once it is asked for."""
        if self.parent is None:
            return _latents(self.latent, self.shape[0])
        with torch.device("meta"):  # nothing is drawn that is replaced at once
            built: Any = build_layer(self.layer).eval()
        x = self.parent.x
        if self.layer["kind"] in ("embedding", "one_hot"):
            if self.module is not None:
                built.embedding.load_state_dict(self.module.tensors, assign=True)
            with torch.inference_mode():
                joined: Tensor = built(x, torch.arange(LATENTS) % self.layer["num_classes"])
            return joined
        if self.module is not None:
            built.load_state_dict(self.module.tensors, strict=False, assign=True)
        if x.ndim == 2 and self.layer["kind"] in ("conv", "conv_transpose", "upsample"):
            x = x[:, :, None, None]
        with torch.inference_mode():
            made: Tensor = built(x)
        return made

    @property
    def layers(self) -> list[tuple[dict[str, Any], Module | None]]:
        """All layers, each with the module whose tensors it has."""
        if self.parent is None:
            return []
        return [*self.parent.layers, (self.layer, self.module)]

    @property
    def latent_dim(self) -> int:
        """Length of the latent."""
        return self.shape[0] if self.parent is None else self.parent.latent_dim

    def then(
        self, layer: dict[str, Any], module: Module | None, shape: tuple[int, ...], cost: float = 0.0, **changes: Any
    ) -> Path:
        """The path with one more layer."""
        known = {"convs": self.convs, "function": self.function, "misfit": self.misfit, "index": self.index, **changes}
        return Path(self.order, self.latent, layer, module, self, shape, self.cost + cost, **known)


def _latents(latent: str, length: int) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    if latent == "uniform":
        return torch.rand((LATENTS, length), generator=rng) * 2 - 1
    return torch.randn((LATENTS, length), generator=rng)
