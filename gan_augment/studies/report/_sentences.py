"""The sentences, tables and numbers of a report as plain text, which the page and the Markdown share."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._core import finite, one_line

if TYPE_CHECKING:
    from .._intervals import Interval
    from .._result import ArmResult, StudyResult

METHOD = "What was compared"
ARMS = "All arms compared with the baseline"
RATIOS = "Score by ratio"
CLASSES = "Results by class"
NOTES = "Notes and cost"
REPEAT = "How to repeat this study"


@dataclass(frozen=True)
class Table:
    """A table of plain text; the first column names the rows, and the others hold numbers."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ClassChange:
    """The recall of a class with the baseline and with the choice, 0..1."""

    name: str
    count: float
    before: float
    after: float

    @property
    def change(self) -> float:
        """The recall with the choice minus the recall with the baseline."""
        return self.after - self.before


def number(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """Formats a number: no sign on zero, a short form of very large numbers, words for NaN and infinity."""
    if not math.isfinite(value):
        return "not known"
    if abs(value) >= 1e5:
        return f"{value:{'+' if signed else ''}.3g}"
    value = round(value, decimals) or 0.0
    return f"{value:{'+' if signed and value else ''}.{decimals}f}"


def points(value: float) -> str:
    """Formats a difference of shares in percentage points, with its sign."""
    return number(value * 100, 2, signed=True)


def ends(found: Interval) -> str:
    """Formats the ends of an interval in points: ``"+0.10 to +1.20"``."""
    return f"{points(found.low)} to {points(found.high)}"


def duration(seconds: float) -> str:
    """Formats a time in seconds, such as ``"3.2 s"``, ``"1 min 15 s"`` or ``"2 h 1 min"``."""
    if not math.isfinite(seconds):
        return number(seconds)
    if seconds < 60:
        return f"{number(seconds, 1)} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def mean(values: tuple[float, ...]) -> float:
    """Returns the mean of an arm's values, one for each seed; NaN without values."""
    return sum(values) / len(values) if values else math.nan


def level(result: StudyResult) -> str:
    """Returns the confidence level of the intervals: ``"95%"``."""
    found = result.arm(result.choice).difference
    return f"{(found.level if found else 0.95) * 100:g}%"


def role(result: StudyResult, arm: ArmResult) -> str:
    """Returns ``"baseline"`` or ``"choice"`` for these two arms, and an empty string for the others."""
    return {result.baseline: "baseline", result.choice: "choice"}.get(arm.name, "")


def advice(result: StudyResult) -> str:
    """Returns what the reader should do."""
    arm = result.arm(result.choice)
    if result.cheaper is not None:
        control = result.arm(result.cheaper)
        batches = ", after making all classes equally frequent" if result.balances else ""
        made = {
            "varied": "real images that were varied by ClassVariation",
            "elastic": "real images that were deformed at random",
            "smote": "blends of two real images of a class",
        }.get(control.kind, "repeated real images")
        return (
            f"Train without a generator{batches}. Replace a share of {control.ratio:g} of each batch with {made}, and "
            f"keep the ordinary augmentation {control.augment}."
        )
    if result.ratio > 0:
        filtered = f"synthetic images filtered by {', '.join(arm.filters)}"
        images = filtered if arm.filters else "unfiltered synthetic images"
        labels = f" (labels: {policy(arm)})" if arm.labels else ""
        batches = ", after making all classes equally frequent" if result.balances else ""
        return f"Mix {images}{labels} into your batches{batches}, and keep the ordinary augmentation {arm.augment}."
    reason = {
        "hurts": "The synthetic arm that was best on the validation images was worse than the baseline on the test "
        "images.",
        "no effect shown": "Neither a gain nor a loss is shown.",
    }.get(result.verdict, "No ratio above 0 was chosen.")
    return f"Train without synthetic images: the baseline, {result.baseline}, is the better default here. {reason}"


def policy(arm: ArmResult) -> str:
    """Returns an arm's label policy without the options that have their default."""
    return one_line(re.sub(r"\w+=None(, )?", "", arm.labels).replace(", )", ")"))


def snippet(result: StudyResult) -> str | None:
    """Returns code to paste, or None if the advice is to train without synthetic images."""
    if result.cheaper is not None:
        return _control_snippet(result.arm(result.cheaper))
    if result.ratio <= 0:
        return None
    labels, options = policy(result.arm(result.choice)), [f"ratio={result.ratio:g}"]
    names = ["GANAugmentedDataset" if result.balances else "SyntheticMix"]
    if labels in ("conditional", "uniform"):
        options.append(f'labels="{labels}"')
    elif re.fullmatch(r"(Same|Conditional|Fixed|Uniform)\([\w\s=.,:{}-]*\)", labels) and labels != "Same()":
        names.append(labels.partition("(")[0])
        options.append(f"labels={labels}")
    elif labels not in ("", "same", "Same()"):
        options.append("labels=labels")  # a policy with a model, or the user's own, cannot be written as code
    source = json.dumps(result.source["load"]) if result.source.get("load") else "source"
    call = f"mix = SyntheticMix({source}, {', '.join(options)})"
    if result.balances:
        call = f'train = GANAugmentedDataset(train, {source}, mode="balance", {", ".join(options)})'
    return f"from gan_augment import {', '.join(sorted(names))}\n\n{call}"


def _control_snippet(control: ArmResult) -> str | None:
    """Returns code that varies real images with ClassVariation, or None for the other controls."""
    if control.kind != "varied":
        return None
    return (
        "from gan_augment import ClassVariation\n\n"
        f"variation = ClassVariation.fit(train, p={control.ratio:g})  # a transform, like torchvision's"
    )


def source_sentence(result: StudyResult) -> str:
    return f"The source of this study was {result.source['name']}."


def method(result: StudyResult) -> list[str]:
    """Returns paragraphs on what the study compared and how."""
    data, baseline = result.data, result.arm(result.baseline)
    real = {
        "oversampled": "oversampled real images",
        "class weights": "real images with class weights",
        "logit adjustment": "real images with adjusted logits",
    }
    trains_on = real.get(baseline.kind, "real images")
    if data["validation"]:
        chosen = (
            f"The baseline, {result.baseline}, trains on {trains_on} with the ordinary augmentation that was best on "
            f"the {data['validation']:,.0f} validation images. The choice, {result.choice}, is the synthetic arm that "
            "was best on the same validation images."
        )
    else:
        chosen = (
            f"The baseline, {result.baseline}, trains on {trains_on}, and the choice is {result.choice}. There was "
            "only one candidate for each, so the study needed no validation images."
        )
    classifiers = list(dict.fromkeys(arm.classifier for arm in result.arms))
    others = f" The study also tried {', '.join(sorted({*classifiers} - {baseline.classifier}))}."
    dropped = ""
    if any(len(arm.accuracy) < result.seeds for arm in result.arms):
        dropped = (
            " Arms that were worse on the validation images dropped out early, so they have fewer seeds and mostly "
            "wider intervals."
        )
    paragraphs = [
        f"The study compared {len(result.arms)} ways to train a classifier, called arms, on {data['name']}: "
        f"{data['train']:,.0f} training images of {len(result.arm(result.choice).recall)} classes, with up to "
        f"{result.seeds} paired seeds over {data['splits']} splits.",
        chosen,
        f"The baseline, the synthetic arms and their controls train the classifier {baseline.classifier} for "
        f"{result.steps:,} steps with the same settings.{others if len(classifiers) > 1 else ''}{dropped}",
        f"The scores come from {data['test']:,.0f} test images, which had no part in any selection. Each interval "
        f"is the {level(result)} confidence interval of the paired difference from the baseline. It accounts for both "
        f"the seeds and the test images. {sign_flip_sentence(result)}",
    ]
    if result.balances:
        paragraphs.insert(
            2,
            "In the synthetic arms, all classes are equally frequent and have the same synthetic share. The arm "
            '"oversampled" is built in the same way, but has no synthetic images. In the arm "filled up", synthetic '
            "images fill up the smaller classes, and all other images are real. Mixing helps if the choice is better "
            'than both the baseline and "oversampled".',
        )
    return paragraphs


def sign_flip_sentence(result: StudyResult) -> str:
    """Returns the p-value of the sign-flip test, what it means, and when the test agrees with the interval."""
    splits = result.data["splits"]
    least = 2 / 2**splits
    agrees = "The test agrees if p is at most 0.05."
    if least > 0.05:
        agrees = (
            f"With {splits} splits, p cannot be below {least:.2g}, so the test agrees if the difference has the same "
            "sign in all splits."
        )
    return (
        f"A second test, a sign-flip test over the {splits} splits, must agree with the interval. It gives "
        f"p = {result.sign_flip:.2g}: without any effect, chance alone would produce a difference at least as large as "
        f"the one that decides the verdict in this share of studies. {agrees}"
    )


def arm_table(result: StudyResult) -> Table:
    scores = ("Arm", f"{result.metric.capitalize()}, %", "Difference, points", f"{level(result)} interval")
    head = (*scores, "Seeds", "Calibration error", "Log loss, nats", "Training time, s")
    rows = []
    for arm in result.arms:
        found, tag = arm.difference, role(result, arm)
        name = f"{arm.name} ({tag})" if tag else arm.name
        difference = (points(found.mean), ends(found)) if found else ("0", "")
        seeds = str(len(arm.accuracy))
        others = (seeds, number(arm.calibration_error, 3), number(arm.log_loss, 3), number(arm.seconds, 1))
        rows.append((name, number(mean(result.scores(arm)) * 100), *difference, *others))
    return Table("All arms", head, tuple(rows))


def comparison_table(result: StudyResult) -> Table | None:
    """Returns the comparisons of the choice with each arm of real images only, or None if there are none."""
    rows = tuple((name, points(each.mean), ends(each)) for name, each in result.comparisons.items())
    head = ("Compared with", "Difference, points", f"{level(result)} interval")
    return Table("The choice compared with each arm that uses only real images", head, rows) if rows else None


def trial_table(result: StudyResult) -> Table | None:
    """Returns the hyperparameters that the study tried, or None if it tried none."""
    rows = tuple(
        (
            f"{trial.classifier}, {trial.hyperparameters}{' (chosen)' if trial.chosen else ''}",
            number(trial.validation, 4),
            str(trial.seeds),
        )
        for trial in result.trials
    )
    head = ("Classifier and settings", "Brier score on the validation images", "Seeds")
    return Table("Settings that were tried on the validation images", head, rows) if rows else None


def class_changes(result: StudyResult) -> list[ClassChange]:
    """Returns the recall of each class with the baseline and with the choice, in the order of the classes."""
    before, after = result.arm(result.baseline).recall, result.arm(result.choice).recall
    names = result.data["class_names"] or [f"class {label}" for label in range(len(before))]
    return [ClassChange(*row) for row in zip(names, result.data["class_counts"], before, after)]


def class_table(result: StudyResult) -> Table:
    rows = tuple(
        (each.name, number(each.count, 0), number(each.before * 100), number(each.after * 100), points(each.change))
        for each in class_changes(result)
    )
    head = ("Class", "Training images", "Recall of the baseline, %", "Recall of the choice, %", "Difference, points")
    return Table("All classes", head, rows)


def cost_table(result: StudyResult) -> Table:
    source = result.source
    pools = f"Generating pools of synthetic images, {source['pool_size']:,} images each"
    rows = (
        (f"Fitting generators: {_fittings(result)}", duration(source["fit_seconds"])),
        (pools, duration(source["pool_seconds"])),
        (f"Training classifiers: {source['trainings']:,}", duration(source["training_seconds"])),
    )
    return Table("Cost", ("Part", "Time, sum over all processes"), rows)


def _fittings(result: StudyResult) -> str:
    """Returns the number of fittings, how many steps each made, and whether the budget ran out."""
    made, planned = result.source["fit_steps"], result.source["planned_fit_steps"]
    if not made:
        return "none"
    steps = f"{min(made):,} to {max(made):,}" if min(made) < max(made) else f"{made[0]:,}"
    if result.settings.get("budget") is None or min(made) >= planned:
        return f"{len(made)}, {steps} steps each"
    return f"{len(made)}, {steps} of {planned:,} steps each, because the budget ran out"


def acceptance_table(result: StudyResult) -> Table | None:
    rows = tuple((name, number(share * 100, 1)) for name, share in result.source["acceptance"].items())
    return Table("Images that the filters kept", ("Filter", "Kept, %"), rows) if rows else None


def notes(result: StudyResult) -> list[str]:
    """Returns the notes, then the sentences on seen test images and on near copies."""
    return [*result.notes, result.source["seen"], result.source["copies"]]


def as_json(value: Any) -> str:
    """Returns a value as indented JSON, with null for numbers that are not finite."""
    return json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False)
