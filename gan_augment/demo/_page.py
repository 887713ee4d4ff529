"""The demo's page."""

from __future__ import annotations

import html
from pathlib import Path

from .._core import write_whole

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>gan-augment: the demo</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
img {{ max-width: 100%; height: auto; background: white; }}
figure {{ margin: 2rem 0; }}
figcaption {{ opacity: 0.75; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: 0.3rem 0.8rem 0.3rem 0; border-bottom: 1px solid #8886; }}
pre {{ overflow-x: auto; padding: 1rem; border: 1px solid #8886; border-radius: 6px; font-size: 14px; }}
.verdict {{ font-size: 1.15rem; font-weight: 600; }}
</style>
</head>
<body>
<h1>Do synthetic digits help?</h1>
<p class="verdict">{verdict}</p>
<table>{table}</table>
{sentences}
<figure><img src="errors.png" alt="Bars of the test error with and without synthetic digits">
<figcaption>Test digits that are classified wrongly; each line is a seed.</figcaption></figure>
<figure><img src="samples.png" alt="Ten rows of generated digits, 0 to 9">
<figcaption>Samples of the generator, unfiltered, a row for each class.</figcaption></figure>
<figure><img src="batch.png" alt="A training batch of digits; synthetic ones have an orange frame">
<figcaption>A training batch, in the order of its labels: synthetic digits have an orange frame.</figcaption></figure>
<h2>The same in your script</h2>
<pre>{snippet}</pre>
</body>
</html>
"""


def write_page(path: Path, sentences: list[str], rows: list[tuple[str, ...]], snippet: str) -> None:
    """Writes the page, which shows the pictures beside it.

    Args:
        path (Path): The HTML file.
        sentences (list of str): The verdict and what it means.
        rows (list of tuple): Of the table; the first is its head.
        snippet (str): Code to show.
    """

    def row(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    page = _PAGE.format(
        verdict=html.escape(sentences[0]),
        table=row(rows[0], "th") + "".join(row(cells, "td") for cells in rows[1:]),
        sentences="".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences[1:]),
        snippet=html.escape(snippet),
    )
    write_whole(path, page.encode())
