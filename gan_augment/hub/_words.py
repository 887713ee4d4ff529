"""What exceptions of others say, in a line."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, or its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300].strip(" .")
