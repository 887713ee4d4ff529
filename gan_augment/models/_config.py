"""Configurations of the two networks. They are frozen and validated, and JSON can store them without loss."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

from .._core import ResizeMode, check_range, check_types
from ._cost import Cost, discriminator_cost, generator_cost

Latent = Literal["normal", "uniform"]
Upsampling = Literal["transposed", "resize"]
Normalization = Literal["batch", "instance", "none"]
Initialization = Literal["dcgan", "glorot", "torch"]

IMAGE_SIZES = (16, 28, 32, 64, 128, 256)
MAX_CLASSES = 10_000
MAX_VARIATIONS = 1024
MAX_ANCHORS = 20_000  # beyond this, the search for nearest anchors takes longer than the network
_CHEAPER = "reduce image_size, width, max_width, kernel_size or attention_resolution"

_T = TypeVar("_T", bound="JSONConfig")


class JSONConfig:
    """Base class of configurations that JSON can store."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the configuration, with every field, as a dictionary that JSON can store."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self).items()  # type: ignore[call-overload]
        }

    @classmethod
    def from_dict(cls: type[_T], values: dict[str, Any]) -> _T:
        """Builds the configuration from the output of :meth:`to_dict`, which may be an older one with fewer fields.

        Raises:
            ValueError: If a field is unknown, of the wrong type or out of range.
        """
        if not isinstance(values, dict):
            raise ValueError(f"A configuration must be a mapping, but got {type(values)} instead.")
        names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        unknown = [key for key in values if key not in names]
        if unknown:
            raise ValueError(f"A {cls.__name__} has the fields {names}, but {unknown} is unknown.")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})

    def _require(self, name: str, good: bool, must: str) -> None:
        """Raises an error that says what a field must be, unless it is good."""
        if not good:
            raise ValueError(f"{name} must be {must}, but got {getattr(self, name)!r} instead.")


