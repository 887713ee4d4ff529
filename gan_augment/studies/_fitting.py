"""The fittings of a study: each fits a generator to the training images of one split."""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch.utils.data import TensorDataset

from ..data import TrainingImages
from ..hub import download
from ..models import Discriminator, GeneratorConfig, ProjectedDiscriminator, load_discriminator
from ..synthesis import Source, as_source
from ..training import (
    FEW_STEPS,
    LEAST_STEPS,
    Checkpoints,
    Recipe,
    fit,
    get_recipe,
    parse_budget,
    resolve_recipe,
    resume,
    seconds_per_step,
)
from ._arms import one_thread
from ._folder import SplitImages, read_split
from ._splits import first_rows_by_class

TIMED_IMAGES = 256
WITHOUT_ANCHORS = 3  # times as many steps for recipes that do not reconstruct images


@dataclass(frozen=True)
class LoadedSource:
    """A source, and the name or folder from which it was loaded, if there is one."""

    source: Source
    name: str | os.PathLike[str] | None

    @classmethod
    def load(cls, source: Any) -> LoadedSource:
        """Loads a source by its name or folder, or takes a source itself."""
        return cls(as_source(source), source if isinstance(source, (str, os.PathLike)) else None)

    def discriminator(self) -> Discriminator | ProjectedDiscriminator | None:
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


@dataclass
class Fitting:
    """The request to fit a generator to the training images of each split; see :func:`gan_augment.fit`."""

    recipe: Any
    init: Any = None
    budget: float | str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    steps: int = FEW_STEPS  # if neither a budget nor the options set a length

    def settings(self, image_size: int) -> dict[str, Any]:
        """Returns the options of the fitting.

        Without a budget, every machine makes the same number of steps; a :class:`Recipe` brings its own number.
        """
        options = {"image_size": image_size, **self.options}
        recipe = get_recipe(self.recipe, **options)
        if not recipe.held_out:  # nobody sees the measurements, which can take longer than the steps
            options.setdefault("evaluations", 0)
        if self.budget is None and isinstance(self.recipe, str) and not {"steps", "epochs"} & set(options):
            options |= {"steps": self.steps * (1 if recipe.objective == "anchored" else WITHOUT_ANCHORS), "epochs": 0}
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

    def total_steps(self, split: SplitImages) -> int:
        """Returns the planned number of steps of one fitting. Its budget may allow fewer."""
        return self.resolve(split.train.shape[-1]).total_steps(len(split.train))

    def seconds_per_step(self, split: SplitImages) -> float:
        """Measures the seconds of a step with one thread, as in the fitting itself."""
        recipe = self.resolve(split.train.shape[-1])
        classes = int(split.train_labels.max()) + 1
        rows = first_rows_by_class(split.train_labels, min(max(TIMED_IMAGES, classes), len(split.train)))
        some = TensorDataset(split.train[rows], split.train_labels[rows])
        options: dict[str, Any] = {"channels": recipe.channels, "conditional": recipe.conditional, "progress": False}
        with one_thread():
            read = TrainingImages.from_dataset(some, recipe.image_size, recipe.resize_mode, **options)
            return seconds_per_step(read, recipe)

    def fit(self, split: SplitImages, out: Path, seed: int, on_step: Callable[[], object] | None) -> None:
        """Fits a generator to the training images of a split, or continues a fitting that was stopped."""
        dataset = TensorDataset(split.train, split.train_labels)
        options: dict[str, Any] = {"progress": False, "on_step": on_step}
        if checkpoints(out):
            resume(out, dataset, **options)
        else:  # not started, or stopped before the first checkpoint
            shutil.rmtree(out, ignore_errors=True)
            options |= self.settings(split.train.shape[-1])
            fit(dataset, self.recipe, init=self.init, budget=self.budget, out=out, seed=seed, **options)
        self._check_steps(LoadedSource.load(out / "generator"), split)

    def load(self, out: Path, split: SplitImages) -> LoadedSource | None:
        """Loads the generator of a finished fitting, or returns None if it is missing or damaged."""
        if not (out / "generator" / "config.json").exists():
            return None
        try:
            generator = LoadedSource.load(out / "generator")
        except ValueError as error:
            warnings.warn(f"{str(error).rstrip('.')}; the study fits it again.", UserWarning, stacklevel=2)
            return None
        self._check_steps(generator, split)
        return generator

    def _check_steps(self, generator: LoadedSource, split: SplitImages) -> None:
        steps, seconds = generator.training_cost()
        planned = self.total_steps(split)
        if steps < min(LEAST_STEPS, planned):
            minutes = math.ceil(seconds / max(steps, 1) * min(FEW_STEPS, planned) / 60)
            raise ValueError(
                f"budget must be long enough to fit a generator, but after {seconds:.0f} s a fitting had made only "
                f"{steps} steps; it needs at least {min(FEW_STEPS, planned):,}. Start the study again in another "
                f"folder with a budget of {minutes}m, a smaller image_size, or a recipe whose name ends in -light."
            )


@dataclass(frozen=True)
class FitJob:
    """One fitting: a request with a split and a seed, in the folder of a study."""

    folder: Path
    split: int
    fitting: Fitting
    seed: int
    seconds: float = 0.0  # estimate of the time that is left
    step_seconds: float = 0.0

    @property
    def path(self) -> Path:
        return fit_folder(self.folder, self.split)

    @property
    def name(self) -> str:
        return f"generator of split {self.split + 1}"

    def timed(self, step_seconds: float, split: SplitImages) -> FitJob:
        """Returns the job with estimates of its time, which count only the steps that are left."""
        left = self.fitting.total_steps(split) - max(checkpoints(self.path), default=0)
        limit = parse_budget(self.fitting.budget) or math.inf
        return replace(self, seconds=min(left * step_seconds, limit), step_seconds=step_seconds)


def run_fitting(job: FitJob, on_step: Callable[[], object] | None = None) -> None:
    """Fits the generator of a job into its folder; ``on_step`` is called after each step."""
    with one_thread():
        job.fitting.fit(read_split(job.folder, job.split), job.path, job.seed, on_step)


def fit_folder(folder: Path, split: int) -> Path:
    """Returns the folder of the fitting of a split, which holds its checkpoints and its generator."""
    return folder / "generators" / f"split-{split}"


def checkpoints(run: Path) -> list[int]:
    """Returns the steps whose checkpoints a fitting has written."""
    return [*Checkpoints(run / "checkpoints").steps()]
