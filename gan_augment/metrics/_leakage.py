"""Whether differentiable augmentation has leaked into the samples: cutout squares, shifted borders, odd colors.

A generator that learns the augmentation draws it (https://arxiv.org/abs/2006.06676, section 2), and a classifier
would learn it from the samples.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ._diversity import check_batch, evenly

GREY = (108, 147)  # what may pass for the augmentation's 0, which is 127.5, however a generator draws it
REALS = 1000  # as many real images tell a share to half a point
LEAST = 16  # pixels


def _is_grey(images: Tensor) -> Tensor:
    """Which pixels are mid-grey in all channels, bool ``(n, h, w)``."""
    return ((images >= GREY[0]) & (images <= GREY[1])).all(dim=1)


def _box_sum(values: Tensor, reach: tuple[int, int]) -> Tensor:
    """Sums over the rectangle around each pixel, as far as it lies within the image."""
    rows, columns = reach
    values = F.avg_pool2d(values, (2 * rows + 1, 1), 1, (rows, 0), divisor_override=1)
    return F.avg_pool2d(values, (1, 2 * columns + 1), 1, (0, columns), divisor_override=1)


def shows_cutout(images: Tensor) -> Tensor:
    """Which images have a mid-grey square of about half the side, also one that the image's edge cuts.

    Args:
        images (Tensor): uint8 ``(n, c, h, w)``.

    Returns:
        Tensor: bool ``(n,)``: there is a place where a square of 0.4 of the side is mid-grey (95 % of its pixels,
        within 20 grey levels), while a frame around it at 0.65 to 0.75 of the side is not (at most 40 %, which the
        corner of a larger grey area exceeds).
    """
    height, width = (min(side, 32) for side in images.shape[2:])  # averaging pixels takes noise away
    grey = torch.cat([_is_grey(F.adaptive_avg_pool2d(b.float(), (height, width))) for b in torch.split(images, 256)])
    maps, ones = grey[:, None].float(), torch.ones(1, 1, height, width, device=images.device)
    reaches = [(round(height * share), round(width * share)) for share in (0.19, 0.31, 0.375)]
    inner, middle, outer = (_box_sum(maps, reach) for reach in reaches)
    inner_area, middle_area, outer_area = (_box_sum(ones, reach) for reach in reaches)
    filled = inner >= 0.95 * inner_area
    framed = outer - middle <= 0.4 * (outer_area - middle_area)
    return (filled & framed).flatten(1).any(dim=1)


def shows_border(images: Tensor) -> Tensor:
    """Which images have mid-grey rows or columns at an edge, as a shifted image with zeros coming in has.

    Args:
        images (Tensor): uint8 ``(n, c, h, w)``.

    Returns:
        Tensor: bool ``(n,)``: an outermost row or column is mid-grey (90 % of its pixels, within 20 grey levels),
        while one within the next eighth of the side is not (under 75 %), as it is where a background is grey.
    """
    grey = torch.cat([_is_grey(block) for block in torch.split(images, 256)]).float()
    shown = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    for lines in (grey.mean(dim=2), grey.mean(dim=1)):
        depth = round(lines.shape[1] / 8) + 2
        for edge in (lines, lines.flip(1)):
            shown |= (edge[:, 0] >= 0.9) & (edge[:, :depth].amin(dim=1) <= 0.75)
    return shown


def _color(images: Tensor) -> Tensor:
    """Mean, standard deviation and saturation (largest minus smallest channel) of each image, ``(n, 3)``."""
    statistics = []
    for block in torch.split(images, 256):
        spread = block.amax(dim=1).float() - block.amin(dim=1).float()
        pixels = block.flatten(1).float()
        statistics.append(torch.stack([pixels.mean(1), pixels.std(1), spread.mean(dim=(1, 2))], dim=1))
    return torch.cat(statistics)


def _excess(share: float, real: float) -> float:
    """Of what is unmarked among the real images, the share that is marked here."""
    return max((share - real) / (1 - real), 0.0) if real < 1 else 0.0


@dataclasses.dataclass(frozen=True)
class Leakage:
    """Signs of augmentation in samples. All shares are 0..1.

    Attributes:
        cutout_share (float): Share of the samples with a cutout square, see :func:`shows_cutout`.
        border_share (float): Share of the samples with a shifted border, see :func:`shows_border`.
        color_share (float): Share of the samples whose brightness (mean), contrast (standard deviation) or
            saturation lies outside the 1st to 99th percentile of the real images.
        cutout_real (float): Share of the real images.
        border_real (float): Share of the real images.
        color_real (float): Share of the real images, up to 0.06 by definition.
        count (int): Of samples.
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
        """The excess over the real images, 0..1: an estimate of the share of samples with a leaked square."""
        return _excess(self.cutout_share, self.cutout_real)

    @property
    def border(self) -> float:
        """The excess over the real images, 0..1: an estimate of the share of samples with a leaked shift."""
        return _excess(self.border_share, self.border_real)

    @property
    def color(self) -> float:
        """The excess over the real images, 0..1: less than the share with leaked colors.

        Most changed colors still lie within the range of real images. It rises too where samples are dull or garish
        for other reasons, as early in a training.
        """
        return _excess(self.color_share, self.color_real)

    def to_dict(self) -> dict[str, float]:
        """As numbers for a log."""
        fields = {key: float(value) for key, value in dataclasses.asdict(self).items()}
        return {"cutout": self.cutout, "border": self.border, "color": self.color, **fields}

    def _above_chance(self, excess: float, real: float) -> bool:
        """Whether an excess is over 3 % by more than three standard errors of the real share."""
        return excess > 0.03 + 3 * math.sqrt(max(real * (1 - real), 1 / self.count) / self.count)

    @property
    def leaks(self) -> bool:
        """Whether squares or borders are more than chance."""
        return self._above_chance(self.cutout, self.cutout_real) or self._above_chance(self.border, self.border_real)

    @property
    def sentence(self) -> str:
        """What it says, for people, and what to do."""
        found = [
            f"{100 * share:.0f} of 100 samples {what} (reals: {100 * real:.0f})"
            for what, excess, share, real in (
                ("show cutout squares", self.cutout, self.cutout_share, self.cutout_real),
                ("show shifted borders", self.border, self.border_share, self.border_real),
                ("have colors beyond those of real images", self.color, self.color_share, self.color_real),
            )
            if self._above_chance(excess, real)
        ]
        if not found:
            return "No sign of leaked augmentation."
        advice = (
            "leaked augmentation; lower the probabilities of augment." if self.leaks else "perhaps leaked augmentation."
        )
        return f"{' and '.join(found)}: {advice}"


def leaked_augmentation(real: Tensor, samples: Tensor) -> Leakage:
    """Looks for the marks of differentiable augmentation in samples, always relative to real images.

    Args:
        real (Tensor): Real images, uint8 ``(m, c, h, w)``; of more than 1,000 evenly spaced ones.
        samples (Tensor): uint8 ``(n, c, h, w)`` of the same size, 16 px at least.

    Raises:
        ValueError: If the images are no such ones.

    Example:
        >>> real = torch.randint(0, 256, (100, 3, 32, 32), dtype=torch.uint8)
        >>> samples = real.clone()
        >>> samples[:50, :, 4:20, 9:25] = 128
        >>> leaked_augmentation(real, samples).cutout
        0.5
    """
    check_batch(samples, "samples")
    check_batch(real, "real", least=2, channels=samples.shape[1])
    if samples.shape[2:] != real.shape[2:]:
        raise ValueError(
            f"samples must have the size of the real images, {tuple(real.shape[2:])}, but got "
            f"{tuple(samples.shape[2:])} instead; resize them first."
        )
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
