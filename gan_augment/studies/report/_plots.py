"""The plots of a report as inline SVG of any width: intervals by arm, recall by class, and the score by ratio.

Horizontal positions are in percent and vertical positions in pixels. A picture therefore fits the width of a phone or
a desktop screen, and its text keeps its size. Names stand beside the pictures as HTML, where they can wrap.
"""

from __future__ import annotations

import html
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._sentences import ClassChange, ends, mean, number, points, policy, role

if TYPE_CHECKING:
    from .._result import ArmResult, StudyResult


SHOWN_CLASSES = 20  # with more classes, the plot shows only those that changed most
MOST_CHANGED = 10
HEIGHT = 260  # pixels of the plot of ratios
COLOURS = 6  # colours that all readers can tell apart; further families have dashed lines
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def escaped(text: object) -> str:
    """Escapes text from outside for HTML and XML, in elements and in attributes."""
    return html.escape(_FORBIDDEN.sub("\ufffd", str(text)))


@dataclass(frozen=True)
class Panel:
    """A part of the width of a picture, from ``left`` to ``right`` in percent, and its axis."""

    axis: Axis
    left: float = 0.0
    right: float = 100.0

    def place(self, value: float) -> float:
        """Returns the position of a value in percent."""
        return self.left + (self.right - self.left) * self.axis.share(value)

    def x(self, value: float) -> str:
        return f"{self.place(value):.3f}%"

    def grid(self) -> str:
        """Returns a vertical line at each tick; the line at zero is stronger."""
        return "".join(
            f'<line class="{"zero" if tick == 0 else "grid"}" x1="{self.x(tick)}" x2="{self.x(tick)}" y1="0" '
            f'y2="100%"/>'
            for tick in self.axis.ticks
        )

    def scale(self, y: float, *, signed: bool) -> str:
        """Returns the labels of the ticks."""
        return "".join(
            f'<text class="tick" x="{self.x(tick)}" y="{y:g}" text-anchor="middle">'
            f"{self.axis.label(tick, signed=signed)}</text>"
            for tick in self.axis.ticks
        )


def marker(shape: int, x: str, y: float, s: float, css: str) -> str:
    """Returns one of six shapes of size ``s``, which differ without colour, centred on a position."""
    paths = (
        f"M{-s} 0A{s} {s} 0 1 0 {s} 0A{s} {s} 0 1 0 {-s} 0Z",
        f"M{-s} {-s}H{s}V{s}H{-s}Z",
        f"M0 {-1.4 * s:g}L{1.4 * s:g} 0L0 {1.4 * s:g}L{-1.4 * s:g} 0Z",
        f"M0 {-1.2 * s:g}L{1.2 * s:g} {s}H{-1.2 * s:g}Z",
        f"M0 {1.2 * s:g}L{1.2 * s:g} {-s}H{-1.2 * s:g}Z",
        f"M{-s} {-s}L{s} {s}M{-s} {s}L{s} {-s}",
    )
    return placed(f'<path class="{css}" d="{paths[shape % len(paths)]}"/>', x, f"{y:g}")


def placed(inside: str, x: str, y: str) -> str:
    """Places shapes drawn in pixels at a position in percent. Only a nested SVG can combine the two units."""
    return f'<svg class="place" x="{x}" y="{y}">{inside}</svg>'


def ticks(low: float, high: float, count: int) -> list[float]:
    """Returns about ``count`` evenly spaced round numbers, from ``low`` or below to ``high`` or above."""
    wanted = (high - low) / count
    power = math.floor(math.log10(wanted))
    factor = next(factor for factor in (1, 2, 5, 10) if factor * 10.0**power >= wanted * (1 - 1e-9))
    # A fractional step is divided by a whole number: 3 / 10 is the float closest to 0.3, and 3 * 0.1 is not.
    first = math.floor(low / (factor * 10.0**power))
    last = math.ceil(high / (factor * 10.0**power))
    whole = range(first, last + 1)
    return [i * factor * 10.0**power if power >= 0 else i * factor / 10.0**-power for i in whole]


@dataclass(frozen=True)
class Axis:
    """A range of values that starts and ends on ticks, which ascend."""

    ticks: tuple[float, ...]

    @classmethod
    def around(cls, values: Iterable[float], *, count: int = 5, narrowest: float = 0.1) -> Axis:
        """Returns the axis that includes all finite values and is at least ``narrowest`` wide."""
        finite = [value for value in values if math.isfinite(value)] or [0.0]
        low, high = min(finite), max(finite)
        # Far from zero, the range must also be wide enough for its ticks to be different floats.
        missing = max(narrowest, 1e-6 * max(abs(low), abs(high))) - (high - low)
        if missing > 0:
            low, high = low - missing / 2, high + missing / 2
        return cls(tuple(ticks(low, high, count)))

    def share(self, value: float) -> float:
        """Returns the position of a value: 0 at the low end, 1 at the high end."""
        return (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])

    def label(self, tick: float, *, signed: bool = False) -> str:
        """Formats a tick with as many decimals as the steps need, such as ``"+0.5"``; zero has no sign."""
        step = self.ticks[1] - self.ticks[0]
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        text = f"{tick:{'+' if signed and tick else ''}.{decimals}f}"
        return text if len(text) <= 8 else f"{tick:{'+' if signed and tick else ''}.6g}"


