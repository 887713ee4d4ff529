"""The stages of a study: ordinary augmentation, then synthetic images under the best of it, then the controls."""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..hub import from_pretrained
from ..metrics import copy_report
from ..models import mix_seed
from ..synthesis import SyntheticPool, as_source
from ._arms import Arm, Images, Job, Outcome, TrainSettings, pool_folder, read_images, train, write_images
from ._classifier import Build
from ._data import StudyData
from ._jobs import Runner
from ._paired import Interval, crossed_difference
from ._pictures import report_pictures
from ._result import ArmResult, Kind, StudyResult
from ._scores import calibration_error, class_recall, correct, tempered_brier
from ._settings import Settings
from ._sources import Fitting, MatchedSource, build_filter, find_discriminator, make_pool

MOST_COPIES = 2000  # samples that are looked at


class Stages:
    """One study, as far as it is.

    Args:
        folder (Path): Where everything is kept.
        data (StudyData): Its images.
        settings (Settings): What is asked.
        source: A source, or a :class:`Fitting`.
        build (callable, optional): Of the classifier.
        run (Runner): Trains.
        progress (bool): Whether to show bars.
    """

    def __init__(
        self,
        folder: Path,
        data: StudyData,
        settings: Settings,
        source: Any,
        build: Build | None,
        run: Runner,
        progress: bool,
    ) -> None:
        self.folder, self.data, self.settings, self.source = folder, data, settings, source
        self.run, self.progress = run, progress
        splits = [data.split(i, settings.count, settings.validation, settings.seed) for i in range(settings.splits)]
        write_images(folder, data.images.images, data.images.classes, data.test, splits)
        read_images.cache_clear()
        self.splits = [read_images(folder, index) for index in range(settings.splits)]
        self.train_settings = TrainSettings(
            num_classes=data.num_classes,
            mode=settings.mode,
            steps=settings.steps,
            batch_size=settings.batch_size,
            lr=settings.lr,
            seed=settings.seed,
            precision=settings.precision,
            build=build,
        )
        self.outcomes: dict[str, list[Outcome]] = {}
        self.arms: dict[str, Arm] = {}
        self.notes: list[str] = []
        self.fit_seconds = self.pool_seconds = 0.0
        self.acceptance: dict[str, float] = {}

    # The stages --------------------------------------------------------------------------------------

    def result(self, about: dict[str, Any], seen: str) -> StudyResult:
        """Runs all stages and says what they found."""
        settings = self.settings
        ordinary = [Arm(name, "ordinary", name) for name in settings.augment if name != "none"]
        self._train([Arm("no augmentation", "none", "none"), *ordinary])
        tried = [arm for arm in self.arms.values() if arm.augment in settings.augment]
        baseline = self._best(tried)
        augment = baseline.augment
        if settings.mode == "balance":
            kinds: tuple[Kind, ...] = ("oversampled", "class weights")
            controls = [Arm(kind, kind, augment, against_imbalance=kind) for kind in kinds]
            self._train(controls)
            baseline = self._best([baseline, *controls])
        teacher = self._make_pools(augment)
        synthetic = self._synthetic_arms(baseline)
        self._train(synthetic)
        choice = self._best(synthetic)
        if settings.mode == "replace":
            name = f"oversampled {choice.ratio:g}"
            self._train([Arm(name, "oversampled", augment, choice.ratio)])
        return self._conclude(baseline, choice, teacher, about, seen)

    def _train(self, arms: list[Arm]) -> None:
        """Trains arms under every seed."""
        jobs = [
            Job(self.folder, arm, seed, seed % self.settings.splits, self.train_settings)
            for arm in arms
            for seed in range(self.settings.seeds)
        ]
        outcomes = self.run(jobs)
        for index, arm in enumerate(arms):
            self.arms[arm.name] = arm
            self.outcomes[arm.name] = outcomes[index * self.settings.seeds : (index + 1) * self.settings.seeds]

    def _validation(self, arm: Arm) -> float:
        logits = [outcome.validation for outcome in self.outcomes[arm.name]]
        labels = [self._images(seed).validation_labels for seed in range(self.settings.seeds)]
        return tempered_brier(logits, labels, self.settings.metric == "balanced accuracy")

    def _best(self, arms: list[Arm]) -> Arm:
        """The best on the validation images; the first where there is nothing to choose."""
        return arms[0] if len(arms) == 1 else min(arms, key=self._validation)

    def _images(self, seed: int) -> Images:
        return self.splits[seed % self.settings.splits]

    # Synthetic images --------------------------------------------------------------------------------

    def _make_pools(self, augment: str) -> nn.Module:
        """The pools of all splits; and the teacher of the first split, for the pictures."""
        first: nn.Module | None = None
        for index, images in enumerate(self.splits):
            seed = mix_seed(self.settings.seed, 15, index)
            teacher = None
            if index == 0 or any(self.settings.filters):
                teacher = train(self.train_settings, augment, images.train, images.labels, seed)
            first = first or teacher
            self._make_pools_of_split(index, images, teacher)
        if first is None:
            raise ValueError("A study must have a split, but has none.")
        return first

    def _make_pools_of_split(self, index: int, images: Images, teacher: nn.Module | None) -> None:
        named = self.source
        if isinstance(named, Fitting):
            fit_seed = mix_seed(self.settings.seed, 16, index)
            place = self.folder / "generators" / f"split-{index}"
            named = self.source(images.train, images.labels, place, fit_seed, self.progress)
            card = from_pretrained(named).card
            self.fit_seconds += float(card.training["seconds"]) if card else 0.0
        source = MatchedSource(named, images.train.shape[1:])
        for several in self.settings.filters:
            name = pool_name(several)
            if teacher is None and several:
                raise ValueError("Filters must have a teacher, but there is none.")
            keep = [
                build_filter(each, teacher, images, find_discriminator(named), as_source(named))
                for each in several
                if teacher is not None
            ]
            pool, seconds = make_pool(
                self.folder, name, index, source, keep, self.settings.pool_size, self.settings.seed
            )
            self.pool_seconds += seconds
            self.acceptance[name] = self.acceptance.get(name, 0.0) + pool.info.acceptance / self.settings.splits

    def _synthetic_arms(self, baseline: Arm) -> list[Arm]:
        """The arms to choose from: at ratio 0 each would be the baseline."""
        settings, arms = self.settings, []
        pool = self._pool(pool_name(settings.filters[0]))
        for called, policy in settings.policies(pool).items():
            for several in settings.filters:
                for ratio in settings.ratios:
                    words = [f"synthetic {ratio:g}", *several, *([called] if len(settings.labels) > 1 else [])]
                    arms.append(
                        Arm(
                            ", ".join(words),
                            "synthetic",
                            baseline.augment,
                            ratio,
                            policy=policy,
                            labels=called,
                            filters=several,
                            pool=pool_name(several),
                            against_imbalance=baseline.against_imbalance,
                        )
                    )
        return arms

    def _pool(self, name: str, split: int = 0) -> SyntheticPool:
        return SyntheticPool.load(pool_folder(self.folder, name, split))

    # The result --------------------------------------------------------------------------------------

    def _conclude(
        self, baseline: Arm, choice: Arm, teacher: nn.Module, about: dict[str, Any], seen: str
    ) -> StudyResult:
        settings, first = self.settings, self.splits[0]
        results = tuple(self._arm_result(arm, baseline) for arm in self.arms.values())
        found = self._difference(choice, baseline)
        pool = self._pool(choice.pool or "", 0)
        looked_at = pool.rows(torch.arange(min(len(pool), MOST_COPIES)))
        copies = copy_report(looked_at, first.train, first.test) if len(first.train) > 1 else None
        counts = [torch.bincount(part.labels, minlength=self.data.num_classes).float() for part in self.splits]
        return StudyResult(
            verdict=found.verdict,
            ratio=choice.ratio if found.verdict == "helps" else 0.0,
            metric=settings.metric,
            baseline=baseline.name,
            choice=choice.name,
            arms=results,
            comparisons={
                name: self._difference(choice, arm) for name, arm in self.arms.items() if arm.kind != "synthetic"
            },
            seeds=settings.seeds,
            steps=settings.steps,
            data={
                "name": about["data"],
                "train": len(first.train),
                "validation": len(first.validation),
                "test": len(first.test),
                "class_names": self.data.images.class_names,
                "class_counts": torch.stack(counts).mean(0).tolist(),
                "image_shape": tuple(first.train.shape[1:]),
                "splits": settings.splits,
            },
            source={
                "name": about["source"] or f"recipe {self.source.recipe}",
                "load": self._loadable(choice, about),
                "fitted": settings.splits if isinstance(self.source, Fitting) else 0,
                "fit_seconds": self.fit_seconds,
                "pool_seconds": self.pool_seconds,
                "pool_size": settings.pool_size,
                "seen": seen,
                "copies": "" if copies is None else copies.sentence,
                "acceptance": self.acceptance,
            },
            notes=(*self.notes, *self._notes(found)),
            settings=about,
            pictures=report_pictures(pool, first, teacher, _filtered(choice.filters)),
        )

    def _loadable(self, choice: Arm, about: dict[str, Any]) -> str | None:
        """What loads the synthetic images of the choice: their pool, or the source's name; None if nothing is kept."""
        if not choice.filters and isinstance(self.source, (str, os.PathLike)):
            return os.fspath(self.source)
        return str(pool_folder(self.folder, choice.pool or "", 0)) if about["kept"] else None

    def _scores(self, arm: Arm) -> Tensor:
        labels = self.splits[0].test_labels
        return torch.stack([correct(outcome.test, labels) for outcome in self.outcomes[arm.name]])

    def _difference(self, treated: Arm, control: Arm) -> Interval:
        balanced = self.splits[0].test_labels if self.settings.metric == "balanced accuracy" else None
        return crossed_difference(self._scores(treated), self._scores(control), balanced)

    def _arm_result(self, arm: Arm, baseline: Arm) -> ArmResult:
        labels, outcomes = self.splits[0].test_labels, self.outcomes[arm.name]
        recalls = torch.stack([class_recall(outcome.test, labels, self.data.num_classes) for outcome in outcomes])
        log_loss = [float(nn.functional.cross_entropy(outcome.test, labels)) for outcome in outcomes]
        return ArmResult(
            name=arm.name,
            kind=arm.kind,
            augment=arm.augment,
            ratio=arm.ratio,
            labels=arm.labels,
            filters=arm.filters,
            accuracy=tuple(self._scores(arm).mean(1).tolist()),
            balanced_accuracy=tuple(recalls.nanmean(1).tolist()),
            recall=tuple(recalls.mean(0).tolist()),
            validation=self._validation(arm),
            calibration_error=statistics.fmean(calibration_error(outcome.test, labels) for outcome in outcomes),
            log_loss=statistics.fmean(log_loss),
            seconds=statistics.fmean(outcome.seconds for outcome in outcomes),
            difference=None if arm == baseline else self._difference(arm, baseline),
        )

    def _notes(self, found: Interval) -> list[str]:
        settings, notes = self.settings, []
        if self.data.left_out:
            notes.append(f"{self.data.left_out} test images were among those to train on, and were left out.")
        if isinstance(self.source, Fitting) and settings.splits < settings.seeds:
            notes.append(
                f"A generator was fitted for each of {settings.splits} splits, which {settings.seeds} seeds share: the "
                "interval holds less of what another fitting would change than of what another classifier would."
            )
        if found.verdict == "no effect shown":
            reach = (found.high - found.low) / 2 * 100
            notes.append(
                f"A difference under {reach:.2f} points cannot be shown with {len(self.splits[0].test):,} test images "
                f"and {settings.seeds} seeds."
            )
        return notes


def pool_name(filters: tuple[str, ...]) -> str:
    """What the pool behind some filters is called."""
    return "-".join(filters) or "unfiltered"


def _filtered(filters: tuple[str, ...]) -> str:
    return f"filtered by {' and '.join(filters)}" if filters else "unfiltered"
