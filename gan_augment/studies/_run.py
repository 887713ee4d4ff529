"""A study in progress: its stages, and how its arms compare."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product, takewhile
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..evaluation import Classifier, Hyperparameters, is_correct, tempered_brier
from ..mixing import LabelPolicy
from ._arms import Arm, Job, TrainSettings
from ._estimate import estimate_sentence, estimated_seconds, measure_costs, rounded
from ._fitting import FitJob, Fitting, LoadedSource
from ._folder import Outcome, SplitImages, count_outcomes, outcome_paths, read_split, write_images
from ._intervals import Interval, crossed_difference
from ._jobs import Runner
from ._power import power_sentence, sign_flip_test
from ._race import race_rounds
from ._reference import Reference
from ._result import OVERSAMPLED, Trial
from ._settings import FIRST_SEEDS, TUNING_SEEDS, Settings
from ._splits import StudyData
from ._synthetic import ControlJob, StudyPools


@dataclass
class StudyRun:
    """A study in progress: its data, the arms that it has trained, and their outcomes for each seed."""

    folder: Path
    data: StudyData
    parts: list[tuple[Tensor, Tensor]]  # rows of the training and validation images of each split
    settings: Settings
    policies: dict[str, LabelPolicy]  # by name, like arms
    source: LoadedSource | Fitting
    reference: Reference | None
    runner: Runner
    progress: bool
    splits: list[SplitImages] = field(init=False)
    pools: StudyPools = field(init=False)
    arms: dict[str, Arm] = field(default_factory=dict)
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)  # of the first seeds, by the key of the arm
    trials: list[Trial] = field(default_factory=list)
    baseline: Arm | None = None  # None until it is chosen
    seconds: dict[Path, float] = field(default_factory=dict)  # of each training

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
        if isinstance(self.source, Fitting) and self.source.budget is not None:
            self.runner.finish(FitJob)  # so that a budget that is too short costs little time
        best = [self._best_augmentation(each, self._tuned(each)) for each in settings.classifiers]
        baseline = min(best, key=self.validation_score)
        if settings.mode == "balance":
            controls = [
                dataclasses.replace(baseline, name=OVERSAMPLED, kind="oversampled", balanced=True),
                dataclasses.replace(baseline, name="class weights", kind="class weights"),
                dataclasses.replace(baseline, name="logit adjustment", kind="logit adjustment"),
            ]
            self._train(controls, settings.seeds)
            baseline = min([baseline, *controls], key=self.validation_score)
        self.baseline = baseline
        self._print_power(baseline)
        self._estimate_rest(baseline)
        self.runner.finish(FitJob)
        self.pools.load_generators(self.splits)
        self.pools.make_pools(self.splits, baseline, self.runner.show)
        choice = self._race(self._synthetic_arms(baseline))
        controls = self._controls(choice)
        self._train(controls, settings.seeds)
        for arm in controls:
            self._check_converged(arm)
        return baseline, choice

    def _estimate(self) -> None:
        """Starts the progress bar, queues the fittings and the controls, and prints about how long everything takes."""
        settings, fittings = self.settings, self.pools.fit_jobs(self.splits)
        jobs: list[FitJob | ControlJob] = [*fittings, *self.pools.control_jobs(self.splits)]
        finished, costs = self._finished(), measure_costs(settings, self.train_settings, self.splits[0])
        seconds = estimated_seconds(settings, costs, finished, {}) + sum(job.seconds for job in jobs)
        self.runner.start(costs, seconds)
        self.runner.queue(jobs)
        trainings = settings.num_trainings - sum(finished.values())
        complete = (self.folder / "report.json").exists()  # races may have trained fewer
        if self.progress and (fittings or (trainings > 0 and not complete)):
            least = max((job.seconds for job in fittings), default=0.0)
            wall = max(seconds / self._parallel, least)
            tqdm.write(estimate_sentence(max(trainings, 0), len(fittings), wall), file=sys.stderr)

    def _finished(self) -> dict[str, int]:
        """Returns the number of finished training runs of each classifier."""
        known = list(outcome_paths(self.folder))
        return {each.name: count_outcomes(known, each.name) for each in self.settings.classifiers}

    def _estimate_rest(self, baseline: Arm) -> None:
        """Prints about how long the rest takes with the settings of the baseline, and corrects the bar."""
        name = baseline.classifier.name
        later = count_outcomes(outcome_paths(self.folder), name) - count_outcomes(self.seconds, name)
        trainings = max(self.settings.num_mixed_trainings - later, 0)
        training = self.runner.costs[name].training(self._job(baseline, 0).steps)
        seconds = self.runner.estimate_again(trainings * training)
        if self.progress and trainings:
            tqdm.write(f"The rest takes about {rounded(seconds / self._parallel)}.", file=sys.stderr)

    @property
    def _parallel(self) -> int:
        """The number of classifiers that can train at the same time, in most stages."""
        return min(self.settings.processes, FIRST_SEEDS * self.settings.seeds)

    def _print_power(self, baseline: Arm) -> None:
        """Prints the smallest effect that the study can show, estimated with the two best ordinary augmentations."""
        others = [arm for arm in self.arms.values() if arm != baseline and arm.classifier == baseline.classifier]
        other = next((arm for arm in others if len(self.outcomes[arm.key]) == self.settings.seeds), None)
        if other is None or not self.progress:
            return
        found = self.difference(other, baseline)
        tqdm.write(power_sentence(found, len(self.splits[0].test), self.settings.splits), file=sys.stderr)

    def validation_score(self, arm: Arm) -> float:
        """Returns the Brier score of an arm on the validation images; see :class:`ArmResult`."""
        logits = [outcome.validation for outcome in self.outcomes[arm.key]]
        labels = [self.splits[seed % self.settings.splits].validation_labels for seed in range(len(logits))]
        score = tempered_brier(logits, labels, self.settings.metric == "balanced accuracy")
        diverged = not self.has_converged(arm) or (math.isnan(score) and self.settings.validation > 0)
        return math.inf if diverged else score

    def has_converged(self, arm: Arm) -> bool:
        """Returns whether all logits of an arm are finite."""
        return all(bool(each.isfinite().all()) for out in self.outcomes[arm.key] for each in (out.validation, out.test))

    def difference(self, treated: Arm, control: Arm) -> Interval:
        """Compares two arms in the study's metric, on the seeds that both have."""
        return self._difference(self.outcomes[treated.key], self.outcomes[control.key])

    def _difference(self, treated: list[Outcome], control: list[Outcome]) -> Interval:
        seeds = min(len(treated), len(control))
        labels = self.splits[0].test_labels if self.settings.metric == "balanced accuracy" else None
        return crossed_difference(self._split_scores(treated[:seeds]), self._split_scores(control[:seeds]), labels)

    def _describe(self, job: Job, found: Mapping[Path, Outcome | None]) -> str:
        """Returns a job's arm and, once there is a baseline, the arm's difference from it so far, in points."""
        if self.baseline is None or not self.progress:
            return job.arm.name
        paths = (dataclasses.replace(job, seed=seed).path for seed in range(self.settings.seeds))
        outcomes = list(takewhile(lambda outcome: outcome is not None, map(found.get, paths)))
        if len(outcomes) < 2:
            return job.arm.name
        so_far = self._difference([each for each in outcomes if each], self.outcomes[self.baseline.key])
        points = (so_far.mean * 100, so_far.low * 100, so_far.high * 100)
        return "{}: {:+.1f} ({:+.1f} to {:+.1f})".format(job.arm.name, *points)

    def sign_flip(self, treated: Arm, control: Arm) -> float:
        """Returns the p-value of a sign-flip test over the splits of two arms that have all seeds."""
        labels, (one, other) = self.splits[0].test_labels, (self.outcomes[arm.key] for arm in (treated, control))
        differences = self._split_scores(one) - self._split_scores(other)
        if self.settings.metric == "accuracy":
            return sign_flip_test(differences.mean(1).tolist())
        by_class = [differences[:, labels == label].mean(1) for label in range(self.data.num_classes)]
        return sign_flip_test(torch.stack(by_class).mean(0).tolist())

    def _split_scores(self, outcomes: list[Outcome]) -> Tensor:
        """Returns scores ``(splits, n)`` of the test images, means over the seeds of a split."""
        labels, splits = self.splits[0].test_labels, min(self.settings.splits, len(outcomes))
        scores = torch.stack([is_correct(outcome.test, labels) for outcome in outcomes])
        return torch.stack([scores[split::splits].mean(0) for split in range(splits)])

    def _job(self, arm: Arm, seed: int) -> Job:
        return Job(self.folder, arm, seed, seed % self.settings.splits, self.train_settings)

    def _train(self, arms: list[Arm], seeds: int, *, listed: bool = True) -> None:
        """Trains arms with the first seeds, and lists them in the report."""
        jobs = [self._job(arm, seed) for arm in arms for seed in range(seeds)]
        found = self.runner(jobs, self._describe)
        self.seconds |= {job.path: outcome.seconds for job, outcome in zip(jobs, found)}
        outcomes = iter(found)
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
        tuned = {trial.classifier: trial.hyperparameters.steps for trial in self.trials if trial.chosen}
        self.runner.estimate_again(estimated_seconds(self.settings, self.runner.costs, self._finished(), tuned))
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
        self.runner.finish(ControlJob)
        ready = self.pools.finish_controls(self.splits, self.reference)
        arms = [dataclasses.replace(plain, name=f"{kind} {choice.ratio:g}", kind=kind) for kind in ready]
        if "repeated" in self.settings.controls and not choice.balanced:  # balanced arms repeat real images anyway
            arms.append(dataclasses.replace(plain, name=f"oversampled {choice.ratio:g}", kind="oversampled"))
        if self.settings.mode == "balance":
            filled = dataclasses.replace(plain, ratio=0.0, filters=choice.filters, balanced=False)
            arms.append(dataclasses.replace(filled, name="filled up", kind="filled up"))
        return arms


def _real_arm(name: str, augment: str, classifier: Classifier, hyperparameters: Hyperparameters) -> Arm:
    return Arm(name, "none" if augment == "none" else "ordinary", augment, classifier, hyperparameters)
