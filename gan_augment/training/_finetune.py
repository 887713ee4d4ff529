"""Fine-tuning: copies the weights of pretrained networks into new ones, as far as they fit."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._core import HubName
from ..hub import download, from_pretrained, resolve_name
from ..models import (
    ClassConditionalNorm2d,
    Discriminator,
    DiscriminatorConfig,
    Generator,
    GeneratorConfig,
    LayeredGenerator,
    ProjectedConfig,
    ProjectedDiscriminator,
    build_discriminator,
    load_discriminator,
)
from ._networks import NetworkConfig, recipe_fields
from .recipes._recipe import Recipe


@dataclass(frozen=True)
class Start:
    """Pretrained networks to start from, and the name that the card gives them."""

    name: str
    generator: Generator
    discriminator: Discriminator | ProjectedDiscriminator | None

    def __post_init__(self) -> None:
        if isinstance(self.generator, LayeredGenerator):
            raise ValueError(
                "init must have the layers of a Generator to be trained, but this one was imported with other layers. "
                "You can only draw samples from it."
            )

    @classmethod
    def load(cls, init: str | os.PathLike[str] | Generator) -> Start:
        """Loads what ``init`` names: a zoo name, a repository on the Hub, a folder, or a generator itself."""
        if isinstance(init, Generator):
            return cls(init.card.name if init.card else "a generator", init, None)
        if not isinstance(init, (str, os.PathLike)):
            raise TypeError(
                f"init must be a zoo name, 'org/name', a folder or a Generator, but got {type(init)} instead."
            )
        target, folder = resolve_name(init), download(init)
        if isinstance(target, HubName):  # load the files of that commit, even if the branch has moved since
            init = f"{target.repo_id}@{folder.name}"
        name = folder.name if isinstance(target, Path) else str(init)
        return cls(name, from_pretrained(init), load_discriminator(folder))

    @property
    def lineage(self) -> dict[str, Any]:
        """What a fine-tuned generator inherits: the terms of the training images, and their hashes."""
        card = self.generator.card
        if card is None:
            return {}
        terms = {key: card.data[key] for key in ("commercial_use", "terms") if key in card.data}
        inherited = {"data": terms} if card.forbids_commercial_use else {}
        return inherited if card.fingerprints is None else {**inherited, "fingerprints": card.fingerprints}

    def adapt_recipe(self, recipe: Recipe, overrides: dict[str, Any]) -> Recipe:
        """Returns the recipe with the shape of the pretrained networks.

        The recipe already contains ``overrides``. They may change only the image size, the channels, the classes and
        the kind of the discriminator. A discriminator of another kind than the pretrained one starts with new weights.
        """
        config = self.generator.config
        fields = _recipe_values(config)
        if isinstance(self.discriminator, ProjectedDiscriminator) and "discriminator" not in overrides:
            recipe = dataclasses.replace(recipe, discriminator="projected")
        kept = self.kept_discriminator(recipe)
        if kept is not None:
            fields = _recipe_values(kept.config) | fields
        if not config.mapping_layers:
            del fields["mapping_layers"]  # the recipe may add them
        if recipe.objective != "adversarial":
            fields["latent"] = "normal"  # anchors need it, even if the pretrained generator drew other latents
        size = overrides.get("image_size", config.image_size)
        fields["generator_width"] = self._scaled("generator_width", config.width, size)
        if isinstance(kept, Discriminator):
            fields["discriminator_width"] = self._scaled("discriminator_width", kept.config.width, size)
        for name, value in fields.items():
            if name in overrides and overrides[name] != value:
                raise ValueError(
                    f"{name} must be {value!r}, as in {self.name}, but got {overrides[name]!r}; leave it out, or fit "
                    "without init."
                )
        fields |= {"image_size": size, "resize_mode": overrides.get("resize_mode", config.resize_mode)}
        return dataclasses.replace(recipe, **fields)

    def kept_discriminator(self, recipe: Recipe) -> Discriminator | ProjectedDiscriminator | None:
        """Returns the pretrained discriminator if it is of the recipe's kind."""
        return self.discriminator if _kind(self.discriminator) == recipe.discriminator else None

    def _scaled(self, name: str, width: int, size: int) -> int:
        """Returns the width at half the new image size that leaves all inner layers their widths."""
        own = self.generator.config.image_size
        scaled = width / (size / own)
        if scaled != int(scaled) or not 1 <= scaled <= 512:
            raise ValueError(
                f"image_size must be {own}, as in {self.name}, or differ from it by a factor of 2, 4, ... that keeps "
                f"{name} a whole number, but got {size}."
            )
        return int(scaled)

    def adapt(
        self, recipe: Recipe, config: GeneratorConfig, judge: DiscriminatorConfig | ProjectedConfig
    ) -> tuple[Generator, Discriminator | ProjectedDiscriminator]:
        """Returns new networks with as many of the pretrained weights as fit."""
        generator, rows = adapt_generator(self.generator, config), class_rows(self.generator.config, config)
        kept = self.kept_discriminator(recipe)
        if isinstance(kept, Discriminator) and isinstance(judge, DiscriminatorConfig):
            return generator, adapt_discriminator(kept, judge, rows)
        if isinstance(kept, ProjectedDiscriminator) and isinstance(judge, ProjectedConfig):
            return generator, _adapt_projected(kept, judge, rows)
        return generator, build_discriminator(judge)


