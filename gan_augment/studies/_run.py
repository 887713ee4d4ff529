"""A study in progress: its stages, and the result that follows from their outcomes."""

from __future__ import annotations

import dataclasses
import math
import os
import statistics
import sys
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from ..evaluation import Classifier, Hyperparameters, calibration_error, class_recall, is_correct, tempered_brier
from ..metrics import copy_report
from ..mixing import LabelPolicy
from ._arms import Arm, Job, TrainSettings
from ._estimate import estimate_sentence, estimated_seconds, measure_costs
from ._folder import Outcome, SplitImages, load_pool, pool_folder, read_split, write_images
from ._intervals import Interval, Verdict, crossed_difference
from ._jobs import Runner
from ._pictures import report_pictures
from ._power import joint_verdict, power_sentence, sign_flip_test
from ._race import race_rounds
from ._result import CONTROL_KINDS, OVERSAMPLED, ArmResult, StudyResult, Trial, strictest_control
from ._settings import FIRST_SEEDS, TUNING_SEEDS, Settings
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
    policies: dict[str, LabelPolicy]  # by name, like arms
    source: LoadedSource | Fitting
    runner: Runner
    progress: bool
    splits: list[SplitImages] = field(init=False)
    pools: StudyPools = field(init=False)
    arms: dict[str, Arm] = field(default_factory=dict)
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)  # of the first seeds, by the key of the arm
    trials: list[Trial] = field(default_factory=list)
    trained: dict[Path, int] = field(default_factory=dict)  # the steps of each training
    power: str = ""  # the smallest effect that can be shown

    def __post_init__(self) -> None:
        settings, images = self.settings, self.data.images
        write_images(self.folder, images.images, images.classes, self.data.test_rows, self.parts)
        self.splits = [read_split(self.folder, index) for index in range(settings.splits)]
        shared = {name: getattr(settings, name) for name in ("steps", "batch_size", "seed", "precision", "device")}
        self.train_settings = TrainSettings(self.data.num_classes, **shared)
        self.pools = StudyPools(self.folder, settings, self.train_settings, self.source, self.progress)

    def run_stages(self) -> tuple[Arm, Arm]:
        """Runs all stages, and returns the baseline and the choice."""
        settings = self.settings
        self._estimate()
        self.pools.fit_generators(self.splits)
        best = [self._best_augmentation(each, self._tuned(each)) for each in settings.classifiers]
        baseline = min(best, key=self.validation_score) if len(best) > 1 else best[0]
        if settings.mode == "balance":
            controls = [
                dataclasses.replace(baseline, name=OVERSAMPLED, kind="oversampled", balanced=True),
                dataclasses.replace(baseline, name="class weights", kind="class weights"),
            ]
            self._train(controls, settings.seeds)
            baseline = min([baseline, *controls], key=self.validation_score)
        self._note_power(baseline)
        self.pools.make_pools(self.splits, baseline)
        choice = self._race(self._synthetic_arms(baseline))
        controls = self._controls(choice)
        self._train(controls, settings.seeds)
        for arm in controls:
            self._check_converged(arm)
        return baseline, choice

    def _estimate(self) -> None:
        """Starts the progress bar, and prints about how long the study takes."""
        settings = self.settings
        costs = measure_costs(settings, self.train_settings, self.splits[0])
        self.runner.start(costs, estimated_seconds(settings, costs))
        if self.progress:
            first, fitted = self.splits[0], settings.splits if isinstance(self.source, Fitting) else 0
            fitting = self.source.seconds(first.train, first.train_labels) if isinstance(self.source, Fitting) else 0.0
            tqdm.write(estimate_sentence(settings, costs, fitted, fitting), file=sys.stderr)

    def _note_power(self, baseline: Arm) -> None:
        """Says the smallest effect that the study can show, as the two best ordinary augmentations differ."""
        seeds, trained = self.settings.seeds, self.outcomes
        others = [arm for arm in self.arms.values() if arm != baseline and arm.classifier == baseline.classifier]
        other = next((arm for arm in others if len(trained[arm.key]) == seeds), None)
        if other is None:
            return
        found = difference(self, other, baseline)
        self.power = power_sentence(found, len(self.splits[0].test), self.settings.splits)
        if self.progress:
            tqdm.write(self.power, file=sys.stderr)

    def validation_score(self, arm: Arm) -> float:
        """Returns the Brier score of an arm on the validation images; see :class:`ArmResult`."""
        logits = [outcome.validation for outcome in self.outcomes[arm.key]]
        labels = [self.splits[seed % self.settings.splits].validation_labels for seed in range(len(logits))]
        score = tempered_brier(logits, labels, self.settings.metric == "balanced accuracy")
        finite = self.has_converged(arm) and (math.isfinite(score) or not self.settings.validation)
        return score if finite else math.inf

    def has_converged(self, arm: Arm) -> bool:
        """Returns whether all logits of an arm are finite."""
        return all(bool(each.isfinite().all()) for out in self.outcomes[arm.key] for each in (out.validation, out.test))

    def _train(self, arms: list[Arm], seeds: int, *, listed: bool = True) -> None:
        """Trains arms with the first seeds, and lists them in the report."""
        jobs = [
            Job(self.folder, arm, seed, seed % self.settings.splits, self.train_settings)
            for arm in arms
            for seed in range(seeds)
        ]
        outcomes = iter(self.runner(jobs))
        self.trained |= {job.path: job.steps for job in jobs}
        for arm in arms:
            self.outcomes[arm.key] = [next(outcomes) for _ in range(seeds)]
            if listed:
                self.arms[arm.name] = arm

    def _race(self, arms: list[Arm], first: int = FIRST_SEEDS, last: int | None = None, *, listed: bool = True) -> Arm:
        """Trains arms on more seeds in each round, and returns the best on the validation images.

        The worse half drops out after each round. A listed winner then trains with all seeds.
        """
        total = self.settings.seeds
        for count, seeds in race_rounds(len(arms), first, min(last or total, total)):
            self._train(arms[:count], seeds, listed=listed)
            arms = sorted(arms[:count], key=self.validation_score)
        if listed:
            self._train(arms[:1], total)
        self._check_converged(arms[0])
        return arms[0]

    def _check_converged(self, arm: Arm) -> None:
        if not self.has_converged(arm):
            raise ValueError(
                f"The logits must be finite, but those of the arm {arm.name!r} are not: its training may have "
                "diverged. Use a lower lr."
            )

    def _tuned(self, classifier: Classifier) -> Hyperparameters:
        """Chooses the hyperparameters of a classifier on the validation images, with one ordinary augmentation."""
        trials = self.settings.trials(classifier)
        if len(trials) == 1:
            return trials[0]
        augment = self.settings.tuning_augment
        arms = [_real_arm(f"{classifier.name}, {trial}", augment, classifier, trial) for trial in trials]
        chosen = self._race(arms, 1, TUNING_SEEDS, listed=False)
        for arm in arms:
            score, seeds = self.validation_score(arm), len(self.outcomes[arm.key])
            self.trials.append(Trial(classifier.name, arm.hyperparameters, score, seeds, arm == chosen))
        return chosen.hyperparameters

    def _best_augmentation(self, classifier: Classifier, hyperparameters: Hyperparameters) -> Arm:
        """Chooses the ordinary augmentation of a classifier on the validation images."""
        several = len(self.settings.classifiers) > 1
        arms = []
        for augment in self.settings.augment:
            name = "no augmentation" if augment == "none" else augment
            name = f"{name}, {classifier.name}" if several else name
            arms.append(_real_arm(name, augment, classifier, hyperparameters))
        return self._race(arms)

    def _synthetic_arms(self, baseline: Arm) -> list[Arm]:
        """Returns the synthetic arms to choose from, balanced in mode ``"balance"``.

        If only rare classes had synthetic images, a classifier could recognise them by that.
        """
        arms, ratios, balance = [], self.settings.ratios, self.settings.mode == "balance"
        for (labels, policy), filters, ratio in product(self.policies.items(), self.pools.filters, ratios):
            name = ", ".join([f"synthetic {ratio:g}", *filters, *([labels] if len(self.policies) > 1 else [])])
            arm = dataclasses.replace(baseline, name=name, kind="synthetic", balanced=balance)
            arms.append(dataclasses.replace(arm, ratio=ratio, policy=policy, labels=labels, filters=filters))
        return arms

    def _controls(self, choice: Arm) -> list[Arm]:
        """Returns arms that train like the choice, but in which real images take the place of its samples."""
        plain = dataclasses.replace(choice, policy=None, labels="", filters=())
        ready = self.pools.make_control_pools(self.splits)
        arms = [dataclasses.replace(plain, name=f"{kind} {choice.ratio:g}", kind=kind) for kind in ready]
        if "repeated" in self.settings.controls and not choice.balanced:  # balanced arms repeat real images anyway
            arms.append(dataclasses.replace(plain, name=f"oversampled {choice.ratio:g}", kind="oversampled"))
        if self.settings.mode == "balance":
            filled = dataclasses.replace(plain, ratio=0.0, filters=choice.filters, balanced=False)
            arms.append(dataclasses.replace(filled, name="filled up", kind="filled up"))
        return arms


