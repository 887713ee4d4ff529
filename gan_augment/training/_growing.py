"""Progressive growing: both networks begin with small images (https://arxiv.org/abs/1710.10196)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._core import check_range
from ..models import Discriminator, DiscriminatorBlock, DiscriminatorConfig, Generator, GeneratorConfig, initialized

SMALLEST = 8  # side in pixels


def _small_sizes(config: GeneratorConfig | DiscriminatorConfig) -> tuple[int, ...]:
    """Returns the sizes below the full one: those of all feature maps but the smallest."""
    return tuple(side for side in config.sides[1:] if side >= SMALLEST)


def shared_sizes(generating: nn.Module, judging: nn.Module) -> tuple[int, ...]:
    """Returns the image sizes that both networks grow through; an empty tuple if they do not grow."""
    if not isinstance(generating, GrowingGenerator) or not isinstance(judging, GrowingDiscriminator):
        return ()
    return tuple(size for size in generating.sizes if size in judging.sizes)


def shrink(images: Tensor, size: int, fade: float) -> Tensor:
    """Reduces real images to a size. While it fades in, blends them with their versions at half the size."""
    small = F.adaptive_avg_pool2d(images, size)
    if fade < 1:
        coarse = F.interpolate(F.avg_pool2d(small, 2), scale_factor=2.0, mode="nearest")
        small = torch.lerp(coarse, small, fade)
    return small


def _check_stage(sizes: tuple[int, ...], size: int, fade: float) -> None:
    if size not in sizes:
        raise ValueError(f"size must be one of {sizes}, but got {size} instead.")
    check_range("fade", fade, 0, 1)
    if fade < 1 and size == sizes[0]:
        raise ValueError(f"fade must be 1 at the smallest size, {size}, but got {fade} instead.")


class GrowingGenerator(nn.Module):
    """A generator with a 1x1 convolution to images, its head, at each smaller resolution.

    The first blocks and a head give small images. At the full size, with ``fade=1``, it computes the same as the
    generator, which holds all shared weights and does not need the heads.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator
        config = generator.config
        small = _small_sizes(config)
        self.sizes = (*small, config.image_size)  # from the smallest to the full one
        bias = config.normalization != "batch"  # like the generator's own last layer
        heads = {
            str(side): initialized(nn.Conv2d(width, config.channels, 1, bias=bias), config)
            for side, width in zip(config.sides, config.widths)
            if side in small
        }
        self.heads = nn.ModuleDict(heads).to(next(generator.parameters()))

    def forward(
        self, latent: Tensor, labels: Tensor | None = None, class_weight: float = 1.0, *, size: int, fade: float = 1.0
    ) -> Tensor:
        """Maps latents to images ``(n, c, size, size)`` in -1..1.

        ``fade``, 0..1, is the weight of the images at this size. The remaining weight is that of the images at half the
        size, doubled by nearest neighbour.
        """
        _check_stage(self.sizes, size, fade)
        blocks = list(self.generator.blocks)
        below = len(blocks) - self.sizes[::-1].index(size)  # blocks up to half the size
        x = self.generator.mapping(latent)[:, :, None, None]
        for block in blocks[:below]:
            x = block(x, labels, class_weight)
        if size == self.sizes[-1]:
            images = torch.tanh(self.generator.to_image(x))
        else:
            images = torch.tanh(self.heads[str(size)](blocks[below](x, labels, class_weight)))
        if fade < 1:
            smaller = torch.tanh(self.heads[str(size // 2)](x))
            images = torch.lerp(F.interpolate(smaller, scale_factor=2, mode="nearest"), images, fade)
        return images


class GrowingDiscriminator(nn.Module):
    """A discriminator with a 1x1 first block, its stem, for images of each smaller resolution.

    A stem gives the features that the discriminator's own blocks take at that resolution. At the full size, with
    ``fade=1``, it computes the same as the discriminator, which does not need the stems.
    """

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.discriminator = discriminator
        config = discriminator.config
        small = _small_sizes(config)
        self.sizes = (*small, config.image_size)  # from the smallest to the full one
        stems = {
            str(side): DiscriminatorBlock(config.channels, width, config, first=True, attention=False, halves=False)
            for side, width in zip(config.sides, config.widths)
            if side in small
        }
        self.stems = nn.ModuleDict(stems).to(next(discriminator.parameters()))

    def forward(
        self, images: Tensor, labels: Tensor | None = None, class_weight: float = 1.0, *, size: int, fade: float = 1.0
    ) -> Tensor:
        """Maps images ``(n, c, size, size)`` in -1..1 to logits ``(n,)``.

        ``fade``, 0..1, is the weight of the features at this size. The remaining weight is that of the features of the
        images averaged to half the size.
        """
        _check_stage(self.sizes, size, fade)
        if images.shape[-2:] != (size, size):
            raise ValueError(f"images must be of {size} x {size}, but got {tuple(images.shape[-2:])} instead.")
        blocks = list(self.discriminator.blocks)[self.sizes[::-1].index(size) :]
        x = images if size == self.sizes[-1] else self.stems[str(size)](images)
        x = blocks[0](x)
        if fade < 1:
            x = torch.lerp(self.stems[str(size // 2)](F.avg_pool2d(images, 2)), x, fade)
        for block in blocks[1:]:
            x = block(x)
        return self.discriminator.classify(x, labels, class_weight)