def interval_plot(result: StudyResult) -> str:
    """Returns a row for each arm: its difference from the baseline in points, with its interval."""
    found = [arm.difference for arm in result.arms if arm.difference]
    values = [value * 100 for each in found for value in (each.low, each.mean, each.high)]
    panel = Panel(Axis.around([0.0, *values], narrowest=0.2))
    rows = [_row(arm.name, role(result, arm), _interval(arm, panel, result), _difference(arm)) for arm in result.arms]
    sides = '<text class="tick" x="0" y="32">worse</text>'
    sides += '<text class="tick" x="100%" y="32" text-anchor="end">better</text>'
    return _rows(rows, panel.scale(14, signed=True) + sides, 38)


def _difference(arm: ArmResult) -> str:
    found = arm.difference
    return f"{points(found.mean)} ({ends(found)})" if found else "0"


def _interval(arm: ArmResult, panel: Panel, result: StudyResult) -> str:
    found, chosen = arm.difference, arm.name == result.choice
    css = "choice" if chosen else "synthetic" if arm.synthetic else "other"
    inside = ""
    if found is None:
        inside = marker(1, panel.x(0.0), 0, 5, "hollow other")
    elif all(math.isfinite(value) for value in (found.low, found.mean, found.high)):
        low, high = panel.x(found.low * 100), panel.x(found.high * 100)
        inside = f'<line class="line {css}" x1="{low}" x2="{high}" y1="0" y2="0"/>'
        inside += "".join(f'<line class="line {css}" x1="{x}" x2="{x}" y1="-5" y2="5"/>' for x in (low, high))
        inside += marker(2 if chosen else 0, panel.x(found.mean * 100), 0, 5, f"fill {css}")
    return _strip(f"{arm.name}: {_difference(arm)}", panel.grid(), inside)


def class_plot(changes: Sequence[ClassChange]) -> str:
    """Returns a row for each class: its recall with the baseline and with the choice, and the difference."""
    recalls = (value * 100 for each in changes for value in (each.before, each.after))
    recall = Panel(Axis.around([0.0, 100.0, *recalls], count=4), 0, 58)
    change = Panel(Axis.around([0.0, *(each.change * 100 for each in changes)], count=2, narrowest=0.2), 70, 100)
    rows = []
    for each in changes:
        words = f"{number(each.before * 100, 1)} → {number(each.after * 100, 1)}% ({points(each.change)})"
        count = f"{number(each.count, 0)} training images"
        bars = _bar(recall, each.before, -11, "bar other") + _bar(recall, each.after, 1, "bar choice")
        bars += _bar(change, each.change, -5, "bar choice" if each.change >= 0 else "bar worse")
        rows.append(_row(each.name, count, _strip(f"{each.name}: {words}", recall.grid() + change.grid(), bars), words))
    titles = '<text class="tick" x="0" y="34">recall, %</text>'
    titles += '<text class="tick" x="100%" y="34" text-anchor="end">difference, points</text>'
    scale = recall.scale(14, signed=False) + change.scale(14, signed=True) + titles
    return _rows(rows, scale, 40, "strips classes")


def most_changed(changes: Sequence[ClassChange]) -> list[ClassChange]:
    """Returns all classes, or, if there are too many to show, those that changed most, with the largest gain first."""
    if len(changes) <= SHOWN_CLASSES:
        return list(changes)
    known = [each for each in changes if math.isfinite(each.change)]
    most = sorted(known, key=lambda each: -abs(each.change))[:MOST_CHANGED]
    return sorted(most, key=lambda each: -each.change)


def _bar(panel: Panel, share: float, y: float, css: str) -> str:
    if not math.isfinite(share):
        return ""
    start, end = sorted((panel.place(0.0), panel.place(share * 100)))
    return f'<rect class="{css}" x="{start:.3f}%" y="{y:g}" width="{end - start:.3f}%" height="10"/>'


def _strip(title: str, grid: str, inside: str) -> str:
    """Returns the picture of a row, with its contents halfway up."""
    # Hidden from screen readers, because the same numbers are beside it as text.
    picture = f"<title>{escaped(title)}</title>{grid}{placed(inside, '0', '50%')}"
    return f'<span class="strip"><svg aria-hidden="true">{picture}</svg></span>'


def _row(name: str, tag: str, strip: str, words: str) -> str:
    small = f" <small>{escaped(tag)}</small>" if tag else ""
    label = f'<span class="name">{escaped(name)}{small}</span>'
    figures = f'<span class="figures">{escaped(words)}</span>'
    return f"<li>{label}{strip}{figures}</li>"


def _rows(rows: Iterable[str], scale: str, height: int, css: str = "strips") -> str:
    foot = f'<div class="foot"><svg height="{height}" aria-hidden="true">{scale}</svg></div>'
    return f'<ul class="{css}">{"".join(rows)}</ul>{foot}'


