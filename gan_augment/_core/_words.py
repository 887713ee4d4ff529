"""What exceptions and values of others say, in a line of bounded length."""

from __future__ import annotations

import reprlib
import unicodedata

_LONGEST = 400
_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxstring, _repr.maxother = 3, 120, 120


def plain(text: object) -> str:
    r"""All lines of a text as one, without characters that move the cursor, or hide or reverse what follows.

    Example:
        >>> plain("fine\x1b[2K\u202eeno\n two")
        'fine[2Keno two'
    """
    letters = (letter for letter in str(text) if letter.isspace() or not unicodedata.category(letter).startswith("C"))
    return " ".join("".join(letters).split())


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, or its type where it says nothing."""
    return plain((str(error).strip().splitlines() or [type(error).__name__])[0])[:_LONGEST].strip(" .")


def one_line(text: object) -> str:
    """All lines of a text as one; of a long one the beginning and the end, where messages have their culprits."""
    line = plain(text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"


def short(value: object) -> str:
    """The ``repr`` of a value from outside, less what makes it long or deep."""
    return one_line(_repr.repr(value))
