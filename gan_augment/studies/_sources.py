"""The synthetic images of a study: given or fitted inside, brought to size, filtered, and pooled for each split."""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from .._core import make_folder
from ..hub import download
from ..models import Discriminator, Generator, GeneratorConfig, load_discriminator
from ..synthesis import (
    ClassSources,
    DiscriminatorRejection,
    Filter,
    ImageKind,
    NotACopy,
    RealDensity,
    Source,
    SyntheticPool,
    TeacherAgreement,
    TeacherConfidence,
    apply_filters,
    as_source,
    class_indices,
    draw,
    draw_candidates,
    fingerprints_of,
    geometry,
    match_shape,
    num_classes,
)
from ..training import FEW_STEPS, LEAST_STEPS, Recipe, fit, parse_budget, resolve_recipe, resume
from ._files import Images, read_record, write_record

TRIED, LEAST_KEPT = 2000, 0.02  # a filter that keeps less would take long, and leave copies of a few samples
FILTERS = ("agreement", "confidence", "density", "copies", "discriminator")


@dataclass(frozen=True)
class Given:
    """A source, loaded once.

    Attributes:
        source (Source): What gives images.
        name (str or Path, optional): What it was loaded by.
    """

    source: Source
    name: str | os.PathLike[str] | None

    @classmethod
    def load(cls, source: Any) -> Given:
        """Of whatever names or is a source."""
        return cls(as_source(source), source if isinstance(source, (str, os.PathLike)) else None)

    def discriminator(self) -> Discriminator | None:
        """What the generator was trained against, where it was saved with it."""
        folder = None if self.name is None else download(self.name)
        return None if folder is None or not (folder / "config.json").exists() else load_discriminator(folder)


class MatchedSource:
    """A source whose images have the size and channels of the data.

    Args:
        source (Source): Any source.
        shape (sequence of int): Channels, height and width.
        classes (int): Number of classes of the data.
    """

    def __init__(self, source: Source, shape: Sequence[int], classes: int) -> None:
        self.source = source
        channels, height, width = shape
        self.kind = ImageKind("tensor", torch.uint8, channels, height, width)
        # The keys of a mapping are classes of the data, and need not be all of them.
        self.num_classes = classes if isinstance(self.source, ClassSources) else num_classes(self.source)
        if self.num_classes:
            self.class_indices = tuple(class_indices(self.source))
        self.class_names = getattr(self.source, "class_names", None)
        self.fingerprints = fingerprints_of(self.source)

    def sample(self, n: int, labels: Any = None, *, seed: int | None = None) -> Tensor:
        """Draws images; see :class:`Source`."""
        return match_shape(draw(self.source, n, labels, seed=seed).cpu(), self.kind, geometry(self.source))


@dataclass
class Fitting:
    """How a generator is fitted to the training images of each split.

    Args:
        recipe (str or Recipe): Of :func:`gan_augment.fit`.
        init: A generator to go on from.
        budget (float or str, optional): Of one fitting.
        options (dict): Other arguments of :func:`gan_augment.fit`.
    """

    recipe: Any
    init: Any = None
    budget: float | str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def check(self, image_size: int) -> Recipe:
        """The recipe, as it will be.

        Raises:
            ValueError: If it, the budget or an option is not as it must be.
        """
        parse_budget(self.budget)
        known = {each.name for each in dataclasses.fields(Recipe)}
        for name in self.options:
            if name not in known:
                raise ValueError(f"fit_options must be fields of a recipe, but {name!r} is not one.")
        recipe, _ = resolve_recipe(self.recipe, self.init, {"image_size": image_size, **self.options})
        GeneratorConfig(image_size=recipe.image_size)
        return recipe

    def __call__(self, images: Tensor, labels: Tensor, out: Path, seed: int, progress: bool) -> Given:
        """The generator: fits it, goes on with what was stopped, or takes what is done.

        Raises:
            ValueError: If the budget ended after so few steps that a study of the samples would say nothing.
        """
        dataset, generator = TensorDataset(images, labels), out / "generator"
        given = self._done(generator)
        if given is None:
            if any((out / "checkpoints").glob("step-*.safetensors")):
                resume(out, dataset, progress=progress)
            else:  # not begun, or stopped before there was anything to go on from
                shutil.rmtree(out, ignore_errors=True)
                options = {"image_size": images.shape[-1], **self.options, "seed": seed, "progress": progress}
                fit(dataset, self.recipe, init=self.init, budget=self.budget, out=out, **options)
            given = Given.load(generator)
        self._check_steps(given, images)
        return given

    @staticmethod
    def _done(generator: Path) -> Given | None:
        """What was fitted before; None if nothing was, or if it is damaged."""
        if not (generator / "config.json").exists():
            return None
        try:
            return Given.load(generator)
        except ValueError as error:
            warnings.warn(f"{str(error).rstrip('.')}; it is made again.", UserWarning, stacklevel=3)
            return None

    def _check_steps(self, given: Given, images: Tensor) -> None:
        steps, seconds = fitted(given)
        planned = self.check(images.shape[-1]).total_steps(len(images))
        if steps < min(LEAST_STEPS, planned):
            wanted = math.ceil(seconds / max(steps, 1) * min(FEW_STEPS, planned) / 60)
            raise ValueError(
                f"budget must be long enough to fit a generator, but after {seconds:.0f} seconds one had "
                f"made {steps} steps of the {min(FEW_STEPS, planned):,} or more that it needs. Start the study again "
                f"in another folder with a budget of {wanted}m, or with a smaller image_size or a recipe that ends in "
                "-light."
            )


