"""The layers of which both networks are made."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from ._config import Normalization


class ClassConditionalNorm2d(nn.Module):
    """Normalisation whose scale and shift belong to the class (https://arxiv.org/abs/1610.07629).

    Args:
        num_features (int): Channels of the input.
        num_classes (int): Number of classes.
        normalization (str): ``"batch"`` or ``"instance"``.

    Shape:
        Input ``(n, num_features, h, w)`` and labels ``(n,)``; the output has the input's shape.
    """

    def __init__(self, num_features: int, num_classes: int, normalization: Normalization) -> None:
        super().__init__()
        kind = nn.BatchNorm2d if normalization == "batch" else nn.InstanceNorm2d
        self.norm = kind(num_features, affine=False)
        self.scale = nn.Embedding(num_classes, num_features)
        self.shift = nn.Embedding(num_classes, num_features)
        nn.init.normal_(self.scale.weight, 1.0, 0.02)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        scale, shift = self.scale(labels), self.shift(labels)
        return torch.addcmul(shift[:, :, None, None], scale[:, :, None, None], self.norm(x))


class SelfAttention2d(nn.Module):
    """The self-attention of SAGAN (https://arxiv.org/abs/1805.08318); starts as the identity.

    Args:
        channels (int): Channels of the input and output.
        spectral_norm (bool): Spectral normalisation of its 1x1 convolutions.

    Shape:
        ``(n, channels, h, w)``, with even ``h`` and ``w``, to the same.
    """

    def __init__(self, channels: int, spectral_norm: bool) -> None:
        super().__init__()
        inner, values = max(channels // 8, 1), max(channels // 2, 1)
        self.query = initialized(nn.Conv2d(channels, inner, 1, bias=False), spectral_norm)
        self.key = initialized(nn.Conv2d(channels, inner, 1, bias=False), spectral_norm)
        self.value = initialized(nn.Conv2d(channels, values, 1, bias=False), spectral_norm)
        self.out = initialized(nn.Conv2d(values, channels, 1, bias=False), spectral_norm)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query = self.query(x).flatten(2).transpose(1, 2)
        # ceil_mode keeps the last row of the odd 7 x 7 maps of 28 px images.
        key = F.max_pool2d(self.key(x), 2, ceil_mode=True).flatten(2).transpose(1, 2)
        value = F.max_pool2d(self.value(x), 2, ceil_mode=True).flatten(2).transpose(1, 2)
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        out: Tensor = self.out(attended.transpose(1, 2).reshape(x.shape[0], -1, *x.shape[2:]))
        return x + self.gain * out


class ResizeConv2d(nn.Sequential):
    """Doubles the resolution by nearest neighbour, then convolves."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, bias: bool) -> None:
        super().__init__(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias),
        )


def initialized(layer: nn.Module, spectral_norm: bool) -> nn.Module:
    """Draws a layer's weight from N(0, 0.02) as DCGAN does, then normalises it spectrally if wanted.

    Sources: https://arxiv.org/abs/1511.06434 and https://arxiv.org/abs/1802.05957.
    """
    inner = layer[1] if isinstance(layer, ResizeConv2d) else layer
    for name, parameter in inner.named_parameters():
        if name == "bias":
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, 0.0, 0.02)
    if not spectral_norm:
        return layer
    # A transposed convolution's output channels are its weight's second dimension.
    parametrizations.spectral_norm(inner, dim=1 if isinstance(inner, nn.ConvTranspose2d) else 0)
    return layer


def doubling(in_channels: int, out_channels: int, kernel_size: int, upsampling: str, bias: bool) -> nn.Module:
    """The layer that doubles a generator's resolution exactly, for any kernel size."""
    if upsampling == "resize":
        return ResizeConv2d(in_channels, out_channels, kernel_size, bias)
    odd = kernel_size % 2
    padding = (kernel_size - 2 + odd) // 2
    return nn.ConvTranspose2d(in_channels, out_channels, kernel_size, 2, padding, output_padding=odd, bias=bias)


def halving(in_channels: int, out_channels: int, kernel_size: int, bias: bool) -> nn.Module:
    """The layer that halves a discriminator's resolution exactly, for any kernel size."""
    return nn.Conv2d(in_channels, out_channels, kernel_size, 2, (kernel_size - 1) // 2, bias=bias)


def plain_norm(num_features: int, normalization: Normalization) -> nn.Module:
    """The unconditional normalisation layer of that name, with scales drawn from N(1, 0.02) as in DCGAN."""
    if normalization == "none":
        return nn.Identity()
    kind = nn.BatchNorm2d if normalization == "batch" else nn.InstanceNorm2d
    norm = kind(num_features, affine=True)
    nn.init.normal_(norm.weight, 1.0, 0.02)
    return norm
