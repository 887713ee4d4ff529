"""The style sheet of the report: system fonts; light and dark; telephone, screen and paper."""

# The colours c0 to c5 of a theme differ in lightness and in hue, and their contrast with the paper is 4.5:1 or more.
LIGHT = """color-scheme: light; --paper: #ffffff; --ink: #1b1d20; --faint: #575b61; --rule: #d5d8dc; --soft: #f3f4f6;
  --zero: #6b7077; --choice: #0059a3; --other: #686d74; --worse: #b04400;
  --c0: #0059a3; --c1: #b04400; --c2: #00734f; --c3: #8a2f70; --c4: #6a5a00; --c5: #3d3d3d;"""
DARK = """color-scheme: dark; --paper: #15171a; --ink: #e8eaed; --faint: #a9aeb6; --rule: #383c42; --soft: #202327;
  --zero: #8f959d; --choice: #6cb6f5; --other: #9aa0a8; --worse: #f29a55;
  --c0: #6cb6f5; --c1: #f29a55; --c2: #45c79a; --c3: #e59acb; --c4: #d9c94e; --c5: #c9ccd1;"""

STYLE = f"""
:root {{ {LIGHT} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {DARK} }} }}
* {{ box-sizing: border-box; }}
html {{ -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }}
body {{ margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.25rem 5rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: anywhere; }}
h1 {{ font-size: clamp(2.4rem, 8vw, 3.6rem); line-height: 1.1; letter-spacing: -0.02em; margin: 0 0 1rem; }}
h1 .sign {{ font-size: 0.7em; margin-right: 0.15em; }}
h1.helps .sign {{ color: var(--choice); }}
h1.hurts .sign {{ color: var(--worse); }} h1.none .sign {{ color: var(--faint); }}
h2 {{ font-size: 1.35rem; line-height: 1.3; margin: 4rem 0 1rem; padding-top: 1rem;
  border-top: 1px solid var(--rule); }}
p, .notes {{ max-width: 44rem; }}
.headline {{ font-size: 1.2rem; line-height: 1.45; }}
.ratio b {{ font-size: 1.2rem; }}
.faint, small, figcaption, caption {{ color: var(--faint); }}
small {{ font-size: 0.8125rem; white-space: nowrap; }}
pre {{ margin: 1rem 0; padding: 1rem; background: var(--soft); border: 1px solid var(--rule); border-radius: 6px;
  overflow-x: auto; overflow-wrap: normal;
  font: 0.875rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }}
summary {{ cursor: pointer; padding: 0.5rem 0; font-weight: 600; }}
:focus-visible {{ outline: 2px solid var(--choice); outline-offset: 2px; }}

svg {{ display: block; width: 100%; overflow: visible; }}
svg .place {{ overflow: visible; }}
.grid {{ stroke: var(--rule); stroke-width: 1; }}
.zero {{ stroke: var(--zero); stroke-width: 1.5; }}
.tick {{ fill: var(--faint); font-size: 12px; font-variant-numeric: tabular-nums; }}
.line {{ stroke-width: 2; fill: none; }} .line.choice {{ stroke-width: 3; }}
.dash1 {{ stroke-dasharray: 7 4; }} .dash2 {{ stroke-dasharray: 2 3; }}
.fill, .hollow {{ stroke-width: 2; }}
.hollow {{ fill: var(--paper); }}
.ring {{ fill: none; stroke: var(--ink); stroke-width: 1.5; }}
.seed {{ fill: none; stroke-width: 1.2; }}
.other {{ stroke: var(--other); }} .fill.other, .bar.other {{ fill: var(--other); }}
.synthetic {{ stroke: var(--c0); }} .fill.synthetic {{ fill: var(--c0); }}
.choice {{ stroke: var(--choice); }} .fill.choice, .bar.choice {{ fill: var(--choice); }}
.bar.worse {{ fill: var(--worse); stroke: var(--worse); }}
.bar {{ stroke-width: 1; }} .bar.other {{ fill: var(--paper); }}
.c0 {{ stroke: var(--c0); }} .c1 {{ stroke: var(--c1); }} .c2 {{ stroke: var(--c2); }}
.c3 {{ stroke: var(--c3); }} .c4 {{ stroke: var(--c4); }} .c5 {{ stroke: var(--c5); }}
.fill.c0 {{ fill: var(--c0); }} .fill.c1 {{ fill: var(--c1); }} .fill.c2 {{ fill: var(--c2); }}
.fill.c3 {{ fill: var(--c3); }} .fill.c4 {{ fill: var(--c4); }} .fill.c5 {{ fill: var(--c5); }}

figure {{ margin: 1.5rem 0; }}
figcaption {{ font-size: 0.9375rem; margin-bottom: 1rem; max-width: 44rem; }}
.strips, .keys {{ list-style: none; margin: 0; padding: 0; }}
.strips li, .foot {{ display: grid; grid-template-columns: 15rem minmax(0, 1fr) 14.5rem; gap: 0 1.75rem;
  align-items: center; }}
.strips li {{ font-size: 0.9375rem; line-height: 1.3; }}
.strips .name {{ padding: 3px 0; }}
.strips .strip, .foot svg {{ grid-column: 2; }}
.strips .strip {{ position: relative; align-self: stretch; min-height: 28px; }}
.strips.classes .strip {{ min-height: 34px; }}
.strip > svg {{ position: absolute; inset: 0; height: 100%; }}
.strips .figures {{ font-variant-numeric: tabular-nums; font-size: 0.875rem; }}
.plot {{ padding: 0.75rem 0.5rem 0 3.25rem; max-width: 48rem; }}
.keys {{ margin-top: 1rem; font-size: 0.9375rem; }}
.keys li {{ display: flex; gap: 0.75rem; margin: 0.25rem 0; }}
.keys svg {{ flex: none; width: 32px; margin-top: 0.25rem; }}

/* A shadow at the right edge says that a table goes on there. Its cover scrolls along, and hides it at the end. */
.scroll {{ overflow-x: auto; margin: 1.5rem 0; scrollbar-width: thin; scrollbar-color: var(--faint) var(--soft);
  background: linear-gradient(to left, var(--paper) 50%, transparent) right / 3rem 100% no-repeat local,
    linear-gradient(to left, var(--rule), transparent) right / 1.25rem 100% no-repeat scroll; }}
table {{ border-collapse: collapse; font-size: 0.9375rem; font-variant-numeric: tabular-nums; }}
caption {{ text-align: left; font-size: 0.9375rem; padding-bottom: 0.5rem; }}
th, td {{ padding: 0.4rem 0 0.4rem 1rem; border-bottom: 1px solid var(--rule); text-align: right;
  vertical-align: top; }}
td {{ white-space: nowrap; }}
thead th {{ font-weight: 600; vertical-align: bottom; line-height: 1.3; overflow-wrap: normal; }}
th:first-child {{ text-align: left; padding-left: 0; min-width: 10rem; max-width: 20rem; font-weight: 400;
  position: sticky; left: 0; background: var(--paper); }}
thead th:first-child {{ font-weight: 600; }}
tr.choice th, tr.choice td {{ font-weight: 700; }}

.pictures {{ display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; }}
.pictures figure {{ margin: 0; max-width: 100%; }}
.pictures figcaption {{ margin: 0.5rem 0 0; }}
img {{ display: block; max-width: 100%; height: auto; }}
img.small {{ image-rendering: pixelated; }}

@media (max-width: 60rem) {{
  table {{ font-size: 0.875rem; }}
  th, td {{ padding-left: 0.9rem; }}
  th:first-child {{ min-width: 7.5rem; }}
}}
@media (max-width: 52rem) {{
  body {{ padding-top: 1.5rem; }}
  h2 {{ margin-top: 3rem; }}
  .strips li, .foot {{ grid-template-columns: minmax(0, 1fr) auto; gap: 0.2rem 0.75rem; }}
  .strips li {{ padding: 0.35rem 0 0; align-items: end; }}
  .strips .strip, .foot svg {{ grid-column: 1 / -1; grid-row: 2; }}
  .strips .figures {{ text-align: right; }}
  th:first-child {{ max-width: 9.5rem; }}
}}
@media print {{
  body {{ max-width: none; padding: 0 0.75rem; font-size: 10.5pt; }}
  h2 {{ margin-top: 2rem; break-after: avoid; }}
  .strips li, tr, .plot, .pictures figure {{ break-inside: avoid; }}
  .scroll {{ overflow: visible; }}
  table {{ font-size: 8.5pt; }} th, td {{ padding-left: 0.6rem; }}
  pre {{ white-space: pre-wrap; }}
  details::details-content {{ content-visibility: visible; block-size: auto; }}
}}
"""
