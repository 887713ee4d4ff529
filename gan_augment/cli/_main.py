"""From a command line to an exit status."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._core import end_by_signal, on_end_signal
from ._errors import report
from ._parser import build_parser

INTERRUPTED, PIPE_CLOSED = 130, 141  # what a shell reports for SIGINT and SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments (sequence of str, optional): Default: those of the process.

    Returns:
        int: The exit status: 0, 2 for bad input, 1 for a bug, 128 and the signal's number after a signal (130 for
        Ctrl-C), and 141 if the reader of the output has gone.

    Raises:
        SystemExit: After ``--help`` and ``--version``, and for options that do not exist.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # for names that a terminal or file cannot show
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            if sys.stdout is not None:  # as after >&- in a shell
                sys.stdout.flush()  # here, where a closed pipe can be handled
    except BrokenPipeError:
        if not _has_lost_its_reader():  # a connection, or another process
            raise
        return PIPE_CLOSED


def _run(arguments: Sequence[str]) -> int:
    parsed = build_parser().parse_args(arguments)
    parsed.command_line = list(arguments)
    try:
        with warnings.catch_warnings(), on_end_signal(end_by_signal):
            warnings.showwarning = _show_warning
            parsed.run(parsed)
    except (KeyboardInterrupt, SystemExit) as ended:
        print(f"gan-augment: Stopped; {_way_on(parsed)}.", file=sys.stderr)
        return ended.code if isinstance(ended, SystemExit) and isinstance(ended.code, int) else INTERRUPTED
    except Exception as error:  # whatever it is: the last place that can tell the user
        if isinstance(error, BrokenPipeError) and _has_lost_its_reader():
            return PIPE_CLOSED
        return report(error, show_traceback=parsed.traceback)
    return 0


def _way_on(parsed: argparse.Namespace) -> str:
    """What to do after a stop."""
    if parsed.command_name == "study":
        return f"give the same command again to go on with what is in {parsed.out}"
    if parsed.command_name == "train":
        folder = Path(parsed.resume or parsed.out)
        if any((folder / "checkpoints").glob("step-*.safetensors")):
            return f"go on with `gan-augment train --resume {shlex.quote(str(folder))}`"
    return "give the same command again"


def _has_lost_its_reader() -> bool:
    """Whether what this process prints to is closed; if so, what is left to print goes nowhere."""
    lost = False
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            if stream is sys.stdout:
                stream.write("\n")  # without something to write, a flush finds nothing
            stream.flush()
        except BrokenPipeError:
            lost = True
            with contextlib.suppress(OSError, ValueError):  # of a stream that is no file
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return lost


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """As a sentence, without the line of code that warned."""
    print(f"gan-augment: {message}", file=sys.stderr)
