"""Progressive growing: both networks begin with small images (https://arxiv.org/abs/1710.10196)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models import Discriminator, DiscriminatorBlock, DiscriminatorConfig, Generator, GeneratorConfig, initialized

SMALLEST = 8


def _small_sizes(config: GeneratorConfig | DiscriminatorConfig) -> tuple[int, ...]:
    """The sizes below the full one: those of feature maps that at least two blocks make, or take."""
    return tuple(side for side in config.sides[1:] if side >= SMALLEST)


def shared_sizes(generating: nn.Module, judging: nn.Module) -> tuple[int, ...]:
    """The image sizes that both networks grow through; none if they do not."""
    if not isinstance(generating, GrowingGenerator) or not isinstance(judging, GrowingDiscriminator):
        return ()
    return tuple(size for size in generating.sizes if size in judging.sizes)


def shrink(images: Tensor, size: int, fade: float) -> Tensor:
    """Real images at a smaller size, as far as the size has faded in."""
    small = F.adaptive_avg_pool2d(images, size)
    if fade < 1:
        coarse = F.interpolate(F.avg_pool2d(small, 2), scale_factor=2.0, mode="nearest")
        small = torch.lerp(coarse, small, fade)
    return small


def _check_stage(sizes: tuple[int, ...], size: int, fade: float) -> None:
    if size not in sizes:
        raise ValueError(f"size must be one of {sizes}, but got {size} instead.")
    if not 0 <= fade <= 1:
        raise ValueError(f"fade must be between 0 and 1, but got {fade} instead.")
    if fade < 1 and size == sizes[0]:
        raise ValueError(f"fade must be 1 at the smallest size, {size}, but got {fade} instead.")


class GrowingGenerator(nn.Module):
    """A generator with a 1x1 convolution to images, its head, at each smaller resolution.

    Small images are those that its first blocks' features give through a head. At the full size, with
    ``fade=1``, it is the generator itself, which holds all that is shared and is whole without the heads.

    Args:
        generator (Generator): The final network.

    Attributes:
        generator (Generator): The same.
        sizes (tuple of int): Sides of the images that it can give, from the smallest to the full one.

    Example:
        >>> growing = GrowingGenerator(Generator())
        >>> growing.sizes, growing(torch.zeros(2, 100), size=16, fade=0.5).shape
        ((8, 16, 32, 64), torch.Size([2, 3, 16, 16]))
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator
        config = generator.config
        small = _small_sizes(config)
        self.sizes = (*small, config.image_size)
        bias = config.normalization != "batch"  # as the generator's own last layer
        heads = {
            str(side): initialized(nn.Conv2d(width, config.channels, 1, bias=bias), config)
            for side, width in zip(config.sides, config.widths)
            if side in small
        }
        self.heads = nn.ModuleDict(heads).to(next(generator.parameters()))

    def forward(
        self,
        latent: Tensor,
        labels: Tensor | None = None,
        class_weight: float = 1.0,
        *,
        size: int,
        fade: float = 1.0,
    ) -> Tensor:
        """Maps latents to images of one of the sizes.

        Args:
            latent (Tensor): ``(n, latent_dim)``.
            labels (Tensor, optional): Classes ``(n,)``.
            class_weight (float): As the generator's.
            size (int): Side of the images, one of ``sizes``.
            fade (float): Share of the images of this size, 0..1; the rest is that of the images of half
                the size, doubled by nearest neighbour.

        Returns:
            Tensor: Images ``(n, c, size, size)`` in -1..1.

        Raises:
            ValueError: If ``size`` or ``fade`` is out of range, or ``fade`` is below 1 at the smallest size.
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
    """A discriminator with a 1x1 first block for images of each smaller resolution, its stem.

    A stem gives the features that the discriminator's own blocks would take at that resolution. At the full
    size, with ``fade=1``, it is the discriminator itself, which is whole without the stems.

    Args:
        discriminator (Discriminator): The final network.

    Attributes:
        discriminator (Discriminator): The same.
        sizes (tuple of int): Sides of the images that it can take, from the smallest to the full one. Those
            of a generator with a smaller ``base_size`` are more.

    Example:
        >>> growing = GrowingDiscriminator(Discriminator())
        >>> growing(torch.zeros(2, 3, 16, 16), size=16, fade=0.5).shape
        torch.Size([2])
    """

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.discriminator = discriminator
        config = discriminator.config
        small = _small_sizes(config)
        self.sizes = (*small, config.image_size)
        stems = {
            str(side): DiscriminatorBlock(config.channels, width, config, first=True, attention=False, halves=False)
            for side, width in zip(config.sides, config.widths)
            if side in small
        }
        self.stems = nn.ModuleDict(stems).to(next(discriminator.parameters()))

    def forward(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        class_weight: float = 1.0,
        *,
        size: int,
        fade: float = 1.0,
    ) -> Tensor:
        """Maps images of one of the sizes to logits.

        Args:
            images (Tensor): ``(n, c, size, size)`` in -1..1.
            labels (Tensor, optional): Classes ``(n,)``.
            class_weight (float): As the discriminator's.
            size (int): Side of the images, one of ``sizes``.
            fade (float): Share of the features of this size, 0..1; the rest is that of the images averaged
                to half the size.

        Returns:
            Tensor: Logits ``(n,)``.

        Raises:
            ValueError: If ``size`` or ``fade`` is out of range, ``fade`` is below 1 at the smallest size, or
                the images are not of that size.
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
