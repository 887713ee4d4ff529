"""What exceptions and values of others say, in a line of bounded length."""

from __future__ import annotations

import reprlib

_LONGEST = 400
_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxstring, _repr.maxother = 3, 120, 120


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, or its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:_LONGEST].strip(" .")


def one_line(text: object) -> str:
    """All lines of a text as one; of a long one the beginning and the end, where messages have their culprits."""
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"


def short(value: object) -> str:
    """The ``repr`` of a value from outside, less what makes it long or deep."""
    return one_line(_repr.repr(value))