def _kind(discriminator: Discriminator | ProjectedDiscriminator | None) -> str | None:
    if discriminator is None:
        return None
    return "projected" if isinstance(discriminator, ProjectedDiscriminator) else "dcgan"


def _recipe_values(config: NetworkConfig) -> dict[str, Any]:
    """Returns the fields of a recipe that give a network this configuration."""
    return {ours: getattr(config, theirs) for theirs, ours in recipe_fields(type(config)).items()}


def adapt_generator(start: Generator, config: GeneratorConfig) -> Generator:
    """Returns a generator of another configuration, with as many of the weights of ``start`` as fit.

    Channels: RGB filters become their mean, and grey filters are repeated. Classes keep the scales and shifts of the
    class of the same name, or of the same index if there are no names and the numbers of classes agree; other classes
    start from the mean of all. Size: the blocks up to the smaller of the two sizes are kept.
    """
    adapted = Generator(config)
    rows = class_rows(start.config, config)
    blocks: list[tuple[Any, Any]] = list(zip(start.blocks, adapted.blocks))
    for old, new in blocks:
        if _shapes(old.conv) != _shapes(new.conv):
            raise ValueError(
                f"image_size and width must give the numbers of feature maps of the pretrained generator "
                f"({start.config.image_size} px, width {start.config.width}), but {config.image_size} px and width "
                f"{config.width} give different ones."
            )
        _copy_norm(old.norm, new.norm, rows)
        new.conv.load_state_dict(old.conv.state_dict())
        _copy_if_alike(old.attention, new.attention)
    if start.config.image_size == config.image_size:
        _copy_channels(start.to_image, adapted.to_image, dim=1 if config.upsampling == "transposed" else 0)
    _copy_if_alike(start.mapping, adapted.mapping)
    return adapted


def adapt_discriminator(start: Discriminator, config: DiscriminatorConfig, rows: list[int | None]) -> Discriminator:
    """Returns a discriminator of another configuration, with as many of the weights of ``start`` as fit.

    Its blocks are counted from the one that reads the image. ``rows`` holds, for each new class, the class of ``start``
    whose embedding it takes over, or None.
    """
    adapted = Discriminator(config)
    shift = len(adapted.blocks) - len(start.blocks)
    blocks: list[Any] = list(start.blocks)
    for index, old in enumerate(blocks):
        if shift == 0 or (index > 0 and index + shift > 0):
            new: Any = adapted.blocks[index + shift]
            if index == 0:
                _copy_channels(old.conv, new.conv, dim=1)
            else:
                new.conv.load_state_dict(old.conv.state_dict())
            new.norm.load_state_dict(old.norm.state_dict())
            _copy_if_alike(old.attention, new.attention)
    adapted.head.load_state_dict(start.head.state_dict())
    _copy_classes(start.embedding, adapted.embedding, rows)
    return adapted


