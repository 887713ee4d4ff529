"""Leaked augmentation: cutout squares, shifted borders or odd colors that a generator has learned to draw."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional as F

from ._inputs import BLOCK, check_images, check_same_size, evenly
from ._metric import Estimate

GREY = (108, 147)  # how a generator may draw the augmentation's 0, which is 127.5
REALS = 1000  # real images that suffice to estimate a share to half a percentage point
LEAST = 16  # pixels


def _is_grey(images: Tensor) -> Tensor:
    """Returns whether each pixel is mid-grey in all channels, bool ``(n, h, w)``."""
    return ((images >= GREY[0]) & (images <= GREY[1])).all(dim=1)


def _box_sum(values: Tensor, reach: tuple[int, int]) -> Tensor:
    """Returns the sum over a rectangle around each pixel, cut at the edges of the image."""
    rows, columns = reach
    values = F.avg_pool2d(values, (2 * rows + 1, 1), 1, (rows, 0), divisor_override=1)
    return F.avg_pool2d(values, (1, 2 * columns + 1), 1, (0, columns), divisor_override=1)


def shows_cutout(images: Tensor) -> Tensor:
    """Returns whether each image has a mid-grey square of about half the side, which the edge may cut, bool ``(n,)``.

    A square of 0.4 of the side must be at least 95 % mid-grey. The frame around it, from 0.65 to 0.75 of the side, must
    be at most 40 % mid-grey. This excludes the corner of a larger grey area.
    """
    height, width = (min(side, 32) for side in images.shape[2:])  # averaging pixels removes noise
    grey = torch.cat([_is_grey(F.adaptive_avg_pool2d(b.float(), (height, width))) for b in torch.split(images, BLOCK)])
    maps, ones = grey[:, None].float(), torch.ones(1, 1, height, width, device=images.device)
    reaches = [(round(height * share), round(width * share)) for share in (0.19, 0.31, 0.375)]
    inner, middle, outer = (_box_sum(maps, reach) for reach in reaches)
    inner_area, middle_area, outer_area = (_box_sum(ones, reach) for reach in reaches)
    filled = inner >= 0.95 * inner_area
    framed = outer - middle <= 0.4 * (outer_area - middle_area)
    return (filled & framed).flatten(1).any(dim=1)


def shows_border(images: Tensor) -> Tensor:
    """Returns whether each image has mid-grey rows or columns at an edge, like a shifted image, bool ``(n,)``.

    An outermost row or column must be at least 90 % mid-grey, and another within the next eighth of the side at most
    75 %. This excludes a grey background.
    """
    grey = torch.cat([_is_grey(block) for block in torch.split(images, BLOCK)]).float()
    shown = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    for lines in (grey.mean(dim=2), grey.mean(dim=1)):
        depth = round(lines.shape[1] / 8) + 2
        for edge in (lines, lines.flip(1)):
            shown |= (edge[:, 0] >= 0.9) & (edge[:, :depth].amin(dim=1) <= 0.75)
    return shown


def _color(images: Tensor) -> Tensor:
    """Returns mean, standard deviation and saturation (largest minus smallest channel) of each image, ``(n, 3)``."""
    statistics = []
    for block in torch.split(images, BLOCK):
        spread = block.amax(dim=1).float() - block.amin(dim=1).float()
        pixels = block.flatten(1).float()
        statistics.append(torch.stack([pixels.mean(1), pixels.std(1), spread.mean(dim=(1, 2))], dim=1))
    return torch.cat(statistics)


def _excess(share: float, real: float) -> float:
    """Returns the share of samples with a sign that the share of real images with it does not explain."""
    return max((share - real) / (1 - real), 0.0) if real < 1 else 0.0


@dataclasses.dataclass(frozen=True)
class Leakage:
    """Signs of augmentation in samples. All shares are 0..1.

    Attributes:
        cutout_share (float): Share of samples with a cutout square, see :func:`shows_cutout`.
        border_share (float): Share of samples with a shifted border, see :func:`shows_border`.
        color_share (float): Share of samples whose brightness, contrast or saturation is outside the 1st to 99th
            percentile of the real images.
        cutout_real (float): Share of real images with a cutout square.
        border_real (float): Share of real images with a shifted border.
        color_real (float): Share of real images outside these percentiles, up to 0.06 by definition.
        count (int): Number of samples.
    """

    cutout_share: float
    border_share: float
    color_share: float
    cutout_real: float
    border_real: float
    color_real: float
    count: int

    @property
    def cutout(self) -> float:
        """Estimates the share of samples, 0..1, with a leaked square: the excess over real images."""
        return _excess(self.cutout_share, self.cutout_real)

    @property
    def border(self) -> float:
        """Estimates the share of samples, 0..1, with a leaked shift: the excess over real images."""
        return _excess(self.border_share, self.border_real)

    @property
    def color(self) -> float:
        """Returns the excess of samples with odd colors over real images, 0..1.

        Most leaked colors are not odd, and samples may have odd colors for other reasons, such as early in training.
        """
        return _excess(self.color_share, self.color_real)

    def to_dict(self) -> dict[str, float]:
        """Returns the numbers for a log."""
        fields = {key: float(value) for key, value in dataclasses.asdict(self).items()}
        return {"cutout": self.cutout, "border": self.border, "color": self.color, **fields}

    def _above_chance(self, excess: float, real: float) -> bool:
        """Returns whether an excess is over 3 % by more than three standard errors of the real share."""
        return excess > 0.03 + 3 * Estimate.of_share(real, self.count).spread

    @property
    def leaks(self) -> bool:
        """Returns whether there are more squares or borders than chance explains."""
        return self._above_chance(self.cutout, self.cutout_real) or self._above_chance(self.border, self.border_real)

    @property
    def sentence(self) -> str:
        """Returns a sentence that explains the numbers and says what to do."""
        found = [
            f"{100 * share:.0f} of 100 samples {what} (real images: {100 * real:.0f})"
            for what, excess, share, real in (
                ("show cutout squares", self.cutout, self.cutout_share, self.cutout_real),
                ("show shifted borders", self.border, self.border_share, self.border_real),
                ("have colors outside the range of real images", self.color, self.color_share, self.color_real),
            )
            if self._above_chance(excess, real)
        ]
        if not found:
            return "No sign of leaked augmentation."
        text = f"{' and '.join(found)}: "
        if self.leaks:
            return text + "leaked augmentation; lower the probabilities of augment."
        return text + "possibly leaked augmentation."


def leaked_augmentation(real: Tensor, samples: Tensor) -> Leakage:
    """Looks for traces of differentiable augmentation in samples, relative to real images.

    A generator that is trained with augmentation may learn to draw its traces (https://arxiv.org/abs/2006.06676,
    section 2), and a classifier would then learn them from the samples.

    Args:
        real (Tensor): Real images, uint8 ``(m, c, h, w)``, at least two; at most 1,000 are used.
        samples (Tensor): Synthetic images, uint8 ``(n, c, h, w)``, with the same size of at least 16 px.

    Raises:
        ValueError: If the images are not uint8, too small, or differ in size or channels.

    Example:
        >>> real = torch.randint(0, 256, (100, 3, 32, 32), dtype=torch.uint8)
        >>> samples = real.clone()
        >>> samples[:50, :, 4:20, 9:25] = 128
        >>> leaked_augmentation(real, samples).cutout
        0.5
    """
    check_images(real, "real", least=2)
    check_same_size(samples, "samples", real, "real")
    if min(samples.shape[2:]) < LEAST:
        raise ValueError(f"samples must be at least {LEAST} px, but got {tuple(samples.shape[2:])} instead.")
    real = evenly(real, REALS)
    statistics = _color(real)
    low, high = torch.quantile(statistics, torch.tensor([0.01, 0.99], device=real.device), dim=0)

    def shares(images: Tensor) -> tuple[float, float, float]:
        color = _color(images)
        odd = ((color < low) | (color > high)).any(dim=1)
        cutout, border, odd = (shown.double().mean() for shown in (shows_cutout(images), shows_border(images), odd))
        return float(cutout), float(border), float(odd)

    return Leakage(*shares(samples), *shares(real), count=len(samples))
