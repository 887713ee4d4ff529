"""A study's report: a page for people, Markdown for a repository, JSON for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..._core import make_folder, write_whole
from ._markdown import markdown
from ._page import page
from ._words import as_json

if TYPE_CHECKING:
    from .._result import StudyResult


def write_report(result: StudyResult, folder: Path) -> None:
    """Writes ``report.html``, ``report.md`` and ``report.json``.

    The page is one file with all plots and pictures inside; it asks for nothing from anywhere. All three are made
    before the first is written; numbers that are not finite are null in the JSON.

    Args:
        result (StudyResult): What to report.
        folder (Path): Made if missing; reports in it are replaced.

    Raises:
        ValueError: If a picture is not uint8 ``(c, h, w)`` of 1, 3 or 4 channels, or the choice has no difference.
    """
    files = {
        "report.json": as_json(result.to_dict()) + "\n",
        "report.md": markdown(result),
        "report.html": page(result),
    }
    make_folder(folder)
    for name, text in files.items():
        # Paths may hold bytes that are no text: as \udcXX they are legible, and what JSON calls them.
        write_whole(folder / name, text.encode("utf-8", "backslashreplace"))