def _adapt_projected(
    start: ProjectedDiscriminator, config: ProjectedConfig, rows: list[int | None]
) -> ProjectedDiscriminator:
    """Returns a projected discriminator for other classes, image sizes or channels."""
    adapted = ProjectedDiscriminator(config)
    adapted.mixer.load_state_dict(start.mixer.state_dict())
    heads: list[tuple[Any, Any]] = list(zip(start.heads, adapted.heads))
    for old, new in heads:
        new.body.load_state_dict(old.body.state_dict())
        new.out.load_state_dict(old.out.state_dict())
        _copy_classes(old.embedding, new.embedding, rows)
    return adapted


@torch.no_grad()
def _copy_classes(old: nn.Module | None, new: nn.Module | None, rows: list[int | None]) -> None:
    """Copies the rows of an embedding. ``rows`` holds the old row for each new one, or None."""
    if old is not None and new is not None:
        before, after = _weight(old), _weight(new)
        for row, source in enumerate(rows):
            if source is not None:
                after[row] = before[source]


def class_rows(start: GeneratorConfig, config: GeneratorConfig) -> list[int | None]:
    """Returns, for each class of a configuration, the class of a pretrained one that it continues, or None."""
    if start.class_names is not None and config.class_names is not None:
        known = {name: row for row, name in enumerate(start.class_names)}
        return [known.get(name) for name in config.class_names]
    same = start.num_classes == config.num_classes
    return [row if same else None for row in range(config.num_classes)]


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in module.state_dict().items()}


def _copy_if_alike(old: nn.Module, new: nn.Module) -> None:
    if _shapes(old) == _shapes(new):
        new.load_state_dict(old.state_dict())


def _inner(layer: nn.Module) -> Any:
    """Returns the convolution or embedding of a layer, which may upsample first."""
    return layer[1] if isinstance(layer, nn.Sequential) else layer


def _weight(layer: nn.Module) -> Tensor:
    """Returns the weight that is trained, before spectral normalisation divides it."""
    inner = _inner(layer)
    weight: Tensor = inner.parametrizations.weight.original if hasattr(inner, "parametrizations") else inner.weight
    return weight


@torch.no_grad()
def _copy_channels(old: nn.Module, new: nn.Module, dim: int) -> None:
    """Copies a layer at the image. ``dim`` is the dimension of its weight that holds the image's channels."""
    before, after = _weight(old), _weight(new)
    if before.shape == after.shape:
        new.load_state_dict(old.state_dict())
        return
    to_image = dim == (1 if isinstance(old, nn.ConvTranspose2d) else 0)
    if before.shape[dim] == 3:
        mixed = before.mean(dim, keepdim=True) if to_image else before.sum(dim, keepdim=True)
    else:
        mixed = before.repeat_interleave(3, dim) / (1 if to_image else 3)
    after.copy_(mixed)
    source, target = _inner(old).bias, _inner(new).bias
    if source is not None and target is not None:
        target.copy_(source.mean() if to_image else source)


@torch.no_grad()
def _copy_norm(old: nn.Module, new: nn.Module, rows: list[int | None]) -> None:
    """Copies statistics, scales and shifts; a norm without classes counts as one with a single class."""
    if isinstance(old, nn.Identity):
        return
    for source, target in zip(old.buffers(), new.buffers()):
        target.copy_(source)
    for of_class, plain in (("scale", "weight"), ("shift", "bias")):
        source, target = (
            getattr(norm, of_class).weight if isinstance(norm, ClassConditionalNorm2d) else getattr(norm, plain)[None]
            for norm in (old, new)
        )
        for row, known in enumerate(rows if isinstance(new, ClassConditionalNorm2d) else [None]):
            target[row] = source.mean(0) if known is None or len(source) == 1 else source[known]
