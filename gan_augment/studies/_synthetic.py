"""The pools of synthetic images of each split, and what fills them: a given source or fitted generators."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._core import mix_seed
from ..models import MAX_PAIRS
from ..synthesis import (
    FILTERS,
    Filter,
    FilterInputs,
    ImageKind,
    Source,
    SyntheticPool,
    apply_filters,
    draw,
    draw_candidates,
    fingerprints_of,
    match_shape,
)
from ..training import few_steps
from ._arms import Arm, TrainSettings, one_thread, train
from ._controls import CONTROL_POOLS, REFERENCE, Control, ControlSource, control_pool
from ._fitting import FitJob, Fitting, LoadedSource, fit_folder
from ._folder import SplitImages, make_once, pool_folder, pool_name, read_record, read_split
from ._reference import Reference
from ._result import Kind
from ._settings import Settings
from ._splits import first_rows_by_class

FILTER_TRIALS = 2000  # candidates to try each filter on
MIN_KEPT = 0.02  # a filter that keeps a smaller share would take long and leave copies of few samples
TIMED_OF_CLASS, TIMED_IMAGES = 3, 64  # images that a control learns from, and makes


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
    controls: list[Control] = field(default_factory=list)  # those with pools of their own
    teacher: nn.Module = field(init=False)  # classifier of the real images of the first split
    fit_seconds: float = 0.0
    fit_steps: list[int] = field(default_factory=list)  # of each generator
    planned_steps: int = 0  # of each generator, unless a budget runs out
    pool_seconds: float = 0.0  # without the teachers' training
    acceptance: dict[str, float] = field(default_factory=dict)  # share that each filter kept, mean over the splits
    generators: list[LoadedSource] = field(default_factory=list)  # one for each split
    notes: list[str] = field(default_factory=list)  # on budgets that were too short and filters that were left out

    def fit_jobs(self, splits: list[SplitImages]) -> list[FitJob]:
        """Returns the fittings of the generators that are missing, with the times that a progress bar needs."""
        if isinstance(self.source, LoadedSource):
            return []
        seeds = [mix_seed(self.settings.seed, 16, index) for index in range(len(splits))]
        jobs = [FitJob(self.folder, index, self.source, seed) for index, seed in enumerate(seeds)]
        missing = [job for job in jobs if self.source.load(job.path, splits[job.split]) is None]
        if not (missing and self.progress):
            return missing
        seconds = self.source.seconds_per_step(splits[0])
        return [job.timed(seconds, splits[job.split]) for job in missing]

    def load_generators(self, splits: list[SplitImages]) -> None:
        """Loads the generators after all fittings."""
        if isinstance(self.source, LoadedSource):
            self.generators = [self.source] * len(splits)
            return
        folders = [fit_folder(self.folder, index) / "generator" for index in range(len(splits))]
        self.generators = list(map(LoadedSource.load, folders))
        costs = [generator.training_cost() for generator in self.generators]
        self.fit_steps, self.fit_seconds = [steps for steps, _ in costs], sum(seconds for _, seconds in costs)
        self.planned_steps = self.source.total_steps(splits[0])
        if few_steps(min(self.fit_steps), self.planned_steps) is not None:
            self.notes.append(
                f"The budget ran out after {min(self.fit_steps)} training steps of a generator. More steps may give "
                "better images and a different verdict: run a study with a larger budget."
            )

    def make_pools(self, splits: list[SplitImages], baseline: Arm, show: Callable[[str], object]) -> None:
        """Makes the pools that are missing; their teachers are trained like the baseline, on real images."""
        self.filters = list(self.settings.filters)
        for index, images in enumerate(splits):
            show(f"samples for split {index + 1}")
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

    def control_jobs(self, splits: list[SplitImages]) -> list[ControlJob]:
        """Chooses the controls that the images allow, and returns the jobs that make their missing pools."""
        self.controls = [name for name in CONTROL_POOLS if name in self.settings.controls]
        if "varied" in self.controls and any(int(torch.bincount(each.train_labels).max()) < 2 for each in splits):
            self.controls.remove("varied")
            self.notes.append("The control varied was left out: no class has two training images in each split.")
        size, classes = self.settings.pool_size, self.train_settings.num_classes
        jobs = [
            ControlJob(self.folder, control, index, classes, size, mix_seed(self.settings.seed, 17, index))
            for control, index in product(self.controls, range(len(splits)))
        ]
        missing = [job for job in jobs if read_record(job.path) is None]
        if not self.progress:
            return missing
        seconds = {each: control_seconds(each, splits[0], classes, size) for each in {job.control for job in missing}}
        return [replace(job, seconds=seconds[job.control]) for job in missing]

    def finish_controls(self, splits: list[SplitImages], reference: Reference | None) -> list[Kind]:
        """Makes the pools of a reference, and returns the kinds of arms for which there are pools of real images."""
        for control, index in product(self.controls, range(len(splits))):
            self.pool_seconds += read_record(pool_folder(self.folder, control_pool(control), index)) or 0.0
        if reference is None:
            return [*self.controls]
        for index in range(len(splits)):
            path = pool_folder(self.folder, control_pool(REFERENCE), index)
            make = partial(reference.save_pool, path, index, self.settings.pool_size, self.settings.seed)
            self.pool_seconds += make_once(path, make)
        return [*self.controls, REFERENCE]

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


@dataclass(frozen=True)
class ControlJob:
    """One pool of real images: a control with the training images of a split, in the folder of a study."""

    folder: Path
    control: Control
    split: int
    num_classes: int
    size: int
    seed: int
    seconds: float = 0.0  # estimate

    @property
    def path(self) -> Path:
        return pool_folder(self.folder, control_pool(self.control), self.split)

    @property
    def step_seconds(self) -> float:
        return self.seconds  # a pool is one step

    @property
    def name(self) -> str:
        return f"{self.control} images for split {self.split + 1}"


def make_control(job: ControlJob, on_step: Callable[[], object]) -> None:
    """Makes the pool of a job unless it is there; ``on_step`` is called once, at the end."""
    images, labels = read_split(job.folder, job.split)[:2]

    def make() -> None:
        source = ControlSource(job.control, images, labels, job.num_classes)
        SyntheticPool.generate(source, job.size, seed=job.seed, out=job.path, progress=False)

    with one_thread():
        make_once(job.path, make)
    on_step()


def control_seconds(control: Control, split: SplitImages, num_classes: int, size: int) -> float:
    """Estimates the seconds of one pool of a control from a few images of each class."""
    few = min(TIMED_OF_CLASS * num_classes, len(split.train))
    rows = first_rows_by_class(split.train_labels, few)
    with one_thread():
        started = time.perf_counter()
        source = ControlSource(control, split.train[rows], split.train_labels[rows], num_classes)
        fitted = time.perf_counter()
        source.sample(TIMED_IMAGES, seed=0)
        made = time.perf_counter()
    pairs, few_pairs = (min(n * max(n / num_classes - 1, 1), MAX_PAIRS) for n in (len(split.train), few))
    return (fitted - started) * pairs / few_pairs + (made - fitted) * size / TIMED_IMAGES


def make_pool(
    path: Path, source: Source, keep: list[Filter], size: int, seed: int, device: str | None = None
) -> tuple[SyntheticPool, float]:
    """Makes a pool in a folder, or loads it if it is there; returns it with the seconds that it took."""

    def make() -> None:
        if keep:
            _check_share_kept(source, keep, seed)
        SyntheticPool.generate(source, size, seed=seed, keep=keep, out=path, device=device, progress=False)

    seconds = make_once(path, make)
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
