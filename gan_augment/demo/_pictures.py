"""The demo's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from ..hub import write_aside
from ..study import Interval
from ..synthesis import Source

ZOOM = 2
FRAME = (230, 97, 0)  # orange and blue differ for the colour-blind too
REAL, SYNTHETIC = "#7a8794", "#e66100"


def _save(path: Path, grid: Tensor) -> None:
    picture = Image.fromarray(grid.permute(1, 2, 0).numpy())
    picture = picture.resize((picture.width * ZOOM, picture.height * ZOOM), Image.Resampling.NEAREST)
    with write_aside(path) as aside:
        picture.save(aside, format="png")


def save_sample_grid(path: Path, source: Source, columns: int = 12) -> None:
    """Samples of a digit source, a row for each class."""
    labels = torch.arange(10).repeat_interleave(columns)
    _save(path, make_grid(source.sample(len(labels), labels, seed=0).cpu(), nrow=columns, padding=1, pad_value=255))


def save_batch_picture(path: Path, images: Tensor, labels: Tensor, synthetic: Tensor, columns: int = 8) -> None:
    """A mixed batch of uint8 images in the order of its labels, synthetic ones in an orange frame."""
    order = torch.argsort(labels, stable=True)
    framed = torch.full((len(images), 3, images.shape[2] + 6, images.shape[3] + 6), 255, dtype=torch.uint8)
    framed[synthetic] = torch.tensor(FRAME, dtype=torch.uint8)[:, None, None]
    framed[:, :, 3:-3, 3:-3] = images.expand(-1, 3, -1, -1)
    _save(path, make_grid(framed[order], nrow=columns, padding=1, pad_value=255))


def save_accuracy_plot(path: Path, plain: Sequence[float], mixed: Sequence[float], ratio: float, count: int) -> None:
    """Bars of the mean accuracy with 95 % intervals, and a line for each paired seed."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(5.6, 4.2), layout="constrained")
        axes = figure.subplots()
        arms = [[100 * value for value in values] for values in (plain, mixed)]
        intervals = [Interval.of(values) for values in arms]
        names = [f"{count} real digits,\nordinary augmentation", f"the same,\n{ratio:.0%} synthetic"]
        axes.bar(names, [i.mean for i in intervals], color=[REAL, SYNTHETIC], width=0.55)
        axes.errorbar(
            names,
            [i.mean for i in intervals],
            yerr=[i.high - i.mean for i in intervals],
            fmt="none",
            ecolor="black",
            capsize=6,
        )
        for pair in zip(*arms):
            axes.plot(names, pair, color="black", alpha=0.35, marker="o", markersize=3, linewidth=0.8)
        low = min(min(values) for values in arms)
        axes.set_ylim(max(0.0, low - 2), 100)
        axes.set_ylabel("test accuracy, %")
        axes.set_title(f"{len(plain)} paired seeds, 95 % intervals", fontsize=11, loc="left")
        axes.text(0, -0.2, f"The axis begins at {axes.get_ylim()[0]:.1f} %.", transform=axes.transAxes, fontsize=8)
        with write_aside(path) as aside:
            figure.savefig(aside, format="png", dpi=144)
