"""What the parts of a recipe have in common: small frozen dataclasses that stand beside the code that reads them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """A part of a recipe: its fields, and the rules for them.

    :class:`Recipe` inherits every part, so that a field has one name everywhere: ``recipe.r1``, ``fit(..., r1=1.0)``.
    """

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        """Yields a sentence, without its full stop, for each value that does not go with another one."""
        yield from ()

    @staticmethod
    def unused(recipe: Recipe) -> Iterable[str]:
        """Returns the names of the fields that nothing reads under this recipe."""
        return ()


def within(low: float, high: float, default: Any) -> Any:
    """Declares a field of numbers from ``low`` to ``high``."""
    return dataclasses.field(default=default, metadata={"range": (low, high)})


def names_of(part: type[Options]) -> list[str]:
    """Returns the names of the fields of a part."""
    return [field.name for field in dataclasses.fields(part)]


def check_ranges(options: Options) -> None:
    """Checks every number against the range that its field declares; NaN is in none.

    Raises:
        ValueError: If a number is out of its range.
    """
    for field in dataclasses.fields(options):
        low, high = field.metadata.get("range", (-math.inf, math.inf))
        value = getattr(options, field.name)
        if "range" in field.metadata and not low <= value <= high:
            raise ValueError(f"{field.name} must be between {low} and {high}, but got {value} instead.")


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Checks that a value is one of the choices.

    Raises:
        ValueError: If it is not.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {tuple(choices)}, but got {value!r} instead.")
