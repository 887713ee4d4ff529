"""Texts of exceptions and values from outside, as one line of limited length."""

from __future__ import annotations

import reprlib
import unicodedata

_LONGEST = 400
_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxstring, _repr.maxother = 3, 120, 120


def plain(text: object) -> str:
    r"""Joins the lines of a text, and removes characters that move the cursor, or hide or reverse text.

    Example:
        >>> plain("fine\x1b[2K\u202eeno\n two")
        'fine[2Keno two'
    """
    letters = (letter for letter in str(text) if letter.isspace() or not unicodedata.category(letter).startswith("C"))
    return " ".join("".join(letters).split())


def first_line(error: BaseException) -> str:
    """Returns the first line of an exception's message, or its type if it has no message."""
    return plain((str(error).strip().splitlines() or [type(error).__name__])[0])[:_LONGEST].strip(" .")


def one_line(text: object) -> str:
    """Joins the lines of a text; of a long one it keeps the start and the end, which name the cause of an error."""
    line = plain(text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"


def short(value: object) -> str:
    """Returns the ``repr`` of a value from outside, shortened if it is long or deep."""
    return one_line(_repr.repr(value))
