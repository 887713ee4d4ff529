"""A generator with a list of layers, into which checkpoints of other projects are imported."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from .._core import check_range, check_types
from ._config import GeneratorConfig
from ._cost import Cost, layer_cost
from ._generator import Generator
from ._transposed import ConvTranspose2d

MAX_LAYERS = 200
MAX_SIDE = 1024
MAX_OPERATIONS = 2**34  # per image; layers of other shapes may be three times slower than ours

# Fields of each kind of layer, with the smallest and largest number, or the allowed words.
_SIZE, _KERNEL, _STRIDE, _SMALL = (1, 65536), (1, 32), (1, 8), (0, 31)
_CONV: dict[str, Any] = {
    "in_channels": (1, 8192),
    "out_channels": (1, 8192),
    "kernel_size": _KERNEL,
    "stride": _STRIDE,
    "padding": _SMALL,
    "bias": (False, True),
}
_NORM: dict[str, Any] = {"num_features": _SIZE, "affine": (False, True), "eps": (0.0, 10.0)}
FUNCTIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "selu": nn.SELU, "gelu": nn.GELU, "silu": nn.SiLU,
    "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "hardtanh": nn.Hardtanh,
}  # fmt: skip
FINAL_FUNCTIONS = ("tanh", "sigmoid", "hardtanh")
LAYERS: dict[str, dict[str, Any]] = {
    "embedding": {"num_classes": (1, 10_000), "dim": (1, 4096), "join": ("after", "before", "multiply")},
    "one_hot": {"num_classes": (1, 4096), "join": ("after", "before")},
    "rescale": {"scale": (-100.0, 100.0), "shift": (-100.0, 100.0)},
    "linear": {"in_features": _SIZE, "out_features": (1, 2**20), "bias": (False, True)},
    "reshape": {"channels": (1, 8192), "side": (1, MAX_SIDE)},
    "conv": _CONV,
    "conv_transpose": {**_CONV, "output_padding": _SMALL},
    "batch_norm": {**_NORM, "num_features": (1, 2**20)},
    "instance_norm": _NORM,
    "upsample": {"factor": (2, 4), "mode": ("nearest", "bilinear")},
    "pixel_shuffle": {"factor": (2, 4)},
    "activation": {"function": tuple(FUNCTIONS), "slope": (0.0, 1.0)},
    "prelu": {"num_parameters": (1, 8192)},
}


@dataclass(frozen=True)
class LayeredConfig(GeneratorConfig):
    """Configuration of a :class:`LayeredGenerator`.

    Args:
        layers (tuple of dict): Layers with their ``kind`` and its fields; see ``LAYERS``. The first may join the class
            to the latent. The last is ``tanh``, ``sigmoid`` or ``hardtanh``.
        image_size (int): Side of the square images in pixels, from 8 to 1024.
        channels, latent_dim, latent, num_classes, resize_mode, source_size, class_names: See
            :class:`GeneratorConfig`. Its other fields must keep their defaults.

    Raises:
        ValueError: If a field or layer is of the wrong type or out of range, or the layers do not fit together.

    Example:
        >>> layers = ({"kind": "conv_transpose", "in_channels": 9, "out_channels": 1, "kernel_size": 8, "stride": 1,
        ...            "padding": 0, "output_padding": 0, "bias": True}, {"kind": "activation", "function": "tanh"})
        >>> LayeredConfig(image_size=8, channels=1, latent_dim=9, layers=layers).num_classes
        0
    """

    layers: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        own = {name: getattr(self, name) for name in _OWN}
        for field in dataclasses.fields(GeneratorConfig):
            if field.name not in own and getattr(self, field.name) != field.default:
                raise ValueError(f"{field.name} must be {field.default!r} for a generator with given layers.")
        check_types(self)
        check_range("image_size", self.image_size, 8, MAX_SIDE)
        # GeneratorConfig checks the fields that do not depend on its own layers.
        GeneratorConfig(**{**own, "image_size": 256, "source_size": None})
        shape, _ = shape_and_cost(self.layers, self.latent_dim, self.num_classes)
        image = (self.channels, self.image_size, self.image_size)
        if shape != image:
            raise ValueError(f"The layers must end in {image}, but end in {shape}.")
        last = self.layers[-1]
        if last["kind"] != "activation" or last["function"] not in FINAL_FUNCTIONS:
            raise ValueError(f"The last layer must be one of {FINAL_FUNCTIONS}, but is {last!r}.")

    @property
    def cost(self) -> Cost:
        """Returns the cost of an image."""
        return shape_and_cost(self.layers, self.latent_dim, self.num_classes)[1]

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields that apply to a layered generator, as a dictionary that JSON can store."""
        values = super().to_dict()
        return {name: values[name] for name in (*_OWN, "layers")}


