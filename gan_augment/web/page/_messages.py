"""Turns errors into the sentences that a page shows."""

from __future__ import annotations

import functools
import html
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..._core import one_line
from ._gradio import gr

PACKAGE = Path(__file__).parents[2]
EXPECTED = (ValueError, TypeError, RuntimeError, OSError, ImportError)
Function = TypeVar("Function", bound=Callable[..., Any])


def sentence(error: Exception) -> str:
    """Returns the sentence that a page shows for an error: its message, or that it is a bug.

    Example:
        >>> sentence(KeyError("x"))
        'This is a bug in gan-augment (KeyError). The terminal that runs the page shows more; please report it.'
    """
    place = traceback.extract_tb(error.__traceback__)
    ours = bool(place) and PACKAGE in Path(place[-1].filename).parents and (place[-1].line or "").startswith("raise")
    if isinstance(error, EXPECTED) and (ours or not place):
        return str(error)
    if isinstance(error, (OSError, MemoryError)):  # the message of an OSError may hold a path
        reason = error.strerror if isinstance(error, OSError) else one_line(error)
        return f"The machine that runs the page cannot do this now: {reason or type(error).__name__}."
    return (
        f"This is a bug in gan-augment ({type(error).__name__}). The terminal that runs the page shows more; please "
        "report it."
    )


def report(error: Exception) -> str:
    """Returns the sentence of an error, and prints the traceback of a bug in the terminal."""
    text = sentence(error)
    if text.startswith("This is a bug"):
        traceback.print_exception(error, file=sys.stderr)
    return text


def kindly(function: Function) -> Function:
    """Shows the errors of a function on the page, as a sentence."""

    @functools.wraps(function)
    def run(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except Exception as error:  # any error, because a page must not show a traceback
            text = html.escape(report(error), quote=False)  # Gradio shows a message as HTML
            raise gr.Error(text, duration=None, title="Not done", print_exception=False) from None

    return run  # type: ignore[return-value]  # it takes and returns the same
