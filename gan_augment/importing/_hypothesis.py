"""Defines hypotheses about the layers of a generator, and the hints and the budget of a search for them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .._core import check_range, check_types
from ..models import build_layer
from ._modules import Module

LATENTS = 256  # latents that go through the layers of a hypothesis
MIN_LATENTS = 16  # the same, for layers with large maps
COARSE_CHANNELS, COARSE_WORK = 12, 2**25  # output channels and multiplications of a coarse score
MAX_CACHED_VALUES, MAX_VALUES = 2**22, 2**24  # values of a layer's output: for all latents, and for MIN_LATENTS
LEAST_WORK, WORK_PER_WEIGHT, MOST_WORK = 2**37, 2**16, 2**38  # multiplications
MAX_SECONDS = 120.0  # of this thread's work on a file; the limit on multiplications should end a search long before
# Activations of hidden layers: name, slope, and the cost of assuming it. Only the order of the costs has a meaning.
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
Latent = Literal["normal", "uniform"]
Function = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu"]
Last = Literal["tanh", "sigmoid", "none"]


@dataclass(frozen=True)
class Hints:
    """What the user knows about the network; see :func:`import_checkpoint`. None means unknown."""

    image_size: int | None = None
    latent: Latent | None = None
    num_classes: int | None = None
    strides: tuple[int, ...] | None = None
    paddings: tuple[int, ...] | None = None
    output_paddings: tuple[int, ...] | None = None
    function: Function | None = None
    negative_slope: float | None = None
    last: Last | None = None
    eps: float | None = None

    def __post_init__(self) -> None:
        check_types(self)
        limits = {"image_size": (1, 4096), "num_classes": (1, 4096), "negative_slope": (0, 1), "eps": (0, 1)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value is not None:
                check_range(name, value, low, high)

    @property
    def settled(self) -> bool:
        """Whether the hints settle everything that the statistics in the file could contradict."""
        return self.strides is not None and self.paddings is not None and self.function is not None


class OutOfBudgetError(ValueError):
    """The search ended before it found layers, so the network may well be a generator."""

    def __init__(self) -> None:
        super().__init__("the search for its layers exceeded its budget")


class ContradictedError(ValueError):
    """The statistics in the file contradict the hints."""


class Budget:
    """Limits the work on all hypotheses about a file, by the number of weights in the file.

    The work is counted in multiplications, so that the same file gives the same result on every machine. Time is
    limited too, in case the count underestimates the work.
    """

    def __init__(self, weights: int) -> None:
        self.left = min(MOST_WORK, LEAST_WORK + WORK_PER_WEIGHT * weights)
        self.until = time.thread_time() + MAX_SECONDS

    def spend(self, work: int) -> None:
        if work > self.left or time.thread_time() > self.until:
            raise OutOfBudgetError
        self.left -= work


@dataclass(eq=False)
class Hypothesis:
    """A hypothesis about the first layers of a network: the layers of its parent, and one more."""

    order: tuple[Module, ...]  # all modules of the network, in the assumed order
    latent: Latent
    layer: dict[str, Any]  # the last layer, like one of a LayeredConfig; empty if there are no layers yet
    module: Module | None  # whose tensors the last layer has
    parent: Hypothesis | None  # the hypothesis without the last layer
    shape: tuple[int, ...]  # of the output for one latent: (features,) or (channels, side, side)
    cost: float  # how unlikely all assumptions are; the search follows the lowest cost first
    index: int = 0  # of the next module in order
    function: tuple[str, float] | None = None  # name and slope of the last activation
    eps: float | None = None  # of the last batch norm
    norms: int = 0  # number of batch norms whose statistics were compared
    misfit: float = 0.0  # sum of the differences that these comparisons found
    unscored: bool = False  # whether the last layer is a batch norm whose statistics are still to be compared
    ended: bool = False  # whether the layers are complete and give images
    cached: Tensor | None = field(default=None, repr=False)  # the output, kept for hypotheses that continue this one

    def with_layer(
        self, layer: dict[str, Any], module: Module | None, shape: tuple[int, ...], cost: float = 0.0, **changes: Any
    ) -> Hypothesis:
        changes["index"] = self.index + (module is not None and module.kind != "embedding")
        cost += self.cost
        return replace(self, layer=layer, module=module, parent=self, shape=shape, cost=cost, cached=None, **changes)

    @property
    def convs(self) -> int:
        return sum(module.kind == "conv" for module in self.order[: self.index])

    @property
    def layers(self) -> list[tuple[dict[str, Any], Module | None]]:
        """All layers, each with the module whose tensors it has."""
        return [] if self.parent is None else [*self.parent.layers, (self.layer, self.module)]

    @property
    def num_classes(self) -> int:
        own: int = self.layer.get("num_classes", 0)
        return own or (0 if self.parent is None else self.parent.num_classes)

    @property
    def latent_dim(self) -> int:
        return self.shape[0] if self.parent is None else self.parent.latent_dim

    @property
    def work(self) -> int:
        """Multiplications of the last layer for one latent."""
        if self.module is None or self.parent is None or self.layer["kind"] not in ("linear", "conv", "conv_transpose"):
            return math.prod(self.shape)
        transposed = self.layer["kind"] == "conv_transpose"
        return self.module.weight.numel() * math.prod((self.parent if transposed else self).shape[1:])

    def as_hints(self) -> dict[str, Any]:
        """Returns the hints that would lead to this hypothesis, by name."""
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

    def values(self, budget: Budget, most: int = LATENTS) -> Tensor:
        """Computes the output of the layers for at most the first ``most`` latents, unless it is cached."""
        if self.cached is not None:
            return self.cached[:most]
        if self.parent is None:
            return _latents(self.latent, self.shape[0])[:most]
        x = self._limit(self.parent.values(budget, most))
        budget.spend(self.work * len(x))
        return self._apply(x)

    def coarse_values(self, budget: Budget) -> tuple[Tensor, Tensor]:
        """Computes some channels of the output for fewer latents, and returns them with their indices."""
        if self.parent is not None and self.layer["kind"] == "activation":
            values, channels = self.parent.coarse_values(budget)
            return self._apply(values), channels
        if self.parent is None or self.module is None or self.layer["kind"] not in ("conv", "conv_transpose"):
            values = self.values(budget)
            return values, torch.arange(values.shape[1])
        channels = torch.linspace(0, self.shape[0] - 1, min(self.shape[0], COARSE_CHANNELS)).long()
        share = len(channels) / self.shape[0]
        least = 4 * min(self.num_classes, LATENTS // 4) or MIN_LATENTS  # four latents for each class
        latents = max(least, int(COARSE_WORK / (self.work * share)) // 4 * 4)
        x = self._limit(self.parent.values(budget, latents))
        budget.spend(self.work * (int(len(x) * share) + 1))
        return self._apply(x, channels), channels

    def _limit(self, x: Tensor) -> Tensor:
        """Keeps fewer latents if the output for each has many values."""
        most = MAX_CACHED_VALUES // math.prod(self.shape)
        return x[: max(MIN_LATENTS, most // 4 * 4)]

    def _apply(self, x: Tensor, channels: Tensor | None = None) -> Tensor:
        """Applies the last layer, or only some of its output channels."""
        kind, layer = self.layer["kind"], self.layer
        tensors = {} if self.module is None else self.module.tensors
        if channels is not None:
            layer = {**layer, "out_channels": len(channels)}
            weight = tensors["weight"][:, channels] if kind == "conv_transpose" else tensors["weight"][channels]
            tensors = {"weight": weight, **({"bias": tensors["bias"][channels]} if "bias" in tensors else {})}
        if self.module is not None and self.module.has_statistics:
            # As in training, with the mean and variance of these values: errors in the stored ones do not add up.
            scale, shift = tensors.get("weight"), tensors.get("bias")
            return nn.functional.batch_norm(x, None, None, scale, shift, training=True, eps=layer["eps"])
        with torch.device("meta"):  # draws no weights, because they are replaced at once
            built: Any = build_layer(layer).eval()
        part = built.embedding if kind == "embedding" else built
        part.load_state_dict(tensors, strict=False, assign=True)
        if x.ndim == 2 and kind in ("conv", "conv_transpose", "upsample"):
            x = x[:, :, None, None]
        labels = [torch.arange(len(x)) // 4 % layer["num_classes"]] if kind in ("embedding", "one_hot") else []
        with torch.inference_mode():
            output: Tensor = built(x, *labels)
        return output


def _latents(latent: Latent, length: int) -> Tensor:
    """Draws latents in pairs of opposite sign, the same ones each time.

    Their mean is exactly 0, and if they are short enough, their covariance is exactly that of the distribution. This
    makes the statistics of few latents less noisy.
    """
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
