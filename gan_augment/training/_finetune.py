"""Fine-tuning: which weights of pretrained networks the new ones can keep, and what replaces the others."""

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
    load_discriminator,
)
from ._networks import recipe_fields
from .recipes._recipe import Recipe


@dataclass(frozen=True)
class Start:
    """Pretrained networks to start from.

    Attributes:
        name (str): Where they come from, for the card.
        generator (Generator): The generator.
        discriminator (Discriminator, optional): Its discriminator, if it was saved with it.
    """

    name: str
    generator: Generator
    discriminator: Discriminator | None

    @classmethod
    def load(cls, init: str | os.PathLike[str] | Generator) -> Start:
        """Loads what ``init`` names: a zoo name, a repository on the Hub, a folder, or a generator itself.

        Raises:
            TypeError: If it is none of these.
            ValueError: If a name is unknown.
        """
        if isinstance(init, Generator):
            _check_own(init)
            return cls(init.card.name if init.card else "a generator", init, None)
        if not isinstance(init, (str, os.PathLike)):
            raise TypeError(
                f"init must be a zoo name, 'org/name', a folder or a Generator, but got {type(init)} instead."
            )
        target, folder = resolve_name(init), download(init)
        if isinstance(target, HubName):  # the files of that commit: the branch may have moved since
            init = f"{target.repo_id}@{folder.name}"
        name = folder.name if isinstance(target, Path) else str(init)
        generator = from_pretrained(init)
        _check_own(generator)
        return cls(name, generator, load_discriminator(folder))

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

        Args:
            recipe (Recipe): The recipe, overrides included.
            overrides (dict): What the user asked for. It may differ from the networks only where weights can be kept:
                image size, channels and classes.

        Raises:
            ValueError: If it differs elsewhere.
        """
        config = self.generator.config
        fields = {ours: getattr(config, theirs) for theirs, ours in recipe_fields(GeneratorConfig).items()}
        if self.discriminator is not None:
            judge = self.discriminator.config
            fields = {
                ours: getattr(judge, theirs) for theirs, ours in recipe_fields(DiscriminatorConfig).items()
            } | fields
        if not config.mapping_layers:
            del fields["mapping_layers"]  # which may be new
        if recipe.objective != "adversarial":
            fields["latent"] = "normal"  # as anchors lie, whatever the generator drew from before
        for name, value in fields.items():
            if name in overrides and overrides[name] != value:
                raise ValueError(
                    f"{name} must be {value!r}, as in {self.name}, but got {overrides[name]!r}; leave it out, or fit "
                    "without init."
                )
        size = overrides.get("image_size", config.image_size)
        factor = size / config.image_size
        fields["generator_width"] = self._scaled("generator_width", config.width, factor)
        if self.discriminator is not None:
            fields["discriminator_width"] = self._scaled("discriminator_width", self.discriminator.config.width, factor)
        fields |= {"image_size": size, "resize_mode": overrides.get("resize_mode", config.resize_mode)}
        return dataclasses.replace(recipe, **fields)

    def _scaled(self, name: str, width: int, factor: float) -> int:
        """The width at half the new image size, with which all inner layers have the widths that they had."""
        scaled = width / factor
        if scaled != int(scaled) or not 1 <= scaled <= 512:
            raise ValueError(
                f"image_size must be {self.generator.config.image_size}, as in {self.name}, or that times or over a "
                f"power of two with which {name} stays whole, but got {int(factor * self.generator.config.image_size)}."
            )
        return int(scaled)


def _check_own(generator: Generator) -> None:
    if isinstance(generator, LayeredGenerator):
        raise ValueError(
            "init must have the layers of a Generator to be trained on, but this one was imported with others; it can "
            "be sampled only."
        )


def adapt_generator(start: Generator, config: GeneratorConfig) -> Generator:
    """A generator of another configuration with as many of the weights as fit it.

    Channels: RGB filters become their mean, grey ones are repeated. Classes: those of the same name, or
    index where nobody has names and the numbers agree, keep their scales and shifts; the others start
    from the mean of all. Size: the blocks up to the smaller of both sizes are kept.

    Args:
        start (Generator): The pretrained one, left as it was.
        config (GeneratorConfig): Of the new one.

    Raises:
        ValueError: If the two have no whole block in common.
    """
    adapted = Generator(config)
    rows = class_rows(start.config, config)
    blocks: list[tuple[Any, Any]] = list(zip(start.blocks, adapted.blocks))
    for old, new in blocks:
        shapes = [[tuple(tensor.shape) for tensor in block.conv.state_dict().values()] for block in (old, new)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"image_size must keep the feature maps of the pretrained generator, of {start.config.image_size} px "
                f"and width {start.config.width}, but {config.image_size} px and width {config.width} have others."
            )
    for old, new in blocks:
        _copy_norm(old.norm, new.norm, rows)
        new.conv.load_state_dict(old.conv.state_dict())
        _copy_if_alike(old.attention, new.attention)
    if start.config.image_size == config.image_size:
        _copy_channels(start.to_image, adapted.to_image, dim=1 if config.upsampling == "transposed" else 0)
    _copy_if_alike(start.mapping, adapted.mapping)
    return adapted


def adapt_discriminator(start: Discriminator, config: DiscriminatorConfig, rows: list[int | None]) -> Discriminator:
    """The same of a discriminator, whose blocks count from the image down.

    Args:
        start (Discriminator): The pretrained one, left as it was.
        config (DiscriminatorConfig): Of the new one.
        rows (list): For each new class, the old one whose embedding it takes over, or None.
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
    if adapted.embedding is not None and start.embedding is not None:
        with torch.no_grad():
            old_rows, new_rows = _weight(start.embedding), _weight(adapted.embedding)
            for row, source in enumerate(rows):
                if source is not None:
                    new_rows[row] = old_rows[source]
    return adapted


