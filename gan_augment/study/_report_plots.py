"""The plots that have a row for each arm and for each class: name, picture, figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ._report_axis import Axis
from ._report_svg import Panel, escaped, marker, placed
from ._report_words import ClassChange, interval_words, mark, number, points
from ._result import WITH_SYNTHETIC, ArmResult, StudyResult

SHOWN_CLASSES = 20  # beyond it, only those that changed most
MOST_CHANGED = 10


def interval_plot(result: StudyResult) -> str:
    """A row for each arm: its difference to the baseline, in points, with its interval."""
    found = [arm.difference for arm in result.arms if arm.difference]
    values = [value * 100 for each in found for value in (each.low, each.mean, each.high)]
    panel = Panel(Axis.around([0.0, *values], narrowest=0.2))
    rows = [_row(arm.name, mark(result, arm), _interval(arm, panel, result), _words(arm)) for arm in result.arms]
    ends = (
        '<text class="tick" x="0" y="32">worse</text><text class="tick" x="100%" y="32" text-anchor="end">better</text>'
    )
    return _rows(rows, f"{panel.scale(14, signed=True)}{ends}", 38)


def _words(arm: ArmResult) -> str:
    found = arm.difference
    return f"{points(found.mean)} ({interval_words(found)})" if found else "0"


def _interval(arm: ArmResult, panel: Panel, result: StudyResult) -> str:
    found, chosen = arm.difference, arm.name == result.choice
    css = "choice" if chosen else "synthetic" if arm.kind in WITH_SYNTHETIC else "other"
    inside = ""
    if found is None:
        inside = marker(1, panel.x(0.0), 0, 5, "hollow other")
    elif all(math.isfinite(value) for value in (found.low, found.mean, found.high)):
        low, high = panel.x(found.low * 100), panel.x(found.high * 100)
        inside = f'<line class="line {css}" x1="{low}" x2="{high}" y1="0" y2="0"/>'
        inside += "".join(f'<line class="line {css}" x1="{x}" x2="{x}" y1="-5" y2="5"/>' for x in (low, high))
        inside += marker(2 if chosen else 0, panel.x(found.mean * 100), 0, 5, f"fill {css}")
    return _strip(f"{arm.name}: {_words(arm)}", panel.grid(), inside)


def class_plot(changes: Sequence[ClassChange]) -> str:
    """A row for each class: recall with the baseline and with the choice, and beside them the difference."""
    shown = most_changed(changes)
    recall = Panel(Axis.around([0.0, 100.0, *(v * 100 for c in shown for v in (c.before, c.after))], count=4), 0, 58)
    change = Panel(Axis.around([0.0, *(each.change * 100 for each in shown)], count=2, narrowest=0.2), 70, 100)
    rows = []
    for each in shown:
        words = f"{number(each.before * 100, 1)} → {number(each.after * 100, 1)} % ({points(each.change)})"
        count = f"{number(each.count, 0)} training images" if math.isfinite(each.count) else ""
        bars = _bar(recall, each.before, -11, "bar other") + _bar(recall, each.after, 1, "bar choice")
        bars += _bar(change, each.change, -5, "bar choice" if each.change >= 0 else "bar worse")
        rows.append(_row(each.name, count, _strip(f"{each.name}: {words}", recall.grid() + change.grid(), bars), words))
    titles = '<text class="tick" x="0" y="34">recall, %</text>'
    titles += '<text class="tick" x="100%" y="34" text-anchor="end">difference, points</text>'
    scale = recall.scale(14, signed=False) + change.scale(14, signed=True) + titles
    return _rows(rows, scale, 40, "strips classes")


def most_changed(changes: Sequence[ClassChange]) -> list[ClassChange]:
    """All classes, or where they are too many to show, those that changed most, from the best gain to the worst."""
    if len(changes) <= SHOWN_CLASSES:
        return list(changes)
    known = [each for each in changes if math.isfinite(each.change)]
    most = sorted(known, key=lambda each: -abs(each.change))[:MOST_CHANGED]
    return sorted(most, key=lambda each: -each.change)


def _bar(panel: Panel, share: float, y: float, css: str) -> str:
    if not math.isfinite(share):
        return ""
    start, end = sorted((panel.axis.share(0.0), panel.axis.share(share * 100)))
    width = (panel.right - panel.left) * (end - start)
    x = panel.left + (panel.right - panel.left) * start
    return f'<rect class="{css}" x="{x:.3f}%" y="{y:g}" width="{width:.3f}%" height="10"/>'


def _strip(title: str, grid: str, inside: str) -> str:
    """A row's picture, as high as the row, with its contents half way down."""
    # Hidden from screen readers, since the same figures stand beside it as text.
    picture = f"<title>{escaped(title)}</title>{grid}{placed(inside, '0', '50%')}"
    return f'<span class="strip"><svg aria-hidden="true">{picture}</svg></span>'


def _row(name: str, tag: str, strip: str, words: str) -> str:
    small = f" <small>{escaped(tag)}</small>" if tag else ""
    return (
        f'<li><span class="name">{escaped(name)}{small}</span>{strip}<span class="figures">{escaped(words)}</span></li>'
    )


def _rows(rows: Iterable[str], scale: str, height: int, css: str = "strips") -> str:
    foot = f'<div class="foot"><svg height="{height}" aria-hidden="true">{scale}</svg></div>'
    return f'<ul class="{css}">{"".join(rows)}</ul>{foot}'
