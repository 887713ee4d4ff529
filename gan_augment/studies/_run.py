"""A study in progress: its stages, and the result that follows from their outcomes."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..evaluation import BuildClassifier, calibration_error, class_recall, is_correct, tempered_brier
from ..metrics import copy_report
from ..mixing import LabelPolicy
from ._arms import Arm, Job, TrainSettings
from ._folder import Outcome, SplitImages, load_pool, pool_folder, read_split, write_images
from ._intervals import Interval, crossed_difference
from ._jobs import Runner
from ._pictures import report_pictures
from ._result import OVERSAMPLED, ArmResult, StudyResult, strictest_control
from ._settings import Settings
from ._splits import StudyData
from ._synthetic import Fitting, LoadedSource, StudyPools

MAX_COPIES = 2000  # samples to search for copies
FEW_SPLITS = 5


@dataclass
class StudyRun:
    """A study in progress: its data, the arms that it has trained, and their outcomes for each seed."""

    folder: Path
    data: StudyData
    parts: list[tuple[Tensor, Tensor]]  # rows of the training and validation images of each split
    settings: Settings
    policies: dict[str, LabelPolicy]  # by name, like arms and outcomes
    source: LoadedSource | Fitting
    build: BuildClassifier | None
    runner: Runner
    progress: bool
    splits: list[SplitImages] = field(init=False)
    pools: StudyPools = field(init=False)
    arms: dict[str, Arm] = field(default_factory=dict)
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings, images = self.settings, self.data.images
        write_images(self.folder, images.images, images.classes, self.data.test_rows, self.parts)
        self.splits = [read_split(self.folder, index) for index in range(settings.splits)]
        shared = {name: getattr(settings, name) for name in ("steps", "batch_size", "lr", "seed", "precision")}
        self.train_settings = TrainSettings(self.data.num_classes, **shared, build=self.build)
        self.pools = StudyPools(self.folder, settings, self.train_settings, self.source, self.progress)

    def run_stages(self) -> tuple[Arm, Arm]:
        """Runs all stages, and returns the baseline and the choice."""
        settings = self.settings
        self.pools.fit_generators(self.splits)
        ordinary = [Arm(name, "ordinary", name) for name in settings.augment if name != "none"]
        self._train([Arm("no augmentation", "none", "none"), *ordinary])
        baseline = self._best([arm for arm in self.arms.values() if arm.augment in settings.augment])
        augment, balance = baseline.augment, settings.mode == "balance"
        if balance:
            controls = [
                Arm(OVERSAMPLED, "oversampled", augment, balanced=True),
                Arm("class weights", "class weights", augment),
            ]
            self._train(controls)
            baseline = self._best([baseline, *controls])
        self.pools.make_pools(self.splits, augment)
        synthetic = self._synthetic_arms(augment)
        self._train(synthetic)
        choice = self._best(synthetic)
        filled_up = Arm("filled up", "filled up", augment, filters=choice.filters)
        repeated = Arm(f"oversampled {choice.ratio:g}", "oversampled", augment, choice.ratio)
        self._train([filled_up if balance else repeated])
        return baseline, choice

    def validation_score(self, arm: Arm) -> float:
        """Returns the Brier score of an arm on the validation images; see :class:`ArmResult`."""
        logits = [outcome.validation for outcome in self.outcomes[arm.name]]
        seeds = range(self.settings.seeds)
        labels = [self.splits[seed % self.settings.splits].validation_labels for seed in seeds]
        return tempered_brier(logits, labels, self.settings.metric == "balanced accuracy")

    def _train(self, arms: list[Arm]) -> None:
        seeds, splits = range(self.settings.seeds), self.settings.splits
        jobs = [Job(self.folder, arm, seed, seed % splits, self.train_settings) for arm in arms for seed in seeds]
        outcomes = iter(self.runner(jobs))
        for arm in arms:
            self.arms[arm.name] = arm
            self.outcomes[arm.name] = [next(outcomes) for _ in seeds]

    def _best(self, arms: list[Arm]) -> Arm:
        """Returns the arm that is best on the validation images; a single arm needs none."""
        return arms[0] if len(arms) == 1 else min(arms, key=self.validation_score)

    def _synthetic_arms(self, augment: str) -> list[Arm]:
        """Returns the synthetic arms to choose from, balanced in mode ``"balance"``.

        If only rare classes had synthetic images, a classifier could recognise them by that.
        """
        arms, ratios, balance = [], self.settings.ratios, self.settings.mode == "balance"
        for (labels, policy), filters, ratio in product(self.policies.items(), self.pools.filters, ratios):
            words = [f"synthetic {ratio:g}", *filters, *([labels] if len(self.policies) > 1 else [])]
            arms.append(Arm(", ".join(words), "synthetic", augment, ratio, policy, labels, filters, balance))
        return arms


def conclude(
    run: StudyRun, baseline: Arm, choice: Arm, config: dict[str, Any], seen: str, notes: list[str]
) -> StudyResult:
    """Returns the result of a study whose stages are finished.

    ``seen`` is the sentence on test images that the source has seen, and ``notes`` are the notes to put first.
    """
    settings, pools, first = run.settings, run.pools, run.splits[0]
    arms = tuple(_arm_result(run, arm, baseline) for arm in run.arms.values())
    comparisons = {arm.name: _difference(run, choice, run.arms[arm.name]) for arm in arms if not arm.synthetic}
    difference = comparisons[strictest_control(baseline.name, comparisons)]
    pool = load_pool(run.folder, choice.filters, 0)
    copies = copy_report(first.train, pool.rows(torch.arange(min(len(pool), MAX_COPIES))), first.test)
    class_counts = [torch.bincount(part.train_labels, minlength=run.data.num_classes).float() for part in run.splits]
    return StudyResult(
        verdict=difference.verdict,
        ratio=choice.ratio if difference.verdict == "helps" else 0.0,
        metric=settings.metric,
        baseline=baseline.name,
        choice=choice.name,
        arms=arms,
        comparisons=comparisons,
        seeds=settings.seeds,
        steps=settings.steps,
        data={
            "name": config["data"],
            "train": len(first.train),
            "validation": len(first.validation),
            "test": len(first.test),
            "class_names": run.data.images.class_names,
            "class_counts": torch.stack(class_counts).mean(0).tolist(),
            "image_shape": tuple(first.train.shape[1:]),
            "splits": settings.splits,
        },
        source={
            "name": config["source"],
            "load": _name_to_load(run, choice, config),
            "fitted": settings.splits if isinstance(pools.source, Fitting) else 0,
            "fit_seconds": pools.fit_seconds,
            "pool_seconds": pools.pool_seconds,
            "pool_size": settings.pool_size,
            "seen": seen,
            "copies": copies.sentence,
            "acceptance": pools.acceptance,
        },
        notes=(*notes, *pools.notes, *_notes(run, difference)),
        settings=config,
        pictures=report_pictures(pool, first, pools.teacher, choice),
    )


def _name_to_load(run: StudyRun, choice: Arm, config: dict[str, Any]) -> str | None:
    """Returns the name or pool folder that loads the images of the choice, or None if nothing was kept."""
    source = run.pools.source
    if not choice.filters and isinstance(source, LoadedSource) and source.name is not None:
        return os.fspath(source.name)
    return str(pool_folder(run.folder, choice.filters, 0)) if config["kept"] else None


def _split_scores(run: StudyRun, arm: Arm) -> Tensor:
    """Returns scores ``(splits, n)`` of the test images, mean over the seeds of a split, which are not independent."""
    labels, splits = run.splits[0].test_labels, run.settings.splits
    scores = torch.stack([is_correct(outcome.test, labels) for outcome in run.outcomes[arm.name]])
    return torch.stack([scores[split::splits].mean(0) for split in range(splits)])


def _difference(run: StudyRun, treated: Arm, control: Arm) -> Interval:
    labels = run.splits[0].test_labels if run.settings.metric == "balanced accuracy" else None
    return crossed_difference(_split_scores(run, treated), _split_scores(run, control), labels)


def _arm_result(run: StudyRun, arm: Arm, baseline: Arm) -> ArmResult:
    labels, outcomes = run.splits[0].test_labels, run.outcomes[arm.name]
    recalls = torch.stack([class_recall(outcome.test, labels, run.data.num_classes) for outcome in outcomes])
    same = (arm.name, arm.kind, arm.augment, arm.ratio, arm.labels, arm.filters)
    return ArmResult(
        *same,
        accuracy=tuple(float(is_correct(outcome.test, labels).mean()) for outcome in outcomes),
        balanced_accuracy=tuple(recalls.nanmean(1).tolist()),
        recall=tuple(recalls.mean(0).tolist()),
        validation=run.validation_score(arm),
        calibration_error=statistics.fmean(calibration_error(outcome.test, labels) for outcome in outcomes),
        log_loss=statistics.fmean(float(F.cross_entropy(outcome.test, labels)) for outcome in outcomes),
        seconds=statistics.fmean(outcome.seconds for outcome in outcomes),
        difference=None if arm == baseline else _difference(run, arm, baseline),
    )


def _notes(run: StudyRun, difference: Interval) -> list[str]:
    settings, notes = run.settings, []
    if run.data.num_duplicates:
        notes.append(f"{run.data.num_duplicates} test images were dropped because they are also training images.")
    if settings.splits < settings.seeds:
        notes.append(
            f"The {settings.seeds} seeds share {settings.splits} splits. The scores of the seeds of a split are "
            f"averaged, so the interval is based on {settings.splits} values."
        )
    if settings.splits < FEW_SPLITS:
        notes.append(f"Fewer than {FEW_SPLITS} splits leave much to chance: treat the verdict as a first look.")
    if difference.verdict == "no effect shown":
        margin = (difference.high - difference.low) / 2 * 100
        notes.append(
            f"The interval reaches {margin:.2f} points to either side: {len(run.splits[0].test):,} test images and "
            f"{settings.splits} splits cannot show a smaller effect."
        )
    return notes
