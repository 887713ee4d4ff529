"""What a study found: arms, differences, the verdict, and the words for it."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from ._paired import Interval, Verdict, in_words
from .report import write_report

EVEN = "oversampled"  # the arm of mode "balance" that the synthetic ones would be at ratio 0
Kind = Literal["none", "ordinary", "oversampled", "class weights", "filled up", "synthetic"]


@dataclass(frozen=True)
class ArmResult:
    """One way of training, over all seeds. Scores are shares, 0..1, on the test images unless said otherwise.

    Attributes:
        name (str): Short and unique, such as ``"synthetic 0.25"``.
        kind (str): ``"none"`` (no augmentation), ``"ordinary"`` (real images, ordinary augmentation),
            ``"oversampled"`` (real images again, in the places of the synthetic ones or up to the largest class),
            ``"class weights"``, ``"filled up"`` (synthetic images up to the largest class) or ``"synthetic"``.
        augment (str): The ordinary augmentation beneath, a name of :data:`AUGMENTATIONS`.
        ratio (float): Synthetic (or repeated) share of each batch; 0 where it is of the classes as they are filled up.
        labels (str): The label policy of the synthetic images, such as ``"same"``.
        filters (tuple of str): Names of the filters that the synthetic images passed.
        accuracy (tuple of float): One for each seed.
        balanced_accuracy (tuple of float): The mean of the classes' recall, one for each seed.
        recall (tuple of float): Of each class, mean over the seeds.
        validation (float): Brier score on the validation images, under one temperature for the arm, mean over the
            seeds; lower is better. By it the augmentation and the synthetic arm are chosen: it moves less by chance
            than accuracy on few images, and the temperature takes back what soft targets do to confidence. NaN where
            there was nothing to choose.
        calibration_error (float): Expected calibration error in 15 bins, mean over the seeds.
        log_loss (float): Mean over seeds and test images, in nats.
        seconds (float): To train one classifier, mean over the seeds.
        difference (Interval, optional): Of the study's metric, to the baseline, paired. The baseline has none.
    """

    name: str
    kind: Kind
    augment: str
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
        """Whether synthetic images are among those it trains on."""
        return self.kind in ("synthetic", "filled up")


def control_of(baseline: str, comparisons: dict[str, Interval]) -> str:
    """The arm of real images that the verdict is against: what the choice gains least on."""
    return min((name for name in (baseline, EVEN) if name in comparisons), key=lambda name: comparisons[name].low)


@dataclass(frozen=True)
class StudyResult:
    """What :func:`study` gives back.

    Attributes:
        verdict (str): ``"helps"``, ``"no effect shown"`` or ``"hurts"``: what the test images say of the choice against
            the baseline or, in mode ``"balance"``, against ``oversampled``, whichever it gains less on.
        ratio (float): To use: that of the choice if it helps, else 0. In mode ``"balance"`` of batches in which all
            classes come equally often.
        metric (str): ``"accuracy"`` or ``"balanced accuracy"``.
        baseline (str): Name of the arm that all are compared with: of real images alone, the one that was best on the
            validation images.
        choice (str): Name of the synthetic arm that was best on the validation images.
        arms (tuple of ArmResult): All of them.
        comparisons (dict of str to Interval): The choice against each arm of real images alone, paired, by name.
        seeds (int): Number of paired seeds.
        steps (int): Training steps of every classifier.
        data (dict): ``"name"``, ``"train"``, ``"validation"``, ``"test"`` (counts of images), ``"class_names"``,
            ``"class_counts"`` (of the training images, mean over splits), ``"image_shape"``, ``"splits"``.
        source (dict): ``"name"``, ``"load"`` (what loads the images of the choice, if anything), ``"fitted"`` (how many
            generators were fitted inside; 0 if it was pretrained), ``"fit_seconds"``, ``"pool_seconds"``,
            ``"pool_size"``, ``"seen"`` (the guard's sentence), ``"copies"`` (the sentence on near copies),
            ``"acceptance"`` (share of candidates each filtered pool kept, by name).
        notes (tuple of str): What a reader must know, in sentences.
        settings (dict): Everything to repeat it, as JSON can hold it; ``"command"`` where it came from a shell.
        pictures (dict of str to Tensor): Captions and uint8 pictures ``(c, h, w)``, for the report.
    """

    verdict: Verdict
    ratio: float
    metric: str
    baseline: str
    choice: str
    arms: tuple[ArmResult, ...]
    comparisons: dict[str, Interval]
    seeds: int
    steps: int
    data: dict[str, Any]
    source: dict[str, Any]
    notes: tuple[str, ...]
    settings: dict[str, Any]
    pictures: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def arm(self, name: str) -> ArmResult:
        """The arm of a name.

        Raises:
            ValueError: If there is none.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise ValueError(f"name must be one of {[arm.name for arm in self.arms]}, but got {name!r} instead.")

    def scores(self, arm: ArmResult) -> tuple[float, ...]:
        """An arm's values of the study's metric on the test images, one for each seed."""
        return arm.balanced_accuracy if self.metric == "balanced accuracy" else arm.accuracy

    @property
    def balances(self) -> bool:
        """Whether the study was in mode ``"balance"``."""
        return self.settings.get("mode") == "balance"

    @property
    def mixed_into(self) -> str:
        """What the ratio refers to in mode ``"balance"``, in words."""
        return "batches in which all classes come equally often"

    @property
    def unmixed(self) -> ArmResult:
        """The arm of real images that the synthetic arms become at ratio 0."""
        return next((arm for arm in self.arms if arm.name == EVEN), self.arm(self.baseline))

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        control = control_of(self.baseline, self.comparisons)
        found = self.comparisons[control]
        evened = f" of {self.mixed_into}" if self.ratio and self.balances else ""
        return (
            f"Mixing {in_words(self.verdict)}: {self.choice} changed the {self.metric} by {found.mean * 100:+.2f} "
            f"points ({found.level * 100:g} % interval {found.low * 100:+.2f} to {found.high * 100:+.2f}) against "
            f"{control}. Use ratio {self.ratio:g}{evened}."
        )

    def to_dict(self) -> dict[str, Any]:
        """All but the pictures, as JSON can hold it."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("pictures", "arms")}
        compared = {name: dataclasses.asdict(interval) for name, interval in self.comparisons.items()}
        arms = [dataclasses.asdict(arm) for arm in self.arms]
        return {"headline": self.headline, **fields, "arms": arms, "comparisons": compared}

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes ``report.html`` (one self-contained page), ``report.md`` and ``report.json``."""
        write_report(self, Path(folder))

    def __str__(self) -> str:
        width = max(len(arm.name) for arm in self.arms)
        lines = [self.headline, ""]
        for arm in self.arms:
            score, found = Interval.of(self.scores(arm)), arm.difference
            difference = (
                ""
                if found is None
                else f"  {found.mean * 100:+6.2f} ({found.low * 100:+.2f} to {found.high * 100:+.2f})"
            )
            mark = {self.baseline: "  baseline", self.choice: "  chosen"}.get(arm.name, "")
            lines.append(f"{arm.name.ljust(width)}  {score.mean * 100:6.2f} %{difference}{mark}")
        return "\n".join([*lines, "", *self.notes])
