"""The texts of the page, as HTML."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from .._studies import OUT, Study

HEADER = (
    '<header class="ga-header"><h1>gan-augment</h1><p>Mix synthetic images into a small image data set, and measure '
    "whether it helps. <strong>Every image that a generator draws here is synthetic.</strong> Say so when you publish "
    "or share one.</p></header>"
)
NO_UPLOAD = '<p class="ga-note">No images yet. Drop a zip file with one folder of images for each class.</p>'
NO_STUDY = (
    '<p class="ga-note">A light study trains small classifiers with and without synthetic images. It needs your images '
    "from the tab <em>Mix</em>. Shortly after it starts, it says how long it will take. Keep this page open: closing "
    "it stops the study.</p>"
)
_SIGNS = {"helps": "▲", "hurts": "▼"}
_MEANING = {
    "helps": "The whole interval is above zero: the synthetic images helped in this study.",
    "hurts": "The whole interval is below zero: the synthetic images made the classifier worse in this study.",
    "no effect shown": (
        "The interval includes zero, or a second test does not confirm the effect. Use ratio 0: no synthetic images."
    ),
}


def escaped(text: object) -> str:
    return html.escape(str(text))


def note(*sentences: str) -> str:
    """Returns sentences as a small paragraph."""
    return f'<p class="ga-note">{escaped(" ".join(filter(None, sentences)))}</p>'


def refusal(sentence: str) -> str:
    """Returns why something was not done. Screen readers read it at once."""
    return f'<p class="ga-refused" role="alert"><b>Not done.</b> {escaped(sentence)}</p>'


def facts_text(facts: dict[str, str]) -> str:
    """Returns the facts of a generator: what matters most, and the rest to unfold."""
    licence, use = facts["Licence of the weights"], facts["Commercial use"]
    rows = "".join(f"<dt>{escaped(key)}</dt><dd>{escaped(value)}</dd>" for key, value in facts.items())
    return (
        f'<div class="ga-facts"><p>Synthetic images. Licence of the weights: <b>{escaped(licence)}</b>. '
        f"Commercial use: <b>{escaped(use)}</b>.</p><details>"
        f"<summary>Data, terms and limits of this generator</summary><dl>{rows}</dl></details></div>"
    )


def link(token: str, path: Path, text: str = "") -> str:
    """Returns a link that downloads a file of a visitor."""
    size = path.stat().st_size
    shown = f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{max(size // 1024, 1)} KB"
    name = escaped(path.name)
    return (
        f'<p><a class="ga-download" href="downloads/{token}/{name}" download="{name}">Download '
        f"{escaped(text) or name} ({shown})</a></p>"
    )


def study_status(study: Study | None) -> str:
    """Returns what a study is doing, or how it ended. Screen readers read changes."""
    return f'<div role="status" class="ga-status">{_study_status(study)}</div>'


def _study_status(study: Study | None) -> str:
    if study is None:
        return NO_STUDY
    estimates = [line for line in study.sentences if "takes about" in line or "can show" in line]
    sentences = "".join(map(note, estimates[-2:]))
    if study.running:
        done = "" if study.percent is None else f' value="{study.percent}"'
        percent = "" if study.percent is None else f"{study.percent}%. "
        return (
            f'<p><b>The study is running.</b> {percent}{escaped(study.text)}.</p><progress max="100"{done} '
            f'aria-label="Progress of the study"></progress>{sentences}'
        )
    report = study.report
    if study.error or report is None:
        return f'<p class="ga-refused"><b>No result.</b> {escaped(study.error)}</p>'
    return _verdict(study, report)


def _verdict(study: Study, report: dict[str, Any]) -> str:
    verdict = str(report["verdict"])
    parts = [
        f'<h2 class="ga-verdict"><span aria-hidden="true">{_SIGNS.get(verdict, "●")}</span> {escaped(verdict)}</h2>',
        f"<p>{escaped(_MEANING.get(verdict, ''))}</p>",
        f"<p>{escaped(report['headline'])}</p>",
        f"<p>{escaped(report['generator_sentence'])}</p>" if report["generator_sentence"] else "",
        note(
            f"This was a light study: one small classifier, {report['seeds']} seeds, {report['steps']} steps. "
            "For a decision, run a larger one on your own machine. Start from the command of this study:"
        ),
        f'<pre tabindex="0"><code>{escaped(study.command)}</code></pre>',
    ]
    return "".join(parts)


def study_report(study: Study | None) -> str:
    """Returns the report of a finished study in a frame that runs nothing, with a link to download it."""
    path = None if study is None or study.report is None else study.folder / OUT / "report.html"
    if study is None or path is None or not path.is_file():
        return ""
    content = html.escape(path.read_text(encoding="utf-8"))
    return (
        f"{link(study.owner, path, 'the report')}"
        f'<iframe class="ga-report" title="Report of the study" sandbox srcdoc="{content}"></iframe>'
    )
