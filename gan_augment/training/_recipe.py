"""Recipes: complete training configurations, as data."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from ..models import DiscriminatorConfig, Fit, GeneratorConfig, Latent, Normalization, Upsampling, check_types
from ._augment import POLICIES
from ._data import TrainingImages


@dataclass(frozen=True)
class Recipe:
    """Everything that :func:`fit` needs to know besides the images.

    Args:
        image_size (int): Side of the images in pixels: 16, 28, 32, 64, 128 or 256.
        channels (int, optional): 1 or 3. Default: as the images are.
        fit (str): How images are brought to that size: ``"resize"``, ``"crop"`` or ``"pad"``.
        conditional (bool): Whether the generator learns the classes.
        latent_dim (int): Length of the latent.
        latent (str): ``"normal"`` or ``"uniform"``.
        generator_width (int): Feature maps of the generator at half the image size.
        discriminator_width (int): The same of the discriminator.
        kernel_size (int): Of the layers of both.
        upsampling (str): ``"transposed"`` or ``"resize"``.
        generator_normalization (str): ``"batch"``, ``"instance"`` or ``"none"``.
        discriminator_normalization (str): The same of the discriminator.
        generator_spectral_norm (bool): Spectral normalisation of the generator.
        discriminator_spectral_norm (bool): The same of the discriminator.
        attention_resolution (int): Side of the feature maps with self-attention; 0 for none.
        loss (str): ``"hinge"`` or ``"nonsaturating"``.
        batch_size (int): Images a step.
        steps (int): Steps, unless the budget ends first.
        generator_lr (float): Learning rate of Adam.
        discriminator_lr (float): The same of the discriminator.
        betas (tuple of float): Of both Adams.
        ema_decay (float): Of the moving average of the generator, per step.
        augment (tuple of str): Differentiable augmentation, out of ``"color"``, ``"translation"`` and
            ``"cutout"``.
        augment_probability (float): Of each of them, for each image.
        flip (bool): Whether a mirrored image is as good as the image.
        cooldown (float): Last share of the run, over which learning rates and augmentation fall to zero.
        precision (str): ``"auto"`` (bfloat16 where the processor computes in it), ``"bf16"`` or ``"fp32"``.

    Raises:
        ValueError: If a value is unknown or out of range.
    """

    image_size: int = 64
    channels: int | None = None
    fit: Fit = "crop"
    conditional: bool = False
    latent_dim: int = 64
    latent: Latent = "normal"
    generator_width: int = 64
    discriminator_width: int = 64
    kernel_size: int = 4
    upsampling: Upsampling = "transposed"
    generator_normalization: Normalization = "batch"
    discriminator_normalization: Normalization = "none"
    generator_spectral_norm: bool = False
    discriminator_spectral_norm: bool = True
    attention_resolution: int = 0
    loss: Literal["hinge", "nonsaturating"] = "hinge"
    batch_size: int = 64
    steps: int = 20_000
    generator_lr: float = 2e-4
    discriminator_lr: float = 2e-4
    betas: tuple[float, float] = (0.0, 0.9)
    ema_decay: float = 0.999
    augment: tuple[str, ...] = ()
    augment_probability: float = 0.7
    flip: bool = False
    cooldown: float = 0.2
    precision: Literal["auto", "bf16", "fp32"] = "auto"

    def __post_init__(self) -> None:
        check_types(self)
        for network, build in (("generator", self.generator_config), ("discriminator", self.discriminator_config)):
            try:
                build(1 if self.channels is None else self.channels, 2 if self.conditional else 0)
            except ValueError as error:
                raise ValueError(f"The recipe's {network} is refused: {error}") from error
        for policy in self.augment:
            _check_choice("augment", policy, tuple(POLICIES))
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be between 0 and 1, but got {self.betas} instead.")
        for name, low, high in (
            ("batch_size", 2, 65_536),
            ("steps", 1, 10**9),
            ("generator_lr", 0.0, 1.0),
            ("discriminator_lr", 0.0, 1.0),
            ("ema_decay", 0.0, 1.0),
            ("augment_probability", 0.0, 1.0),
            ("cooldown", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f"{name} must be between {low} and {high}, but got {value} instead.")

    def generator_config(
        self,
        channels: int,
        num_classes: int,
        source_size: tuple[int, int] | None = None,
        class_names: tuple[str, ...] | None = None,
    ) -> GeneratorConfig:
        """The generator for images of that many channels and classes."""
        return GeneratorConfig(
            image_size=self.image_size,
            channels=channels,
            latent_dim=self.latent_dim,
            latent=self.latent,
            width=self.generator_width,
            kernel_size=self.kernel_size,
            upsampling=self.upsampling,
            num_classes=num_classes,
            normalization=self.generator_normalization,
            spectral_norm=self.generator_spectral_norm,
            attention_resolution=self.attention_resolution,
            fit=self.fit,
            source_size=source_size,
            class_names=class_names,
        )

    def discriminator_config(self, channels: int, num_classes: int) -> DiscriminatorConfig:
        """The discriminator that goes with it."""
        return DiscriminatorConfig(
            image_size=self.image_size,
            channels=channels,
            width=self.discriminator_width,
            kernel_size=self.kernel_size,
            num_classes=num_classes,
            normalization=self.discriminator_normalization,
            spectral_norm=self.discriminator_spectral_norm,
            attention_resolution=self.attention_resolution,
        )

    def read(self, dataset: Any, progress: bool = True) -> TrainingImages:
        """Reads a data set as this recipe wants it."""
        return TrainingImages.from_dataset(
            dataset,
            self.image_size,
            self.fit,
            channels=self.channels,
            conditional=self.conditional,
            progress=progress,
        )

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON can hold it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The inverse of :meth:`to_dict`; also through JSON.

        Raises:
            ValueError: If a field is missing or unknown, or its value is refused.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if set(values) != names:
            raise ValueError(f"A recipe has other fields: {sorted(set(values) ^ names)} missing or unknown.")
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**fields)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}, but got {value!r} instead.")


RECIPES = {
    # Hundreds of images: all of DiffAugment.
    "tiny": Recipe(augment=("color", "translation", "cutout")),
    # Thousands of images with classes.
    "conditional": Recipe(conditional=True),
}


def get_recipe(recipe: str | Recipe, **overrides: Any) -> Recipe:
    """A recipe by name, with fields overridden.

    Raises:
        ValueError: If there is no such recipe, or no such field.
    """
    if isinstance(recipe, str):
        _check_choice("recipe", recipe, tuple(RECIPES))
        recipe = RECIPES[recipe]
    names = [field.name for field in dataclasses.fields(Recipe)]
    for key in overrides:
        if key not in names:
            raise ValueError(f"A recipe has the fields {names}, but {key!r} is none of them.")
    return dataclasses.replace(recipe, **overrides)
