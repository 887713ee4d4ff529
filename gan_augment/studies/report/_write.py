"""Writes the three files of a report, and makes its Markdown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..._core import make_folder, write_whole
from . import _sentences as words
from ._page import page
from ._sentences import Table

if TYPE_CHECKING:
    from .._result import StudyResult


def write_report(result: StudyResult, folder: Path) -> None:
    """Writes ``report.html``, ``report.md`` and ``report.json`` to a folder, in place of an earlier report.

    All three are made before the first is written. Numbers that are not finite become null in the JSON.
    """
    files = {
        "report.json": words.as_json(result.to_dict()) + "\n",
        "report.md": markdown(result),
        "report.html": page(result),
    }
    make_folder(folder)
    for name, text in files.items():
        # Paths may hold bytes that are not text; they become \udcXX, like in JSON.
        write_whole(folder / name, text.encode("utf-8", "backslashreplace"))


def markdown(result: StudyResult) -> str:
    """Returns the text and the tables of the page as Markdown."""
    code, command = words.snippet(result), result.settings.get("command")
    parts = [
        f"# {escaped(result.verdict.capitalize())}",
        f"**{escaped(result.headline)}**",
        escaped(result.generator_sentence),
        escaped(result.reference_sentence),
        f"Ratio to use: **{result.ratio:g}**",
        escaped(words.advice(result)),
        _fenced(code, "python") if code else "",
        escaped(words.source_sentence(result)) if code and result.cheaper is None else "",
        f"## {words.METHOD}",
        *map(escaped, words.method(result)),
        f"## {words.ARMS}",
        _table(words.arm_table(result)),
        _titled(words.comparison_table(result)),
        _titled(words.trial_table(result)),
        f"## {words.CLASSES}",
        _table(words.class_table(result)),
        f"## {words.NOTES}",
        "\n".join(f"- {escaped(note)}" for note in words.notes(result)),
        _table(words.cost_table(result)),
        _titled(words.acceptance_table(result)),
        f"## {words.REPEAT}",
        _fenced(command, "sh") if command else "",
        _fenced(words.as_json(result.settings), "json"),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: object) -> str:
    """Escapes untrusted text as one line of Markdown without markup, for use inside and outside tables."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    line = re.sub(r"([\\`*_\[\]<>|~&$#@])", r"\\\1", line)
    line = re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", line)  # would start a list or underline a heading
    return re.sub(r"(?i)(https?|ftp)(?=://)|(www)(?=\.)", r"\1\2<!-- -->", line)  # would become a link


def _table(table: Table) -> str:
    rule = ["---", *["---:"] * (len(table.head) - 1)]
    rows = [list(map(escaped, table.head)), rule, *([escaped(name), *figures] for name, *figures in table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _titled(table: Table | None) -> str:
    return f"{table.title}:\n\n{_table(table)}" if table else ""


def _fenced(text: str, language: str) -> str:
    """Returns a block of code whose fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
