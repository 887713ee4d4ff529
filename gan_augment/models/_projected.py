"""The discriminator of Projected GANs: small networks that judge the features of a frozen, pretrained network."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from .._core import check_range, check_types
from ._blocks import Picklable
from ._config import IMAGE_SIZES, MAX_CLASSES, DiscriminatorConfig, JSONConfig
from ._discriminator import Discriminator
from ._efficientnet import load_efficientnet

LEAST_SIDE = 96  # pixels; smaller images are enlarged, because the last maps of a network would be too small
STEP = 32  # pixels; the sides of all maps are whole numbers for multiples of it
SLOPE = 0.2  # of leaky ReLUs
MAX_WIDTH = 128  # of the first maps; the last ones are 8 times as wide


class FeatureMaps(Protocol):
    """Interface of feature networks for :class:`ProjectedDiscriminator`: modules that are built without arguments.

    ``channels`` holds the numbers of channels of their maps. Each map has half the side of the one before.
    """

    channels: ClassVar[tuple[int, ...]]

    def __call__(self, images: Tensor, /) -> list[Tensor]:
        """Maps images ``(n, 3, s, s)`` in -1..1 to feature maps, one for each entry of ``channels``."""


class EfficientNetMaps(nn.Module):
    """Computes four feature maps of :func:`load_efficientnet`, at a quarter to a 32nd of the side of the images."""

    channels: ClassVar[tuple[int, ...]] = (24, 40, 112, 320)
    ends: ClassVar[tuple[int, ...]] = (2, 4, 10, 15)  # the last blocks with maps of these sizes

    def __init__(self) -> None:
        super().__init__()
        network = load_efficientnet()
        self.stem = nn.Sequential(network._conv_stem, nn.ReLU6(inplace=True))
        self.blocks = network._blocks

    def forward(self, images: Tensor) -> list[Tensor]:
        x, maps = self.stem((images * 127.5 + 0.5) / 128), []  # the scale of the Lite networks
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.ends:
                maps.append(x)
        return maps


FEATURE_MAPS: dict[str, type[FeatureMaps]] = {"efficientnet-lite0": EfficientNetMaps}


def load_feature_maps(name: str, device: torch.device) -> FeatureMaps:
    """Returns the frozen network with this name in :data:`FEATURE_MAPS`. All callers share one network.

    Raises:
        ValueError: If there is no such network.
        ModuleNotFoundError: If a package that it needs is not installed.
    """
    if name not in FEATURE_MAPS:
        raise ValueError(f"features must be one of {tuple(FEATURE_MAPS)}, but got {name!r} instead.")
    return _frozen(FEATURE_MAPS[name], device)


def feature_maps(name: str, images: Tensor) -> list[Tensor]:
    """Maps images ``(n, 1 or 3, s, s)`` in -1..1 to the feature maps of :func:`load_feature_maps`.

    Small images are enlarged first, to at least 96 px. Gradients flow to the images, but not into the network.
    """
    network, side = load_feature_maps(name, images.device), max(LEAST_SIDE, -(-images.shape[-1] // STEP) * STEP)
    slow = images.device.type == "cpu"  # depthwise convolutions in bfloat16 are slower than in float32 on CPUs
    with torch.autocast("cpu", enabled=False) if slow else contextlib.nullcontext():
        images = images.float().expand(-1, 3, -1, -1)
        if images.shape[-1] != side:
            images = F.interpolate(images, (side, side), mode="bilinear")
        return network(images.contiguous(memory_format=torch.channels_last))


@functools.lru_cache(maxsize=4)
def _frozen(kind: type[FeatureMaps], device: torch.device) -> FeatureMaps:
    with torch.random.fork_rng(devices=[]):  # otherwise only the first run of a process would draw its initial weights
        network = kind()
    if isinstance(network, nn.Module):
        network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
    return network


@dataclass(frozen=True)
class ProjectedConfig(JSONConfig):
    """Configuration of a :class:`ProjectedDiscriminator`.

    Args:
        image_size (int): Side of the square images in pixels: 16, 28, 32, 64, 128 or 256. Default: 64.
        channels (int): 1 (grey) or 3 (RGB). Default: 3.
        num_classes (int): Number of classes. Default: 0, unconditional.
        features (str): Name of the frozen network in :data:`FEATURE_MAPS`. Default: ``"efficientnet-lite0"``.
        width (int): Number of maps into which the first feature maps are mixed. It doubles with each further one.
            Default: 64.
        spectral_norm (bool): Whether the layers that are trained have spectral normalisation. Default: True.

    Raises:
        ValueError: If a value is of the wrong type or out of range.
    """

    image_size: int = 64
    channels: int = 3
    num_classes: int = 0
    features: str = "efficientnet-lite0"
    width: int = 64
    spectral_norm: bool = True

    def __post_init__(self) -> None:
        check_types(self)
        self._require("image_size", self.image_size in IMAGE_SIZES, f"one of {IMAGE_SIZES}")
        self._require("channels", self.channels in (1, 3), "1 or 3")
        self._require("features", self.features in FEATURE_MAPS, f"one of {tuple(FEATURE_MAPS)}")
        check_range("num_classes", self.num_classes, 0, MAX_CLASSES)
        check_range("width", self.width, 1, MAX_WIDTH)


class _Mixer(nn.Module):
    """Mixes feature maps across channels and scales with fixed random convolutions.

    The maps of each scale are mixed into ``widths`` maps by a 1x1 convolution, and get those of the next smaller scale
    through a 3x3 convolution.
    """

    def __init__(self, channels: tuple[int, ...], widths: list[int]) -> None:
        super().__init__()
        for name, pairs, kernel in (("across", zip(channels, widths), 1), ("finer", zip(widths[1:], widths), 3)):
            for index, (before, after) in enumerate(pairs):
                weight = torch.empty(after, before, kernel, kernel)
                nn.init.kaiming_normal_(weight, nonlinearity="linear")
                self.register_buffer(f"{name}{index}", weight)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        mixed = [F.conv2d(each, self.get_buffer(f"across{index}")) for index, each in enumerate(maps)]
        for index in reversed(range(len(maps) - 1)):
            coarse = F.conv2d(mixed[index + 1], self.get_buffer(f"finer{index}"), padding=1)
            mixed[index] = mixed[index] + F.interpolate(coarse, scale_factor=2.0, mode="bilinear")
        return mixed


class _Head(nn.Module):
    """Judges the maps of one scale: convolutions that halve them ``halvings`` times, and one that gives logits."""

    def __init__(self, width: int, largest: int, halvings: int, config: ProjectedConfig) -> None:
        super().__init__()
        normalized = parametrizations.spectral_norm if config.spectral_norm else lambda layer: layer
        layers: list[nn.Module] = []
        for _ in range(halvings):
            after = min(2 * width, largest)
            layers += [normalized(nn.Conv2d(width, after, 4, 2, 1, bias=False)), nn.BatchNorm2d(after)]
            layers += [nn.LeakyReLU(SLOPE)]
            width = after
        if not halvings:
            layers += [normalized(nn.Conv2d(width, width, 3, padding=1, bias=False)), nn.BatchNorm2d(width)]
            layers += [nn.LeakyReLU(SLOPE)]
        self.body = nn.Sequential(*layers)
        self.out = normalized(nn.Conv2d(width, 1, 3, padding=1))
        self.embedding = normalized(nn.Embedding(config.num_classes, width)) if config.num_classes else None

    def forward(self, maps: Tensor, labels: Tensor | None, class_weight: float) -> Tensor:
        x = self.body(maps)
        logits: Tensor = self.out(x).flatten(1)
        if self.embedding is not None:
            projection = (self.embedding(labels) * x.mean((2, 3))).sum(1, keepdim=True)
            logits = logits + class_weight * projection
        return logits


class ProjectedDiscriminator(Picklable):
    """The discriminator of Projected GANs (https://arxiv.org/abs/2111.01007).

    A frozen network, pretrained on other images, computes feature maps at several scales. Fixed random convolutions
    mix their channels and scales, so that the generator cannot please the discriminator in a few features alone. A
    small network, the head, judges the mixed maps of each scale. With classes, each head is a projection discriminator
    (https://arxiv.org/abs/1802.05637).

    The frozen network is not part of the module: it has no entry in its parameters or its ``state_dict``.

    Args:
        config (ProjectedConfig, optional): Configuration. Default: for RGB images of 64 px.

    Raises:
        ModuleNotFoundError: If it is called, and a package of the frozen network is not installed.

    Example:
        >>> ProjectedDiscriminator(ProjectedConfig(image_size=32, channels=1))(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 36])
    """

    config: ProjectedConfig

    def __init__(self, config: ProjectedConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ProjectedConfig()
        channels = FEATURE_MAPS[config.features].channels
        widths = [config.width * 2**level for level in range(len(channels))]
        self.mixer = _Mixer(channels, widths)
        self.heads = nn.ModuleList(
            _Head(width, widths[-1], len(widths) - 1 - level, config) for level, width in enumerate(widths)
        )

    def forward(self, images: Tensor, labels: Tensor | None = None, class_weight: float = 1.0) -> Tensor:
        """Maps images ``(n, c, s, s)`` in -1..1 and their classes ``(n,)`` to logits ``(n, k)``, of all heads.

        Every head gives the same number of logits, each for a part of the image. The part of a logit that depends on
        the class is multiplied by ``class_weight``, 0..1.
        """
        maps = self.mixer(feature_maps(self.config.features, images))
        return torch.cat([head(each, labels, class_weight) for head, each in zip(self.heads, maps)], dim=1)


def build_discriminator(config: DiscriminatorConfig | ProjectedConfig) -> Discriminator | ProjectedDiscriminator:
    """Builds a new discriminator of either kind."""
    return ProjectedDiscriminator(config) if isinstance(config, ProjectedConfig) else Discriminator(config)
