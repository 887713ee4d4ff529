"""The synthetic images of a study: a given source or a generator fitted to each split, and the pools of each split."""

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

from .._core import make_folder, mix_seed
from ..data import TrainingImages
from ..hub import download
from ..models import Discriminator, GeneratorConfig, load_discriminator
from ..synthesis import (
    FILTERS,
    Filter,
    FilterInputs,
    ImageKind,
    Source,
    SyntheticPool,
    apply_filters,
    as_source,
    draw,
    draw_candidates,
    fingerprints_of,
    match_shape,
)
from ..training import (
    FEW_STEPS,
    LEAST_STEPS,
    Recipe,
    few_steps,
    fit,
    parse_budget,
    resolve_recipe,
    resume,
    seconds_per_step,
)
from ._arms import Arm, TrainSettings, train
from ._controls import CONTROL_POOLS, REFERENCE, ControlSource, control_pool
from ._folder import SplitImages, pool_folder, pool_name, read_record, write_record
from ._reference import Reference
from ._result import Kind
from ._settings import Settings

FILTER_TRIALS = 2000  # candidates to try each filter on
TIMED_IMAGES = 256
WITHOUT_ANCHORS = 3  # times as many steps for recipes that do not reconstruct images
MIN_KEPT = 0.02  # a filter that keeps a smaller share would take long and leave copies of few samples


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

    def parts(self) -> list[Source]:
        return self.source.parts()

    def to(self, device: Any) -> MatchedSource:
        self.source.to(device)
        return self

    def sample(self, n: int, labels: Any = None, *, seed: int | None = None) -> Tensor:
        return match_shape(draw(self.source, n, labels, seed=seed).cpu(), self.kind, self.source.geometry)


@dataclass
class Fitting:
    """The request to fit a generator to the training images of each split; see :func:`gan_augment.fit`."""

    recipe: Any
    init: Any = None
    budget: float | str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    steps: int = FEW_STEPS  # without a budget and options that say how long

    def settings(self, image_size: int) -> dict[str, Any]:
        """Returns the options of the fitting.

        Without a budget, every machine makes the same number of steps; a :class:`Recipe` brings its own number.
        """
        options = {"image_size": image_size, **self.options}
        if self.budget is None and isinstance(self.recipe, str) and not {"steps", "epochs"} & set(options):
            anchored = resolve_recipe(self.recipe, self.init, options)[0].objective == "anchored"
            options |= {"steps": self.steps * (1 if anchored else WITHOUT_ANCHORS), "epochs": 0}
        return options

    def resolve(self, image_size: int) -> Recipe:
        """Checks the request, and returns the complete recipe."""
        parse_budget(self.budget)
        known = {each.name for each in dataclasses.fields(Recipe)}
        for name in self.options:
            if name not in known:
                raise ValueError(f"fit_options must be fields of a recipe, but {name!r} is not one.")
        recipe, _ = resolve_recipe(self.recipe, self.init, self.settings(image_size))
        GeneratorConfig(image_size=recipe.image_size)
        return recipe

    def seconds(self, images: Tensor, labels: Tensor) -> float:
        """Returns about how long one fitting to these images takes."""
        recipe, some = self.resolve(images.shape[-1]), TensorDataset(images[:TIMED_IMAGES], labels[:TIMED_IMAGES])
        options: dict[str, Any] = {"channels": recipe.channels, "conditional": recipe.conditional, "progress": False}
        read = TrainingImages.from_dataset(some, recipe.image_size, recipe.resize_mode, **options)
        seconds = recipe.total_steps(len(images)) * seconds_per_step(read, recipe)
        return seconds if self.budget is None else min(seconds, parse_budget(self.budget) or seconds)

    def fit(self, images: Tensor, labels: Tensor, out: Path, seed: int, progress: bool) -> LoadedSource:
        """Fits the generator, continues a run that was stopped, or loads the finished generator."""
        dataset, folder = TensorDataset(images, labels), out / "generator"
        generator = self._load_finished(folder)
        if generator is None:
            if any((out / "checkpoints").glob("step-*.safetensors")):
                resume(out, dataset, progress=progress)
            else:  # not started, or stopped before the first checkpoint
                shutil.rmtree(out, ignore_errors=True)
                options = {**self.settings(images.shape[-1]), "seed": seed, "progress": progress}
                fit(dataset, self.recipe, init=self.init, budget=self.budget, out=out, **options)
            generator = LoadedSource.load(folder)
        self._check_steps(generator, images)
        return generator

    @staticmethod
    def _load_finished(folder: Path) -> LoadedSource | None:
        """Loads the generator that an earlier call fitted, or returns None if it is missing or damaged."""
        if not (folder / "config.json").exists():
            return None
        try:
            return LoadedSource.load(folder)
        except ValueError as error:
            warnings.warn(f"{str(error).rstrip('.')}; the study fits it again.", UserWarning, stacklevel=3)
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


