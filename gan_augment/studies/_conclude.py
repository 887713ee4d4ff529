"""Computes the result of a study from its trainings: scores, differences, the verdict and the notes."""

from __future__ import annotations

import os
import statistics
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..evaluation import calibration_error, class_recall, is_correct
from ..metrics import copy_report
from ._arms import Arm
from ._files import load_pool, pool_folder
from ._intervals import Interval, crossed_difference
from ._pictures import report_pictures
from ._result import ArmResult, StudyResult, strictest_control
from ._sources import Fitting, LoadedSource
from ._stages import StudyRun

MAX_COPIES = 2000  # samples to search for copies
FEW_SPLITS = 5


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
    return ArmResult(
        name=arm.name,
        kind=arm.kind,
        augment=arm.augment,
        ratio=arm.ratio,
        labels=arm.labels,
        filters=arm.filters,
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
            f"{settings.seeds} seeds share {settings.splits} splits and are averaged in each, so the interval is based "
            f"on {settings.splits} values."
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