def _real_arm(name: str, augment: str, classifier: Classifier, hyperparameters: Hyperparameters) -> Arm:
    return Arm(name, "none" if augment == "none" else "ordinary", augment, classifier, hyperparameters)


def conclude(
    run: StudyRun, baseline: Arm, choice: Arm, config: dict[str, Any], seen: str, notes: list[str]
) -> StudyResult:
    """Returns the result of a study whose stages are finished.

    ``seen`` is the sentence on test images that the source has seen, and ``notes`` are the notes to put first.
    """
    settings, pools, first = run.settings, run.pools, run.splits[0]
    arms = tuple(_arm_result(run, arm, baseline) for arm in run.arms.values())
    comparisons = {arm.name: difference(run, choice, run.arms[arm.name]) for arm in arms if not arm.synthetic}
    strictest, verdict, p_value = _verdict(run, choice, baseline)
    control, adds, cheaper = _best_control(run, choice, baseline)
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
            "fit_seconds": pools.fit_seconds,
            "pool_seconds": pools.pool_seconds,
            "trainings": len(run.trained),
            "training_seconds": sum(outcome.seconds for each in run.outcomes.values() for outcome in each),
            "pool_size": settings.pool_size,
            "seen": seen,
            "copies": copies.sentence,
            "acceptance": pools.acceptance,
        },
        notes=(*notes, *pools.notes, *_notes(run, comparisons[strictest.name], p_value)),
        settings=config,
        pictures=report_pictures(pool, first, pools.teacher, choice),
    )


