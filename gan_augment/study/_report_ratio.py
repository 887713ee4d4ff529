"""The plot of the score against the ratio."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from ._report_axis import Axis
from ._report_svg import Panel, escaped, marker
from ._report_words import mean, policy
from ._result import EVEN, ArmResult, StudyResult

HEIGHT = 260
COLOURS = 6  # that differ to every eye; further families have dashed lines


def families(result: StudyResult) -> dict[str, list[ArmResult]]:
    """The synthetic arms that differ in nothing but the ratio, and the oversampled ones, each sorted by ratio."""
    found: dict[str, list[ArmResult]] = {}
    for arm in sorted(result.arms, key=lambda arm: arm.ratio):
        if arm.kind in ("synthetic", "oversampled") and arm.ratio:
            filters = f", filtered by {', '.join(arm.filters)}" if arm.filters else ""
            labels = f", labels: {policy(arm)}" if arm.labels and arm.kind == "synthetic" else ""
            found.setdefault(f"{arm.kind}{labels}{filters}, on {arm.augment}", []).append(arm)
    return dict(sorted(found.items(), key=lambda item: item[0].startswith("oversampled")))


def ratio_plot(result: StudyResult) -> str:
    """Difference to the baseline against the ratio: a line of means for each family, and a dot for each seed."""
    groups, baseline = families(result), result.arm(result.baseline)
    control = result.scores(baseline)
    unmixed = next((arm for arm in result.arms if arm.name == EVEN), baseline)
    seeds = {
        arm.name: [(score - other) * 100 for score, other in zip(result.scores(arm), control)]
        for arms in (*groups.values(), [unmixed])
        for arm in arms
    }
    across = Panel(Axis.around([0.0, *(arm.ratio for arms in groups.values() for arm in arms)]), 1, 98)
    up = Axis.around([0.0, *(value for values in seeds.values() for value in values)], count=6, narrowest=0.2)
    title = f"Difference in {result.metric} to the baseline against the ratio, a line for each family of arms"
    parts = [f"<title>{escaped(title)}</title>", _levels(up), across.scale(HEIGHT + 18, signed=False)]
    parts.append(f'<text class="tick" x="50%" y="{HEIGHT + 36}" text-anchor="middle">ratio</text>')
    keys = [_key(marker(1, "16", 8, 5, "hollow other"), f"baseline: {result.baseline}")]
    for i, (name, arms) in enumerate(groups.items()):
        places = [(arm.ratio, value, mean(tuple(seeds[arm.name]))) for arm in arms for value in seeds[arm.name]]
        means = {ratio: middle for ratio, _, middle in places}
        if arms[0].augment == unmixed.augment:
            means = {0.0: mean(tuple(seeds[unmixed.name])), **means}  # what this family is at ratio 0
        dots = [(ratio, value) for ratio, value, _ in places]
        shift = min(5, 24 / len(groups)) * (i - (len(groups) - 1) / 2)  # since families may have the same ratios
        drawn = _family(i, list(means.items()), dots, across, up)
        if result.choice in [arm.name for arm in arms] and math.isfinite(
            means.get(result.arm(result.choice).ratio, math.nan)
        ):
            ratio = result.arm(result.choice).ratio
            drawn += marker(0, across.x(ratio), _y(up, means[ratio]), 10, "ring")
        parts.append(f'<g transform="translate({shift:g} 0)">{drawn}</g>')
        line = f'<line class="line c{i % COLOURS} dash{i // COLOURS % 3}" x1="0" x2="32" y1="8" y2="8"/>'
        keys.append(_key(line + marker(i, "16", 8, 4, f"fill c{i % COLOURS}"), name))
    keys.append(_key(marker(0, "16", 8, 7, "ring"), f"the choice: {result.choice}"))
    parts.append(marker(1, across.x(0.0), _y(up, 0.0), 5, "hollow other"))
    picture = f'<div class="plot"><svg role="img" height="{HEIGHT + 44}">{"".join(parts)}</svg></div>'
    return f'{picture}<ul class="keys">{"".join(keys)}</ul>'


def _y(up: Axis, value: float) -> float:
    return round((1 - up.share(value)) * HEIGHT, 2)


def _levels(up: Axis) -> str:
    return "".join(
        f'<line class="{"zero" if tick == 0 else "grid"}" x1="0" x2="100%" y1="{_y(up, tick):g}" '
        f'y2="{_y(up, tick):g}"/><text class="tick" x="-8" y="{_y(up, tick) + 4:g}" text-anchor="end">'
        f"{up.label(tick, signed=True)}</text>"
        for tick in up.ticks
    )


def _family(
    i: int, means: Sequence[tuple[float, float]], dots: Sequence[tuple[float, float]], across: Panel, up: Axis
) -> str:
    """The lines between the means, the means, and the seeds."""
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
