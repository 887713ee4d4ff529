"""What a report says, as plain text: sentences and tables that the page and the Markdown file share."""

from __future__ import annotations

import json
import math
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._core import one_line

if TYPE_CHECKING:
    from .._intervals import Interval
    from .._result import ArmResult, StudyResult


@dataclass(frozen=True)
class Table:
    """Cells of plain text; the first column names the rows, the others are figures."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ClassChange:
    """The recall of a class, 0..1, with the baseline and with the choice."""

    name: str
    count: float
    before: float
    after: float

    @property
    def change(self) -> float:
        """After minus before."""
        return self.after - self.before


def number(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """A figure for people: no sign on zero, a short form of the very large, and words for what is none."""
    if not math.isfinite(value):
        return "not known"
    if abs(value) >= 1e5:
        return f"{value:{'+' if signed else ''}.3g}"
    value = round(value, decimals) or 0.0
    return f"{value:{'+' if signed and value else ''}.{decimals}f}"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return number(value * 100, 2, signed=True)


def interval_words(found: Interval) -> str:
    """The ends of an interval in points: ``"+0.10 to +1.20"``."""
    return f"{points(found.low)} to {points(found.high)}"


def duration(seconds: float) -> str:
    """Seconds in words.

    Example:
        >>> duration(3.25), duration(75), duration(7260)
        ('3.2 s', '1 min 15 s', '2 h 1 min')
    """
    if not math.isfinite(seconds) or seconds < 60:
        return f"{number(seconds, 1)} s" if math.isfinite(seconds) else number(seconds)
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def mean(values: tuple[float, ...]) -> float:
    """The mean of an arm's values, one for each seed; NaN of none."""
    return sum(values) / len(values) if values else math.nan


def verdict(result: StudyResult) -> str:
    """The verdict as a heading."""
    return result.verdict.capitalize()


def level(result: StudyResult) -> str:
    """The confidence of the intervals: ``"95 %"``."""
    found = result.arm(result.choice).difference
    return f"{(found.level if found else 0.95) * 100:g} %"


def mark(result: StudyResult, arm: ArmResult) -> str:
    """What an arm is to the study, if anything."""
    return {result.baseline: "baseline", result.choice: "chosen"}.get(arm.name, "")


def advice(result: StudyResult) -> str:
    """What to do."""
    choice = result.arm(result.choice)
    if result.ratio > 0:
        evened = "into batches in which all classes are equally frequent" if result.balances else "in"
        return f"Mix synthetic images {evened}, {how(choice)}:"
    why = {
        "hurts": "Even the synthetic arm that was best on the validation images was worse on the test images.",
        "no effect shown": "The interval covers zero: a gain and a loss are both possible.",
    }.get(result.verdict, "No ratio above 0 was chosen.")
    return f"Train without it: the baseline, {result.baseline}, is the better default here. {why}"


def policy(arm: ArmResult) -> str:
    """An arm's label policy without the options that it leaves alone."""
    return one_line(re.sub(r"\w+=None(, )?", "", arm.labels).replace(", )", ")"))


def how(arm: ArmResult) -> str:
    """How an arm mixes: filters, label policy and the augmentation beneath."""
    filters = f"filtered by {', '.join(arm.filters)}" if arm.filters else "unfiltered"
    labels = f", labels: {policy(arm)}" if arm.labels else ""
    return f"{filters}{labels}, on top of the ordinary augmentation {arm.augment!r}"


def snippet(result: StudyResult) -> str | None:
    """Code to paste, or None where the advice is to train without."""
    if result.ratio <= 0:
        return None
    labels, options = policy(result.arm(result.choice)), [f"ratio={result.ratio:g}"]
    names = ["GANAugmentedDataset" if result.balances else "SyntheticMix"]
    if re.fullmatch(r"(Same|Conditional|Fixed|Uniform)\([\w\s=.,:{}-]+\)|(Conditional|Uniform)\(\)", labels):
        names.append(labels.partition("(")[0])
        options.append(f"labels={labels}")
    elif labels in ("conditional", "uniform"):
        options.append(f'labels="{labels}"')
    elif labels not in ("", "same", "Same()"):
        options.append("labels=labels")  # what cannot be written out stays a name, as the source does
    source = json.dumps(result.source["load"]) if result.source.get("load") else "source"
    call = f"mix = SyntheticMix({source}, {', '.join(options)})"
    if result.balances:
        call = f'train = GANAugmentedDataset(train, {source}, mode="balance", {", ".join(options)})'
    return f"from gan_augment import {', '.join(sorted(names))}\n\n{call}"


def origin(result: StudyResult) -> str:
    """Where the synthetic images of the snippet came from."""
    return f"The source of this study: {result.source['name']}."


