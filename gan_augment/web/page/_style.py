"""The theme and the style sheet of the page: system fonts, light and dark, telephone and screen."""

from __future__ import annotations

from typing import Any

from ._gradio import gr

# Synthetic images have a frame of this colour and the word; on both backgrounds its contrast is 4.5:1 or more.
STYLE = """
:root { --ga-synthetic: #0059a3; --ga-faint: #575b61; --ga-worse: #b04400; --ga-rule: #d5d8dc; --ga-soft: #f3f4f6; }
.dark { --ga-synthetic: #6cb6f5; --ga-faint: #b3b8c0; --ga-worse: #f29a55; --ga-rule: #3f434a; --ga-soft: #202327; }
.gradio-container .fillable { max-width: 60rem !important; }
.ga-header h1 { font-size: 1.75rem; margin: 0 0 0.25rem; }
.ga-header p, .ga-note { max-width: 46rem; }
.ga-note, .ga-facts p { color: var(--ga-faint); margin: 0.25rem 0; overflow-wrap: anywhere; }
.ga-facts summary { cursor: pointer; padding: 0.35rem 0; }
.ga-facts dl { display: grid; grid-template-columns: minmax(7rem, 12rem) 1fr; gap: 0.25rem 1rem; margin: 0.5rem 0; }
.ga-facts dt { font-weight: 600; } .ga-facts dd { margin: 0; overflow-wrap: anywhere; }
.ga-upload .download { visibility: hidden; }  /* the visitor has the file */
.ga-tiles { list-style: none; margin: 0.5rem 0; padding: 0; display: grid; gap: 0.5rem;
  grid-template-columns: repeat(auto-fill, minmax(var(--ga-side, 5.5rem), 1fr)); }
.ga-tiles li { margin: 0; padding: 0; }
.ga-tiles li::marker { content: ""; }
.ga-tiles figure { margin: 0; padding: 4px; border-radius: 4px; border: 3px solid transparent; }
.ga-tiles img { width: 100%; aspect-ratio: 1; object-fit: contain; display: block; margin: 0;
  image-rendering: pixelated; background: var(--ga-soft); }
.ga-tiles figcaption { font-size: 0.8125rem; line-height: 1.3; color: var(--ga-faint); margin-top: 0.25rem;
  overflow-wrap: anywhere; }
.ga-tiles figure.ga-synthetic { border-color: var(--ga-synthetic); }
.ga-tiles figure.ga-synthetic b { color: var(--ga-synthetic); display: block; }
.ga-large { --ga-side: 14rem; max-width: 20rem; }
.ga-way { --ga-side: 4.5rem; }
.ga-film img { width: 14rem; max-width: 100%; image-rendering: pixelated; }
.ga-download { display: inline-block; padding: 0.5rem 0.9rem; border: 2px solid var(--ga-synthetic); border-radius: 6px;
  color: var(--ga-synthetic) !important; font-weight: 600; text-decoration: none; margin: 0.5rem 0; }
.ga-download:hover { text-decoration: underline; }
.ga-status progress { width: 100%; height: 0.75rem; appearance: none; border: none; border-radius: 6px;
  background: var(--ga-rule); color: var(--ga-synthetic); overflow: hidden; }
.ga-status progress::-webkit-progress-bar { background: var(--ga-rule); }
.ga-status progress::-webkit-progress-value { background: var(--ga-synthetic); }
.ga-status progress::-moz-progress-bar { background: var(--ga-synthetic); }
.ga-status pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 0.75rem; border-radius: 6px;
  background: var(--ga-soft); border: 1px solid var(--ga-rule); font-size: 0.8125rem; }
.ga-verdict { font-size: 1.75rem; margin: 0.5rem 0; } .ga-verdict::first-letter { text-transform: uppercase; }
.ga-refused { border-left: 4px solid var(--ga-worse); padding-left: 0.75rem; overflow-wrap: anywhere; }
.ga-report { width: 100%; height: 40rem; border: 1px solid var(--ga-rule); border-radius: 6px;
  background: var(--ga-soft); }
.gradio-container input[type="range"]::-webkit-slider-thumb { border: 2px solid var(--slider-color); }
.gradio-container input[type="range"]::-moz-range-thumb { border: 2px solid var(--slider-color); }
@media (max-width: 30rem) { .tab-container button { padding: 0 0.5rem !important; } }
.gradio-container .tab-container button.selected { color: var(--ga-synthetic); }
.gradio-container :focus-visible { outline: 3px solid var(--ga-synthetic); outline-offset: 2px; }
"""


def theme() -> Any:
    """Returns Gradio's theme with the fonts of the system, because the page loads nothing from other hosts.

    The colours that differ from the default ones have a contrast of 4.5:1 or more.
    """
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    base = gr.themes.Default(primary_hue="indigo", secondary_hue="indigo", neutral_hue="slate", **fonts)
    return base.set(
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
    )
