"""The option that several benchmarks have: a field or argument, in JSON."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_set(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds ``--set NAME=JSON``, which may come again; ``options.set`` becomes a list of pairs."""
    parser.add_argument("--set", type=_setting, action="append", default=[], metavar="NAME=JSON", help=what)


def add_set_of_tiny(parser: argparse.ArgumentParser) -> None:
    """The same, for the recipes of few images; see :func:`fields_of`."""
    add_set(parser, "a field of the tiny recipes")


def fields_of(recipe: str, options: argparse.Namespace) -> dict[str, Any]:
    """What was set for a recipe."""
    return dict(options.set) if recipe.startswith("tiny") else {}


def _setting(text: str) -> tuple[str, Any]:
    name, value = text.split("=", 1)
    parsed = json.loads(value)
    return name, tuple(parsed) if isinstance(parsed, list) else parsed
