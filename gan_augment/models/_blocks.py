"""Layers that both networks use."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from ._config import GeneratorConfig, NetworkConfig
from ._transposed import ConvTranspose2d


class ClassConditionalNorm2d(nn.Module):
    """Normalises features with a scale and shift for each class (https://arxiv.org/abs/1610.07629).

    Args:
        num_features (int): Number of channels of the input.
        config (GeneratorConfig): Configuration of the network, with ``"batch"`` or ``"instance"`` normalisation.

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
        x = self.norm(x)
        # Autocast would compute in float32 here, which takes twice as long and makes two copies of the features.
        scale, shift = scale.to(x.dtype), shift.to(x.dtype)
        return torch.addcmul(shift[:, :, None, None], scale[:, :, None, None], x)


class SelfAttention2d(nn.Module):
    """Applies the self-attention of SAGAN (https://arxiv.org/abs/1805.08318), initialised as the identity."""

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
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]  # torch 2.4 cannot export the other
            attended = (query @ key.transpose(1, 2)).softmax(2) @ value
        else:
            attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        out: Tensor = self.out(attended.transpose(1, 2).reshape(x.shape[0], -1, *x.shape[2:]))
        return x + self.gain * out


def initialized(layer: nn.Module, config: NetworkConfig, dense: bool = False) -> nn.Module:
    """Initialises a layer as configured, and adds spectral normalisation (https://arxiv.org/abs/1802.05957) if set.

    Sources: https://arxiv.org/abs/1511.06434 ("dcgan"), https://proceedings.mlr.press/v9/glorot10a.html ("glorot").

    Args:
        layer (nn.Module): A convolution, an embedding, or a sequence with a convolution in the second place.
        config (GeneratorConfig or DiscriminatorConfig): Configuration of the network.
        dense (bool): Whether the convolution acts as a dense layer, from or to a map of one pixel. Default: False.
    """
    inner = layer[1] if isinstance(layer, nn.Sequential) else layer
    if config.initialization != "torch":
        for name, parameter in inner.named_parameters():
            if name == "bias":
                nn.init.zeros_(parameter)
            elif config.initialization == "glorot":
                # The fans of a dense layer are its units; those of a kernel count all its pixels.
                nn.init.xavier_uniform_(parameter.flatten(1) if dense else parameter)
            else:
                nn.init.normal_(parameter, 0.0, 0.02)
    if config.spectral_norm:
        # A transposed convolution's output channels are its weight's second dimension.
        parametrizations.spectral_norm(inner, dim=1 if isinstance(inner, nn.ConvTranspose2d) else 0)
    return layer


def scaled_conv(
    in_channels: int, out_channels: int, kernel_size: int, upsampling: str, bias: bool, scale: int = 2
) -> nn.Module:
    """Returns a layer that exactly doubles the resolution of a generator, or keeps it with ``scale=1``."""
    if upsampling == "resize":
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias)
        return conv if scale == 1 else nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), conv)
    more = (kernel_size - scale) % 2
    padding = (kernel_size - scale + more) // 2
    return ConvTranspose2d(in_channels, out_channels, kernel_size, scale, padding, output_padding=more, bias=bias)


def unconditional_norm(num_features: int, config: NetworkConfig) -> nn.Module:
    """Returns a normalisation layer without classes; DCGAN's initialisation draws its scales from N(1, 0.02)."""
    if config.normalization == "none":
        return nn.Identity()
    kind = nn.BatchNorm2d if config.normalization == "batch" else nn.InstanceNorm2d
    norm = kind(num_features, affine=True)
    if config.initialization == "dcgan":
        nn.init.normal_(norm.weight, 1.0, 0.02)
    return norm


def append_stddev(features: Tensor, group: int) -> Tensor:
    """Appends the standard deviation within groups of up to ``group`` images to maps ``(n, c, h, w)``, as one more map.

    It is the mean over all units (https://arxiv.org/abs/1710.10196). The images of a group are neighbours in the
    batch, so real and synthetic images do not mix if they follow each other.
    """
    n, channels, height, width = features.shape
    size = max(divisor for divisor in range(1, group + 1) if n % divisor == 0)
    groups = features.reshape(n // size, size, channels * height * width)
    groups = groups.to(torch.promote_types(groups.dtype, torch.float32))  # half precision would lose small squares
    deviation = (groups.var(1, correction=0) + 1e-8).sqrt().mean(1)
    maps = deviation.to(features.dtype).repeat_interleave(size)[:, None, None, None].expand(-1, 1, height, width)
    return torch.cat([features, maps], 1)


class Mapping(nn.Module):
    """Maps latents to latents, like https://arxiv.org/abs/1912.05270; initialised as the identity."""

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
    """Base class of networks that are pickled as their configuration and tensors.

    Torch does not pickle parametrized layers, such as those with spectral normalisation.
    """

    config: Any

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.config.spectral_norm:
            return super().__reduce_ex__(protocol)
        trained = any(parameter.requires_grad for parameter in self.parameters())
        card = getattr(self, "card", None)
        return _rebuild, (type(self), self.config, self.state_dict(), self.training, trained, card)

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
