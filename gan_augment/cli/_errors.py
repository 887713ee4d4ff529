"""Errors on the command line: a sentence for what a user can mend, a traceback for what only we can."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
REFUSED, BUG = 2, 1  # exit statuses
HINT = "add --traceback to see where it was raised"


def report(error: Exception, *, show_traceback: bool) -> int:
    """Prints an error to stderr and returns the exit status.

    A refusal of ours is one sentence. So are errors of the system, and those that other libraries raise on purpose,
    with a hint at ``--traceback``. Anything else is a bug of ours, and shows its traceback.
    """
    ours = _is_raised_by_us(error)
    full = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's, without loading it
    system = full or isinstance(error, (OSError, ImportError))
    bug = not (ours or system or _is_refused_elsewhere(error))
    if bug or show_traceback:
        traceback.print_exception(error)
    text = str(error) if ours else " ".join(str(error).split())
    if bug:
        print(
            f"gan-augment: This is a bug in gan-augment: {type(error).__name__}: {text} "
            "Please report it with the traceback above.",
            file=sys.stderr,
        )
        return BUG
    hint = "" if ours or show_traceback else f" ({type(error).__name__}; {HINT})"
    print(f"gan-augment: {text or type(error).__name__}{hint}", file=sys.stderr)
    return REFUSED


def _is_raised_by_us(error: Exception) -> bool:
    """Whether a ``raise`` of this package raised an error that says what was wrong."""
    place = _origin(error)
    expected = isinstance(error, (ValueError, TypeError, RuntimeError, OSError, ImportError))
    return expected and PACKAGE in Path(place.filename).parents and (place.line or "").startswith("raise")


def _is_refused_elsewhere(error: Exception) -> bool:
    """Whether Python code of another library raised it, as torchvision does for data that are not there."""
    place = _origin(error)
    on_purpose = isinstance(error, (ValueError, RuntimeError)) and (place.line or "").startswith("raise")
    return on_purpose and PACKAGE not in Path(place.filename).parents


def _origin(error: Exception) -> traceback.FrameSummary:
    """The line that raised an error."""
    return traceback.extract_tb(error.__traceback__)[-1]
