"""Shortens untrusted text to one line, parses names of repositories on the Hub, and prepares values for JSON."""

from __future__ import annotations

import math
import re
import reprlib
import unicodedata
from dataclasses import dataclass
from typing import Any

_LONGEST = 400
_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxstring, _repr.maxother = 3, 120, 120
# The Hub's rule: up to 96 letters and digits, with . _ - between them.
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_HUB_NAME = re.compile(rf"({_PART}/{_PART})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{{0,254}}))?")


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
    """Joins the lines of a text. Keeps only the start and end of a long text, because errors name their cause there."""
    line = plain(text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"


def short(value: object) -> str:
    """Returns the ``repr`` of an untrusted value, shortened if it is long or deep."""
    return one_line(_repr.repr(value))


@dataclass(frozen=True)
class HubName:
    """A repository on the Hugging Face Hub, ``org/name[@revision]``."""

    repo_id: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.repo_id if self.revision is None else f"{self.repo_id}@{self.revision}"


def hub_name(name: str) -> HubName | None:
    """Returns the repository with the name ``org/name[@revision]``, or None for anything else."""
    match = _HUB_NAME.fullmatch(name)
    return HubName(match[1], match[2]) if match and ".." not in name and "--" not in match[1] else None


def finite(value: Any) -> Any:
    """Returns a value for JSON, with None in place of numbers that are not finite, even within lists and dicts.

    Example:
        >>> finite({1: (0.5, float("nan"))})
        {'1': [0.5, None]}
    """
    if isinstance(value, dict):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
