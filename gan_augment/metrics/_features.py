"""Feature networks: what turns images into vectors whose distances mean something."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._core import check_tensor
from ..models import eval_mode

BATCH = 32


@runtime_checkable
class FeatureNetwork(Protocol):
    """Anything with a name that maps images to features; measurements are named after it."""

    @property
    def name(self) -> str:
        """What measurements with these features are called."""

    def __call__(self, images: Tensor, /) -> Tensor:
        """Maps uint8 images ``(n, 1 or 3, h, w)`` to float32 features ``(n, d)``."""


def check_images(images: Tensor, name: str = "images") -> None:
    """Refuses what is not a batch of uint8 grey or RGB images.

    Raises:
        ValueError: With what it is instead.
    """
    check_tensor(images, name)
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"{name} must be uint8 (n, 1 or 3, height, width) with n > 0, but got {images.dtype} of shape "
            f"{tuple(images.shape)} instead."
        )


@torch.no_grad()
def in_batches(images: Tensor, network: Callable[[Tensor], Tensor], device: torch.device) -> Tensor:
    """Features of all images on the CPU, from float batches 0..255, in full precision."""
    check_images(images)
    parts = []
    with torch.autocast(device.type, enabled=False):
        for batch in torch.split(images, BATCH):
            floats = batch.to(device, torch.float32).contiguous(memory_format=torch.channels_last)
            parts.append(network(floats).flatten(1).float().cpu())
    return torch.cat(parts)


class CallableFeatures:
    """A plain callable as a feature network; a module is called in eval mode.

    Args:
        function (callable): Maps uint8 images ``(n, c, h, w)`` to float features ``(n, d)``.
        name (str, optional): Default: the callable's ``__name__``, or else that of its type.

    Example:
        >>> def brightness(images):
        ...     return images.float().mean(dim=(2, 3))
        >>> CallableFeatures(brightness).name
        'brightness'
    """

    def __init__(self, function: Callable[[Tensor], Tensor], name: str | None = None) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__) if name is None else name

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images to float32 ``(n, d)``.

        Raises:
            ValueError: If the callable gives something else.
        """
        check_images(images)
        parts = []
        with eval_mode(self.function) if isinstance(self.function, nn.Module) else contextlib.nullcontext():
            for batch in torch.split(images, BATCH):
                rows = self.function(batch)
                if not isinstance(rows, Tensor) or rows.ndim != 2 or len(rows) != len(batch) or rows.is_complex():
                    got = tuple(rows.shape) if isinstance(rows, Tensor) else type(rows)
                    raise ValueError(
                        f"features must map {len(batch)} images to a tensor ({len(batch)}, d), but {self.name} gave "
                        f"{got} instead."
                    )
                parts.append(rows.float().cpu())
        return torch.cat(parts)


