"""Enlarges synthetic images before they are mixed in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._core import check_count, check_space, check_tensor, quantize
from ..hub import load_upscaler
from ..models import check_finite, computed, eval_mode
from ._as_source import Geometry, Source, as_source, draw, fingerprints_of

MAX_PIXELS = 2**22  # enlarged pixels per batch; SRGAN needs 2 GB of feature maps for them


class Upscaler:
    """Enlarges images with a super-resolution network, in tiles if they are large.

    Args:
        network (nn.Module): Maps RGB images ``(n, 3, h, w)`` of 0..1, in the type of its weights, to larger ones of
            0..1. Grey images are repeated in all three channels, and the result is averaged.
        tile (int): Side in pixels of the tiles that go through the network, without the overlap. Default: 128.
        overlap (int): Pixels around a tile that the network also sees. Default: 16.
        batch_size (int): Maximum number of tiles per forward pass; fewer if they are large. Default: 8.
        name (str, optional): Name of the upscaler in exported images. Default: the class of the network.

    Raises:
        ValueError: If a number is out of range, or the network does not enlarge by a whole factor of at least 2, or
            its values are not finite.

    Example:
        >>> from gan_augment.models import SRGAN, SRGANConfig
        >>> upscaler = Upscaler(SRGAN(SRGANConfig(scale=2, width=8, blocks=1)))
        >>> upscaler(torch.zeros(2, 3, 20, 30, dtype=torch.uint8)).shape
        torch.Size([2, 3, 40, 60])
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        tile: int = 128,
        overlap: int = 16,
        batch_size: int = 8,
        name: str | None = None,
    ) -> None:
        self.network = network
        self.name = type(network).__name__ if name is None else name
        self.tile = check_count("tile", tile, 8)
        self.overlap = check_count("overlap", overlap, 0)
        self.batch_size = check_count("batch_size", batch_size, 1)
        self.scale = self._measure_scale()

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str], **kwargs: Any) -> Upscaler:
        """Loads an upscaler by its name in the zoo, from a folder, or from a checkpoint of another project.

        A checkpoint may hold SRGAN's generator, or any network that ``spandrel`` knows
        (https://github.com/chaiNNer-org/spandrel; ``pip install gan-augment[upscale]``). Only tensors are read from it.

        Args:
            name_or_path (str or Path): Name, folder or file.
            **kwargs: Other arguments of the class. Default of ``name``: that of the folder or file, without a suffix.

        Raises:
            FileNotFoundError: If there is no such file.
            ModuleNotFoundError: If the file requires spandrel, which is not installed.
            ValueError: If the name is unknown, or the file does not hold a super-resolution network.
        """
        network, path = load_upscaler(name_or_path), Path(name_or_path).expanduser()
        return cls(network, **{"name": path.stem if path.is_file() else path.absolute().name, **kwargs})

    def __call__(self, images: Tensor) -> Tensor:
        """Enlarges images ``scale`` times. Their type and device stay the same.

        Args:
            images (Tensor): ``(n, 1 or 3, h, w)``, uint8 (0..255) or float (0..1).

        Raises:
            TypeError: If the images are not uint8 or float.
            ValueError: If they have another shape, or there is no memory for the result.
        """
        check_tensor(images, "images")
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise TypeError(f"images must be uint8 (0..255) or floating point (0..1), but got {images.dtype} instead.")
        if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[2:]:
            raise ValueError(f"images must be (n, 1 or 3, height, width), but got {tuple(images.shape)} instead.")
        n, channels, height, width = images.shape
        each = (3 * 4 + channels * 5) * height * width * self.scale**2
        check_space(f"Enlarging {self.scale} times", n, each, remedy="Enlarge fewer images at once, or by less.")
        grey = channels == 1
        values = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        values = self._enlarge(values.expand(-1, 3, -1, -1) if grey else values)
        values = values.mean(1, keepdim=True) if grey else values
        return quantize(values) if images.dtype == torch.uint8 else values.to(images.dtype)

    @torch.no_grad()
    def _enlarge(self, images: Tensor) -> Tensor:
        n, channels, height, width = images.shape
        out = images.new_empty((n, channels, height * self.scale, width * self.scale))
        with eval_mode(self.network):
            for top in range(0, height, self.tile):
                for left in range(0, width, self.tile):
                    self._fill(images, out, top, left)
        return out

    def _fill(self, images: Tensor, out: Tensor, top: int, left: int) -> None:
        """Enlarges the tile that begins at a pixel, in all images, and writes it to ``out`` without the overlap."""
        (height, width), scale = images.shape[2:], self.scale
        bottom, right = min(top + self.tile, height), min(left + self.tile, width)
        above, before = max(top - self.overlap, 0), max(left - self.overlap, 0)
        below, after = min(bottom + self.overlap, height), min(right + self.overlap, width)
        pixels = (below - above) * (after - before) * scale**2
        step = max(1, min(self.batch_size, MAX_PIXELS // pixels))
        for start in range(0, len(images), step):
            part = images[start : start + step, :, above:below, before:after]
            large = self.network(self._for_network(part)).to(part).clamp(0, 1)
            large = large[:, :, (top - above) * scale :, (left - before) * scale :]
            target = out[start : start + len(part), :, top * scale : bottom * scale, left * scale : right * scale]
            target.copy_(large[:, :, : target.shape[2], : target.shape[3]])

    def _for_network(self, images: Tensor) -> Tensor:
        parameter = next((each for each in self.network.parameters() if each.is_floating_point()), images)
        return images.to(parameter.device, parameter.dtype)

    def _measure_scale(self) -> int:
        large = check_finite(self.network, self._for_network(torch.full((1, 3, 16, 16), 0.5)))
        scale = large.shape[-1] // 16
        if large.shape != (1, 3, 16 * scale, 16 * scale) or scale < 2:
            raise ValueError(
                "The network of an upscaler must enlarge images of shape (1, 3, 16, 16) by a whole number, but "
                f"returned {tuple(large.shape)}."
            )
        return int(scale)


class UpscaledSource(Source):
    """Enlarges the images of another source.

    Args:
        source: A zoo name, a folder, a generator, a pool, a mapping, or any other :class:`Source`.
        upscaler (Upscaler, str or Path): The upscaler, or what :meth:`Upscaler.load` takes.

    Example:
        >>> from gan_augment.models import SRGAN, SRGANConfig
        >>> large = UpscaledSource("dcgan-mnist-32", Upscaler(SRGAN(SRGANConfig(width=8, blocks=1))))
        >>> large.sample(2, [3, 4], seed=0).shape
        torch.Size([2, 1, 64, 64])
    """

    num_classes = computed(lambda self: self.source.num_classes)
    class_indices = computed(lambda self: self.source.class_indices)
    class_names = computed(lambda self: self.source.class_names)
    card = computed(lambda self: self.source.card)
    fingerprints = computed(fingerprints_of)
    device = computed(lambda self: self.source.device)
    partial = computed(lambda self: self.source.partial)
    name = computed(lambda self: f"{self.source.name}, enlarged {self.upscaler.scale} x by {self.upscaler.name}")

    def __init__(self, source: Any, upscaler: Upscaler | str | os.PathLike[str]) -> None:
        self.source = as_source(source)
        self.upscaler = upscaler if isinstance(upscaler, Upscaler) else Upscaler.load(upscaler)

    @computed
    def geometry(self) -> Geometry:
        """Geometry of the source, with the enlarged size."""
        size, scale = self.source.geometry.source_size, self.upscaler.scale
        return Geometry(self.source.geometry.resize_mode, size and (size[0] * scale, size[1] * scale))

    @computed
    def image_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width of the enlarged images, if those of the source are known."""
        shape, scale = self.source.image_shape, self.upscaler.scale
        return shape and (shape[0], shape[1] * scale, shape[2] * scale)

    def sample(self, n: int, labels: Any = None, *, seed: int | None = None) -> Tensor:
        return self.upscaler(draw(self.source, n, labels, seed=seed))

    def parts(self) -> list[Source]:
        return self.source.parts()

    def to(self, device: Any) -> UpscaledSource:
        self.source.to(device)
        self.upscaler.network.to(device)
        return self
