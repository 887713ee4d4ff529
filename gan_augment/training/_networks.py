"""The two networks of a recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..models import DiscriminatorConfig, GeneratorConfig, Initialization, Latent, Normalization, Upsampling
from .recipes._options import Options, names_of

if TYPE_CHECKING:
    from .recipes._recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(Options):
    """The sizes and layers of both networks.

    Args:
        latent_dim (int): Length of the latent. Default: 64.
        latent (str): Distribution of the latent: ``"normal"`` (default) or ``"uniform"``.
        generator_width, discriminator_width (int): Feature maps at half the image size. Default: 64.
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
        channels, classes = 1 if recipe.channels is None else recipe.channels, 2 if recipe.conditional else 0
        for network, build in (("generator", recipe.generator_config), ("discriminator", recipe.discriminator_config)):
            try:
                build(channels, classes)  # a configuration checks itself
            except ValueError as error:
                yield f"The recipe's {network} is refused: {str(error).rstrip('.')}"
        if recipe.normalize_units and recipe.batch_size < 2 * recipe.accumulation:
            parts = recipe.accumulation
            yield f"accumulation must leave parts of 2 images or more for normalize_units, but got {parts}"

    @classmethod
    def unused(cls, recipe: Recipe) -> Iterable[str]:
        ours, theirs = recipe_fields(GeneratorConfig), recipe_fields(DiscriminatorConfig)
        return () if recipe.adversarial else set(theirs.values()) - set(ours.values())

    def network_fields(self, kind: type[GeneratorConfig] | type[DiscriminatorConfig]) -> dict[str, Any]:
        """Returns the fields of a network's configuration that the recipe sets."""
        fields = {theirs: getattr(self, ours) for theirs, ours in recipe_fields(kind).items()}
        return {**fields, "max_width": max(self.max_width, fields["width"])}


def recipe_fields(kind: type[GeneratorConfig] | type[DiscriminatorConfig]) -> dict[str, str]:
    """Maps fields of a network's configuration to the fields of a recipe that set them.

    The names are equal, with the prefix ``generator_`` or ``discriminator_`` if the two networks may differ.
    """
    prefix = "generator_" if kind is GeneratorConfig else "discriminator_"
    known = names_of(NetworkOptions)
    names = [field.name for field in dataclasses.fields(kind)]
    return {name: ours for name in names for ours in (name, prefix + name) if ours in known}
