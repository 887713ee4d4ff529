"""The generator of SRGAN, which enlarges images."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .._core import check_range, check_types
from ._config import JSONConfig
from ._cost import srgan_cost

TILE = 160  # side of the part that an upscaler enlarges at once: 128 pixels, and 16 on each side
MAX_OPERATIONS = 2**38  # per tile
MAX_VALUES = 2**28  # values that a layer reads and writes per tile


@dataclass(frozen=True)
class SRGANConfig(JSONConfig):
    """Configuration of an :class:`SRGAN`. The defaults are those of its first reproductions.

    Args:
        scale (int): Factor by which each side is enlarged: 2, 4 or 8. Default: 2.
        width (int): Number of feature maps. Default: 64.
        blocks (int): Number of residual blocks. Default: 5.
        batch_norm (bool): Whether the blocks have batch normalisation. Without it, colours are preserved better
            (https://arxiv.org/abs/1707.02921). Default: True.

    Raises:
        ValueError: If a value is of the wrong type or out of range.

    Example:
        >>> SRGANConfig(scale=4).blocks
        5
    """

    scale: int = 2
    width: int = 64
    blocks: int = 5
    batch_norm: bool = True

    def __post_init__(self) -> None:
        check_types(self)
        check_range("width", self.width, 1, 512)
        check_range("blocks", self.blocks, 1, 64)
        self._require("scale", self.scale in (2, 4, 8), "2, 4 or 8")
        srgan_cost(self, TILE).check("An SRGAN", "reduce scale, width or blocks", MAX_OPERATIONS, MAX_VALUES)


class _Residual(nn.Module):
    def __init__(self, config: SRGANConfig) -> None:
        super().__init__()
        width = config.width

        def norm() -> nn.Module:
            return nn.BatchNorm2d(width) if config.batch_norm else nn.Identity()

        first, second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.layers = nn.Sequential(first, norm(), nn.PReLU(), second, norm())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


class SRGAN(nn.Module):
    """The generator of SRGAN (https://arxiv.org/abs/1609.04802), as implemented in leftthomas/SRGAN (MIT).

    Args:
        config (SRGANConfig, optional): Configuration. Default: ``SRGANConfig()``.

    Shape:
        Input ``(n, 3, h, w)`` and output ``(n, 3, scale * h, scale * w)``, both 0..1.

    Example:
        >>> SRGAN(SRGANConfig(scale=4, width=8, blocks=1))(torch.rand(1, 3, 16, 16)).shape
        torch.Size([1, 3, 64, 64])
    """

    def __init__(self, config: SRGANConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SRGANConfig()
        width = config.width
        self.first = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*(_Residual(config) for _ in range(config.blocks)))
        self.joined = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.PReLU())
        doublings: list[nn.Module] = []
        for _ in range(config.scale.bit_length() - 1):
            doublings += [nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()]
        self.doublings = nn.Sequential(*doublings)
        self.last = nn.Conv2d(width, 3, 9, padding=4)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images)
        x = x + self.joined(self.blocks(x))
        return (torch.tanh(self.last(self.doublings(x))) + 1) / 2

    @classmethod
    def from_checkpoint(cls, tensors: dict[str, Tensor]) -> SRGAN | None:
        """Returns an SRGAN with the weights of another project's checkpoint, or None if its layers differ.

        Args:
            tensors (dict): Tensors by name, such as ``block1.0.weight``, in the order of the layers. If they are in
                the alphabetical order of a safetensors file, the numbers in their names give the order.

        Raises:
            ValueError: If the weights are not finite.
        """
        given = [tensors[name] for name in _by_kind(tensors)]
        first = next((tensor for tensor in given if tensor.ndim == 4), torch.empty(0))
        if first.shape[1:] != (3, 9, 9) or not 1 <= len(first) <= 512:
            return None
        batch_norm = any(name.endswith("running_mean") for name in tensors)
        for scale in (2, 4, 8):
            # 8 tensors around the blocks, 3 for each doubling, and 5 or 13 in each block.
            blocks, odd = divmod(len(given) - 8 - 3 * (scale.bit_length() - 1), 13 if batch_norm else 5)
            if odd or not 1 <= blocks <= 64:
                continue
            network = cls(SRGANConfig(scale, len(first), blocks, batch_norm))
            state = network.state_dict()
            names = _by_kind(state)
            if all(state[name].shape == tensor.shape for name, tensor in zip(names, given)):
                if not all(bool(tensor.isfinite().all()) for tensor in given):
                    raise ValueError("An SRGAN's weights must be finite, but are not.")
                network.load_state_dict(dict(zip(names, given)), strict=False)
                return network.eval()
        return None


_FIELDS = {"weight": 0, "bias": 1, "running_mean": 2, "running_var": 3}


def _by_kind(names: Iterable[str]) -> list[str]:
    """Returns names of tensors: activations first, then convolutions, then norms, each in the order of the layers.

    The result is empty if the names are sorted and no numbers in them give the order.
    """
    modules: dict[str, list[str]] = {}
    for name in names:
        module, _, field = name.rpartition(".")
        if field != "num_batches_tracked":
            modules.setdefault(module, []).append(field)
    order = list(modules)
    if any(fields[0] == "bias" and "weight" in fields for fields in modules.values()):  # in alphabetical order
        parts = {module: re.split(r"(\d+)", module) for module in order}
        if len({first for first, *_ in parts.values()}) > 1:
            return []
        order.sort(key=lambda module: [int(part) if part.isdecimal() else part for part in parts[module]])
    # One tensor is a PReLU, two are a convolution, four a batch norm. Sorted names mix them within a block.
    order.sort(key=lambda module: len(modules[module]))
    return [
        f"{module}.{field}" if module else field
        for module in order
        for field in sorted(modules[module], key=lambda field: _FIELDS.get(field, len(_FIELDS)))
    ]
