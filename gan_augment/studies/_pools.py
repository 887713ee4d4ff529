"""The synthetic images of a study: the generator of each split, and its pools with and without filters."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from .._core import make_folder, mix_seed
from ..synthesis import Filter, SyntheticPool, apply_filters, draw_candidates
from ..training import few_steps
from ._arms import TrainSettings, train
from ._files import SplitImages, pool_folder, pool_name, read_record, write_record
from ._settings import Settings
from ._sources import Fitting, LoadedSource, MatchedSource, build_filter

FILTER_TRIALS = 2000  # candidates to try each filter on
MIN_KEPT = 0.02  # a filter that keeps a smaller share would take long and leave copies of few samples


@dataclass
class StudyPools:
    """Makes the generators and the pools of all splits, and notes what was cut short or left out."""

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
    notes: list[str] = field(default_factory=list)

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
                "another verdict: run a study with a larger budget."
            )

    def make_pools(self, splits: list[SplitImages], augment: str) -> None:
        """Makes the pools that are missing; their teachers are trained with an ordinary augmentation."""
        self.filters = list(self.settings.filters)
        for index, images in enumerate(splits):
            missing = [filters for filters in self.filters if filters and not self._is_made(filters, index)]
            if index == 0 or missing:
                seed = mix_seed(self.settings.seed, 15, index)
                teacher = train(self.train_settings, augment, images.train, images.train_labels, seed)
            if index == 0:
                self.teacher = teacher
            for filters in list(self.filters):
                needed = filters if filters in missing else ()
                keep = [build_filter(name, teacher, images, self.generators[index]) for name in needed]
                self._make_pool(index, filters, images, keep)
        if not self.filters:
            raise ValueError("No filter kept enough synthetic images: " + " ".join(self.notes))

    def _is_made(self, filters: tuple[str, ...], split: int) -> bool:
        return read_record(pool_folder(self.folder, filters, split)) is not None

    def _make_pool(self, index: int, filters: tuple[str, ...], images: SplitImages, keep: list[Filter]) -> None:
        """Makes or loads a pool, or leaves out filters that keep too few samples."""
        name, shape = pool_name(filters), images.train.shape[1:]
        source = MatchedSource(self.generators[index].source, shape, self.train_settings.num_classes)
        path, seed = pool_folder(self.folder, filters, index), mix_seed(self.settings.seed, 13, index)
        try:
            pool, seconds = make_pool(path, source, keep, self.settings.pool_size, seed)
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
    path: Path, source: MatchedSource, keep: Sequence[Filter], size: int, seed: int
) -> tuple[SyntheticPool, float]:
    """Makes a pool in a folder, or loads it if it is there; returns it with the seconds that it took."""
    seconds = read_record(path)
    if seconds is None:
        make_folder(path.parent)
        started = time.perf_counter()
        if keep:
            _check_share_kept(source, tuple(keep), seed)
        SyntheticPool.generate(source, size, seed=seed, keep=list(keep), out=path, progress=False)
        seconds = time.perf_counter() - started
        write_record(path, seconds)
    return SyntheticPool.load(path), seconds


def _check_share_kept(source: MatchedSource, keep: tuple[Filter, ...], seed: int) -> None:
    """Checks that filters keep enough samples of every class before a pool is generated."""
    images, labels = draw_candidates(source, FILTER_TRIALS, seed=seed)
    classes = torch.zeros(FILTER_TRIALS, dtype=torch.int64) if labels is None else labels
    counts = torch.bincount(classes)
    kept = torch.bincount(classes[apply_filters(keep, images, labels)], minlength=len(counts))
    shares = torch.where(counts > 0, kept / counts, 1.0)
    if float(shares.min()) < MIN_KEPT:
        of_class = "" if labels is None else f" of class {int(shares.argmin())}"
        raise ValueError(f"It must keep at least {MIN_KEPT:.0%} of the samples, but kept {shares.min():.1%}{of_class}.")
