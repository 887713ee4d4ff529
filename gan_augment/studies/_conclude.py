"""What the trainings of a study say: scores, differences, the verdict, and what a reader must know."""

from __future__ import annotations

import os
import statistics
from typing import Any

import torch
from torch import Tensor, nn

from ..evaluation import calibration_error, class_recall, is_correct
from ..metrics import copy_report
from ._arms import Arm
from ._files import pool_folder
from ._paired import Interval, crossed_difference
from ._pictures import report_pictures
from ._result import ArmResult, StudyResult, control_of
from ._sources import Fitting, Given
from ._stages import Stages

MOST_COPIES = 2000  # samples that are looked at
FEW = 5


class Conclusion:
    """What finished stages say.

    Args:
        stages (Stages): Of which all are run.
    """

    def __init__(self, stages: Stages) -> None:
        self.stages, self.settings, self.data, self.splits = stages, stages.settings, stages.data, stages.splits

    def result(self, baseline: Arm, choice: Arm, about: dict[str, Any], seen: str, notes: list[str]) -> StudyResult:
        """Everything that was found."""
        settings, first, pools = self.settings, self.splits[0], self.stages.pools
        if pools.teacher is None:
            raise ValueError("Pools must be made before a study is concluded.")
        results = tuple(self._arm_result(arm, baseline) for arm in self.stages.arms.values())
        of_real_images = (result.name for result in results if not result.synthetic)
        comparisons = {name: self._difference(choice, self.stages.arms[name]) for name in of_real_images}
        found = comparisons[control_of(baseline.name, comparisons)]
        pool = pools.load(choice.filters)
        looked_at = pool.rows(torch.arange(min(len(pool), MOST_COPIES)))
        copies = copy_report(first.train, looked_at, first.test)
        counts = [torch.bincount(part.labels, minlength=self.data.num_classes).float() for part in self.splits]
        return StudyResult(
            verdict=found.verdict,
            ratio=choice.ratio if found.verdict == "helps" else 0.0,
            metric=settings.metric,
            baseline=baseline.name,
            choice=choice.name,
            arms=results,
            comparisons=comparisons,
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
                "name": about["source"],
                "load": self._loadable(choice, about),
                "fitted": settings.splits if isinstance(pools.source, Fitting) else 0,
                "fit_seconds": pools.fit_seconds,
                "pool_seconds": pools.pool_seconds,
                "pool_size": settings.pool_size,
                "seen": seen,
                "copies": copies.sentence,
                "acceptance": pools.acceptance,
            },
            notes=(*notes, *pools.notes, *self._notes(found)),
            settings=about,
            pictures=report_pictures(pool, first, pools.teacher, _filtered(choice.filters)),
        )

    def _loadable(self, choice: Arm, about: dict[str, Any]) -> str | None:
        """What loads the synthetic images of the choice: their pool, or the source's name; None if nothing is kept."""
        source = self.stages.pools.source
        if not choice.filters and isinstance(source, Given) and source.name is not None:
            return os.fspath(source.name)
        return str(pool_folder(self.stages.folder, choice.filters, 0)) if about["kept"] else None

    def _scores(self, arm: Arm) -> Tensor:
        """Of each split on each test image: seeds that share a split are no independent ones."""
        labels = self.splits[0].test_labels
        scores = torch.stack([is_correct(outcome.test, labels) for outcome in self.stages.outcomes[arm.name]])
        return torch.stack([scores[split :: self.settings.splits].mean(0) for split in range(self.settings.splits)])

    def _difference(self, treated: Arm, control: Arm) -> Interval:
        balanced = self.splits[0].test_labels if self.settings.metric == "balanced accuracy" else None
        return crossed_difference(self._scores(treated), self._scores(control), balanced)

    def _arm_result(self, arm: Arm, baseline: Arm) -> ArmResult:
        labels, outcomes = self.splits[0].test_labels, self.stages.outcomes[arm.name]
        recalls = torch.stack([class_recall(outcome.test, labels, self.data.num_classes) for outcome in outcomes])
        log_loss = [float(nn.functional.cross_entropy(outcome.test, labels)) for outcome in outcomes]
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
            validation=self.stages.validation(arm),
            calibration_error=statistics.fmean(calibration_error(outcome.test, labels) for outcome in outcomes),
            log_loss=statistics.fmean(log_loss),
            seconds=statistics.fmean(outcome.seconds for outcome in outcomes),
            difference=None if arm == baseline else self._difference(arm, baseline),
        )

    def _notes(self, found: Interval) -> list[str]:
        settings, notes = self.settings, []
        if self.data.left_out:
            notes.append(f"{self.data.left_out} test images were among those to train on, and were left out.")
        if settings.splits < settings.seeds:
            notes.append(
                f"{settings.seeds} seeds share {settings.splits} splits, and are averaged in each: the interval rests "
                f"on {settings.splits} values."
            )
        if settings.splits < FEW:
            notes.append(f"Fewer than {FEW} splits leave much to chance: take the verdict for a first look.")
        if found.verdict == "no effect shown":
            reach = (found.high - found.low) / 2 * 100
            notes.append(
                f"The interval reaches {reach:.2f} points to either side: with {len(self.splits[0].test):,} test "
                f"images and {settings.splits} splits, smaller effects go unseen."
            )
        return notes


def _filtered(filters: tuple[str, ...]) -> str:
    return f"filtered by {' and '.join(filters)}" if filters else "unfiltered"