_OWN = ("image_size", "channels", "latent_dim", "latent", "num_classes", "resize_mode", "source_size", "class_names")


def shape_and_cost(layers: Any, latent_dim: int, num_classes: int) -> tuple[tuple[int, ...], Cost]:
    """Returns the output shape ``(channels, height, width)`` of layers and their cost, without building any.

    Raises:
        ValueError: If a layer is invalid, its numbers are out of range, or it does not fit the one before.
    """
    if not isinstance(layers, (tuple, list)) or not 1 <= len(layers) <= MAX_LAYERS:
        raise ValueError(f"layers must be 1 to {MAX_LAYERS} layers, but got {str(layers)[:100]}.")
    shape: tuple[int, ...] = (latent_dim,)
    cost, classes = Cost(), 0
    for index, layer in enumerate(layers):
        _check_layer(index, layer)
        kind = layer["kind"]
        if kind in ("embedding", "one_hot"):
            if [each["kind"] for each in layers[:index]] not in ([], ["rescale"]):
                raise ValueError(f"Layer {index} must not be {kind!r}, since only the first layer can join the class.")
            classes = layer["num_classes"]
        before, shape = shape, _next_shape(index, layer, shape)
        if max(shape[1:], default=1) > MAX_SIDE:
            raise ValueError(f"Layer {index} must give at most {MAX_SIDE} px, but gives {max(shape[1:])}.")
        layer_cost(cost, layer, before, shape)
        cost.check(f"The layers up to {index}", "use fewer or narrower ones, or a smaller image_size", MAX_OPERATIONS)
    if classes != num_classes:
        raise ValueError(f"num_classes must be {classes}, as in the layers, but got {num_classes} instead.")
    return shape, cost


def _check_layer(index: int, layer: Any) -> None:
    fields = LAYERS.get(str(layer.get("kind"))) if isinstance(layer, dict) else None
    if fields is None:
        raise ValueError(f"Layer {index} must have one of the kinds {sorted(LAYERS)}, but got {str(layer)[:100]}.")
    optional = {"slope"}
    if not set(fields) - optional <= set(layer) - {"kind"} <= set(fields):
        raise ValueError(f"Layer {index} must have the fields {list(fields)}, but has {sorted(layer)}.")
    for name, allowed in fields.items():
        value = layer.get(name, 0.0)
        if isinstance(allowed[0], (str, bool)):
            good = type(value) is type(allowed[0]) and value in allowed
        else:
            kinds = (int,) if isinstance(allowed[0], int) else (int, float)
            good = type(value) in kinds and allowed[0] <= value <= allowed[-1]
        if not good:
            raise ValueError(f"Layer {index}'s {name} must be in {allowed}, but got {str(value)[:100]} instead.")


