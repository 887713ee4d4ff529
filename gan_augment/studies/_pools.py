"""The pools of a study: a generator for each split where one is fitted, a teacher, and what the filters let through."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from .._core import mix_seed
from ..synthesis import SyntheticPool
from ..training import few_steps
from ._arms import TrainSettings, train
from ._files import Images, pool_folder, pool_name, read_record
from ._settings import Settings
from ._sources import Fitting, Given, MatchedSource, build_filter, fitted, make_pool


@dataclass
class Pools:
    """The pools of all splits, as far as they are made.

    Args:
        folder (Path): Of the study.
        settings (Settings): What is asked.
        train_settings (TrainSettings): Of the teachers.
        source (Given or Fitting): Of synthetic images.
        progress (bool): Whether to show bars.

    Attributes:
        filters (list of tuple): Those that let enough through in every split.
        teacher (nn.Module, optional): Of the first split.
        fit_seconds (float): Of all fittings.
        pool_seconds (float): Of all pools, without their teachers.
        acceptance (dict): Share of candidates that each pool kept, mean over the splits.
        generators (list of Given): Of each split, as far as they are fitted or given.
        notes (list of str): On fittings that were cut short, and filters that let too little through.
    """

    folder: Path
    settings: Settings
    train_settings: TrainSettings
    source: Given | Fitting
    progress: bool
    filters: list[tuple[str, ...]] = field(default_factory=list)
    teacher: nn.Module | None = None
    fit_seconds: float = 0.0
    pool_seconds: float = 0.0
    acceptance: dict[str, float] = field(default_factory=dict)
    generators: list[Given] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fit(self, splits: list[Images]) -> None:
        """Fits the generators, first of all: one that comes to nothing ends the study before it has cost more.

        Raises:
            ValueError: If a budget is far too short.
        """
        self.generators = [self._generator(index, images) for index, images in enumerate(splits)]
        if isinstance(self.source, Given):
            return
        steps = min(fitted(given)[0] for given in self.generators)
        recipe = self.source.check(splits[0].train.shape[-1])
        if few_steps(steps, recipe.total_steps(len(splits[0].train))) is not None:
            self.notes.append(
                f"A generator was fitted for {steps} steps only, because the budget ended. More steps may give better "
                "images and another verdict: start a study with a larger budget."
            )

    def make(self, splits: list[Images], augment: str) -> None:
        """Makes what is missing; teachers train under an augmentation.

        Raises:
            ValueError: If no filter lets enough through.
        """
        self.filters = list(self.settings.filters)
        for index, images in enumerate(splits):
            given = self.generators[index]
            source = MatchedSource(given.source, images.train.shape[1:], self.train_settings.num_classes)
            teacher: nn.Module | None = None
            if index == 0 or any(not self._is_made(several, index) for several in self.filters if several):
                seed = mix_seed(self.settings.seed, 15, index)
                teacher = train(self.train_settings, augment, images.train, images.labels, seed)
            self.teacher = self.teacher or teacher
            for several in list(self.filters):
                self._pool(index, several, given, source, images, teacher)
        if not self.filters:
            raise ValueError("No filter let enough synthetic images through: " + " ".join(self.notes))

    def load(self, filters: tuple[str, ...], split: int = 0) -> SyntheticPool:
        """A pool that was made."""
        return SyntheticPool.load(pool_folder(self.folder, filters, split), verify=True)

    def _is_made(self, filters: tuple[str, ...], split: int) -> bool:
        return read_record(pool_folder(self.folder, filters, split)) is not None

    def _generator(self, index: int, images: Images) -> Given:
        """The source of a split, fitted to its training images or given."""
        if isinstance(self.source, Given):
            return self.source
        seed, place = mix_seed(self.settings.seed, 16, index), self.folder / "generators" / f"split-{index}"
        given = self.source(images.train, images.labels, place, seed, self.progress)
        self.fit_seconds += fitted(given)[1]
        return given

    def _pool(
        self,
        index: int,
        filters: tuple[str, ...],
        given: Given,
        source: MatchedSource,
        images: Images,
        teacher: nn.Module | None,
    ) -> None:
        name, keep = pool_name(filters), []
        if teacher is not None and not self._is_made(filters, index):
            keep = [build_filter(each, teacher, images, given) for each in filters]
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