def fitted(given: Given) -> tuple[int, float]:
    """Steps and seconds of a generator's training, by its card; 0 if it has none."""
    card = getattr(given.source, "card", None)
    return (0, 0.0) if card is None else (int(card.training["steps"]), float(card.training["seconds"]))


def build_filter(name: str, teacher: nn.Module, data: Images, given: Given) -> Filter:
    """A filter by its name, made of the training images of a split alone.

    Raises:
        ValueError: If it needs a discriminator that there is not.
    """
    labels = data.labels if num_classes(given.source) else None
    if name == "agreement":
        return TeacherAgreement(teacher)
    if name == "confidence":
        return TeacherConfidence(teacher, 0.5)
    if name == "density":
        return RealDensity(data.train, labels)
    if name == "copies":
        return NotACopy(data.train)
    discriminator = given.discriminator()
    if discriminator is None:
        raise ValueError("The recipe must train a discriminator for the filter 'discriminator', but does not.")
    return DiscriminatorRejection(discriminator, given.source)


def training_shape(source: Any) -> tuple[int, ...] | None:
    """Channels, height and width of the images that a generator was trained on, before they were brought to size."""
    if not isinstance(source, Generator):
        return None
    side = source.config.image_size
    return (source.config.channels, *(source.config.source_size or (side, side)))


def make_pool(
    path: Path, source: MatchedSource, keep: Sequence[Filter], size: int, seed: int
) -> tuple[SyntheticPool, float]:
    """The pool in a folder, made or found, and the seconds that it took.

    Raises:
        ValueError: If the filters keep almost nothing.
    """
    seconds = read_record(path)
    if seconds is None:
        make_folder(path.parent)
        started = time.perf_counter()
        _check_kept(source, tuple(keep), seed)
        SyntheticPool.generate(source, size, seed=seed, keep=list(keep), out=path, progress=False)
        seconds = time.perf_counter() - started
        write_record(path, seconds)
    return SyntheticPool.load(path), seconds


def _check_kept(source: MatchedSource, keep: tuple[Filter, ...], seed: int) -> None:
    """Finds out beforehand whether filters keep enough of every class."""
    if not keep:
        return
    images, labels = draw_candidates(source, TRIED, seed=seed)
    classes = torch.zeros(TRIED, dtype=torch.int64) if labels is None else labels
    counts = torch.bincount(classes)
    kept = torch.bincount(classes[apply_filters(keep, images, labels)], minlength=len(counts))
    shares = torch.where(counts > 0, kept / counts, 1.0)
    if float(shares.min()) < LEAST_KEPT:
        where = "" if labels is None else f" of class {int(shares.argmin())}"
        raise ValueError(f"It must keep {LEAST_KEPT:.0%} of the samples, but kept {shares.min():.1%}{where}.")
