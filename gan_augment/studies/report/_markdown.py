"""The report as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import _words as words
from ._words import Table

if TYPE_CHECKING:
    from .._result import StudyResult


def markdown(result: StudyResult) -> str:
    """The facts of the page, without its pictures and plots."""
    code, command = words.snippet(result), words.command(result)
    parts = [
        f"# {escaped(words.verdict(result))}",
        f"**{escaped(result.headline)}**",
        f"Ratio to use: **{result.ratio:g}**",
        escaped(words.advice(result)),
        f"{_fenced(code, 'python')}\n\n{escaped(words.origin(result))}" if code else "",
        "## What was compared",
        *map(escaped, words.compared(result)),
        "## All arms against the baseline",
        _table(words.arm_table(result)),
        _titled(words.comparison_table(result)),
        "## Class by class",
        _table(words.class_table(result)),
        "## Notes and cost",
        "\n".join(f"- {escaped(note)}" for note in words.remarks(result)),
        _table(words.cost_table(result)),
        _titled(words.acceptance_table(result)),
        "## To repeat it",
        _fenced(command, "sh") if command else "",
        _fenced(words.as_json(result.settings), "json"),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: object) -> str:
    r"""Text from outside as one line of Markdown in which nothing has a meaning, in a table or outside.

    Example:
        >>> escaped("# a|b <i>")
        '\\# a\\|b \\<i\\>'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    line = re.sub(r"([\\`*_\[\]<>|~&$#@])", r"\\\1", line)
    line = re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", line)  # would begin a list or underline a heading
    return re.sub(r"(?i)(https?|ftp)(?=://)|(www)(?=\.)", r"\1\2<!-- -->", line)  # would become a link


def _table(table: Table) -> str:
    rule = ["---", *["---:"] * (len(table.head) - 1)]
    rows = [list(map(escaped, table.head)), rule, *([escaped(name), *figures] for name, *figures in table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _titled(table: Table | None) -> str:
    return f"{table.title}:\n\n{_table(table)}" if table else ""


def _fenced(text: str, language: str) -> str:
    """A block of code, its fence longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