def _next_shape(index: int, layer: dict[str, Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the output shape of a layer, after checks that torch would do only in a forward pass."""
    kind, size, sides = layer["kind"], shape[0], shape[1:] or (1, 1)

    def check(good: bool, error: str) -> None:
        if not good:
            raise ValueError(f"Layer {index}{error}")

    def check_like_input(name: str) -> None:
        if layer[name] != size:
            raise ValueError(f"Layer {index}'s {name} must be {size} like its input, but got {layer[name]}.")

    if kind == "one_hot":
        return (size + layer["num_classes"],)
    if kind == "embedding" and layer["join"] != "multiply":
        return (size + layer["dim"],)
    if kind == "embedding":
        check_like_input("dim")
        return shape
    if kind == "linear":
        check(len(shape) == 1, " must not be 'linear' after feature maps.")
        check_like_input("in_features")
        return (layer["out_features"],)
    if kind == "reshape":
        maps = (layer["channels"], layer["side"], layer["side"])
        same = len(shape) == 1 and size == math.prod(maps)
        check(same, f" must keep the number of values, but takes {shape} to {maps}.")
        return maps
    if kind == "prelu":
        known = layer["num_parameters"]
        check(known in (1, size), f"'s num_parameters must be 1 or {size} like its input, but got {known}.")
    if kind == "instance_norm":
        check(max(sides) > 1, " must not be 'instance_norm' on a single pixel, which would become zero.")
    if kind in ("batch_norm", "instance_norm"):
        check_like_input("num_features")
    if kind in ("batch_norm", "instance_norm", "activation", "prelu", "rescale"):
        return shape
    if kind in ("upsample", "pixel_shuffle"):
        factor, square = layer["factor"], layer["factor"] ** 2 if kind == "pixel_shuffle" else 1
        check(size % square == 0, f" must come after a multiple of {square} maps, but got {size}.")
        return (size // square, sides[0] * factor, sides[1] * factor)
    if kind == "conv_transpose":
        stride, more = layer["stride"], layer["output_padding"]
        check(more < stride, f"'s output_padding must be below its stride, {stride}, but got {more}.")
    check_like_input("in_channels")
    side = conv_side(layer, sides[0])
    check(side > 0, f" must give at least one pixel, but gives {side}.")
    return (layer["out_channels"], side, side)


def conv_side(layer: dict[str, Any], side: int) -> int:
    """Returns the side of the output of a convolution for an input of side ``side``."""
    kernel, stride, padding = layer["kernel_size"], layer["stride"], layer["padding"]
    if layer["kind"] == "conv":
        return int((side + 2 * padding - kernel) // stride + 1)
    return int((side - 1) * stride - 2 * padding + kernel + layer["output_padding"])


class _AnyBatchNorm(_BatchNorm):
    """Normalises vectors as well as feature maps."""

    def _check_input_dim(self, x: Tensor) -> None:
        pass


class _Rescale(nn.Module):
    """Scales and shifts values, for example a latent from -1..1 to 0..1."""

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


class _Join(nn.Module):
    """Joins the class to the latent, as an embedding with ``dim`` values or as one-hot."""

    def __init__(self, num_classes: int, join: str, dim: int | None = None) -> None:
        super().__init__()
        self.num_classes, self.join = num_classes, join
        self.embedding = None if dim is None else nn.Embedding(num_classes, dim)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        if self.embedding is None:
            known = F.one_hot(labels, self.num_classes).to(latent.dtype)
        else:
            known = self.embedding(labels)
        if self.join == "multiply":
            return latent * known
        return torch.cat([latent, known] if self.join == "after" else [known, latent], 1)


def build_layer(layer: dict[str, Any]) -> nn.Module:
    """Returns the module of a layer."""
    return _MODULES[layer["kind"]](**{name: value for name, value in layer.items() if name != "kind"})


def _activation(function: str, slope: float = 0.0) -> nn.Module:
    return nn.LeakyReLU(slope) if function == "leaky_relu" else FUNCTIONS[function]()


_MODULES: dict[str, Callable[..., nn.Module]] = {
    "embedding": _Join, "one_hot": _Join, "rescale": _Rescale, "linear": nn.Linear, "conv": nn.Conv2d,
    "conv_transpose": ConvTranspose2d, "batch_norm": _AnyBatchNorm, "instance_norm": nn.InstanceNorm2d,
    "reshape": lambda channels, side: nn.Unflatten(1, (channels, side, side)),
    "upsample": lambda factor, mode: nn.Upsample(scale_factor=factor, mode=mode),
    "pixel_shuffle": lambda factor: nn.PixelShuffle(factor), "activation": _activation, "prelu": nn.PReLU,
}  # fmt: skip


class LayeredGenerator(Generator):
    """A generator with a list of layers, such as one from :func:`gan_augment.import_checkpoint`.

    Args:
        config (LayeredConfig): Configuration with the layers.

    Example:
        >>> layers = ({"kind": "conv_transpose", "in_channels": 9, "out_channels": 1, "kernel_size": 8, "stride": 1,
        ...            "padding": 0, "output_padding": 0, "bias": True}, {"kind": "activation", "function": "tanh"})
        >>> LayeredGenerator(LayeredConfig(8, 1, 9, layers=layers)).sample(2, seed=0).shape
        torch.Size([2, 1, 8, 8])
    """

    config: LayeredConfig

    def __init__(self, config: LayeredConfig) -> None:
        nn.Module.__init__(self)  # not Generator.__init__, which builds the layers of DCGAN
        self.config = config
        self.anchors = self.anchor_labels = self.variations = None
        self.layers = nn.ModuleList(build_layer(layer) for layer in config.layers)
        self.to(memory_format=torch.channels_last)

    def forward(self, latent: Tensor, labels: Tensor | None = None, class_weight: float = 1.0) -> Tensor:
        """Maps latents ``(n, latent_dim)`` and classes ``(n,)`` to images ``(n, c, s, s)`` in -1..1."""
        x = latent
        for layer in self.layers:
            if isinstance(layer, _Join):
                x = layer(x, labels)
            elif x.ndim == 2 and isinstance(layer, (nn.ConvTranspose2d, nn.Conv2d, nn.Upsample, nn.PixelShuffle)):
                x = layer(x[:, :, None, None])
            else:
                x = layer(x)
        return x * 2 - 1 if self.config.layers[-1]["function"] == "sigmoid" else x
