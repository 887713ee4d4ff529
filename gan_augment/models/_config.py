"""The configurations of the two networks: frozen, validated, and exact through JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

from .._core import ResizeMode, check_range, check_share, check_types
from ._cost import Cost, discriminator_cost, generator_cost

Latent = Literal["normal", "uniform"]
Upsampling = Literal["transposed", "resize"]
Normalization = Literal["batch", "instance", "none"]
Initialization = Literal["dcgan", "glorot", "torch"]

IMAGE_SIZES = (16, 28, 32, 64, 128, 256)
MAX_CLASSES = 10_000
MAX_VARIATIONS = 1024
MAX_ANCHORS = 20_000  # for more, finding the nearest costs more than the network
_CHEAPER = "reduce image_size, width, max_width, kernel_size or attention_resolution"

_T = TypeVar("_T", bound="_NetworkConfig")


class _NetworkConfig:
    """What both configurations share: the resolutions, and the way through JSON."""

    image_size: int
    width: int
    max_width: int
    base_size: int | None

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of the feature maps, from the smallest up to half the image size."""
        side = self.base_size or (7 if self.image_size == 28 else 4)
        return tuple(side * 2**level for level in range((self.image_size // side).bit_length() - 1))

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of feature maps at each of the :attr:`sides`."""
        return tuple(min(self.width * 2**level, self.max_width) for level in reversed(range(len(self.sides))))

    def to_dict(self) -> dict[str, Any]:
        """Returns the configuration as a dict that JSON can hold, every field included."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self).items()  # type: ignore[call-overload]
        }

    @classmethod
    def from_dict(cls: type[_T], values: dict[str, Any]) -> _T:
        """Builds the configuration from :meth:`to_dict`'s output, also from that of an older version.

        Args:
            values (dict): Fields of the configuration, and nothing else. Those that are missing, as what
                was written before they existed lacks them, take their defaults.

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


@dataclass(frozen=True)
class GeneratorConfig(_NetworkConfig):
    """Everything that determines a :class:`Generator`. The defaults are pytorch/examples' ``dcgan``.

    Args:
        image_size (int): Side of the square output in pixels: 16, 28, 32, 64, 128 or 256.
        channels (int): 1 (grey) or 3 (RGB).
        latent_dim (int): Length of the latent.
        latent (str): Its distribution: ``"normal"`` is N(0, 1), ``"uniform"`` is U(-1, 1).
        width (int): Feature maps at half the output size; doubled for each halving of the resolution.
        max_width (int): The most feature maps at any resolution.
        kernel_size (int): Of every layer but the first. Odd where ``upsampling="resize"``.
        upsampling (str): ``"transposed"`` convolution, or ``"resize"``: nearest neighbour and a
            convolution, which leaves no checkerboard (https://distill.pub/2016/deconv-checkerboard).
        num_classes (int): 0 is unconditional; otherwise the normalisation is class-conditional
            (https://arxiv.org/abs/1610.07629).
        normalization (str): ``"batch"``, ``"instance"`` or ``"none"``.
        spectral_norm (bool): Spectral normalisation of every layer (https://arxiv.org/abs/1802.05957).
        attention_resolution (int): Side of the feature map that gets self-attention
            (https://arxiv.org/abs/1805.08318); 0 for none.
        resize_mode (str): How training images were brought to ``image_size``: ``"resize"`` (both sides),
            ``"crop"`` (shorter side resized, centre kept) or ``"pad"`` (black around).
        source_size (tuple, optional): Height and width of the training images before that, if they all
            had the same.
        class_names (tuple of str, optional): Names of the classes, where they are known.
        base_size (int, optional): Side of the first feature map, which every step doubles until it is
            ``image_size``. Default: 4, or 7 for 28 px.
        stem_width (int): Feature maps to which the latent is mapped at ``base_size``, before a layer of
            stride 1 takes them to the first of the others, as in TensorFlow's DCGAN tutorial; it needs an
            odd ``kernel_size``. 0: the latent is mapped to those at once.
        normalize_units (bool): Whether batch normalisation of the first layer has statistics, scale and
            shift for every unit, as in Keras after a dense layer, instead of for every feature map.
        negative_slope (float): Of the hidden layers' leaky ReLU, 0 up to below 1; 0 is ReLU.
        initialization (str): ``"dcgan"`` (weights from N(0, 0.02), scales from N(1, 0.02)), ``"glorot"``
            (uniform with zero biases and unit scales, as Keras has it) or ``"torch"`` (torch's own).
        mapping_layers (int): Layers of a residual network that maps the latent before all else; it starts
            as the identity.
        anchors (int): Latents of training images that the generator keeps and samples between; 0 for none.
        latent_noise (float): Standard deviation of the noise on each coordinate of such a latent.
        deformations, tones (int): Further entries of the latent, by which the image is deformed and its
            tones change, see :class:`Variations`; only with anchors.

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
            raise ValueError(
                f"class_names must be {self.num_classes}, as many as num_classes, but got {len(self.class_names)}."
            )
        check_range("latent_dim", self.latent_dim, 1, 4096)
        _check_common(self)
        if self.upsampling == "resize" and self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd for upsampling='resize', but got {self.kernel_size} instead.")
        check_range("stem_width", self.stem_width, 0, 4096)
        check_range("mapping_layers", self.mapping_layers, 0, 16)
        check_range("anchors", self.anchors, 0, MAX_ANCHORS)
        check_range("latent_noise", self.latent_noise, 0.0, 10.0)
        for name in ("deformations", "tones"):
            check_range(name, getattr(self, name), 0, MAX_VARIATIONS)
            if getattr(self, name) and not self.anchors:
                raise ValueError(f"{name} must be 0 for a generator without anchors, but got {getattr(self, name)}.")
        if self.anchors and self.latent != "normal":
            raise ValueError(f"latent must be 'normal' for a generator with anchors, but got {self.latent!r} instead.")
        if 0 < self.anchors < self.num_classes:
            raise ValueError(
                f"anchors must be at least one for each of {self.num_classes} classes, but got {self.anchors} instead."
            )
        if self.stem_width and self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd for stem_width above 0, but got {self.kernel_size} instead.")
        if self.normalize_units and self.normalization != "batch":
            raise ValueError(
                f"normalize_units must be False for normalization={self.normalization!r}, but got True instead."
            )
        if self.num_classes and self.normalization == "none":
            raise ValueError(
                "normalization must be 'batch' or 'instance' for a class-conditional generator, "
                "which receives its class there, but got 'none' instead."
            )
        if self.source_size is not None:
            for side in self.source_size:
                check_range("source_size", side, 1, 65536)
            if self.resize_mode == "pad" and max(self.source_size) > self.image_size:
                raise ValueError(
                    f"source_size must be at most image_size={self.image_size} for resize_mode='pad', "
                    f"but got {self.source_size} instead."
                )
        self.cost.check("A generator", _CHEAPER)

    @property
    def cost(self) -> Cost:
        """What an image costs."""
        return generator_cost(self)

    @property
    def variations(self) -> int:
        """Further entries of a latent, by which the image is varied."""
        return self.deformations + self.tones


@dataclass(frozen=True)
class DiscriminatorConfig(_NetworkConfig):
    """Everything that determines a :class:`Discriminator`. The defaults are pytorch/examples' ``dcgan``.

    Args:
        image_size (int): Side of its square input in pixels: 16, 28, 32, 64, 128 or 256.
        channels (int): 1 (grey) or 3 (RGB).
        width (int): Feature maps at half the input size; doubled for each halving of the resolution.
        max_width (int): The most feature maps at any resolution.
        kernel_size (int): Of every layer but the last.
        num_classes (int): 0 is unconditional; otherwise a projection discriminator
            (https://arxiv.org/abs/1802.05637).
        normalization (str): ``"batch"``, ``"instance"`` or ``"none"``, in all layers but the first and last.
        spectral_norm (bool): Spectral normalisation of every layer (https://arxiv.org/abs/1802.05957).
        attention_resolution (int): Side of the feature map that gets self-attention; 0 for none.
        base_size (int, optional): Side of the last feature map, to which every step halves the image and
            over the whole of which the last layer is a convolution. Default: 4, or 7 for 28 px.
        negative_slope (float): Of the leaky ReLU, 0 up to below 1.
        dropout (float): Probability of dropping an activation after each step, 0 up to below 1.
        normalize_first (bool): Whether the first layer is normalised too.
        minibatch_stddev (int): Images in a group whose standard deviation is one more feature map of the
            last layer (https://arxiv.org/abs/1710.10196); 0 for none.
        initialization (str): ``"dcgan"``, ``"glorot"`` or ``"torch"``, as in :class:`GeneratorConfig`.

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
        check_share("dropout", self.dropout)
        if self.normalize_first and self.normalization == "none":
            raise ValueError("normalize_first must be False for normalization='none', but got True instead.")
        if self.minibatch_stddev == 1:
            raise ValueError("minibatch_stddev must be 0 (none) or at least 2, but got 1 instead.")
        check_range("minibatch_stddev", self.minibatch_stddev, 0, 1024)
        discriminator_cost(self).check("A discriminator", _CHEAPER)


NetworkConfig: TypeAlias = GeneratorConfig | DiscriminatorConfig


def _check_common(config: NetworkConfig) -> None:
    if config.image_size not in IMAGE_SIZES:
        raise ValueError(f"image_size must be one of {IMAGE_SIZES}, but got {config.image_size} instead.")
    if config.channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3, but got {config.channels} instead.")
    check_range("width", config.width, 1, 512)
    check_range("max_width", config.max_width, config.width, 4096)
    check_range("kernel_size", config.kernel_size, 3, 7)
    check_range("num_classes", config.num_classes, 0, MAX_CLASSES)
    check_share("negative_slope", config.negative_slope)
    size = config.image_size
    bases = [size // 2**level for level in range(1, 8) if size % 2**level == 0 and size // 2**level > 1]
    if config.base_size not in (None, *bases):
        raise ValueError(
            f"base_size must be None or one of {bases} at image_size={size}, but got {config.base_size} instead."
        )
    if config.attention_resolution not in (0, *config.sides):
        raise ValueError(
            f"attention_resolution must be 0 (none) or one of {list(config.sides)} at image_size={size} "
            f"and base_size={config.sides[0]}, but got {config.attention_resolution} instead."
        )
