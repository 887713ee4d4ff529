"""The cost of one forward pass, computed from a configuration before anything is built."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._config import DiscriminatorConfig, GeneratorConfig
    from ._srgan import SRGANConfig

MAX_OPERATIONS = 2**35  # per image; about the multiply-adds of one CPU core in a second
MAX_VALUES = 2**24  # values that a layer reads and writes per image; up to 32 images are sampled at once
MAX_WEIGHTS = 2**28
WRITTEN_VALUE = 128  # multiply-adds in the time that writing one value to memory takes


@dataclass
class Cost:
    """Adds up the cost of the forward pass of one image, layer by layer."""

    operations: int = 0  # multiply-adds, plus WRITTEN_VALUE for each value that a layer writes
    values: int = 0  # the most that one layer reads and writes
    weights: int = 0

    def layer(self, read: int, written: int, multiply_adds: int = 0, weights: int = 0) -> None:
        """Adds a layer that reads and writes these numbers of values."""
        self.operations += multiply_adds + WRITTEN_VALUE * written
        self.values = max(self.values, read + written)
        self.weights += weights

    def conv(
        self, before: int, after: int, kernel: int, side: int, out: int | None = None, transposed: bool = False
    ) -> None:
        """Adds a convolution from maps of side ``side`` to maps of side ``out``. Default: the same side."""
        out, weights = out or side, before * after * kernel**2
        pixels = (side if transposed else out) ** 2
        self.layer(before * side**2, after * out**2, pixels * weights, weights)

    def norm_and_activation(self, maps: int, side: int, num_classes: int = 0, per_unit: bool = False) -> None:
        """Adds a normalisation, class-conditional if there are classes, and an activation."""
        features = maps * side**2 if per_unit else maps
        self.layer(maps * side**2, maps * side**2, weights=2 * features * (num_classes + 1))
        self.layer(maps * side**2, maps * side**2)

    def attention(self, maps: int, side: int) -> None:
        """Adds a self-attention with ``maps // 8`` keys and ``maps // 2`` values at a quarter of the positions."""
        places, keys = side**2, ((side + 1) // 2) ** 2
        inner, values = max(maps // 8, 1), max(maps // 2, 1)
        for channels in (inner, inner, values, values):
            self.conv(maps, channels, 1, side)
        self.layer(places * keys, places * keys, places * keys * (inner + values))

    def check(self, what: str, remedy: str, operations: int = MAX_OPERATIONS, values: int = MAX_VALUES) -> None:
        """Raises an error about ``what``, such as ``"A generator"``, if the cost exceeds a limit."""
        for name, found, most in (
            ("operations", self.operations, operations),
            ("values in a layer", self.values, values),
            ("weights", self.weights, MAX_WEIGHTS),
        ):
            if found > most:
                raise ValueError(
                    f"{what} must take at most {most:,} {name} for an image, but takes {found:,}; {remedy}."
                )


def generator_cost(config: GeneratorConfig) -> Cost:
    """Returns the cost of an image of a DCGAN generator."""
    cost, kernel, dense = Cost(), config.kernel_size, config.latent_dim
    for _ in range(config.mapping_layers):
        cost.layer(dense, dense, dense**2, dense**2 + dense)
    cost.weights += config.anchors * dense
    side, width = config.sides[0], config.stem_width or config.widths[0]
    cost.conv(dense, width, side, 1, side, transposed=True)
    cost.norm_and_activation(width, side, config.num_classes, config.normalize_units)
    if config.stem_width:
        cost.conv(width, config.widths[0], kernel, side)
        cost.norm_and_activation(config.widths[0], side, config.num_classes)
    for before, after, out in zip(config.widths, (*config.widths[1:], 0), (*config.sides[1:], config.image_size)):
        if out // 2 == config.attention_resolution:
            cost.attention(before, out // 2)
        if config.upsampling == "resize":  # enlarges first
            cost.layer(before * (out // 2) ** 2, before * out**2)
            cost.conv(before, after or config.channels, kernel, out)
        else:
            cost.conv(before, after or config.channels, kernel, out // 2, out, transposed=True)
        cost.norm_and_activation(after or config.channels, out, config.num_classes)
    return cost


def discriminator_cost(config: DiscriminatorConfig) -> Cost:
    """Returns the cost of a logit of a DCGAN discriminator."""
    cost, before = Cost(), config.channels
    for width, side in zip(reversed(config.widths), reversed(config.sides)):
        cost.conv(before, width, config.kernel_size, 2 * side, side)
        cost.norm_and_activation(width, side)
        if side == config.attention_resolution:
            cost.attention(width, side)
        before = width
    cost.conv(before + 1, 1, config.sides[0], config.sides[0], 1)
    cost.weights += config.num_classes * before
    return cost


def srgan_cost(config: SRGANConfig, side: int) -> Cost:
    """Returns the cost of enlarging an image of ``side`` pixels."""
    cost, width = Cost(), config.width
    cost.conv(3, width, 9, side)
    for _ in range(2 * config.blocks + 1):
        cost.conv(width, width, 3, side)
        cost.norm_and_activation(width, side)
    for _ in range(config.scale.bit_length() - 1):
        cost.conv(width, 4 * width, 3, side)
        side *= 2
        cost.norm_and_activation(width, side)
    cost.conv(width, 3, 9, side)
    return cost


def layer_cost(cost: Cost, layer: dict[str, Any], before: tuple[int, ...], after: tuple[int, ...]) -> None:
    """Adds one layer of a :class:`LayeredConfig` with its input and output shape."""
    read, written, kind = math.prod(before), math.prod(after), layer["kind"]
    if kind == "linear":
        cost.layer(read, written, read * written, read * written)
    elif kind in ("conv", "conv_transpose"):
        side = before[1] if len(before) == 3 else 1
        cost.conv(before[0], after[0], layer["kernel_size"], side, after[1], transposed=kind == "conv_transpose")
    else:
        weights = {"embedding": layer.get("num_classes", 0) * layer.get("dim", 0), "batch_norm": 4 * before[0]}
        cost.layer(read, written, weights=weights.get(kind, 0))
