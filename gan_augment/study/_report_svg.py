"""Inline SVG without a width of its own, so that it fills a telephone or a screen with text of one size.

Places across are in percent, places down in pixels. Names stand beside the pictures as HTML, where they can wrap.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from ._report_axis import Axis

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def escaped(text: object) -> str:
    """Text from outside for HTML and XML, in elements and in attributes."""
    return html.escape(_FORBIDDEN.sub("\ufffd", str(text)))


@dataclass(frozen=True)
class Panel:
    """A part of a picture's width, from ``left`` to ``right`` in percent, with its axis."""

    axis: Axis
    left: float = 0.0
    right: float = 100.0

    def x(self, value: float) -> str:
        """Where a value lies."""
        return f"{self.left + (self.right - self.left) * self.axis.share(value):.3f}%"

    def grid(self) -> str:
        """A vertical line at each tick, as high as the picture; that of zero is stronger."""
        return "".join(
            f'<line class="{"zero" if tick == 0 else "grid"}" x1="{self.x(tick)}" x2="{self.x(tick)}" y1="0" '
            f'y2="100%"/>'
            for tick in self.axis.ticks
        )

    def scale(self, y: float, *, signed: bool) -> str:
        """The ticks' figures."""
        return "".join(
            f'<text class="tick" x="{self.x(tick)}" y="{y:g}" text-anchor="middle">'
            f"{self.axis.label(tick, signed=signed)}</text>"
            for tick in self.axis.ticks
        )


def marker(shape: int, x: str, y: float, size: float, css: str) -> str:
    """One of six shapes, told apart without colour, centred on a place."""
    s = size
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
    """Moves what has its places in pixels to a place in percent, which only a picture inside the picture can."""
    return f'<svg class="place" x="{x}" y="{y}">{inside}</svg>'
