"""Runs a command line, and reports its errors: a sentence if the user can fix it, a traceback if it is our bug."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shlex
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._core import end_by_signal, finite, on_end_signal
from ._parser import build_parser

PACKAGE = Path(__file__).parents[1]
REFUSED, BUG = 2, 1  # exit statuses
INTERRUPTED, PIPE_CLOSED = 130, 141  # what a shell reports for SIGINT and SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments (sequence of str, optional): The command line. Default: that of the process.

    Returns:
        int: The exit status: 0, 2 for bad input, 1 for a bug, 128 plus the signal's number after a signal (130 for
        Ctrl-C), and 141 if the reader of the output has closed it.

    Raises:
        SystemExit: After ``--help`` and ``--version``, and for options that do not exist.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # for names that a terminal or file cannot show
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            if sys.stdout is not None:  # None if a shell closed it with >&-
                sys.stdout.flush()  # here, because a closed pipe can still be handled
    except BrokenPipeError:
        if not _has_lost_its_reader():  # the pipe was a connection or led to another process
            raise
        return PIPE_CLOSED


def _run(arguments: Sequence[str]) -> int:
    parsed = build_parser().parse_args(arguments)
    parsed.command_line = list(arguments)
    as_json = getattr(parsed, "json", False)
    try:
        with warnings.catch_warnings(), on_end_signal(end_by_signal):
            warnings.showwarning = _show_warning
            with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
                result = parsed.run(parsed)
            if result is not None:
                print(_to_json(result.data) if as_json else result.text)
    except (KeyboardInterrupt, SystemExit) as ended:
        print(f"gan-augment: Stopped; {_way_on(parsed)}.", file=sys.stderr)
        return ended.code if isinstance(ended, SystemExit) and isinstance(ended.code, int) else INTERRUPTED
    except Exception as error:  # any error, because this is the last place that can tell the user
        if isinstance(error, BrokenPipeError) and _has_lost_its_reader():
            return PIPE_CLOSED
        return _report(error, show_traceback=parsed.traceback)
    return 0


def _to_json(value: Any) -> str:
    """Returns a value as JSON in ASCII, so that the encoding of the terminal cannot break it."""
    return json.dumps(finite(value), indent=2, allow_nan=False, default=os.fspath)


def _way_on(parsed: argparse.Namespace) -> str:
    """Returns what to do after a stop."""
    if parsed.command_name in ("study", "demo"):
        return f"run the same command again to continue the study in {parsed.out}"
    if parsed.command_name == "train":
        folder = Path(parsed.resume or parsed.out)
        if any((folder / "checkpoints").glob("step-*.safetensors")):
            return f"resume with `gan-augment train --resume {shlex.quote(str(folder))}`"
    return "run the same command again"


def _has_lost_its_reader() -> bool:
    """Returns whether stdout or stderr is closed, and discards what is still printed to a closed one."""
    lost = False
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            if stream is sys.stdout:
                stream.write("\n")  # a flush of nothing would not find out
            stream.flush()
        except BrokenPipeError:
            lost = True
            with contextlib.suppress(OSError, ValueError):  # raised by a stream that is not a file
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return lost


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Prints a warning as a sentence, without the line of code that warned."""
    print(f"gan-augment: {message}", file=sys.stderr)


def _report(error: Exception, *, show_traceback: bool) -> int:
    """Prints an error to stderr and returns the exit status.

    An error that this package raises is one sentence. So are errors of the system, and those that other libraries
    raise on purpose, with a hint at ``--traceback``. Anything else is our bug, and shows its traceback.
    """
    place = traceback.extract_tb(error.__traceback__)[-1]
    raised, in_package = (place.line or "").startswith("raise"), PACKAGE in Path(place.filename).parents
    ours = raised and in_package and isinstance(error, (ValueError, TypeError, RuntimeError, OSError, ImportError))
    refused_elsewhere = raised and not in_package and isinstance(error, (ValueError, RuntimeError))
    full = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's, without loading it
    bug = not (ours or refused_elsewhere or full or isinstance(error, (OSError, ImportError)))
    if bug or show_traceback:
        traceback.print_exception(error)
    kind, text = type(error).__name__, str(error) if ours else " ".join(str(error).split())
    if bug:
        request = "Please report it with the traceback above."
        print(f"gan-augment: This is a bug in gan-augment: {kind}: {text} {request}", file=sys.stderr)
        return BUG
    hint = "" if ours or show_traceback else f" ({kind}; add --traceback to see where it was raised)"
    print(f"gan-augment: {text or kind}{hint}", file=sys.stderr)
    return REFUSED