def families(result: StudyResult) -> dict[str, list[ArmResult]]:
    """Groups the synthetic and oversampled arms that differ only in the ratio, each group sorted by ratio."""
    found: dict[str, list[ArmResult]] = {}
    for arm in sorted(result.arms, key=lambda arm: arm.ratio):
        if arm.kind in ("synthetic", "oversampled") and arm.ratio:
            filters = f", filtered by {', '.join(arm.filters)}" if arm.filters else ""
            labels = f", labels {policy(arm)}" if arm.labels and arm.kind == "synthetic" else ""
            found.setdefault(f"{arm.kind}{labels}{filters}, augmentation {arm.augment}", []).append(arm)
    return dict(sorted(found.items(), key=lambda item: item[0].startswith("oversampled")))


def ratio_plot(result: StudyResult) -> str:
    """Returns the differences from the baseline by ratio: a line of means for each family and a ring for each seed."""
    groups, choice, ratio_zero = families(result), result.arm(result.choice), result.ratio_zero
    control = result.scores(result.arm(result.baseline))
    seeds = {
        arm.name: tuple((score - other) * 100 for score, other in zip(result.scores(arm), control))
        for arms in (*groups.values(), [ratio_zero])
        for arm in arms
    }
    across = Panel(Axis.around([0.0, *(arm.ratio for arms in groups.values() for arm in arms)]), 1, 98)
    up = Axis.around([0.0, *(value for values in seeds.values() for value in values)], count=6, narrowest=0.2)
    title = f"Difference in {result.metric} from the baseline by ratio, one line for each family of arms"
    parts = [f"<title>{escaped(title)}</title>", _levels(up), across.scale(HEIGHT + 18, signed=False)]
    parts.append(f'<text class="tick" x="50%" y="{HEIGHT + 36}" text-anchor="middle">ratio</text>')
    keys = [_key(marker(1, "16", 8, 5, "hollow other"), f"baseline: {result.baseline}")]
    for i, (name, arms) in enumerate(groups.items()):
        dots = [(arm.ratio, value) for arm in arms for value in seeds[arm.name]]
        means = {arm.ratio: mean(seeds[arm.name]) for arm in arms}
        if arms[0].augment == ratio_zero.augment:
            means = {0.0: mean(seeds[ratio_zero.name]), **means}  # this family at ratio 0
        shift = min(5, 24 / len(groups)) * (i - (len(groups) - 1) / 2)  # families may have the same ratios
        drawn = _family(i, list(means.items()), dots, across, up)
        if choice.name in [arm.name for arm in arms] and math.isfinite(means[choice.ratio]):
            drawn += marker(0, across.x(choice.ratio), _y(up, means[choice.ratio]), 10, "ring")
        parts.append(f'<g transform="translate({shift:g} 0)">{drawn}</g>')
        line = f'<line class="line c{i % COLOURS} dash{i // COLOURS % 3}" x1="0" x2="32" y1="8" y2="8"/>'
        keys.append(_key(line + marker(i, "16", 8, 4, f"fill c{i % COLOURS}"), name))
    keys.append(_key(marker(0, "16", 8, 7, "ring"), f"choice: {result.choice}"))
    parts.append(marker(1, across.x(0.0), _y(up, 0.0), 5, "hollow other"))
    picture = f'<div class="plot"><svg role="img" height="{HEIGHT + 44}">{"".join(parts)}</svg></div>'
    return f'{picture}<ul class="keys">{"".join(keys)}</ul>'


def _y(up: Axis, value: float) -> float:
    return round((1 - up.share(value)) * HEIGHT, 2)


def _levels(up: Axis) -> str:
    drawn = ""
    for tick in up.ticks:
        css, y = "zero" if tick == 0 else "grid", _y(up, tick)
        drawn += f'<line class="{css}" x1="0" x2="100%" y1="{y:g}" y2="{y:g}"/>'
        drawn += f'<text class="tick" x="-8" y="{y + 4:g}" text-anchor="end">{up.label(tick, signed=True)}</text>'
    return drawn


def _family(
    i: int, means: Sequence[tuple[float, float]], dots: Sequence[tuple[float, float]], across: Panel, up: Axis
) -> str:
    css = f"c{i % COLOURS}"
    means = [(ratio, value) for ratio, value in means if math.isfinite(value)]
    lines = [
        f'<line class="line {css} dash{i // COLOURS % 3}" x1="{across.x(a)}" y1="{_y(up, b):g}" x2="{across.x(c)}" '
        f'y2="{_y(up, d):g}"/>'
        for (a, b), (c, d) in itertools.pairwise(means)
    ]
    seeds = [
        f'<circle class="seed {css}" cx="{across.x(ratio)}" cy="{_y(up, value):g}" r="2.5"/>'
        for ratio, value in dots
        if math.isfinite(value)
    ]
    markers = [marker(i, across.x(ratio), _y(up, value), 5, f"fill {css}") for ratio, value in means if ratio > 0]
    return "".join([*lines, *seeds, *markers])


def _key(swatch: str, name: str) -> str:
    return f'<li><svg width="32" height="16" aria-hidden="true">{swatch}</svg> <span>{escaped(name)}</span></li>'
