"""The option that several benchmarks have: a field or argument, in JSON."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_set(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds ``--set NAME=JSON``, which may come again; ``options.set`` becomes a list of pairs."""
    parser.add_argument("--set", type=_setting, action="append", default=[], metavar="NAME=JSON", help=what)


def _setting(text: str) -> tuple[str, Any]:
    name, value = text.split("=", 1)
    parsed = json.loads(value)
    return name, tuple(parsed) if isinstance(parsed, list) else parsed