def class_rows(start: GeneratorConfig, config: GeneratorConfig) -> list[int | None]:
    """For each class of a configuration, the class of a pretrained one that it continues, or None."""
    if start.class_names is not None and config.class_names is not None:
        known = {name: row for row, name in enumerate(start.class_names)}
        return [known.get(name) for name in config.class_names]
    same = start.num_classes == config.num_classes
    return [row if same else None for row in range(config.num_classes)]


def _copy_if_alike(old: nn.Module, new: nn.Module) -> None:
    ours, theirs = new.state_dict(), old.state_dict()
    if {key: t.shape for key, t in ours.items()} == {key: t.shape for key, t in theirs.items()}:
        new.load_state_dict(theirs)


def _weight(layer: nn.Module) -> Tensor:
    """The weight that is trained, behind spectral normalisation if there is one."""
    inner: Any = layer[1] if isinstance(layer, nn.Sequential) else layer
    weight: Tensor = inner.parametrizations.weight.original if hasattr(inner, "parametrizations") else inner.weight
    return weight


@torch.no_grad()
def _copy_channels(old: nn.Module, new: nn.Module, dim: int) -> None:
    """Copies a layer at the image, ``dim`` being the weight's dimension of the image's channels."""
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
    biases = [getattr(layer[1] if isinstance(layer, nn.Sequential) else layer, "bias", None) for layer in (old, new)]
    if isinstance(biases[0], Tensor) and isinstance(biases[1], Tensor):
        biases[1].copy_(biases[0] if not to_image else biases[0].mean())


@torch.no_grad()
def _copy_norm(old: nn.Module, new: nn.Module, rows: list[int | None]) -> None:
    if isinstance(old, nn.Identity):
        return
    inner: list[Any] = [norm.norm if isinstance(norm, ClassConditionalNorm2d) else norm for norm in (old, new)]
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        if isinstance(getattr(inner[0], name, None), Tensor):
            getattr(inner[1], name).copy_(getattr(inner[0], name))
    for of_class, plain in (("scale", "weight"), ("shift", "bias")):
        source: Tensor = (
            getattr(old, of_class).weight if isinstance(old, ClassConditionalNorm2d) else getattr(old, plain)
        )
        source = source if source.ndim == 2 else source[None]
        if not isinstance(new, ClassConditionalNorm2d):
            getattr(new, plain).copy_(source.mean(0))
            continue
        target: Tensor = getattr(new, of_class).weight
        for row, known in enumerate(rows):
            target[row] = source.mean(0) if known is None or len(source) == 1 else source[known]
