"""The base class of the parts of a recipe: small frozen dataclasses beside the code that reads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """A part of a recipe: its fields, and the rules for them.

    :class:`Recipe` inherits every part, so a field has one name everywhere: ``recipe.r1``, ``fit(..., r1=1.0)``.
    """

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        """Yields a sentence, without its full stop, for each value that does not suit the others."""
        yield from ()

    @classmethod
    def unused(cls, recipe: Recipe) -> Iterable[str]:
        """Returns the names of the fields that nothing reads under this recipe."""
        return ()


class AdversarialOptions(Options):
    """A part of a recipe that nothing reads without a discriminator."""

    @classmethod
    def unused(cls, recipe: Recipe) -> Iterable[str]:
        return () if recipe.adversarial else names_of(cls)


def within(low: float, high: float, default: Any) -> Any:
    """Declares a field of numbers from ``low`` to ``high``."""
    return dataclasses.field(default=default, metadata={"range": (low, high)})


def added(default: Any, before: Any, **metadata: Any) -> Any:
    """Declares a field that the configurations of older runs lack. ``before`` is the value that continues them."""
    return dataclasses.field(default=default, metadata={"before": before, **metadata})


def names_of(part: type[Options]) -> list[str]:
    """Returns the names of the fields of a part."""
    return [field.name for field in dataclasses.fields(part)]


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {tuple(choices)}, but got {value!r} instead.")
