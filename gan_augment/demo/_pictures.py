"""The demo's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from .._core import write_whole
from ..studies import Interval
from ..synthesis import Source

ZOOM = 2
FRAME = (230, 97, 0)  # orange and blue differ for the colour-blind too
REAL, SYNTHETIC = "#7a8794", "#e66100"


def _save(path: Path, grid: Tensor) -> None:
    picture = Image.fromarray(grid.permute(1, 2, 0).numpy())
    picture = picture.resize((picture.width * ZOOM, picture.height * ZOOM), Image.Resampling.NEAREST)
    file = BytesIO()
    picture.save(file, format="png")
    write_whole(path, file.getvalue())


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


def save_error_plot(path: Path, plain: Sequence[float], mixed: Sequence[float], ratio: float, count: int) -> None:
    """Bars of the mean test error with 95 % intervals, and a line for each paired seed.

    Of the error and not of the accuracy, as its bars can begin at zero and still be told apart.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    errors = [[100 * (1 - value) for value in values] for values in (plain, mixed)]
    intervals = [Interval.of(values) for values in errors]
    names = [f"{count} real digits,\nordinary augmentation", f"the same,\n{ratio:.0%} synthetic"]
    with mpl.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(5.6, 4.2), layout="constrained")
        axes = figure.subplots()
        means, reach = [i.mean for i in intervals], [i.high - i.mean for i in intervals]
        axes.bar(names, means, color=[REAL, SYNTHETIC], width=0.55)
        axes.errorbar(names, means, yerr=reach, fmt="none", ecolor="black", capsize=6)
        for pair in zip(*errors):
            axes.plot(names, pair, color="black", alpha=0.35, marker="o", markersize=3, linewidth=0.8)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("test error, %")
        axes.set_title(f"{len(plain)} paired seeds, 95 % intervals", fontsize=11, loc="left")
        file = BytesIO()
        figure.savefig(file, format="png", dpi=144)
    write_whole(path, file.getvalue())
