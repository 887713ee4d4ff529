"""Values of options, from text."""

from __future__ import annotations

import argparse
import json
from typing import Any


def setting(text: str) -> tuple[str, Any]:
    """``key=value`` with a value in JSON, or a plain word."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"a setting must be key=value, but got {text!r}")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value
    return key, tuple(parsed) if isinstance(parsed, list) else parsed


def numbers(text: str) -> tuple[float, ...]:
    """``0.25,0.5``."""
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be numbers with commas between them, but got {text!r}") from error


def names(text: str) -> tuple[str, ...]:
    """``a,b``."""
    return tuple(text.split(","))


def filters(text: str) -> tuple[tuple[str, ...], ...]:
    """``a,b+c,none``: filters to try, several at once joined by a plus."""
    return tuple(() if each == "none" else tuple(each.split("+")) for each in text.split(","))


def share_or_name(text: str) -> float | str:
    """``0.25``, or the name of data."""
    try:
        return float(text)
    except ValueError:
        return text
