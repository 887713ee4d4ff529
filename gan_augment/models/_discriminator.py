"""The DCGAN discriminator, with a projection of the class if there are classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._blocks import Picklable, SelfAttention2d, append_stddev, initialized, unconditional_norm
from ._config import DiscriminatorConfig


class DiscriminatorBlock(nn.Module):
    """Applies one step down: convolution, normalisation, leaky ReLU, dropout and optional self-attention.

    Args:
        before (int): Number of channels of the input.
        after (int): Number of channels of the output.
        config (DiscriminatorConfig): Configuration of the network.
        first (bool): Whether the input is the image. Then ``config.normalize_first`` decides on normalisation.
        attention (bool): Whether self-attention follows.
        halves (bool): Whether it halves the resolution; otherwise its convolution is 1x1. Default: True.
    """

    def __init__(
        self, before: int, after: int, config: DiscriminatorConfig, *, first: bool, attention: bool, halves: bool = True
    ) -> None:
        super().__init__()
        normalized = config.normalization != "none" and (config.normalize_first or not first)
        norm = unconditional_norm(after, config) if normalized else nn.Identity()
        # Normalisation removes any bias. As in pytorch/examples, no layer has one with batch normalisation.
        bias = not normalized and config.normalization != "batch"
        kernel, stride = (config.kernel_size, 2) if halves else (1, 1)
        conv = nn.Conv2d(before, after, kernel, stride, padding=(kernel - 1) // 2, bias=bias)
        self.conv = initialized(conv, config)
        self.norm = norm
        self.attention = SelfAttention2d(after, config) if attention else nn.Identity()
        self.negative_slope, self.dropout = config.negative_slope, config.dropout

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.norm(self.conv(x)), self.negative_slope)
        out: Tensor = self.attention(F.dropout(x, self.dropout, self.training))
        return out


class Discriminator(Picklable):
    """The discriminator of DCGAN (https://arxiv.org/abs/1511.06434), for any size from 16 to 256 px.

    With classes it is a projection discriminator (https://arxiv.org/abs/1802.05637): the inner product of the class
    embedding and the features is added to the logit.

    Args:
        config (DiscriminatorConfig, optional): Configuration. Default: that of ``dcgan`` in pytorch/examples.

    Example:
        >>> Discriminator()(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2])
    """

    config: DiscriminatorConfig

    def __init__(self, config: DiscriminatorConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DiscriminatorConfig()
        widths, sides = config.widths[::-1], config.sides[::-1]
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(before, after, config, first=level == 0, attention=side == config.attention_resolution)
            for level, (before, after, side) in enumerate(zip((config.channels, *widths), widths, sides))
        )
        features = widths[-1] + (config.minibatch_stddev > 0)
        head = nn.Conv2d(features, 1, sides[-1], bias=config.normalization != "batch")
        self.head = initialized(head, config, dense=True)
        self.embedding: nn.Module | None = None
        if config.num_classes:
            self.embedding = initialized(nn.Embedding(config.num_classes, widths[-1]), config)

    def forward(self, images: Tensor, labels: Tensor | None = None, class_weight: float = 1.0) -> Tensor:
        """Maps images ``(n, c, s, s)`` in -1..1 and their classes ``(n,)`` to logits ``(n,)``.

        The part of the logit that depends on the class is multiplied by ``class_weight``, 0..1. With 0, the
        discriminator is unconditional (https://arxiv.org/abs/2201.06578).
        """
        features = images
        for block in self.blocks:
            features = block(features)
        return self.classify(features, labels, class_weight)

    def classify(self, features: Tensor, labels: Tensor | None, class_weight: float = 1.0) -> Tensor:
        """Maps the last feature maps to logits ``(n,)``."""
        group = self.config.minibatch_stddev
        logits: Tensor = self.head(append_stddev(features, group) if group else features).flatten()
        if self.embedding is not None:
            projection = torch.sum(self.embedding(labels) * features.sum((2, 3)), dim=1)
            logits = logits + class_weight * projection
        return logits
