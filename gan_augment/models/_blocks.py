"""The layers of which both networks are made."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from ._config import GeneratorConfig, NetworkConfig


class ClassConditionalNorm2d(nn.Module):
    """Normalisation whose scale and shift belong to the class (https://arxiv.org/abs/1610.07629).

    Args:
        num_features (int): Channels of the input.
        config (GeneratorConfig): Of the network; its normalisation is ``"batch"`` or ``"instance"``.

    Shape:
        Input ``(n, num_features, h, w)`` and labels ``(n,)``; the output has the input's shape.
    """

    def __init__(self, num_features: int, config: GeneratorConfig) -> None:
        super().__init__()
        kind = nn.BatchNorm2d if config.normalization == "batch" else nn.InstanceNorm2d
        self.norm = kind(num_features, affine=False)
        self.scale = nn.Embedding(config.num_classes, num_features)
        self.shift = nn.Embedding(config.num_classes, num_features)
        nn.init.normal_(self.scale.weight, 1.0, 0.02 if config.initialization == "dcgan" else 0.0)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, labels: Tensor, class_weight: float = 1.0) -> Tensor:
        scale, shift = self.scale(labels), self.shift(labels)
        if class_weight != 1.0:  # towards the mean class (https://arxiv.org/abs/2201.06578)
            scale = torch.lerp(self.scale.weight.mean(0), scale, class_weight)
            shift = torch.lerp(self.shift.weight.mean(0), shift, class_weight)
        return torch.addcmul(shift[:, :, None, None], scale[:, :, None, None], self.norm(x))


class SelfAttention2d(nn.Module):
    """The self-attention of SAGAN (https://arxiv.org/abs/1805.08318); starts as the identity.

    Args:
        channels (int): Channels of the input and output.
        config (GeneratorConfig or DiscriminatorConfig): How its 1x1 convolutions start and are normalised.

    Shape:
        ``(n, channels, h, w)``, with even ``h`` and ``w``, to the same.
    """

    def __init__(self, channels: int, config: NetworkConfig) -> None:
        super().__init__()
        inner, values = max(channels // 8, 1), max(channels // 2, 1)
        self.query = initialized(nn.Conv2d(channels, inner, 1, bias=False), config)
        self.key = initialized(nn.Conv2d(channels, inner, 1, bias=False), config)
        self.value = initialized(nn.Conv2d(channels, values, 1, bias=False), config)
        self.out = initialized(nn.Conv2d(values, channels, 1, bias=False), config)
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


def initialized(layer: nn.Module, config: NetworkConfig, dense: bool = False) -> nn.Module:
    """Starts a layer as the configuration says, then normalises it spectrally if it says so.

    Sources: https://arxiv.org/abs/1511.06434 ("dcgan": N(0, 0.02)),
    https://proceedings.mlr.press/v9/glorot10a.html and https://arxiv.org/abs/1802.05957.

    Args:
        layer (nn.Module): A convolution, an embedding or a :class:`ResizeConv2d`.
        config (GeneratorConfig or DiscriminatorConfig): Of the network.
        dense (bool): Whether the convolution is a dense layer: from, or to, a map of one pixel.
    """
    inner = layer[1] if isinstance(layer, ResizeConv2d) else layer
    for name, parameter in inner.named_parameters():
        if config.initialization == "torch":
            continue
        if name == "bias":
            nn.init.zeros_(parameter)
        elif config.initialization == "glorot":
            # As a matrix, a dense layer has its units for fans; a kernel's are those of all its pixels.
            nn.init.xavier_uniform_(parameter.flatten(1) if dense else parameter)
        else:
            nn.init.normal_(parameter, 0.0, 0.02)
    if not config.spectral_norm:
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


def keeping(in_channels: int, out_channels: int, kernel_size: int, upsampling: str, bias: bool) -> nn.Module:
    """The layer that keeps a generator's resolution, for any odd kernel size."""
    kind = nn.Conv2d if upsampling == "resize" else nn.ConvTranspose2d
    return kind(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias)


def halving(in_channels: int, out_channels: int, kernel_size: int, bias: bool) -> nn.Module:
    """The layer that halves a discriminator's resolution exactly, for any kernel size."""
    return nn.Conv2d(in_channels, out_channels, kernel_size, 2, (kernel_size - 1) // 2, bias=bias)


def plain_norm(num_features: int, config: NetworkConfig) -> nn.Module:
    """The unconditional normalisation layer, with scales drawn from N(1, 0.02) in DCGAN's initialisation."""
    if config.normalization == "none":
        return nn.Identity()
    kind = nn.BatchNorm2d if config.normalization == "batch" else nn.InstanceNorm2d
    norm = kind(num_features, affine=True)
    if config.initialization == "dcgan":
        nn.init.normal_(norm.weight, 1.0, 0.02)
    return norm


def append_stddev(features: Tensor, group: int) -> Tensor:
    """Appends the standard deviation of each group of images as one more feature map.

    It is the mean, over all units, of the standard deviations within the group
    (https://arxiv.org/abs/1710.10196). A group is of neighbours in the batch, so that batches of real and
    of synthetic images, one after the other, do not mix.

    Args:
        features (Tensor): ``(n, c, h, w)``.
        group (int): Images in a group; the largest divisor of ``n`` that is not above it is taken.

    Returns:
        Tensor: ``(n, c + 1, h, w)``.

    Example:
        >>> append_stddev(torch.tensor([1.0, 3.0, 5.0, 5.0]).reshape(4, 1, 1, 1), 2)[:, 1].flatten().round(decimals=2)
        tensor([1., 1., 0., 0.])
    """
    n, channels, height, width = features.shape
    size = max(divisor for divisor in range(1, group + 1) if n % divisor == 0)
    groups = features.reshape(n // size, size, channels * height * width)
    groups = groups.to(torch.promote_types(groups.dtype, torch.float32))  # in half precision small squares vanish
    deviation = (groups.var(1, correction=0) + 1e-8).sqrt().mean(1)
    maps = deviation.to(features.dtype).repeat_interleave(size)[:, None, None, None].expand(-1, 1, height, width)
    return torch.cat([features, maps], 1)


class Mapping(nn.Module):
    """Maps latents to latents; starts as the identity (https://arxiv.org/abs/1912.05270 learns such a map).

    Args:
        config (GeneratorConfig): With the number of layers and the length of the latent.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        size = config.latent_dim
        self.layers = nn.ModuleList(nn.Linear(size, size) for _ in range(config.mapping_layers))
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.layers[-1].bias)  # type: ignore[arg-type]

    def forward(self, latent: Tensor) -> Tensor:
        x = latent
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), 0.2)
        out: Tensor = latent + self.layers[-1](x)
        return out


class Picklable(nn.Module):
    """A network that goes to other processes as its configuration and tensors.

    Torch refuses to pickle layers that are parametrized, as those with spectral normalisation are.
    """

    config: Any

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.config.spectral_norm:
            return super().__reduce_ex__(protocol)
        trained = any(parameter.requires_grad for parameter in self.parameters())
        return _rebuild, (
            type(self),
            self.config,
            self.state_dict(),
            self.training,
            trained,
            getattr(self, "card", None),
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin


def _rebuild(
    kind: type[Picklable], config: Any, tensors: dict[str, Tensor], training: bool, trained: bool, card: Any
) -> Picklable:
    network = kind(config)
    network.load_state_dict(tensors, assign=True)
    if card is not None:
        network.card = card
    return network.train(training).requires_grad_(trained)
