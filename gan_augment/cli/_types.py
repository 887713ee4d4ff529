"""The values of options: each function parses the text of one."""

from __future__ import annotations

import argparse
import json
from typing import Any


def setting(text: str) -> tuple[str, Any]:
    """Parses ``key=value``, with a value in JSON or a plain word."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"a setting must be key=value, but got {text!r}")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value
    return key, tuple(parsed) if isinstance(parsed, list) else parsed


def numbers(text: str) -> tuple[float, ...]:
    """Parses numbers separated by commas."""
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be numbers separated by commas, but got {text!r}") from error


def names(text: str) -> tuple[str, ...]:
    """Parses names separated by commas."""
    return tuple(text.split(","))


def filters(text: str) -> tuple[tuple[str, ...], ...]:
    """Parses ``a,b+c,none``: filters to try, joined by a plus if they are used together."""
    return tuple(() if each == "none" else tuple(each.split("+")) for each in text.split(","))


def share_or_name(text: str) -> float | str:
    """Parses a number, or else returns the text."""
    try:
        return float(text)
    except ValueError:
        return text
