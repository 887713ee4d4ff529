"""The two networks of a recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..models import (
    FEATURE_MAPS,
    DiscriminatorConfig,
    GeneratorConfig,
    Initialization,
    Latent,
    Normalization,
    ProjectedConfig,
    Upsampling,
)
from .recipes._options import Options, added, check_choice, names_of

if TYPE_CHECKING:
    from .recipes._recipe import Recipe

# What a projected discriminator does not support, with the values that turn it off.
UNPROJECTED = {"growing": 0, "freeze_discriminator": 0, "gradient_penalty": 0, "r1": 0, "r2": 0, "top_k": 1}
NetworkConfig: TypeAlias = GeneratorConfig | DiscriminatorConfig | ProjectedConfig


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(Options):
    """The sizes and layers of both networks.

    Args:
        discriminator (str): ``"dcgan"`` (default), or ``"projected"``: it judges the features of a frozen, pretrained
            network (https://arxiv.org/abs/2111.01007).
        features (str): The network of ``discriminator="projected"`` and ``reconstruction="perceptual"``, a name in
            :data:`gan_augment.models.FEATURE_MAPS`. Default: ``"efficientnet-lite0"``, of the extra ``eval``.
        latent_dim (int): Length of the latent. Default: 64.
        latent (str): Distribution of the latent: ``"normal"`` (default) or ``"uniform"``.
        generator_width, discriminator_width (int): Feature maps at half the image size; in a projected discriminator,
            the number of mixed maps of the first scale. Default: 64.
        max_width (int): Largest number of feature maps at any resolution, in both networks. Default: 1024.
        kernel_size (int): Side of the kernels of both networks. Default: 4.
        upsampling (str): How the generator doubles a side: ``"transposed"`` (default) or ``"resize"``.
        initialization (str): Initial weights of both: ``"dcgan"`` (default), ``"glorot"`` or ``"torch"``.
        generator_base_size, discriminator_base_size (int, optional): Side of the smallest feature map.
            Default: 4, or 7 for images of 28 px.
        generator_stem_width (int): Channels of an additional first layer. Default: 0, no such layer.
        normalize_units (bool): Whether the first batch normalisation has statistics for every unit and not for every
            channel. Default: False.
        generator_negative_slope (float): Slope of the leaky ReLU. Default: 0, a plain ReLU.
        discriminator_negative_slope (float): Slope of the leaky ReLU. Default: 0.2.
        generator_normalization, discriminator_normalization (str): ``"batch"``, ``"instance"`` or ``"none"``.
            Default: ``"batch"`` for the generator, ``"none"`` for the discriminator.
        normalize_first (bool): Whether the first layer of the discriminator is normalised too. Default: False.
        generator_spectral_norm, discriminator_spectral_norm (bool): Whether to use spectral normalisation.
            Default: only in the discriminator.
        dropout (float): Dropout after each layer of the discriminator. Default: 0.
        minibatch_stddev (int): Group size of the minibatch standard deviation. Default: 0, not computed.
        attention_resolution (int): Side of the feature maps with self-attention. Default: 0, no attention.
        mapping_layers (int): Layers of a small network that maps the latent first. Default: 0.
    """

    discriminator: Literal["dcgan", "projected"] = added(default="dcgan", before="dcgan")
    features: str = added(default="efficientnet-lite0", before="efficientnet-lite0")
    latent_dim: int = 64
    latent: Latent = "normal"
    generator_width: int = 64
    discriminator_width: int = 64
    max_width: int = 1024
    kernel_size: int = 4
    upsampling: Upsampling = "transposed"
    initialization: Initialization = "dcgan"
    generator_base_size: int | None = None
    discriminator_base_size: int | None = None
    generator_stem_width: int = 0
    normalize_units: bool = False
    generator_negative_slope: float = 0.0
    discriminator_negative_slope: float = 0.2
    generator_normalization: Normalization = "batch"
    discriminator_normalization: Normalization = "none"
    normalize_first: bool = False
    generator_spectral_norm: bool = False
    discriminator_spectral_norm: bool = True
    dropout: float = 0.0
    minibatch_stddev: int = 0
    attention_resolution: int = 0
    mapping_layers: int = 0

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        check_choice("features", recipe.features, FEATURE_MAPS)
        channels, classes = 1 if recipe.channels is None else recipe.channels, 2 if recipe.conditional else 0
        for network, build in (("generator", recipe.generator_config), ("discriminator", recipe.discriminator_config)):
            try:
                build(channels, classes)  # a configuration checks itself
            except ValueError as error:
                yield f"The recipe's {network} is refused: {str(error).rstrip('.')}"
        if recipe.discriminator == "projected":
            for name, off in UNPROJECTED.items():
                if getattr(recipe, name) != off:
                    yield f"{name} must be {off} for discriminator='projected', but got {getattr(recipe, name)} instead"
        if recipe.normalize_units and recipe.batch_size < 2 * recipe.accumulation:
            parts = recipe.accumulation
            yield f"accumulation must leave parts of 2 images or more for normalize_units, but got {parts}"

    @classmethod
    def unused(cls, recipe: Recipe) -> Iterable[str]:
        generator, dcgan, projected = (
            set(recipe_fields(kind).values()) for kind in (GeneratorConfig, DiscriminatorConfig, ProjectedConfig)
        )
        if not recipe.adversarial:
            return {"discriminator", *dcgan, *projected} - generator - ({"features"} if recipe.pretrained else set())
        return dcgan - generator - projected if recipe.discriminator == "projected" else projected - dcgan

    def network_fields(self, kind: type[NetworkConfig]) -> dict[str, Any]:
        """Returns the fields of a network's configuration that the recipe sets."""
        fields = {theirs: getattr(self, ours) for theirs, ours in recipe_fields(kind).items()}
        if "max_width" in fields:
            fields["max_width"] = max(self.max_width, fields["width"])
        return fields


def recipe_fields(kind: type[NetworkConfig]) -> dict[str, str]:
    """Maps fields of a network's configuration to the fields of a recipe that set them.

    The names are equal, with the prefix ``generator_`` or ``discriminator_`` if the two networks may differ.
    """
    prefix = "generator_" if kind is GeneratorConfig else "discriminator_"
    known = names_of(NetworkOptions)
    names = [field.name for field in dataclasses.fields(kind)]
    return {name: ours for name in names for ours in (name, prefix + name) if ours in known}
