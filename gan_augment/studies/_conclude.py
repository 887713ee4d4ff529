"""The result that follows from the outcomes of a study."""

from __future__ import annotations

import os
import statistics
from typing import Any

import torch
from torch.nn import functional as F

from ..evaluation import calibration_error, class_recall, is_correct
from ..metrics import copy_report
from ._arms import Arm
from ._controls import REFERENCE
from ._fitting import Fitting, LoadedSource
from ._folder import load_pool, pool_folder
from ._intervals import Interval, Verdict
from ._pictures import report_pictures
from ._power import FEW_SPLITS, joint_verdict, power_sentence
from ._result import CONTROL_KINDS, OVERSAMPLED, ArmResult, StudyResult, strictest_control
from ._run import StudyRun

MAX_COPIES = 2000  # samples to search for copies


def conclude(
    run: StudyRun, baseline: Arm, choice: Arm, config: dict[str, Any], seen: str, notes: list[str]
) -> StudyResult:
    """Returns the result of a study whose stages are finished.

    ``seen`` is the sentence on test images that the source has seen, and ``notes`` are the notes to put first.
    """
    settings, pools, first = run.settings, run.pools, run.splits[0]
    arms = tuple(_arm_result(run, arm, baseline) for arm in run.arms.values())
    comparisons = {arm.name: run.difference(choice, run.arms[arm.name]) for arm in arms if not arm.synthetic}
    strictest, verdict, p_value = _verdict(run, choice, baseline)
    control, adds, cheaper = _best_control(run, choice, baseline)
    reference = next((arm for arm in run.arms.values() if arm.kind == REFERENCE), None)
    pool = load_pool(run.folder, choice.filters, 0)
    copies = copy_report(first.train, pool.rows(torch.arange(min(len(pool), MAX_COPIES))), first.test)
    class_counts = [torch.bincount(part.train_labels, minlength=run.data.num_classes).float() for part in run.splits]
    return StudyResult(
        verdict=verdict,
        sign_flip=p_value,
        ratio=choice.ratio if verdict == "helps" and cheaper is None else 0.0,
        metric=settings.metric,
        baseline=baseline.name,
        choice=choice.name,
        control=control,
        generator_adds=adds,
        cheaper=cheaper,
        trials=tuple(run.trials),
        arms=arms,
        comparisons=comparisons,
        seeds=settings.seeds,
        steps=round(settings.steps * baseline.hyperparameters.steps),
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
            "fit_steps": pools.fit_steps,
            "planned_fit_steps": pools.planned_steps,
            "fit_seconds": pools.fit_seconds,
            "pool_seconds": pools.pool_seconds,
            "trainings": len(run.seconds),
            "training_seconds": sum(run.seconds.values()),
            "pool_size": settings.pool_size,
            "seen": seen,
            "copies": copies.sentence,
            "acceptance": pools.acceptance,
        },
        notes=(*notes, *pools.notes, *_notes(run, comparisons[strictest.name], p_value)),
        settings=config,
        reference=None if reference is None else reference.name,
        against_reference=None if reference is None else _compared(run, choice, reference),
        pictures=report_pictures(pool, first, pools.teacher, choice),
    )


def _name_to_load(run: StudyRun, choice: Arm, config: dict[str, Any]) -> str | None:
    """Returns the name or pool folder that loads the images of the choice, or None if nothing was kept."""
    source = run.pools.source
    if not choice.filters and isinstance(source, LoadedSource) and source.name is not None:
        return os.fspath(source.name)
    return str(pool_folder(run.folder, choice.filters, 0)) if config["kept"] else None


def _verdict(run: StudyRun, treated: Arm, baseline: Arm) -> tuple[Arm, Verdict, float]:
    """Returns the real arm over which the gain is smallest, the verdict, and the p-value of the sign-flip test.

    The real arms are the baseline and, in mode ``"balance"``, `oversampled`; only a gain over both helps.
    """
    arms = {arm.name: arm for arm in (baseline, run.arms.get(OVERSAMPLED)) if arm is not None}
    found = {name: run.difference(treated, arm) for name, arm in arms.items()}
    p_values = {name: run.sign_flip(treated, arm) for name, arm in arms.items()}
    verdicts = {name: joint_verdict(found[name], p_values[name], run.settings.splits) for name in arms}
    strictest = strictest_control(baseline.name, found)
    verdict = verdicts[strictest]
    if verdict == "helps" and set(verdicts.values()) != {"helps"}:
        verdict = "no effect shown"
    return arms[strictest], verdict, p_values[strictest]


def _compared(run: StudyRun, choice: Arm, other: Arm) -> Verdict:
    """Returns the verdict on the choice compared with another arm that has all seeds."""
    return joint_verdict(run.difference(choice, other), run.sign_flip(choice, other), run.settings.splits)


def _best_control(run: StudyRun, choice: Arm, baseline: Arm) -> tuple[str | None, Verdict | None, str | None]:
    """Returns the best control on the validation images, the verdict on the choice against it, and it again if cheaper.

    It is cheaper if it helps and the choice is not shown to be better. Without validation images, nothing can choose
    among several controls.
    """
    controls = [arm for arm in run.arms.values() if arm.kind in CONTROL_KINDS and arm.ratio]
    if not controls or (len(controls) > 1 and not run.settings.validation):
        return None, None, None
    control = min(controls, key=run.validation_score)
    adds = _compared(run, choice, control)
    helps = _verdict(run, control, baseline)[1] == "helps"
    return control.name, adds, control.name if helps and adds != "helps" else None


def _arm_result(run: StudyRun, arm: Arm, baseline: Arm) -> ArmResult:
    labels, outcomes = run.splits[0].test_labels, run.outcomes[arm.key]
    recalls = torch.stack([class_recall(outcome.test, labels, run.data.num_classes) for outcome in outcomes])
    same = (arm.name, arm.kind, arm.augment, arm.classifier.name, arm.ratio, arm.labels, arm.filters)
    return ArmResult(
        *same,
        accuracy=tuple(float(is_correct(outcome.test, labels).mean()) for outcome in outcomes),
        balanced_accuracy=tuple(recalls.nanmean(1).tolist()),
        recall=tuple(recalls.mean(0).tolist()),
        validation=run.validation_score(arm),
        calibration_error=statistics.fmean(calibration_error(outcome.test, labels) for outcome in outcomes),
        log_loss=statistics.fmean(float(F.cross_entropy(outcome.test, labels)) for outcome in outcomes),
        seconds=statistics.fmean(outcome.seconds for outcome in outcomes),
        difference=None if arm == baseline else run.difference(arm, baseline),
    )


def _notes(run: StudyRun, found: Interval, p_value: float) -> list[str]:
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
    if found.verdict != joint_verdict(found, p_value, settings.splits):
        notes.append(
            "The interval excludes zero, but a sign-flip test over the splits does not agree "
            f"(p = {p_value:.2g}), so the verdict is no effect shown."
        )
    return [*notes, power_sentence(found, len(run.splits[0].test), settings.splits)]
