"""Recipes by name."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from ._options import check_choice
from ._recipe import Recipe
from ._table import TABLE


class _Recipes(Mapping[str, Recipe]):
    """The recipes of the table, each built when it is asked for."""

    def __getitem__(self, name: str) -> Recipe:
        return Recipe(**copy.deepcopy(TABLE[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(TABLE)

    def __len__(self) -> int:
        return len(TABLE)


RECIPES: Mapping[str, Recipe] = _Recipes()


def get_recipe(recipe: str | Recipe, **overrides: Any) -> Recipe:
    """Returns a recipe by name, with fields overridden.

    Raises:
        ValueError: If there is no such recipe or field, or a value is refused.

    Example:
        >>> get_recipe("tiny", steps=500).steps
        500
    """
    if isinstance(recipe, str):
        check_choice("recipe", recipe, RECIPES)
        recipe = RECIPES[recipe]
    names = [field.name for field in dataclasses.fields(Recipe)]
    for key in overrides:
        if key not in names:
            raise ValueError(f"A recipe has the fields {names}, but {key!r} is none of them.")
    return dataclasses.replace(copy.deepcopy(recipe), **overrides)
