"""Procedural images of single rings, and an exact test of whether an image shows one."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import PIL.Image
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gan_augment._core import check_count, check_seed, mix_seed

# From dark blue over teal to yellow, in equal steps of the measured value 0..1.
_COLOURS = torch.tensor(
    [[60, 40, 170], [70, 95, 245], [35, 145, 235], [25, 180, 185], [125, 200, 90], [245, 190, 60], [250, 250, 20]]
)
_COLOUR_ERROR = 0.1  # root mean square distance from the colours of the map, in RGB 0..1
_NOISE = 0.15  # root mean square difference between pixels at the same radius, in values 0..1
_ANGULAR_ERROR = 0.03  # the same for means over sectors of bands, in which noise and half a pixel cancel out
_PROFILE_ERROR = 0.03  # root mean square difference from the nearest profile of a ring
_CONTRAST = 0.45  # difference between the lowest and the highest value of the profile
_MOST_PIXELS = 128  # larger images are averaged to this side first
_CHUNK = 128


class Rings(Dataset[PIL.Image.Image]):
    """Data set of images with one centred ring or disc, in false colours, as PIL images of mode ``"RGB"``.

    It is a procedural substitute for small data sets of beam or diffraction images. The radius ranges from a dot to
    beyond the frame. The ring's width, the values of centre, background and rim, and a dark seam along the ring vary.
    A third of the dots is inverted, and there is mild sensor noise. Every image has a single radius, so
    :func:`invalid_share` can tell exactly which generated images do not belong to the family.

    Args:
        n (int): Number of images. Default: 365.
        image_size (int): Side in pixels. An index gives the same ring at every size. Default: 128.
        seed (int): Seed. Each image is a function of the seed and its index. Default: 0.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> rings = Rings(n=10, image_size=64)
        >>> len(rings), rings[0].size, rings[0].mode
        (10, (64, 64), 'RGB')
    """

    def __init__(self, n: int = 365, image_size: int = 128, seed: int = 0) -> None:
        self.n = check_count("n", n, 1)
        self.image_size = check_count("image_size", image_size, 16)
        self.seed = check_seed(seed)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> PIL.Image.Image:
        values = _draw_ring(self._draw(index), self.image_size)
        values += 0.025 * torch.randn(values.shape, generator=self._rng(index % self.n, 1))
        return PIL.Image.fromarray(_colourize(values).numpy())

    def radius(self, index: int) -> float:
        """Returns the true radius of the ring in half sides: 1 touches the frame."""
        return float(self._draw(index)[0])

    def _draw(self, index: int) -> Tensor:
        """Returns the radius, width, background, centre, rim and seam of a ring."""
        if not -self.n <= index < self.n:
            raise IndexError(f"index must be below {self.n}, but got {index}.")
        draws = torch.rand(7, generator=self._rng(index % self.n, 0))
        radius = 0.1 + 1.1 * draws[0]
        width = (0.035 + 0.06 * torch.exp(-radius / 0.3)) * (0.9 + 0.25 * draws[1])  # small rings are thick
        background = 0.1 + 0.15 * draws[2]
        centre = 0.35 * draws[3] - 0.05 + 0.6 * torch.exp(-(radius / 0.2).square())  # small rings are discs
        rim = 0.7 + 0.12 * draws[4]
        seam = 0.12 * draws[5]
        ring = torch.stack([radius, width, background, centre, rim, seam])
        if radius < 0.3 and draws[6] < 1 / 3:
            ring[2:] = torch.stack([1 - background, -centre, -rim, -seam])
        return ring

    def _rng(self, *parts: int) -> torch.Generator:
        return torch.Generator().manual_seed(mix_seed(self.seed, *parts))


def invalid_share(images: Tensor) -> float:
    """Computes the share of images that do not show one centred ring or disc like those of :class:`Rings`.

    It counts images with two radii, broken arcs, rings off the centre, or no ring. The colours of an image are
    converted back to values. These must be equal around the centre, and follow the profile of one ring along the
    radius. Nothing is learned or downloaded. Images of :class:`Rings` give about 0.

    Args:
        images (Tensor): Images, uint8 ``(n, 3, size, size)``.

    Raises:
        ValueError: If there are no images, or they are not square RGB images in uint8.

    Example:
        >>> invalid_share(torch.zeros(4, 3, 32, 32, dtype=torch.uint8))
        1.0
    """
    return 1 - float(is_ring(images).double().mean())


def is_ring(images: Tensor) -> Tensor:
    """Returns whether each image shows one centred ring or disc, bool ``(n,)``."""
    _, colour, noise, angular, profile, contrast = measure_rings(images).unbind(1)
    return (
        (colour < _COLOUR_ERROR)
        & (noise < _NOISE)
        & (angular < _ANGULAR_ERROR)
        & (profile < _PROFILE_ERROR)
        & (contrast > _CONTRAST)
    )


def ring_radius(images: Tensor) -> Tensor:
    """Returns the radius of the ring that fits each image best, in half sides, float ``(n,)``."""
    return measure_rings(images)[:, 0]


def measure_rings(images: Tensor) -> Tensor:
    """Measures what :func:`is_ring` judges by, float ``(n, 6)``.

    The columns are the radius of the nearest ring in half sides; the root mean square errors of the colours, around
    the centre (of pixels and of sectors) and along the radius; and the contrast of the profile.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise ValueError(
            f"images must be uint8 (n, 3, size, size), but got {images.dtype} {tuple(images.shape)} instead."
        )
    if len(images) == 0 or images.shape[-1] < 16:
        raise ValueError(f"images must be one or more of at least 16 px, but got {tuple(images.shape)} instead.")
    return torch.cat([_measure(chunk) for chunk in torch.split(images.cpu(), _CHUNK)])


