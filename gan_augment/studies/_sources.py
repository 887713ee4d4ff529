"""Where the synthetic images of a study come from: a source that is given, or a generator fitted to each split."""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from ..hub import download
from ..models import Discriminator, GeneratorConfig, load_discriminator
from ..synthesis import FILTERS, Filter, FilterInputs, ImageKind, Source, as_source, draw, fingerprints_of, match_shape
from ..training import FEW_STEPS, LEAST_STEPS, Recipe, fit, parse_budget, resolve_recipe, resume
from ._files import SplitImages


@dataclass(frozen=True)
class LoadedSource:
    """A source, and the name or folder that it was loaded by, if it was."""

    source: Source
    name: str | os.PathLike[str] | None

    @classmethod
    def load(cls, source: Any) -> LoadedSource:
        """Loads a source by its name or folder, or takes a source itself."""
        return cls(as_source(source), source if isinstance(source, (str, os.PathLike)) else None)

    def discriminator(self) -> Discriminator | None:
        """Loads the discriminator that was saved with the generator, if there is one."""
        folder = None if self.name is None else download(self.name)
        return None if folder is None or not (folder / "config.json").exists() else load_discriminator(folder)

    def training_cost(self) -> tuple[int, float]:
        """Returns the steps and seconds of the generator's training from its card, or zeros without a card."""
        card = self.source.card
        return (0, 0.0) if card is None else (int(card.training["steps"]), float(card.training["seconds"]))

    def training_shape(self) -> tuple[int, ...] | None:
        """Returns the shape ``(c, h, w)`` of the training images before they were resized, if it is known."""
        shape = self.source.image_shape
        return shape and (shape[0], *(self.source.geometry.source_size or shape[1:]))


class MatchedSource(Source):
    """A source whose images are brought to the shape ``(c, h, w)`` of the data, which has ``classes`` classes."""

    def __init__(self, source: Source, shape: Sequence[int], classes: int) -> None:
        self.source = source
        channels, height, width = shape
        self.kind = ImageKind("tensor", torch.uint8, channels, height, width)
        self.num_classes = classes if source.partial else source.num_classes
        self.class_indices = source.class_indices
        self.class_names = source.class_names
        self.fingerprints = fingerprints_of(self.source)

    def sample(self, n: int, labels: Any = None, *, seed: int | None = None) -> Tensor:
        """Draws images; see :class:`Source`."""
        return match_shape(draw(self.source, n, labels, seed=seed).cpu(), self.kind, self.source.geometry)


@dataclass
class Fitting:
    """The request to fit a generator to the training images of each split; see :func:`gan_augment.fit`."""

    recipe: Any
    init: Any = None
    budget: float | str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def resolve(self, image_size: int) -> Recipe:
        """Checks the request, and returns the complete recipe."""
        parse_budget(self.budget)
        known = {each.name for each in dataclasses.fields(Recipe)}
        for name in self.options:
            if name not in known:
                raise ValueError(f"fit_options must be fields of a recipe, but {name!r} is not one.")
        recipe, _ = resolve_recipe(self.recipe, self.init, {"image_size": image_size, **self.options})
        GeneratorConfig(image_size=recipe.image_size)
        return recipe

    def fit(self, images: Tensor, labels: Tensor, out: Path, seed: int, progress: bool) -> LoadedSource:
        """Fits the generator, continues a run that was stopped, or loads the finished generator."""
        dataset, folder = TensorDataset(images, labels), out / "generator"
        generator = self._load_finished(folder)
        if generator is None:
            if any((out / "checkpoints").glob("step-*.safetensors")):
                resume(out, dataset, progress=progress)
            else:  # not started, or stopped before the first checkpoint
                shutil.rmtree(out, ignore_errors=True)
                options = {"image_size": images.shape[-1], **self.options, "seed": seed, "progress": progress}
                fit(dataset, self.recipe, init=self.init, budget=self.budget, out=out, **options)
            generator = LoadedSource.load(folder)
        self._check_steps(generator, images)
        return generator

    @staticmethod
    def _load_finished(folder: Path) -> LoadedSource | None:
        """Loads a generator that was fitted before; returns None if there is none or it is damaged."""
        if not (folder / "config.json").exists():
            return None
        try:
            return LoadedSource.load(folder)
        except ValueError as error:
            warnings.warn(f"{str(error).rstrip('.')}; it is made again.", UserWarning, stacklevel=3)
            return None

    def _check_steps(self, generator: LoadedSource, images: Tensor) -> None:
        steps, seconds = generator.training_cost()
        planned = self.resolve(images.shape[-1]).total_steps(len(images))
        if steps < min(LEAST_STEPS, planned):
            minutes = math.ceil(seconds / max(steps, 1) * min(FEW_STEPS, planned) / 60)
            raise ValueError(
                f"budget must be long enough to fit a generator, but after {seconds:.0f} s one had made "
                f"{steps} steps, and it needs at least {min(FEW_STEPS, planned):,}. Start the study again in another "
                f"folder with a budget of {minutes}m, a smaller image_size, or a recipe whose name ends in -light."
            )


def build_filter(name: str, teacher: nn.Module, data: SplitImages, given: LoadedSource) -> Filter:
    """Builds a filter by its name, only from the training images of a split."""
    kind = FILTERS[name]
    discriminator = given.discriminator() if kind.needs_discriminator else None
    if kind.needs_discriminator and discriminator is None:
        raise ValueError(f"The recipe must train a discriminator for the filter {name!r}, but does not.")
    labels = data.train_labels if given.source.num_classes else None
    return kind.build(FilterInputs(data.train, labels, teacher, given.source, discriminator))
