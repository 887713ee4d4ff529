"""The report as one self-contained page of HTML."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import PIL.Image
import torch
from torch import Tensor

from ..._version import __version__
from . import _sentences as words
from ._plots import class_plot, escaped, families, interval_plot, most_changed, ratio_plot
from ._sentences import Table
from ._style import STYLE

if TYPE_CHECKING:
    from .._result import StudyResult


_ENLARGED = 750  # pixels to which a small picture is enlarged at most, in width and height
_SIGNS = {"helps": ("helps", "▲"), "hurts": ("hurts", "▼")}
# Whatever a name contains, the page loads nothing and runs nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(result: StudyResult) -> str:
    parts = (_verdict, _compared, _arms, _ratios, _classes, _pictures, _notes, _settings)
    title = escaped(f"{result.verdict.capitalize()}: synthetic images in {result.data['name']}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(text for text in (part(result) for part in parts) if text)
        + f'\n</main>\n<footer><p class="faint">Written by gan-augment {escaped(__version__)}.</p></footer>\n'
        "</body>\n</html>\n"
    )


def _section(name: str, title: str, *inside: str) -> str:
    heading = f'<h2 id="{name}">{escaped(title)}</h2>'
    return "\n".join([f'<section aria-labelledby="{name}">', heading, *inside, "</section>"])


def _figure(caption: str, plot: str) -> str:
    return f"<figure>\n<figcaption>{escaped(caption)}</figcaption>\n{plot}\n</figure>"


def _code(text: str) -> str:
    return f'<pre tabindex="0"><code>{escaped(text)}</code></pre>'


def _table(table: Table | None, chosen: int | None = None) -> str:
    if table is None:
        return ""
    rows = []
    for i, (name, *figures) in enumerate(table.rows):
        css = ' class="choice"' if i == chosen else ""
        cells = "".join(f"<td>{escaped(figure)}</td>" for figure in figures)
        rows.append(f'<tr{css}><th scope="row">{escaped(name)}</th>{cells}</tr>')
    head = "".join(f'<th scope="col">{escaped(name)}</th>' for name in table.head)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(table.title)}"><table>'
        f"<caption>{escaped(table.title)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n"
        + "\n".join(rows)
        + "\n</tbody></table></div>"
    )


def _verdict(result: StudyResult) -> str:
    css, sign = _SIGNS.get(result.verdict, ("none", "●"))
    code = words.snippet(result)
    heading = escaped(result.verdict.capitalize())
    parts = [
        f'<h1 class="{css}"><span class="sign" aria-hidden="true">{sign}</span> {heading}</h1>',
        f'<p class="headline">{escaped(result.headline)}</p>',
        f'<p class="headline">{escaped(result.generator_sentence)}</p>' if result.control else "",
        f'<p class="headline">{escaped(result.reference_sentence)}</p>' if result.reference else "",
        f'<p class="ratio">Ratio to use: <b>{result.ratio:g}</b></p>',
        f"<p>{escaped(words.advice(result))}</p>",
        _code(code) if code else "",
        f"<p>{escaped(words.source_sentence(result))}</p>" if code and result.cheaper is None else "",
    ]
    return "<header>\n" + "\n".join(part for part in parts if part) + "\n</header>"


def _compared(result: StudyResult) -> str:
    return _section("compared", words.METHOD, *(f"<p>{escaped(text)}</p>" for text in words.method(result)))


def _arms(result: StudyResult) -> str:
    caption = (
        f"Difference in {result.metric} from the baseline in points, with its {words.level(result)} interval. The line "
        "at 0 and the hollow square mark the baseline, and the diamond marks the choice. Synthetic arms are coloured; "
        "the other arms are grey."
    )
    chosen = [arm.name for arm in result.arms].index(result.choice)
    tables = [_table(words.arm_table(result), chosen)]
    tables += map(_table, (words.comparison_table(result), words.trial_table(result)))
    return _section("arms", words.ARMS, _figure(caption, interval_plot(result)), *tables)


def _ratios(result: StudyResult) -> str:
    if not families(result):
        return ""
    caption = (
        f"Difference in {result.metric} from the baseline in points. Each line joins the means of arms that differ "
        "only in the ratio. Each small ring is one seed."
    )
    return _section("ratios", words.RATIOS, _figure(caption, ratio_plot(result)))


def _classes(result: StudyResult) -> str:
    changes = words.class_changes(result)
    shown = most_changed(changes)
    caption = (
        "Recall of each class on the test images, mean over the seeds. Hollow bars show the baseline, filled bars the "
        "choice, and the bars on the right their difference."
    )
    if len(shown) < len(changes):
        caption += f" Of {len(changes)} classes, the plot shows the {len(shown)} whose recall changed most."
    summary = f"<summary>All {len(changes)} classes as a table</summary>"
    table = f"<details>{summary}{_table(words.class_table(result))}</details>"
    return _section("classes", words.CLASSES, _figure(caption, class_plot(shown)), table)


def _pictures(result: StudyResult) -> str:
    if not result.pictures:
        return ""
    figures = []
    for caption, image in result.pictures.items():
        source = _data_uri(caption, image)
        times = max(1, min(8, _ENLARGED // max(image.shape[-2:])))
        css = ' class="small"' if times > 1 else ""
        height, width = (side * times for side in image.shape[-2:])
        figures.append(
            f'<figure style="width: {max(width, 240)}px"><img{css} alt="{escaped(caption)}" width="{width}" '
            f'height="{height}" src="{source}"><figcaption>{escaped(caption)}</figcaption></figure>'
        )
    return _section("pictures", "Pictures", f'<div class="pictures">\n{"".join(figures)}\n</div>')


def _data_uri(caption: str, image: Tensor) -> str:
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] not in (1, 3, 4) or image.numel() == 0:
        raise ValueError(
            f"Pictures must be uint8 (c, h, w) with 1, 3 or 4 channels, but {caption!r} is {image.dtype} with shape "
            f"{tuple(image.shape)}."
        )
    pixels = image.cpu().permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    PIL.Image.fromarray(pixels[:, :, 0] if image.shape[0] == 1 else pixels).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _notes(result: StudyResult) -> str:
    notes = "".join(f"<li>{escaped(note)}</li>\n" for note in words.notes(result))
    listed = f'<ul class="notes">\n{notes}</ul>' if notes else ""
    tables = (_table(words.cost_table(result)), _table(words.acceptance_table(result)))
    return _section("notes", words.NOTES, listed, *tables)


def _settings(result: StudyResult) -> str:
    command = result.settings.get("command")
    parts = [f"<p>The command:</p>\n{_code(command)}"] if command else []
    parts.append(f"<details><summary>All settings</summary>{_code(words.as_json(result.settings))}</details>")
    return _section("repeat", words.REPEAT, *parts)
