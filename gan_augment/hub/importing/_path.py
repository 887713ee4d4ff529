"""A hypothesis about the layers of a generator, and what a few latents become by them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...models import build_layer, check_types
from ._modules import Module

LATENTS = 256
FEWEST = 16
# Activations, with the slope of leaky ones, and how unlikely each is: only the order is meant.
FUNCTIONS = (
    ("relu", 0.0, 0.0),
    ("leaky_relu", 0.2, 0.3),
    ("leaky_relu", 0.01, 0.6),
    ("leaky_relu", 0.1, 1.0),
    ("leaky_relu", 0.3, 1.0),
    ("elu", 0.0, 1.5),
    ("gelu", 0.0, 1.5),
    ("silu", 0.0, 1.5),
)
MAX_KEPT = 2**28  # values, in one search


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

    def __post_init__(self) -> None:
        check_types(self)
        functions = tuple(dict.fromkeys(name for name, _, _ in FUNCTIONS))
        for name, allowed in (
            ("latent", ("normal", "uniform")),
            ("last", ("tanh", "sigmoid")),
            ("function", functions),
        ):
            if getattr(self, name) not in (None, *allowed):
                raise ValueError(f"{name} must be one of {allowed}, but got {getattr(self, name)!r} instead.")
        for name in ("image_size", "num_classes"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 4096:
                raise ValueError(f"{name} must be between 1 and 4096, but got {value} instead.")
        for name in ("negative_slope", "eps"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, but got {value} instead.")


def latents_for(side: int) -> int:
    """How many latents go on from a map of a side: of large ones, each has many values."""
    return min(LATENTS, max(FEWEST, 16 * LATENTS // side))


class Budget:
    """What all hypotheses of a search together may keep in memory."""

    def __init__(self) -> None:
        self.left = MAX_KEPT

    def spend(self, values: int) -> None:
        """Raises ValueError where there is no more."""
        self.left -= values
        if self.left < 0:
            raise ValueError("it is too large, or too unlike a DCGAN or the hints, for its layers to be found")


@dataclass(eq=False)
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
        eps (float, optional): Of the last norm.
        norms (int): How many of them have statistics to be held against.
        misfit (float): How far the statistics are from those of training, summed.
        confirmed (float): The cost up to the last norm.
        ended (bool): Whether it gives images.
        budget (Budget): Of the search.
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
    eps: float | None = None
    norms: int = 0
    misfit: float = 0.0
    confirmed: float = 0.0
    ended: bool = False
    budget: Budget = field(default_factory=Budget)
    _x: Tensor | None = field(default=None, repr=False)

    @property
    def x(self) -> Tensor:
        """What the layers make of a few latents; computed once it is asked for, kept where it takes long."""
        if self._x is not None:
            return self._x
        if self.parent is None:
            return _latents(self.latent, self.shape[0])
        made = self._applied(self.parent.x)
        if self.layer["kind"] in ("linear", "conv", "conv_transpose"):
            self.budget.spend(made.numel())
            self._x = made
        return made

    def _applied(self, x: Tensor) -> Tensor:
        """The last layer of what comes to it."""
        kind = self.layer["kind"]
        with torch.device("meta"):  # nothing is drawn that is replaced at once
            built: Any = build_layer(self.layer).eval()
        if self.module is not None:
            part = built.embedding if kind == "embedding" else built
            part.load_state_dict(self.module.tensors, strict=False, assign=True)
        with torch.inference_mode():
            if kind in ("embedding", "one_hot"):
                joined: Tensor = built(x, torch.arange(LATENTS) // 2 % self.layer["num_classes"])
                return joined
            if x.ndim == 2 and kind in ("conv", "conv_transpose", "upsample"):
                x = x[:, :, None, None]
            made: Tensor = built(x[: latents_for(x.shape[2])] if x.ndim == 4 else x)
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
        kept = ("index", "convs", "function", "eps", "norms", "misfit", "confirmed", "budget")
        known = {**{name: getattr(self, name) for name in kept}, **changes}
        return Path(self.order, self.latent, layer, module, self, shape, self.cost + cost, **known)


def _latents(latent: str, length: int) -> Tensor:
    """Latents whose mean and, where there are enough, covariance are those of the distribution: less noise."""
    rng = torch.Generator().manual_seed(0)
    if latent == "uniform":
        half = (torch.rand((LATENTS // 2, length), generator=rng) * 2 - 1) * 3**0.5
    else:
        half = torch.randn((LATENTS // 2, length), generator=rng)
    if length < len(half):
        values, vectors = torch.linalg.eigh(half.T @ half / len(half))
        half = half @ (vectors * values.clamp(min=1e-6).rsqrt()) @ vectors.T
    half = half / 3**0.5 if latent == "uniform" else half
    return torch.stack([half, -half], 1).flatten(0, 1)