class ClassifierFeatures:
    """What enters a layer of a classifier of one's own: by default its last linear layer.

    The classifier must have been trained on no image that it is to judge.

    Args:
        model (nn.Module): Takes float images 0..1, ``(n, c, h, w)``; in whatever mode, it is used in eval mode.
        name (str): Of the features, in the names of measurements.
        layer (nn.Module, optional): Part of the model whose input are the features.
            Default: the last :class:`torch.nn.Linear`.

    Raises:
        ValueError: If the model has no such layer.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(256, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> ClassifierFeatures(model, "mine")(torch.zeros(5, 1, 16, 16, dtype=torch.uint8)).shape
        torch.Size([5, 8])
    """

    def __init__(self, model: nn.Module, name: str = "classifier", *, layer: nn.Module | None = None) -> None:
        if layer is None:
            linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
            if not linear:
                raise ValueError("model must have a linear layer, but has none; pass the layer to take as layer=.")
            layer = linear[-1]
        elif all(module is not layer for module in model.modules()):
            raise ValueError("layer must be a part of model, but is not.")
        self.model, self.name, self.layer = model, name, layer

    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images to float32 ``(n, d)``."""
        parameter = next(self.model.parameters(), torch.empty(0))
        with eval_mode(self.model):
            return in_batches(images, self._forward, parameter.device)

    def _forward(self, batch: Tensor) -> Tensor:
        inputs: list[Tensor] = []

        def remember(_: nn.Module, arguments: tuple[Any, ...]) -> None:
            inputs.append(arguments[0])

        handle = self.layer.register_forward_pre_hook(remember)
        try:
            self.model(batch / 255)
        finally:
            handle.remove()
        if not inputs:
            raise ValueError("layer must be reached by the model's forward, but was not.")
        return inputs[-1]


class RandomConvolutions:
    """A fixed network that was never trained: three convolutions at the image's size, a half and a quarter of it.

    Random filters see edges, textures and colours well enough to follow a run. The features are logarithms: of
    mean and standard deviation of each channel at the first two scales, and of each mean over a 4 x 4 grid at
    the last, which tells where things are.
    Each channel is standardised on images of 1/f noise, whose spectrum is that of photographs.

    Args:
        device (str or torch.device): Where to compute.
    """

    name = "random-convolutions"
    widths = (16, 32, 64)
    grid = 4

    def __init__(self, device: str | torch.device = "cpu") -> None:
        # Raw draws of PCG64 are the same in every version of numpy, which does not promise it of others.
        rng = np.random.Generator(np.random.PCG64(0))
        self.device = torch.device(device)
        self.filters: list[tuple[Tensor, Tensor]] = []
        images = _coloured_noise(rng, count=64, side=64)
        for before, width in zip((3, *self.widths), self.widths):
            weight = torch.from_numpy(rng.random((width, before, 3, 3)) * 2 - 1)
            if before == 3:
                weight[width // 4 :] -= weight[width // 4 :].mean(
                    dim=(1, 2, 3), keepdim=True
                )  # these see no brightness
            response = F.conv2d(images, weight, padding=1)
            mean, deviation = response.mean(dim=(0, 2, 3)), response.std(dim=(0, 2, 3))
            weight, bias = weight / deviation[:, None, None, None], -mean / deviation
            images = F.avg_pool2d(F.conv2d(images, weight, bias, padding=1).relu(), 2)
            self.filters.append((weight.float().to(self.device), bias.float().to(self.device)))

    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images of at least 4 px to float32 ``(n, 1120)``."""
        return in_batches(images, self._forward, self.device)

    def _forward(self, batch: Tensor) -> Tensor:
        x = batch.expand(-1, 3, -1, -1) / 127.5 - 1
        features = []
        for level, (weight, bias) in enumerate(self.filters):
            x = F.avg_pool2d(x, 2) if level else x
            x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, bias).relu()
            if level + 1 < len(self.filters):
                mean = x.mean(dim=(2, 3), keepdim=True)
                features += [mean.flatten(1), (x - mean).square().mean(dim=(2, 3)).sqrt()]
        features.append(F.adaptive_avg_pool2d(x, self.grid).flatten(1))
        # Logarithms: twice the contrast must not outweigh every other difference in the kernel's third power.
        features = [(feature + 0.1).log() for feature in features]
        features[-1] /= self.grid  # a cell weighs less than the whole
        return torch.cat(features, dim=1)


def _coloured_noise(rng: np.random.Generator, count: int, side: int) -> Tensor:
    """Images of 1/f noise about -1..1, correlated over the colours, float64 ``(count, 3, side, side)``."""
    noise = torch.from_numpy(rng.random((count, 1, side, side)) + 0.5 * rng.random((count, 3, side, side)))
    frequency = torch.fft.fftfreq(side, dtype=torch.float64)
    radius = (frequency[:, None].square() + frequency.square()).sqrt().clamp(min=1 / side)
    images: Tensor = torch.fft.ifft2(torch.fft.fft2(noise - noise.mean()) / radius).real
    return (images - images.mean()).div(2 * images.std())
