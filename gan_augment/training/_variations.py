"""How one training image turns into another: smooth deformations, learned from pairs of images of a class.

Two images of a class differ by where things are as much as by how they look. A field that warps one onto the
other says the first apart from the second; it can be followed part of the way, and carried to a third image, as
Miller, Matsakis and Viola (CVPR 2000) and https://arxiv.org/abs/1902.09383 carry learned deformations.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..models import nearest_others
from ..models.images import to_signed

CONTROLS = 8  # control points on each side of a field
MAX_PAIRS = 4096
SIDE = 32  # largest side in pixels at which images are registered
STEPS, RATE, CHUNK = 120, 0.03, 256
STIFFNESS, WEIGHT = 1.0, 0.02
_SCALES = (1, 2, 4)


def warp(images: Tensor, fields: Tensor) -> Tensor:
    """Images moved along fields.

    Args:
        images (Tensor): Float ``(n, c, h, w)``.
        fields (Tensor): Displacements in half sides on a coarse grid, ``(n, 2, CONTROLS, CONTROLS)``.
    """
    height, width = images.shape[2:]
    identity = torch.eye(2, 3, device=images.device).expand(len(images), 2, 3)
    grid = F.affine_grid(identity, [len(images), 1, height, width], align_corners=False)
    fine = F.interpolate(fields, size=(height, width), mode="bicubic", align_corners=False)
    moved = grid + fine.permute(0, 2, 3, 1)
    return F.grid_sample(images, moved, mode="bilinear", padding_mode="border", align_corners=False)


def register(sources: Tensor, targets: Tensor) -> Tensor:
    """Smooth fields that warp sources onto targets, float ``(n, c, h, w)`` in -1..1, by gradient descent."""
    fields = [_register(*pair) for pair in zip(torch.split(sources, CHUNK), torch.split(targets, CHUNK))]
    return torch.cat(fields)


@torch.enable_grad()
def _register(sources: Tensor, targets: Tensor) -> Tensor:
    fields = sources.new_zeros((len(sources), 2, CONTROLS, CONTROLS)).requires_grad_(True)
    optimizer = torch.optim.Adam([fields], RATE)
    for _ in range(STEPS):
        warped = warp(sources, fields)
        # Values of 0..1 are what stiffness and weight are balanced against.
        difference = sum(
            ((F.avg_pool2d(warped, s) - F.avg_pool2d(targets, s)) / 2).square().mean((1, 2, 3)) for s in _SCALES
        )
        bend = fields.diff(dim=2).square().mean((1, 2, 3)) + fields.diff(dim=3).square().mean((1, 2, 3))
        loss = (difference + STIFFNESS * bend + WEIGHT * fields.square().mean((1, 2, 3))).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return fields.detach()


def near_pairs(sketches: Tensor, labels: Tensor) -> Tensor:
    """Ordered pairs of an image and one of the nearest of its class, int64 ``(m, 2)``; each with its reverse.

    Args:
        sketches (Tensor): Small images as rows, by which near is meant, ``(n, d)``.
        labels (Tensor): int64 ``(n,)``.
    """
    found = []
    for label in range(int(labels.max()) + 1):
        members = (labels == label).nonzero().flatten()
        if len(members) < 2:
            continue
        rows = torch.arange(len(members), device=labels.device)
        nearest = nearest_others(sketches[members], rows)
        first = rows.repeat_interleave(nearest.shape[1])
        found.append(torch.stack([members[first], members[nearest.flatten()]], dim=1))
    if not found:
        return torch.empty(0, 2, dtype=torch.int64, device=labels.device)
    pairs = torch.unique(torch.cat(found).sort(dim=1).values, dim=0)
    if len(pairs) > MAX_PAIRS // 2:
        rng = torch.Generator().manual_seed(0)
        pairs = pairs[torch.randperm(len(pairs), generator=rng)[: MAX_PAIRS // 2].to(pairs.device)]
    return torch.cat([pairs, pairs.flip(1)])


class Morphs:
    """The images on the way between two of a class, and images deformed as one of a class became another.

    Args:
        images (Tensor): uint8 ``(n, c, h, w)``.
        labels (Tensor): int64 ``(n,)``; all 0 without classes.
        sketches (Tensor): See :func:`near_pairs`.
    """

    def __init__(self, images: Tensor, labels: Tensor, sketches: Tensor) -> None:
        self.images, self.pairs = images, near_pairs(sketches, labels)
        self.fields: Tensor | None = None
        pair_labels = labels[self.pairs[:, 0]]
        order = pair_labels.argsort(stable=True)
        self.pairs = self.pairs[order]
        self.reverse = self._reversed(len(images))
        self.counts = torch.bincount(pair_labels, minlength=int(labels.max()) + 1)
        self.starts = self.counts.cumsum(0) - self.counts
        self.labels = labels

    def _reversed(self, n: int) -> Tensor:
        """Where the reverse of each pair stands."""
        key, back = self.pairs[:, 0] * n + self.pairs[:, 1], self.pairs[:, 1] * n + self.pairs[:, 0]
        order = key.argsort()
        return order[torch.searchsorted(key[order], back)]

    def fit(self) -> None:
        """Registers all pairs: seconds for hundreds of small images, a minute for larger ones."""
        if not len(self.pairs):
            self.fields = torch.empty(0, 2, CONTROLS, CONTROLS, device=self.pairs.device)
            return
        small = self.read(torch.arange(len(self.images), device=self.pairs.device))
        if small.shape[-1] > SIDE:
            small = F.adaptive_avg_pool2d(small, SIDE)
        self.fields = register(small[self.pairs[:, 0]], small[self.pairs[:, 1]])

    def read(self, indices: Tensor) -> Tensor:
        """Training images in -1..1."""
        return to_signed(self.images[indices.to(self.images.device)].to(indices.device))

    def draw(self, labels: Tensor, transfer: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Random ways of classes ``(n,)``: what they start from, their pairs, how far they go, and the images there.

        Args:
            labels (Tensor): Classes that have pairs.
            transfer (float): Share of the ways that start from another image than the pair's first.

        Returns:
            tuple: Indices of the bases ``(n,)``, of the pairs' images ``(n, 2)``, the way ``(n, 1)`` of 0..1, and
            images ``(n, c, h, w)``.
        """
        if self.fields is None:
            raise RuntimeError("Morphs must be fitted before they are drawn; call fit() first.")
        n, device = len(labels), labels.device
        uniform = torch.rand(n, 4, device=device)
        rows = self.starts[labels] + (uniform[:, 0] * self.counts[labels]).long()
        other = self.starts[labels] + (uniform[:, 1] * self.counts[labels]).long()
        moved, way = uniform[:, 2] < transfer, uniform[:, 3]
        bases = torch.where(moved, self.pairs[other, 0], self.pairs[rows, 0])
        step = way[:, None, None, None]
        there = warp(self.read(bases), step * self.fields[rows])
        back = warp(self.read(self.pairs[rows, 1]), (1 - step) * self.fields[self.reverse[rows]])
        images = torch.where(moved[:, None, None, None], there, torch.lerp(there, back, step))
        return bases, self.pairs[rows], way[:, None], images