def _measure(images: Tensor) -> Tensor:
    values, colour_error = _read_colours(images.movedim(1, -1) / 255)
    if values.shape[-1] > _MOST_PIXELS:
        values = torch.nn.functional.interpolate(values[:, None], (_MOST_PIXELS, _MOST_PIXELS), mode="area")[:, 0]
    size = values.shape[-1]
    circle, counts, _ = _circles(size)
    values = values.flatten(1)
    means = torch.zeros(len(values), len(counts)).index_add_(1, circle, values) / counts
    residual = values - means[:, circle]
    noise = residual.square().mean(1).sqrt()
    sector, areas = _sectors(size)
    sums = torch.zeros(len(values), len(areas)).index_add_(1, sector, residual)
    angular = (sums.square() / areas).sum(1).div(len(sector)).sqrt()
    weights = (counts / counts.sum()).sqrt()
    radii, bases = _profiles(size)
    weighted = means * weights
    explained = (weighted @ bases.flatten(0, 1).T).reshape(-1, *bases.shape[:2])
    best = explained.square().sum(2).argmax(1)
    fitted = torch.einsum("nb,nbk->nk", explained[torch.arange(len(best)), best], bases[best])
    misfit = (weighted - fitted).square().sum(1).sqrt()
    curve = fitted / weights
    contrast = curve.amax(1) - curve.amin(1)
    return torch.stack([radii[best], colour_error, noise, angular, misfit, contrast], 1)


def _read_colours(images: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the values 0..1 of images ``(n, h, w, 3)``, and the distance of their colours from the map."""
    colours = _COLOURS / 255
    nearest = torch.full(images.shape[:-1], torch.inf)
    values = torch.zeros_like(nearest)
    for place, (start, stop) in enumerate(pairwise(colours)):
        line = stop - start
        along = ((images - start) @ line / line.square().sum()).clamp(0, 1)
        distance = (images - start - along[..., None] * line).square().sum(-1)
        closer = distance < nearest
        nearest = torch.where(closer, distance, nearest)
        values = torch.where(closer, (place + along) / (len(colours) - 1), values)
    return values, nearest.mean((1, 2)).sqrt()


def _colourize(values: Tensor) -> Tensor:
    """Inverts :func:`_read_colours`: returns uint8 ``(h, w, 3)``."""
    position = values.clamp(0, 1) * (len(_COLOURS) - 1)
    below = position.long().clamp(max=len(_COLOURS) - 2)
    share = (position - below)[..., None]
    return torch.lerp(_COLOURS[below].float(), _COLOURS[below + 1].float(), share).round().to(torch.uint8)


def _draw_ring(ring: Tensor, image_size: int, x: float = 0.0, y: float = 0.0) -> Tensor:
    """Returns the values ``(h, w)`` of a ring around a centre, in half sides from the middle."""
    axis = (torch.arange(image_size) + 0.5) * 2 / image_size - 1
    distance = torch.hypot(axis - x, (axis - y)[:, None])
    return (_profile_terms(distance, ring[0], ring[1]) * ring[2:]).sum(-1)


def _profile_terms(distance: Tensor, radius: Tensor, width: Tensor) -> Tensor:
    """Returns background, centre, rim and seam at each distance, ``(..., 4)``; profiles are weighted sums of them."""
    offset = (distance - radius) / width
    rim = torch.exp(-offset.square() / 2)
    seam = -torch.exp(-offset.square() / 18)
    centre = (1 - (distance / radius).square()).clamp(min=0)
    return torch.stack([torch.ones_like(rim), centre, rim, seam], -1)


@lru_cache(maxsize=8)
def _circles(size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the circle of each pixel around the centre, and the count of pixels and radius of each circle."""
    axis = 2 * torch.arange(size) + 1 - size
    squares = (axis.square() + axis.square()[:, None]).flatten()
    distinct, circle, counts = torch.unique(squares, return_inverse=True, return_counts=True)
    return circle, counts.float(), distinct.float().sqrt() / size


@lru_cache(maxsize=8)
def _sectors(size: int) -> tuple[Tensor, Tensor]:
    """Returns the sector of each pixel, eight in each band of a quarter, and the count of pixels of each sector."""
    axis = (torch.arange(size) + 0.5) * 2 / size - 1
    y, x = (grid.flatten() for grid in torch.meshgrid(axis, axis, indexing="ij"))
    band = (torch.hypot(x, y) * 4).long()
    turn = ((torch.atan2(y, x) / torch.pi + 1) * 4).long().clamp(max=7)
    _, sector, areas = torch.unique(band * 8 + turn, return_inverse=True, return_counts=True)
    return sector, areas.float()


@lru_cache(maxsize=8)
def _profiles(size: int) -> tuple[Tensor, Tensor]:
    """Returns the radius ``(m,)`` and an orthonormal basis ``(m, 4, circles)`` of each ring to compare with."""
    _, counts, distance = _circles(size)
    radii = torch.linspace(0.09, 1.23, 191, dtype=torch.float64)
    widths = torch.logspace(-1.55, -0.9, 8, dtype=torch.float64)
    radius, width = (grid.reshape(-1, 1) for grid in torch.meshgrid(radii, widths, indexing="ij"))
    terms = _profile_terms(distance.double(), radius, width) * (counts / counts.sum()).sqrt()[:, None]
    return radius.flatten().float(), torch.linalg.qr(terms).Q.mT.float().contiguous()
