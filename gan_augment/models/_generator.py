"""The DCGAN generator."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ._blocks import (
    ClassConditionalNorm2d,
    SelfAttention2d,
    doubling,
    initialized,
    plain_norm,
)
from ._config import GeneratorConfig, base_size, feature_widths
from ._sampling import sample_uint8

if TYPE_CHECKING:
    from ..hub import Card


class _GeneratorBlock(nn.Module):
    """One step up: convolution, normalisation (of the class), ReLU and perhaps self-attention."""

    def __init__(self, conv: nn.Module, channels: int, attention: bool, config: GeneratorConfig) -> None:
        super().__init__()
        self.conv = initialized(conv, config.spectral_norm)
        self.conditional = config.num_classes > 0
        self.norm = (
            ClassConditionalNorm2d(channels, config.num_classes, config.normalization)
            if self.conditional
            else plain_norm(channels, config.normalization)
        )
        self.attention = SelfAttention2d(channels, config.spectral_norm) if attention else nn.Identity()

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        x = self.conv(x)
        x = self.norm(x, labels) if self.conditional else self.norm(x)
        out: Tensor = self.attention(torch.relu(x))
        return out


class Generator(nn.Module):
    """The generator of DCGAN (https://arxiv.org/abs/1511.06434), for any size from 16 to 256 px.

    It is a *source*: wherever this package takes synthetic images, it takes a generator.

    Args:
        config (GeneratorConfig, optional): What to build. Default: pytorch/examples' ``dcgan``.

    Attributes:
        config (GeneratorConfig): What was built.
        card (Card, optional): The card of the weights, where :func:`from_pretrained` loaded them.

    Example:
        >>> generator = Generator(GeneratorConfig(image_size=32, channels=1, num_classes=10))
        >>> generator.sample(4, labels=[3, 3, 5, 7], seed=0).shape
        torch.Size([4, 1, 32, 32])
    """

    def __init__(self, config: GeneratorConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or GeneratorConfig()
        self.card: Card | None = None
        widths = feature_widths(config.image_size, config.width, config.max_width)
        side = base_size(config.image_size)
        bias = config.normalization == "none"  # normalisation subtracts any bias again
        blocks: list[nn.Module] = [nn.ConvTranspose2d(config.latent_dim, widths[0], side, bias=bias)]
        for narrow, wide in zip(widths[1:], widths):
            blocks.append(doubling(wide, narrow, config.kernel_size, config.upsampling, bias))
        self.blocks = nn.ModuleList(
            _GeneratorBlock(conv, width, side * 2**level == config.attention_resolution, config)
            for level, (conv, width) in enumerate(zip(blocks, widths))
        )
        last = doubling(
            widths[-1], config.channels, config.kernel_size, config.upsampling, config.normalization != "batch"
        )
        self.to_image = initialized(last, config.spectral_norm)
        self.to(memory_format=torch.channels_last)  # in which processors convolve fastest; no value changes

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 for an unconditional generator."""
        return self.config.num_classes

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, where they are known."""
        return self.config.class_names

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Maps latents ``(n, latent_dim)`` and classes ``(n,)`` to images ``(n, c, s, s)`` in -1..1."""
        x = latent[:, :, None, None]
        for block in self.blocks:
            x = block(x, labels)
        return torch.tanh(self.to_image(x))

    def sample(
        self,
        n: int,
        labels: Tensor | list[int] | int | None = None,
        *,
        seed: int | None = None,
        truncation: float | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Draws images; always in eval mode, and pure given a seed.

        Image ``i`` depends on the weights, the seed, ``i`` and its label alone: not on ``n``, on the
        batch size or on the mode that the network is in, which is left as it was.

        Args:
            n (int): Number of images.
            labels (sequence of int, int, optional): Class of each image, or of all. Default: the classes
                in turn, so that image ``i`` is of class ``i % num_classes``. Must be None for an
                unconditional generator.
            seed (int, optional): From 0 to 2**63 - 1. Default: drawn from torch's global generator.
            truncation (float, optional): Normal latents beyond it are drawn again; uniform latents shrink
                to it. Sharper and less diverse, hence off by default.
            batch_size (int, optional): Images per forward pass, rounded up to a multiple of 16.
                Default: 32, the fastest on processors. It bounds the memory and does not change the images.

        Returns:
            Tensor: uint8 images ``(n, channels, image_size, image_size)`` on the generator's device.

        Raises:
            ValueError: If an argument is out of range, or labels do not fit ``num_classes``.

        Example:
            >>> generator = Generator(GeneratorConfig(image_size=16))
            >>> bool((generator.sample(3, seed=7) == generator.sample(9, seed=7)[:3]).all())
            True
        """
        return sample_uint8(self, n, labels, seed, truncation, batch_size)

    def save_pretrained(self, folder: str | os.PathLike[str], **kwargs: Any) -> None:
        """Writes the generator to a folder; see :func:`gan_augment.hub.save_pretrained`."""
        from ..hub import save_pretrained  # files are the hub's business; this is its name on the object

        save_pretrained(self, folder, **kwargs)