def _name_to_load(run: StudyRun, choice: Arm, config: dict[str, Any]) -> str | None:
    """Returns the name or pool folder that loads the images of the choice, or None if nothing was kept."""
    source = run.pools.source
    if not choice.filters and isinstance(source, LoadedSource) and source.name is not None:
        return os.fspath(source.name)
    return str(pool_folder(run.folder, choice.filters, 0)) if config["kept"] else None


def split_scores(run: StudyRun, arm: Arm, seeds: int) -> Tensor:
    """Returns scores ``(splits, n)`` of the test images, mean over the seeds of a split, which are not independent."""
    labels, splits = run.splits[0].test_labels, min(run.settings.splits, seeds)
    scores = torch.stack([is_correct(outcome.test, labels) for outcome in run.outcomes[arm.key][:seeds]])
    return torch.stack([scores[split::splits].mean(0) for split in range(splits)])


def difference(run: StudyRun, treated: Arm, control: Arm) -> Interval:
    """Compares two arms on the seeds that both have."""
    labels = run.splits[0].test_labels if run.settings.metric == "balanced accuracy" else None
    seeds = min(len(run.outcomes[arm.key]) for arm in (treated, control))
    return crossed_difference(split_scores(run, treated, seeds), split_scores(run, control, seeds), labels)


def _sign_flip(run: StudyRun, treated: Arm, control: Arm) -> float:
    """Returns the p-value of a sign-flip test over the splits."""
    difference = split_scores(run, treated, run.settings.seeds) - split_scores(run, control, run.settings.seeds)
    if run.settings.metric == "accuracy":
        return sign_flip_test(difference.mean(1).tolist())
    labels = run.splits[0].test_labels
    by_class = torch.stack([difference[:, labels == label].mean(1) for label in range(run.data.num_classes)])
    return sign_flip_test(by_class.mean(0).tolist())


def _verdict(run: StudyRun, treated: Arm, baseline: Arm) -> tuple[Arm, Verdict, float]:
    """Returns the real arm over which the gain is smallest, the verdict, and the p-value of the sign-flip test.

    The real arms are the baseline and, in mode ``"balance"``, `oversampled`; only a gain over both helps.
    """
    arms = {arm.name: arm for arm in (baseline, run.arms.get(OVERSAMPLED)) if arm is not None}
    found = {name: difference(run, treated, arm) for name, arm in arms.items()}
    p_values = {name: _sign_flip(run, treated, arm) for name, arm in arms.items()}
    verdicts = {name: joint_verdict(found[name], p_values[name], run.settings.splits) for name in arms}
    strictest = strictest_control(baseline.name, found)
    verdict = verdicts[strictest]
    if verdict == "helps" and set(verdicts.values()) != {"helps"}:
        verdict = "no effect shown"
    return arms[strictest], verdict, p_values[strictest]


def _best_control(run: StudyRun, choice: Arm, baseline: Arm) -> tuple[str | None, Verdict | None, str | None]:
    """Returns the best control on the validation images, the verdict on the choice against it, and it again if cheaper.

    It is cheaper if it helps and the choice is not shown to be better. Without validation images, nothing can choose
    among several controls.
    """
    controls = [arm for arm in run.arms.values() if arm.kind in CONTROL_KINDS and arm.ratio]
    if not controls or (len(controls) > 1 and not run.settings.validation):
        return None, None, None
    control = min(controls, key=run.validation_score)
    adds = joint_verdict(difference(run, choice, control), _sign_flip(run, choice, control), run.settings.splits)
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
        difference=None if arm == baseline else difference(run, arm, baseline),
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
    if found.verdict == "no effect shown":
        margin = (found.high - found.low) / 2 * 100
        notes.append(
            f"The interval reaches {margin:.2f} points to either side: {len(run.splits[0].test):,} test images and "
            f"{settings.splits} splits cannot show a smaller effect."
        )
    return [*notes, *filter(None, [run.power])]
