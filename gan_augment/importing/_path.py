"""A hypothesis about the layers of a generator, and what a few latents become by them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .._core import check_types
from ..models import build_layer
from ._modules import Module

LATENTS = 256
FEWEST, FEWEST_COARSE = 16, 16  # latents
COARSE_CHANNELS, COARSE_WORK = 12, 2**25
KEPT_VALUES, MAX_VALUES = 2**22, 2**24  # of a map: all latents together, and the fewest latents
LEAST_WORK, WORK_PER_WEIGHT, MOST_WORK = 2**37, 2**16, 2**38
# Activations, with the slope of leaky ones, and how unlikely each is: only the order is meant.
FUNCTIONS = (
    ("relu", 0.0, 0.0),
    ("leaky_relu", 0.2, 0.3),
    ("leaky_relu", 0.01, 0.6),
    ("leaky_relu", 0.1, 1.0),
    ("leaky_relu", 0.3, 1.0),
    ("leaky_relu", 0.05, 1.5),
    ("elu", 0.0, 1.5),
    ("selu", 0.0, 1.5),
    ("gelu", 0.0, 1.5),
    ("silu", 0.0, 1.5),
)
LASTS = ("tanh", "sigmoid", "none")


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

    @property
    def settled(self) -> bool:
        """Whether they leave nothing to the search that statistics could contradict."""
        return self.strides is not None and self.paddings is not None and self.function is not None

    def __post_init__(self) -> None:
        check_types(self)
        functions = tuple(dict.fromkeys(name for name, _, _ in FUNCTIONS))
        for name, allowed in (
            ("latent", ("normal", "uniform")),
            ("last", LASTS),
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


class OutOfBudgetError(ValueError):
    """The search ended before it found layers: the network may well be a generator."""

    def __init__(self) -> None:
        super().__init__("the search for its layers ran out of its budget")


class ContradictedError(ValueError):
    """Hints that what is in the file contradicts."""


class Budget:
    """Multiplications that all hypotheses about a file may cost together, bounded by the weights in the file.

    Args:
        weights (int): How many there are.
    """

    def __init__(self, weights: int) -> None:
        self.left = min(MOST_WORK, LEAST_WORK + WORK_PER_WEIGHT * weights)

    def spend(self, work: int) -> None:
        """Raises OutOfBudgetError if there is too little left."""
        if work > self.left:
            raise OutOfBudgetError
        self.left -= work


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
        unscored (bool): Whether the last layer is a norm whose statistics were not yet held against the values.
        ended (bool): Whether it gives images.
        kept (Tensor, optional): What the layers make of a few latents, kept for what follows.
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
    unscored: bool = False
    ended: bool = False
    kept: Tensor | None = field(default=None, repr=False)

    def values(self, budget: Budget, most: int = LATENTS) -> Tensor:
        """What the layers make of a few latents, as far as it is not kept.

        Args:
            budget (Budget): Of which the work is taken.
            most (int): Of how many latents.

        Raises:
            OutOfBudgetError: If it would cost more than is left.
        """
        if self.kept is not None:
            return self.kept[:most]
        if self.parent is None:
            return _latents(self.latent, self.shape[0])[:most]
        x = self._few(self.parent.values(budget, most))
        self.spend(budget, len(x))
        return self._applied(x)[:most]

    def coarse(self, budget: Budget) -> tuple[Tensor, Tensor]:
        """Some channels of what the layers make of fewer latents, and which channels these are."""
        if self.parent is not None and self.layer["kind"] == "activation":
            values, channels = self.parent.coarse(budget)
            return self._applied(values), channels
        if self.parent is None or self.module is None or self.layer["kind"] not in ("conv", "conv_transpose"):
            values = self.values(budget)
            return values, torch.arange(values.shape[1])
        channels = torch.linspace(0, self.shape[0] - 1, min(self.shape[0], COARSE_CHANNELS)).long()
        share = len(channels) / self.shape[0]
        least = FEWEST_COARSE if self.classes == 0 else 4 * min(self.classes, LATENTS // 4)  # each class is there
        latents = max(least, int(COARSE_WORK / (self.work * share)) // 4 * 4)
        x = self._few(self.parent.values(budget, latents))
        self.spend(budget, int(len(x) * share) + 1)
        return self._applied(x, channels), channels

    @property
    def work(self) -> int:
        """Multiplications of the last layer for one latent."""
        if self.module is None or self.parent is None or self.layer["kind"] not in ("linear", "conv", "conv_transpose"):
            return math.prod(self.shape)
        transposed = self.layer["kind"] == "conv_transpose"
        return self.module.weight.numel() * math.prod((self.parent if transposed else self).shape[1:])

    def spend(self, budget: Budget, latents: int) -> None:
        """Takes the last layer's cost for latents off a budget."""
        budget.spend(self.work * latents)

    def _few(self, x: Tensor) -> Tensor:
        """The first latents: of large maps, each has many values."""
        most = KEPT_VALUES // math.prod(self.shape)
        return x[: max(FEWEST, most // 4 * 4)]

    def _applied(self, x: Tensor, channels: Tensor | None = None) -> Tensor:
        """The last layer, or some of its output channels, of what comes to it."""
        kind, layer = self.layer["kind"], self.layer
        tensors = {} if self.module is None else self.module.tensors
        if channels is not None:
            layer = {**layer, "out_channels": len(channels)}
            weight = tensors["weight"][:, channels] if kind == "conv_transpose" else tensors["weight"][channels]
            tensors = {"weight": weight, **({"bias": tensors["bias"][channels]} if "bias" in tensors else {})}
        if self.module is not None and self.module.has_statistics:
            return _as_in_training(x, tensors, layer["eps"])
        with torch.device("meta"):  # nothing is drawn that is replaced at once
            built: Any = build_layer(layer).eval()
        part = built.embedding if kind == "embedding" else built
        part.load_state_dict(tensors, strict=False, assign=True)
        with torch.inference_mode():
            if kind in ("embedding", "one_hot"):
                joined: Tensor = built(x, torch.arange(len(x)) // 4 % layer["num_classes"])
                return joined
            if x.ndim == 2 and kind in ("conv", "conv_transpose", "upsample"):
                x = x[:, :, None, None]
            made: Tensor = built(x)
            return made

    @property
    def layers(self) -> list[tuple[dict[str, Any], Module | None]]:
        """All layers, each with the module whose tensors it has."""
        if self.parent is None:
            return []
        return [*self.parent.layers, (self.layer, self.module)]

    def as_hints(self) -> dict[str, Any]:
        """What hints could have said of it, by their names."""
        convs = [layer for layer, _ in self.layers if layer["kind"] in ("conv", "conv_transpose")]
        function, slope = self.function or (None, None)
        return {
            "image_size": self.shape[1],
            "latent": self.latent,
            "strides": tuple(conv["stride"] for conv in convs),
            "paddings": tuple(conv["padding"] for conv in convs),
            "output_paddings": tuple(conv.get("output_padding", 0) for conv in convs),
            "function": function,
            "negative_slope": slope,
            "eps": self.eps,
        }

    @property
    def classes(self) -> int:
        """Number of classes that are joined to the latent."""
        own = self.layer.get("num_classes", 0)
        return own or (0 if self.parent is None else self.parent.classes)

    @property
    def latent_dim(self) -> int:
        """Length of the latent."""
        return self.shape[0] if self.parent is None else self.parent.latent_dim

    def then(
        self, layer: dict[str, Any], module: Module | None, shape: tuple[int, ...], cost: float = 0.0, **changes: Any
    ) -> Path:
        """The path with one more layer."""
        kept = ("index", "convs", "function", "eps", "norms", "misfit")
        known = {**{name: getattr(self, name) for name in kept}, **changes}
        return Path(self.order, self.latent, layer, module, self, shape, self.cost + cost, **known)


def _as_in_training(x: Tensor, tensors: dict[str, Tensor], eps: float) -> Tensor:
    """Values normalised by their own mean and variance, as in training: errors in the kept ones go no further."""
    return nn.functional.batch_norm(x, None, None, tensors.get("weight"), tensors.get("bias"), training=True, eps=eps)


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