def compared(result: StudyResult) -> list[str]:
    """What was compared, in a few sentences."""
    data, baseline = result.data, result.arm(result.baseline)
    splits = f" over {data['splits']} splits" if (data.get("splits") or 1) > 1 else ""
    which = {"oversampled": "oversampled, ", "class weights": "under class weights, "}.get(baseline.kind, "")
    chosen = (
        f"The baseline, {result.baseline}, is the real images, {which}with the ordinary augmentation that was best on "
        f"the {data['validation']:,.0f} validation images; the choice, {result.choice}, is the synthetic arm that was "
        "best on the same validation images."
        if data["validation"]
        else f"The baseline, {result.baseline}, is the real images; the synthetic arm is {result.choice}. There was "
        "nothing to choose, and so no validation images."
    )
    evened = []
    if result.balances:
        evened.append(
            "The synthetic arms have all classes equally often, as oversampled has, and the same synthetic share in "
            "each; in filled up, only what smaller classes lack of the largest is synthetic. Mixing helps where the "
            "choice is better than the baseline and than oversampled, which is its ratio 0."
        )
    return [
        f"{len(result.arms)} ways of training a classifier were compared on {data['name']}: {data['train']:,.0f} "
        f"training images of {len(result.arm(result.choice).recall)} classes, {result.seeds} paired seeds{splits}, "
        f"and {result.steps:,} training steps for every classifier.",
        chosen,
        *evened,
        f"The scores are those of {data['test']:,.0f} test images, which had no part in either choice; each interval "
        f"is the {level(result)} interval of the paired difference to the baseline, over seeds and test images.",
    ]


def arm_table(result: StudyResult) -> Table:
    """A row for each arm."""
    head = ("Arm", f"{result.metric.capitalize()}, %", "Difference, points", f"{level(result)} interval")
    rows = []
    for arm in result.arms:
        found, role = arm.difference, mark(result, arm)
        rows.append(
            (
                f"{arm.name} ({role})" if role else arm.name,
                number(mean(result.scores(arm)) * 100),
                points(found.mean) if found else "0",
                interval_words(found) if found else "",
                number(arm.calibration_error, 3),
                number(arm.log_loss, 3),
                number(arm.seconds, 1),
            )
        )
    return Table("All arms", (*head, "Calibration error", "Log loss, nats", "Seconds to train"), tuple(rows))


def comparison_table(result: StudyResult) -> Table | None:
    """The choice against each arm of real images alone, if there are any besides the baseline."""
    rows = tuple((name, points(each.mean), interval_words(each)) for name, each in result.comparisons.items())
    head = ("Against", "Difference, points", f"{level(result)} interval")
    return Table("The choice against each arm of real images alone", head, rows) if rows else None


def class_changes(result: StudyResult) -> list[ClassChange]:
    """Each class's recall, in the order of the classes."""
    names, counts = list(result.data.get("class_names") or []), list(result.data.get("class_counts") or [])
    before, after = result.arm(result.baseline).recall, result.arm(result.choice).recall
    return [
        ClassChange(
            str(names[i]) if i < len(names) else f"class {i}",
            float(counts[i]) if i < len(counts) else math.nan,
            before[i],
            after[i],
        )
        for i in range(min(len(before), len(after)))
    ]


def class_table(result: StudyResult) -> Table:
    """A row for each class."""
    rows = tuple(
        (
            each.name,
            number(each.count, 0),
            number(each.before * 100),
            number(each.after * 100),
            points(each.change),
        )
        for each in class_changes(result)
    )
    head = ("Class", "Training images", "Recall with the baseline, %", "Recall with the choice, %")
    return Table("All classes", (*head, "Difference, points"), rows)


def cost_table(result: StudyResult) -> Table:
    """What the study cost, part by part."""
    source, fitted = result.source, int(result.source.get("fitted") or 0)
    training = sum(arm.seconds for arm in result.arms) * result.seeds
    classifiers = f"Classifiers, {len(result.arms)} arms by {result.seeds} seeds"
    generators = f"Generators fitted: {fitted or 'none'}"
    pool = f"Pools, {source['pool_size']:,} synthetic images each" if source.get("pool_size") else "Pools"
    rows = (
        (generators, duration(float(source.get("fit_seconds") or 0))),
        (pool, duration(float(source.get("pool_seconds") or 0))),
        (classifiers, duration(training)),
    )
    return Table("Cost", ("Part", "Time"), rows)


def acceptance_table(result: StudyResult) -> Table | None:
    """What share of the candidates each filtered pool kept, if there was one."""
    kept = result.source.get("acceptance") or {}
    rows = tuple((str(name), number(float(share) * 100, 1)) for name, share in kept.items())
    return Table("Kept by the filters", ("Filter", "Candidates kept, %"), rows) if rows else None


def remarks(result: StudyResult) -> list[str]:
    """The notes, then the guard's sentence and the one on near copies."""
    sentences = (result.source.get("seen"), result.source.get("copies"))
    return [*result.notes, *(str(sentence) for sentence in sentences if sentence)]


def command(result: StudyResult) -> str | None:
    """The shell command that ran the study, if there was one."""
    given = result.settings.get("command")
    if not given:
        return None
    return shlex.join(map(str, given)) if isinstance(given, (list, tuple)) else str(given)


def finite(value: Any) -> Any:
    """A value as JSON can hold it: what is not finite becomes None."""
    if isinstance(value, dict):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_json(value: Any) -> str:
    """A value as indented JSON, without NaN."""
    return json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False)