class _NetworkConfig(JSONConfig):
    """Base class of the configurations of both networks, with the sizes of their feature maps."""

    image_size: int
    width: int
    max_width: int
    base_size: int | None

    @property
    def sides(self) -> tuple[int, ...]:
        """Returns the sides of the feature maps, from the smallest to half the image size."""
        side = self.base_size or (7 if self.image_size == 28 else 4)
        return tuple(side * 2**level for level in range((self.image_size // side).bit_length() - 1))

    @property
    def widths(self) -> tuple[int, ...]:
        """Returns the number of feature maps at each of the :attr:`sides`."""
        return tuple(min(self.width * 2**level, self.max_width) for level in reversed(range(len(self.sides))))


@dataclass(frozen=True)
class GeneratorConfig(_NetworkConfig):
    """Configuration of a :class:`Generator`. The defaults are those of ``dcgan`` in pytorch/examples.

    Args:
        image_size (int): Side of the square images in pixels: 16, 28, 32, 64, 128 or 256. Default: 64.
        channels (int): 1 (grey) or 3 (RGB). Default: 3.
        latent_dim (int): Length of the latent. Default: 100.
        latent (str): Distribution of the latent: ``"normal"``, N(0, 1), or ``"uniform"``, -1..1. Default: ``"normal"``.
        width (int): Number of feature maps at half the image size. It doubles when the resolution halves. Default: 64.
        max_width (int): Maximum number of feature maps at any resolution. Default: 1024.
        kernel_size (int): Kernel size of all layers but the first; odd if ``upsampling="resize"``. Default: 4.
        upsampling (str): ``"transposed"`` convolution, or ``"resize"``: interpolation and a convolution, which leaves
            no checkerboard (https://distill.pub/2016/deconv-checkerboard). Default: ``"transposed"``.
        num_classes (int): Number of classes, with class-conditional normalisation
            (https://arxiv.org/abs/1610.07629). Default: 0, unconditional.
        normalization (str): ``"batch"``, ``"instance"`` or ``"none"``. Default: ``"batch"``.
        spectral_norm (bool): Whether every layer has spectral normalisation (https://arxiv.org/abs/1802.05957).
            Default: False.
        attention_resolution (int): Side of the feature map with self-attention (https://arxiv.org/abs/1805.08318).
            Default: 0, none.
        resize_mode (str): How training images were made square: ``"resize"`` (both sides), ``"crop"`` (shorter side,
            then the centre) or ``"pad"`` (black around the image). Default: ``"resize"``.
        source_size (tuple, optional): Height and width of the training images before resizing, if all had the same.
        class_names (tuple of str, optional): Names of the classes.
        base_size (int, optional): Side of the first feature map, which doubles until it is ``image_size``.
            Default: 4, or 7 for 28 px.
        stem_width (int): Number of feature maps to which the latent is mapped at ``base_size``, before a layer with
            stride 1, as in TensorFlow's DCGAN tutorial. It requires an odd ``kernel_size``. Default: 0, none.
        normalize_units (bool): Whether batch normalisation of the first layer works on every unit, like Keras after a
            dense layer, instead of every feature map. Default: False.
        negative_slope (float): Slope of the leaky ReLU in hidden layers, at least 0 and below 1. Default: 0, ReLU.
        initialization (str): ``"dcgan"`` (weights from N(0, 0.02), scales from N(1, 0.02)), ``"glorot"`` (uniform,
            zero biases and unit scales, like Keras) or ``"torch"`` (torch's default). Default: ``"dcgan"``.
        mapping_layers (int): Number of layers of a residual network that maps the latent first. Default: 0.
        anchors (int): Number of latents of training images that the generator stores and samples between. Default: 0.
        latent_noise (float): Standard deviation of the noise on each coordinate between anchors. Default: 0.1.
        deformations, tones (int): Number of further entries of the latent that deform the image and change its tones;
            see :class:`Variations`. They require anchors. Default: 0.

    Raises:
        ValueError: If a value is of the wrong type or out of range, or the network takes too much time or memory.

    Example:
        >>> GeneratorConfig(image_size=32, channels=1, num_classes=10).to_dict()["num_classes"]
        10
    """

    image_size: int = 64
    channels: int = 3
    latent_dim: int = 100
    latent: Latent = "normal"
    width: int = 64
    max_width: int = 1024
    kernel_size: int = 4
    upsampling: Upsampling = "transposed"
    num_classes: int = 0
    normalization: Normalization = "batch"
    spectral_norm: bool = False
    attention_resolution: int = 0
    resize_mode: ResizeMode = "resize"
    source_size: tuple[int, int] | None = None
    class_names: tuple[str, ...] | None = None
    base_size: int | None = None
    stem_width: int = 0
    normalize_units: bool = False
    negative_slope: float = 0.0
    initialization: Initialization = "dcgan"
    mapping_layers: int = 0
    anchors: int = 0
    latent_noise: float = 0.1
    deformations: int = 0
    tones: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            count = len(self.class_names)
            raise ValueError(f"class_names must be {self.num_classes} names, one for each class, but got {count}.")
        check_range("latent_dim", self.latent_dim, 1, 4096)
        _check_common(self)
        check_range("stem_width", self.stem_width, 0, 4096)
        check_range("mapping_layers", self.mapping_layers, 0, 16)
        check_range("anchors", self.anchors, 0, MAX_ANCHORS)
        check_range("latent_noise", self.latent_noise, 0.0, 10.0)
        for name, count in (("deformations", self.deformations), ("tones", self.tones)):
            check_range(name, count, 0, MAX_VARIATIONS)
            self._require(name, self.anchors > 0 or not count, "0 for a generator without anchors")
        odd, norm, classes = self.kernel_size % 2 == 1, self.normalization, self.num_classes
        self._require("kernel_size", odd or self.upsampling != "resize", "odd for upsampling='resize'")
        self._require("kernel_size", odd or not self.stem_width, "odd for stem_width above 0")
        self._require("latent", self.latent == "normal" or not self.anchors, "'normal' for a generator with anchors")
        self._require("anchors", not 0 < self.anchors < classes, f"at least one for each of {classes} classes")
        self._require(
            "normalize_units", norm == "batch" or not self.normalize_units, f"False for normalization={norm!r}"
        )
        conditional = "'batch' or 'instance' for a class-conditional generator, whose norms depend on the class"
        self._require("normalization", norm != "none" or not classes, conditional)
        for side in self.source_size or ():
            check_range("source_size", side, 1, 65536)
        fits = self.resize_mode != "pad" or max(self.source_size or (0,)) <= self.image_size
        self._require("source_size", fits, f"at most image_size={self.image_size} for resize_mode='pad'")
        self.cost.check("A generator", _CHEAPER)

    @property
    def cost(self) -> Cost:
        """Returns the operations, memory and weights that drawing one image needs."""
        return generator_cost(self)

    @property
    def variations(self) -> int:
        """Returns the number of further entries of a latent that vary the image."""
        return self.deformations + self.tones


@dataclass(frozen=True)
class DiscriminatorConfig(_NetworkConfig):
    """Configuration of a :class:`Discriminator`. The defaults are those of ``dcgan`` in pytorch/examples.

    Args:
        image_size (int): Side of the square images in pixels: 16, 28, 32, 64, 128 or 256. Default: 64.
        channels, width, max_width, spectral_norm, attention_resolution, initialization: See :class:`GeneratorConfig`.
        kernel_size (int): Kernel size of every layer except the last. Default: 4.
        num_classes (int): Number of classes of a projection discriminator (https://arxiv.org/abs/1802.05637).
            Default: 0, unconditional.
        normalization (str): ``"batch"``, ``"instance"`` or ``"none"``, in all layers but the first and last.
            Default: ``"batch"``.
        base_size (int, optional): Side of the last feature map, at which the halving stops. The last layer is a
            convolution over the whole of it. Default: 4, or 7 for 28 px.
        negative_slope (float): Slope of the leaky ReLU, at least 0 and below 1. Default: 0.2.
        dropout (float): Probability of dropping an activation after each halving of the size, at least 0 and below 1.
            Default: 0.
        normalize_first (bool): Whether the first layer is normalised too. Default: False.
        minibatch_stddev (int): Number of images in a group. The last layer gets one more feature map, with the standard
            deviation within each group (https://arxiv.org/abs/1710.10196). Default: 0, no such map.

    Raises:
        ValueError: If a value is of the wrong type or out of range, or the network takes too much time or memory.

    Example:
        >>> DiscriminatorConfig(image_size=28, channels=1, normalization="none", spectral_norm=True).width
        64
    """

    image_size: int = 64
    channels: int = 3
    width: int = 64
    max_width: int = 1024
    kernel_size: int = 4
    num_classes: int = 0
    normalization: Normalization = "batch"
    spectral_norm: bool = False
    attention_resolution: int = 0
    base_size: int | None = None
    negative_slope: float = 0.2
    dropout: float = 0.0
    normalize_first: bool = False
    minibatch_stddev: int = 0
    initialization: Initialization = "dcgan"

    def __post_init__(self) -> None:
        check_types(self)
        _check_common(self)
        self._require("dropout", 0 <= self.dropout < 1, "at least 0 and below 1")
        normalized = self.normalization != "none"
        self._require("normalize_first", normalized or not self.normalize_first, "False for normalization='none'")
        self._require("minibatch_stddev", self.minibatch_stddev != 1, "0 (none) or at least 2")
        check_range("minibatch_stddev", self.minibatch_stddev, 0, 1024)
        discriminator_cost(self).check("A discriminator", _CHEAPER)


NetworkConfig: TypeAlias = GeneratorConfig | DiscriminatorConfig


def _check_common(config: NetworkConfig) -> None:
    size = config.image_size
    config._require("image_size", size in IMAGE_SIZES, f"one of {IMAGE_SIZES}")
    config._require("channels", config.channels in (1, 3), "1 or 3")
    check_range("width", config.width, 1, 512)
    check_range("max_width", config.max_width, config.width, 4096)
    check_range("kernel_size", config.kernel_size, 3, 7)
    check_range("num_classes", config.num_classes, 0, MAX_CLASSES)
    config._require("negative_slope", 0 <= config.negative_slope < 1, "at least 0 and below 1")
    bases = [size // 2**level for level in range(1, 8) if size % 2**level == 0 and size // 2**level > 1]
    config._require("base_size", config.base_size in (None, *bases), f"None or one of {bases} at image_size={size}")
    sides = config.sides
    known = f"0 (none) or one of {list(sides)} at image_size={size} and base_size={sides[0]}"
    config._require("attention_resolution", config.attention_resolution in (0, *sides), known)
