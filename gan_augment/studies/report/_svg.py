"""Inline SVG of any width: panels, axes with round ticks, and markers.

Horizontal positions are in percent and vertical positions in pixels, so a picture fills a telephone or a screen while
its text keeps its size. Names stand beside the pictures as HTML, where they can wrap.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

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

    def x(self, value: float) -> str:
        """Returns the position of a value in percent."""
        return f"{self.left + (self.right - self.left) * self.axis.share(value):.3f}%"

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
    """Moves shapes with positions in pixels to a position in percent, which only a nested picture can do."""
    return f'<svg class="place" x="{x}" y="{y}">{inside}</svg>'


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Returns about ``count`` evenly spaced round numbers, from ``low`` or below to ``high`` or above.

    Example:
        >>> ticks(-0.3, 1.7, 4)
        [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
    """
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
