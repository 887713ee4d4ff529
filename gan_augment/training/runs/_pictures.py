"""Pictures of a run: an animation of its sample grids, and a plot of its metrics."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..._core import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_FRAMES = 60
MAX_FRAME_SIDE, MIN_FRAME_SIDE = 640, 160  # in pixels; sixty frames of the smaller side always have few enough bytes
MAX_ANIMATION_BYTES = 4 * 2**20
SECONDS, HOLD_SECONDS = 8.0, 2.0  # of the animation, and how much longer its last frame stays
CAPTION_HEIGHT = 16
LOG_SPAN = 50.0  # values that span more than this are drawn on a log scale
SMOOTH_POINTS = 60
COLORS = {  # colour-blind people can tell them apart
    "discriminator": "#0072b2",
    "generator": "#d55e00",
    "reconstruction": "#009e73",
    "kid": "#333333",
    "diversity": "#cc79a7",
}
PANELS = (
    ("loss", ("discriminator", "generator", "reconstruction")),
    ("KID (lower is better)", ("kid",)),
    ("diversity", ("diversity",)),
)


def animate(grids: Mapping[int, Path], out: Path) -> None:
    """Writes sample grids by their steps, earliest first, as a WebP animation of at most 4 MiB, which loops.

    Of more than 60 grids, 60 are chosen evenly. Large grids are reduced.
    """
    if not grids:
        raise ValueError("grids must hold at least one picture, but got none.")
    chosen = np.linspace(0, len(grids) - 1, min(len(grids), MAX_FRAMES)).round().astype(int)
    steps = np.array(list(grids))[chosen].tolist()
    pictures = []
    for step in steps:
        with Image.open(grids[step]) as picture:
            pictures.append(picture.convert("RGB"))
    sizes = {picture.size for picture in pictures}
    if len(sizes) > 1:
        raise ValueError(f"grids must have the same size, but got {sorted(sizes)} instead.")
    durations = [round(1000 * SECONDS / len(pictures))] * len(pictures)
    durations[-1] += round(1000 * HOLD_SECONDS)
    side = min(MAX_FRAME_SIDE, max(pictures[0].size))
    while True:
        frames = [_frame(picture, step, side) for picture, step in zip(pictures, steps)]
        file = BytesIO()
        frames[0].save(file, "webp", save_all=True, append_images=frames[1:], duration=durations, loop=0)
        if file.tell() <= MAX_ANIMATION_BYTES or side <= MIN_FRAME_SIDE:
            break
        fitting = 0.95 * side * math.sqrt(MAX_ANIMATION_BYTES / file.tell())  # bytes grow with the area
        side = max(MIN_FRAME_SIDE, int(fitting))
    write_whole(out, file.getvalue())


def _frame(picture: Image.Image, step: int, side: int) -> Image.Image:
    """Returns the picture, at most ``side`` pixels wide and high, above the number of its step."""
    scale = side / max(picture.size)
    if scale < 1:
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    frame = Image.new("RGB", (picture.width, picture.height + CAPTION_HEIGHT), "white")
    frame.paste(picture)
    ImageDraw.Draw(frame).text((4, picture.height + 2), f"step {step:,}", fill="black", font=ImageFont.load_default())
    return frame


def check_plotting() -> None:
    """Raises a ModuleNotFoundError that names the extra if matplotlib is not installed."""
    try:
        for name in ("matplotlib", "matplotlib.figure"):
            importlib.import_module(name)
    except ModuleNotFoundError:
        raise ModuleNotFoundError("Plots need the package matplotlib: run pip install 'gan-augment[plot]'.") from None


def plot_metrics(metrics: Sequence[dict[str, Any]], out: Path) -> None:
    """Plots the lines of metrics.jsonl over steps: the losses, and below them KID and diversity, if there are any.

    The picture is a PNG file, 900 pixels wide.
    """
    check_plotting()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    curves = {key: _curve(metrics, key) for key in COLORS}
    panels = [(title, [key for key in keys if len(curves[key][0])]) for title, keys in PANELS]
    panels = [(title, keys) for title, keys in panels if keys]
    if not panels:
        raise ValueError(f"metrics must hold numbers for one of {list(COLORS)}, but hold none.")
    heights = [3.2] + [2.2] * (len(panels) - 1)
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(7.5, sum(heights) + 0.6), layout="constrained")
        rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for axes, (title, keys) in zip(rows, panels):
            _draw_panel(axes, title, {key: curves[key] for key in keys})
        _draw_phases(list(rows), metrics)
        rows[-1].set_xlabel("step")
        rows[-1].xaxis.set_major_formatter("{x:,.0f}")
        file = BytesIO()
        figure.savefig(file, format="png", dpi=120)
    write_whole(out, file.getvalue())


def _curve(metrics: Sequence[dict[str, Any]], key: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the steps with a finite number, and the numbers."""
    points = [
        (line["step"], line[key])
        for line in metrics
        if isinstance(line.get(key), (int, float)) and math.isfinite(line[key])
    ]
    array = np.array(points, dtype=np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _draw_panel(axes: Axes, title: str, curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> None:
    for key, (steps, values) in curves.items():
        color, marker = COLORS[key], "o" if len(steps) <= SMOOTH_POINTS else None
        if len(steps) > 2 * SMOOTH_POINTS:  # the loss of a single batch is noisy
            axes.plot(steps, values, color=color, alpha=0.25, linewidth=0.6)
            values = _smooth(values, len(steps) // SMOOTH_POINTS)
        axes.plot(steps, values, color=color, marker=marker, markersize=3, linewidth=1.6, label=key)
    if "kid" in curves:
        steps, values = curves["kid"]
        best = int(values.argmin())
        axes.plot(steps[best], values[best], "o", color=COLORS["generator"], label=f"lowest: {values[best]:.4g}")
    together = np.concatenate([values for _, values in curves.values()])
    if together.min() > 0 and together.max() > LOG_SPAN * together.min():
        axes.set_yscale("log")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_ylabel(title if title.lower() in curves or len(curves) > 1 else f"{title}, {next(iter(curves))}")
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(frameon=False, fontsize=9, loc="best")


def _smooth(values: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """Returns the mean of each value and ``radius`` neighbours on both sides, fewer at the ends."""
    window = np.ones(2 * radius + 1)
    return np.convolve(values, window, "same") / np.convolve(np.ones_like(values), window, "same")


def _draw_phases(rows: list[Axes], metrics: Sequence[dict[str, Any]]) -> None:
    """Draws a line through all panels at the beginning of each phase, and its name above the first panel."""
    known = [(line["step"], str(line["phase"])) for line in metrics if line.get("phase") is not None]
    starts = [known[i] for i in range(len(known)) if i == 0 or known[i][1] != known[i - 1][1]]
    for i, (step, phase) in enumerate(starts):
        for axes in rows:
            axes.axvline(step, color="#999999", linestyle=":", linewidth=1)
        rows[0].annotate(
            phase[:30],
            (step, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, 2 + 11 * (i % 2)),  # in two rows, because a phase may be shorter than its name
            textcoords="offset points",
            fontsize=9,
            color="#555555",
            parse_math=False,
        )
