"""The result of a study: its arms, their differences and the verdict."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from ..evaluation import Hyperparameters
from ._intervals import Interval, Verdict
from .report import write_report

OVERSAMPLED = "oversampled"  # name of the arm with ratio 0 and the settings of the synthetic arms of mode "balance"
Kind = Literal[
    "none",
    "ordinary",
    "oversampled",
    "class weights",
    "logit adjustment",
    "filled up",
    "synthetic",
    "varied",
    "elastic",
    "smote",
    "reference",
]
CONTROL_KINDS = ("varied", "elastic", "smote", "oversampled")  # in these, real images take the place of synthetic ones


@dataclass(frozen=True)
class Trial:
    """Holds hyperparameters that a study tried for a classifier, and their score.

    Attributes:
        classifier (str): Name of the classifier.
        hyperparameters (Hyperparameters): The hyperparameters.
        validation (float): Brier score on the validation images; see :class:`ArmResult`. Trials that dropped out early
            have fewer seeds, so compare only trials with the same number of seeds.
        seeds (int): Number of seeds.
        chosen (bool): Whether the study uses these hyperparameters.
    """

    classifier: str
    hyperparameters: Hyperparameters
    validation: float
    seeds: int
    chosen: bool


@dataclass(frozen=True)
class ArmResult:
    """The scores of one arm over all seeds. Scores are shares, 0..1, on the test images unless stated otherwise.

    Attributes:
        name (str): Name; unique in a study, such as ``"synthetic 0.25"``.
        kind (str): ``"none"`` (no augmentation), ``"ordinary"`` (real images, ordinary augmentation),
            ``"oversampled"`` (real images are repeated: in place of synthetic ones, or until all classes have the same
            number of images), ``"class weights"``, ``"logit adjustment"`` (https://arxiv.org/abs/2007.07314),
            ``"filled up"`` (like ``"oversampled"``, but with synthetic images) or ``"synthetic"``. In the controls,
            real images take the place of synthetic ones: ``"varied"`` (by :class:`ClassVariation`), ``"elastic"``
            (random elastic deformations) and ``"smote"`` (blends of two images of a class). In ``"reference"``, the
            images of ``reference=`` take their place.
        augment (str): Ordinary augmentation of the arm, a name of :data:`AUGMENTATIONS`.
        classifier (str): Name of the classifier.
        ratio (float): Share of each batch that consists of synthetic images or, in a control, of the real images in
            their place; 0 if classes are filled up to the same number.
        labels (str): Label policy of the synthetic images, such as ``"same"``.
        filters (tuple of str): Filters of the synthetic images.
        accuracy (tuple of float): Accuracy of each seed. Arms that were clearly worse on the validation images have
            fewer seeds.
        balanced_accuracy (tuple of float): Mean recall of the classes, for each seed.
        recall (tuple of float): Recall of each class, mean over the seeds.
        validation (float): Brier score on the validation images, mean over the seeds; lower is better. It chooses the
            augmentation and the synthetic arm, because it varies less by chance than the accuracy. Temperature
            scaling of each arm corrects the confidence, which soft targets lower. NaN without validation images.
        calibration_error (float): Expected calibration error in 15 bins, mean over the seeds.
        log_loss (float): Cross-entropy in nats, mean over seeds and test images.
        seconds (float): Time to train one classifier, mean over the seeds.
        difference (Interval, optional): Paired difference from the baseline in the study's metric. None for the
            baseline.
    """

    name: str
    kind: Kind
    augment: str
    classifier: str
    ratio: float
    labels: str
    filters: tuple[str, ...]
    accuracy: tuple[float, ...]
    balanced_accuracy: tuple[float, ...]
    recall: tuple[float, ...]
    validation: float
    calibration_error: float
    log_loss: float
    seconds: float
    difference: Interval | None = None

    @property
    def synthetic(self) -> bool:
        """Whether the arm trains on synthetic images."""
        return self.kind in ("synthetic", "filled up")


def strictest_control(baseline: str, comparisons: dict[str, Interval]) -> str:
    """Returns the baseline or ``oversampled``: the one over which the choice gains less. It decides the verdict."""
    return min(
        (name for name in (baseline, OVERSAMPLED) if name in comparisons), key=lambda name: comparisons[name].low
    )


def _points(found: Interval) -> str:
    return f"{found.mean * 100:+.2f} points ({found.low * 100:+.2f} to {found.high * 100:+.2f})"


def _disagreement(found: Interval, verdict: Verdict | None) -> str:
    """Returns a clause that explains why a verdict differs from its interval, or an empty string if it does not."""
    if verdict in (None, found.verdict):
        return ""
    return ", but a sign-flip test over the splits does not agree with this interval"


@dataclass(frozen=True)
class StudyResult:
    """The result of :func:`study`.

    Attributes:
        verdict (str): ``"helps"``, ``"no effect shown"`` or ``"hurts"``: the effect of the choice on the test images,
            compared with the baseline. In mode ``"balance"``, the effect is the smaller of two: that compared with the
            baseline, and that compared with ``oversampled``.
        sign_flip (float): P-value of a sign-flip test of the same effect over the splits. If it is above 0.05, the
            verdict is ``"no effect shown"``. With five or fewer splits, it is always above 0.05; the verdict then
            requires that the effect has the same sign in all splits.
        ratio (float): Ratio to use: that of the choice if it helps and no control is cheaper, otherwise 0. In mode
            ``"balance"`` it is the share in batches in which all classes are equally frequent.
        metric (str): ``"accuracy"`` or ``"balanced accuracy"``.
        baseline (str): Name of the arm without synthetic images that was best on the validation images.
        choice (str): Name of the synthetic arm that was best on the validation images.
        control (str, optional): Name of the control that was best on the validation images, or None without controls.
            In a control, real images take the place of synthetic ones, so it needs no generator.
        generator_adds (str, optional): Verdict on the choice compared with that control.
        cheaper (str, optional): That control, if it helps and the choice is not shown to be better: use it instead of
            synthetic images.
        trials (tuple of Trial): Hyperparameters that were tried, with their scores.
        arms (tuple of ArmResult): All arms.
        comparisons (dict of str to Interval): Paired difference of the choice from each arm without synthetic images,
            by name.
        seeds (int): Number of paired seeds.
        steps (int): Training steps of the baseline, the synthetic arms and their controls.
        data (dict): ``"name"``, ``"train"``, ``"validation"``, ``"test"`` (numbers of images), ``"class_names"``,
            ``"class_counts"`` (training images of each class, mean over the splits), ``"image_shape"``, ``"splits"``.
        source (dict): ``"name"``, ``"load"`` (name or folder from which the images of the choice can be loaded, if
            there is one), ``"fitted"`` (number of generators that the study fitted), ``"fit_steps"`` (steps
            that each fitting made), ``"planned_fit_steps"`` (fewer if a budget runs out), ``"fit_seconds"``,
            ``"pool_seconds"``, ``"pool_size"``, ``"trainings"`` (number of training runs), ``"training_seconds"``,
            ``"seen"`` (sentence on seen test images), ``"copies"`` (sentence on near copies), ``"acceptance"`` (share
            of the candidates that each filter kept, by name).
        notes (tuple of str): Limits and remarks, one or two sentences each.
        settings (dict): All settings, as JSON can store them; with ``"command"`` if it ran in a shell.
        reference (str, optional): Name of the arm with the images of ``reference=``, or None without them.
        against_reference (str, optional): Verdict on the choice compared with that arm: ``"hurts"`` if the
            synthetic images are worse. The arm does not affect ``control``, ``cheaper`` or ``ratio``, because it needs
            additional real images.
        pictures (dict of str to Tensor): Pictures for the report by caption, uint8 ``(c, h, w)``.
    """

    verdict: Verdict
    sign_flip: float
    ratio: float
    metric: str
    baseline: str
    choice: str
    control: str | None
    generator_adds: Verdict | None
    cheaper: str | None
    trials: tuple[Trial, ...]
    arms: tuple[ArmResult, ...]
    comparisons: dict[str, Interval]
    seeds: int
    steps: int
    data: dict[str, Any]
    source: dict[str, Any]
    notes: tuple[str, ...]
    settings: dict[str, Any]
    reference: str | None = None
    against_reference: Verdict | None = None
    pictures: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def arm(self, name: str) -> ArmResult:
        """Returns the arm with this name.

        Raises:
            ValueError: If there is no such arm.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise ValueError(f"name must be one of {[arm.name for arm in self.arms]}, but got {name!r} instead.")

    def scores(self, arm: ArmResult) -> tuple[float, ...]:
        """Returns an arm's values of the study's metric on the test images, one for each seed."""
        return arm.balanced_accuracy if self.metric == "balanced accuracy" else arm.accuracy

    @property
    def balances(self) -> bool:
        """Whether the study used mode ``"balance"``."""
        return self.settings.get("mode") == "balance"

    @property
    def ratio_zero(self) -> ArmResult:
        """The arm that has the settings of the synthetic arms, but ratio 0: no synthetic images."""
        return next((arm for arm in self.arms if arm.name == OVERSAMPLED), self.arm(self.baseline))

    @property
    def headline(self) -> str:
        """The verdict in one sentence, and the ratio to use in another."""
        control = strictest_control(self.baseline, self.comparisons)
        found = self.comparisons[control]
        verdict = "shows no effect" if self.verdict == "no effect shown" else self.verdict
        batches = " in batches in which all classes are equally frequent" if self.ratio and self.balances else ""
        return (
            f"Mixing {verdict} here: {self.choice} changed the {self.metric} by {found.mean * 100:+.2f} points "
            f"({found.level * 100:g}% interval {found.low * 100:+.2f} to {found.high * 100:+.2f}) compared with "
            f"{control}. Use ratio {self.ratio:g}{batches}."
        )

    @property
    def generator_sentence(self) -> str:
        """A comparison of the choice with the control, which needs no generator; empty without a control."""
        if self.control is None:
            return ""
        found = self.comparisons[self.control]
        adds = {
            "helps": "The synthetic images help more than real images in their place",
            "hurts": "The synthetic images are worse than real images in their place",
            "no effect shown": "The synthetic images show no gain over real images in their place",
        }[self.generator_adds or found.verdict]
        last = f" Use {self.cheaper} instead: it helps without a generator." if self.cheaper else ""
        return (
            f"{adds}: {self.choice} differs from {self.control}, the best control on the validation images, by "
            f"{_points(found)}{_disagreement(found, self.generator_adds)}.{last}"
        )

    @property
    def reference_sentence(self) -> str:
        """A sentence that compares the choice with the reference images; empty without them."""
        if self.reference is None:
            return ""
        found = self.comparisons[self.reference]
        loses = {
            "helps": "The synthetic images are better than the reference images",
            "hurts": "The synthetic images are worse than the reference images",
            "no effect shown": "The study shows no difference between the synthetic images and the reference images",
        }[self.against_reference or found.verdict]
        return (
            f"{loses}: {self.choice} differs from {self.reference}, in which these real images take the place of the "
            f"synthetic ones, by {_points(found)}{_disagreement(found, self.against_reference)}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns everything except the pictures as a dictionary that JSON can store."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("pictures", "arms")}
        compared = {name: dataclasses.asdict(interval) for name, interval in self.comparisons.items()}
        fields |= {"trials": [dataclasses.asdict(trial) for trial in self.trials]}
        arms = [dataclasses.asdict(arm) for arm in self.arms]
        sentences = {name: getattr(self, name) for name in ("headline", "generator_sentence", "reference_sentence")}
        return {**sentences, **fields, "arms": arms, "comparisons": compared}

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes ``report.html`` (one self-contained page), ``report.md`` and ``report.json`` to a folder."""
        write_report(self, Path(folder))

    def __str__(self) -> str:
        width = max(len(arm.name) for arm in self.arms)
        lines = [
            self.headline,
            *filter(None, [self.generator_sentence, self.reference_sentence]),
            "",
            f"{'arm'.ljust(width)}  {self.metric}    difference, points (95% interval)",
        ]
        for arm in self.arms:
            score, found, difference = Interval.of(self.scores(arm)), arm.difference, ""
            if found is not None:
                difference = f"  {found.mean * 100:+6.2f} ({found.low * 100:+.2f} to {found.high * 100:+.2f})"
            mark = {self.baseline: "  baseline", self.choice: "  choice"}.get(arm.name, "")
            lines.append(f"{arm.name.ljust(width)}  {score.mean * 100:6.2f}%{difference}{mark}")
        return "\n".join([*lines, "", *self.notes])