@dataclass
class StudyPools:
    """Makes the generators and the pools of all splits."""

    folder: Path
    settings: Settings
    train_settings: TrainSettings
    source: LoadedSource | Fitting
    progress: bool
    filters: list[tuple[str, ...]] = field(default_factory=list)  # those that keep enough samples in every split
    teacher: nn.Module = field(init=False)  # classifier of the real images of the first split
    fit_seconds: float = 0.0
    pool_seconds: float = 0.0  # without the teachers' training
    acceptance: dict[str, float] = field(default_factory=dict)  # share that each filter kept, mean over the splits
    generators: list[LoadedSource] = field(default_factory=list)  # one for each split
    notes: list[str] = field(default_factory=list)  # on budgets that were too short and filters that were left out

    def fit_generators(self, splits: list[SplitImages]) -> None:
        """Fits the generators before anything else, so that a budget that is too short costs little time."""
        if isinstance(self.source, LoadedSource):
            self.generators = [self.source] * len(splits)
            return
        for index, images in enumerate(splits):
            seed, out = mix_seed(self.settings.seed, 16, index), self.folder / "generators" / f"split-{index}"
            self.generators.append(self.source.fit(images.train, images.train_labels, out, seed, self.progress))
        costs = [generator.training_cost() for generator in self.generators]
        self.fit_seconds = sum(seconds for _, seconds in costs)
        steps = min(steps for steps, _ in costs)
        recipe = self.source.resolve(splits[0].train.shape[-1])
        if few_steps(steps, recipe.total_steps(len(splits[0].train))) is not None:
            self.notes.append(
                f"The budget ended after {steps} training steps of a generator. More steps may give better images and "
                "a different verdict: run a study with a larger budget."
            )

    def make_pools(self, splits: list[SplitImages], baseline: Arm) -> None:
        """Makes the pools that are missing; their teachers are trained like the baseline, on real images."""
        self.filters = list(self.settings.filters)
        for index, images in enumerate(splits):
            paths = {filters: pool_folder(self.folder, filters, index) for filters in self.filters if filters}
            missing = [filters for filters, path in paths.items() if read_record(path) is None]
            if index == 0 or missing:
                seed = mix_seed(self.settings.seed, 15, index)
                teacher = train(self.train_settings, baseline, images.train, images.train_labels, seed)
            if index == 0:
                self.teacher = teacher
            for filters in list(self.filters):
                needed = filters if filters in missing else ()
                keep = [build_filter(name, teacher, images, self.generators[index]) for name in needed]
                self._make_pool(index, filters, images, keep)
        if not self.filters:
            raise ValueError("No filter kept enough synthetic images: " + " ".join(self.notes))

    def make_control_pools(self, splits: list[SplitImages], reference: Reference | None) -> list[Kind]:
        """Makes the missing pools of real images, and returns the kinds of arms that the images allow."""
        controls = [name for name in CONTROL_POOLS if name in self.settings.controls]
        for index, images in enumerate(splits):
            for name in list(controls):
                path = pool_folder(self.folder, control_pool(name), index)
                seconds = read_record(path)
                if seconds is None:
                    try:
                        source = ControlSource(name, images.train, images.train_labels, self.train_settings.num_classes)
                    except ValueError as error:
                        controls.remove(name)
                        self.notes.append(f"The control {name} was left out: {error}")
                        continue
                    seed = mix_seed(self.settings.seed, 17, index)
                    seconds = make_pool(path, source, [], self.settings.pool_size, seed)[1]
                self.pool_seconds += seconds
        if reference is None:
            return [*controls]
        for index in range(len(splits)):
            path = pool_folder(self.folder, control_pool(REFERENCE), index)
            self.pool_seconds += reference.make_pool(path, index, self.settings.pool_size, self.settings.seed)
        return [*controls, REFERENCE]

    def _make_pool(self, index: int, filters: tuple[str, ...], images: SplitImages, keep: list[Filter]) -> None:
        """Makes or loads a pool, or leaves out filters that keep too few samples."""
        name, shape = pool_name(filters), images.train.shape[1:]
        source = MatchedSource(self.generators[index].source, shape, self.train_settings.num_classes)
        path, seed = pool_folder(self.folder, filters, index), mix_seed(self.settings.seed, 13, index)
        try:
            device = None if self.settings.device == "cpu" else self.settings.device
            pool, seconds = make_pool(path, source, keep, self.settings.pool_size, seed, device)
        except ValueError as error:
            if not filters:
                raise
            self.filters.remove(filters)
            self.acceptance.pop(name, None)
            self.notes.append(f"The filter {' and '.join(filters)} was left out: {error}")
            return
        self.pool_seconds += seconds
        if filters:
            self.acceptance[name] = self.acceptance.get(name, 0.0) + pool.info.acceptance / self.settings.splits


def make_pool(
    path: Path, source: Source, keep: list[Filter], size: int, seed: int, device: str | None = None
) -> tuple[SyntheticPool, float]:
    """Makes a pool in a folder, or loads it if it is there; returns it with the seconds that it took."""
    seconds = read_record(path)
    if seconds is None:
        make_folder(path.parent)
        started = time.perf_counter()
        if keep:
            _check_share_kept(source, keep, seed)
        SyntheticPool.generate(source, size, seed=seed, keep=keep, out=path, device=device, progress=False)
        seconds = time.perf_counter() - started
        write_record(path, seconds)
    return SyntheticPool.load(path), seconds


def _check_share_kept(source: Source, keep: list[Filter], seed: int) -> None:
    """Checks that filters keep enough samples of every class before a pool is generated."""
    images, labels = draw_candidates(source, FILTER_TRIALS, seed=seed)
    classes = torch.zeros(FILTER_TRIALS, dtype=torch.int64) if labels is None else labels
    counts = torch.bincount(classes)
    kept = torch.bincount(classes[apply_filters(keep, images, labels)], minlength=len(counts))
    shares = torch.where(counts > 0, kept / counts, 1.0)
    if float(shares.min()) < MIN_KEPT:
        of_class = "" if labels is None else f" of class {int(shares.argmin())}"
        raise ValueError(f"It must keep at least {MIN_KEPT:.0%} of the samples, but kept {shares.min():.1%}{of_class}.")
