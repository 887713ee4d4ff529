"""The DCGAN discriminator, with a projection of the class where there are classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._blocks import SelfAttention2d, halving, initialized, plain_norm
from ._config import DiscriminatorConfig, base_size, feature_widths


class _DiscriminatorBlock(nn.Module):
    """One step down: convolution, normalisation, leaky ReLU and perhaps self-attention."""

    def __init__(self, conv: nn.Module, norm: nn.Module, attention: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm, self.attention = conv, norm, attention

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.attention(F.leaky_relu(self.norm(self.conv(x)), 0.2))
        return out


class Discriminator(nn.Module):
    """The discriminator of DCGAN (https://arxiv.org/abs/1511.06434), for any size from 16 to 256 px.

    With classes it is a projection discriminator (https://arxiv.org/abs/1802.05637): the inner product of
    the class's embedding and the features is added to the logit.

    Args:
        config (DiscriminatorConfig, optional): What to build. Default: pytorch/examples' ``dcgan``.

    Example:
        >>> Discriminator()(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2])
    """

    def __init__(self, config: DiscriminatorConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DiscriminatorConfig()
        widths = feature_widths(config.image_size, config.width, config.max_width)[::-1]
        side = config.image_size
        blocks = []
        for level, (before, after) in enumerate(zip([config.channels, *widths], widths)):
            side //= 2
            norm = nn.Identity() if level == 0 else plain_norm(after, config.normalization)
            # As in the generator; and none anywhere with batch normalisation, as in pytorch/examples.
            bias = config.normalization == "none" or (level == 0 and config.normalization == "instance")
            conv = initialized(halving(before, after, config.kernel_size, bias), config.spectral_norm)
            attention = side == config.attention_resolution
            blocks.append(
                _DiscriminatorBlock(
                    conv,
                    norm,
                    SelfAttention2d(after, config.spectral_norm) if attention else nn.Identity(),
                )
            )
        self.blocks = nn.ModuleList(blocks)
        head = nn.Conv2d(widths[-1], 1, base_size(config.image_size), bias=config.normalization != "batch")
        self.head = initialized(head, config.spectral_norm)
        self.embedding: nn.Module | None = None
        if config.num_classes:
            embedding = nn.Embedding(config.num_classes, widths[-1])
            self.embedding = initialized(embedding, config.spectral_norm)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Maps images ``(n, c, s, s)`` in -1..1 and their classes ``(n,)`` to logits ``(n,)``."""
        features = images
        for block in self.blocks:
            features = block(features)
        logits: Tensor = self.head(features).flatten()
        if self.embedding is not None:
            logits = logits + torch.sum(self.embedding(labels) * features.sum((2, 3)), dim=1)
        return logits
