"""Axes: round ticks, and where a value lies between them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers, evenly spaced, the first at or below ``low`` and the last at or above ``high``.

    Args:
        low (float): The smallest value.
        high (float): The largest; above ``low``.
        count (int): About how many intervals are wanted.

    Example:
        >>> ticks(-0.3, 1.7, 4)
        [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
    """
    wanted = (high - low) / count
    power = math.floor(math.log10(wanted))
    factor = next(factor for factor in (1, 2, 5, 10) if factor * 10.0**power >= wanted * (1 - 1e-9))
    # Divided by a whole number where the step is a fraction, since 0.1 is not exact but 3 / 10 is the nearest to 0.3.
    first = math.floor(low / (factor * 10.0**power))
    last = math.ceil(high / (factor * 10.0**power))
    whole = range(first, last + 1)
    return [i * factor * 10.0**power if power >= 0 else i * factor / 10.0**-power for i in whole]


@dataclass(frozen=True)
class Axis:
    """A range that ends on ticks.

    Attributes:
        ticks (tuple of float): Ascending; the first and the last are the ends.
    """

    ticks: tuple[float, ...]

    @classmethod
    def around(cls, values: Iterable[float], *, count: int = 5, narrowest: float = 0.1) -> Axis:
        """The axis that holds all values that are finite, and is no narrower than ``narrowest``.

        Example:
            >>> Axis.around([0.0, 0.0], narrowest=2.0, count=2).ticks
            (-1.0, 0.0, 1.0)
        """
        finite = [value for value in values if math.isfinite(value)] or [0.0]
        low, high = min(finite), max(finite)
        # Far from zero, a range must also be wide enough for its ticks to be different floats.
        missing = max(narrowest, 1e-6 * max(abs(low), abs(high))) - (high - low)
        if missing > 0:
            low, high = low - missing / 2, high + missing / 2
        return cls(tuple(ticks(low, high, count)))

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high end."""
        return (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])

    def label(self, tick: float, *, signed: bool = False) -> str:
        """A tick with as many decimals as the steps need, such as ``"+0.5"``; zero has no sign.

        Example:
            >>> axis = Axis.around([-0.5, 1.0])
            >>> [axis.label(tick, signed=True) for tick in axis.ticks]
            ['-0.5', '0.0', '+0.5', '+1.0']
        """
        step = self.ticks[1] - self.ticks[0]
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        text = f"{tick:{'+' if signed and tick else ''}.{decimals}f}"
        return text if len(text) <= 8 else f"{tick:{'+' if signed and tick else ''}.6g}"
