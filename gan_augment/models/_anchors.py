"""Anchors: latents of training images. A generator with anchors samples between them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .._core import nearest_neighbours

ANCHOR_DRAWS = 3  # uniform numbers per latent: the first anchor, the second, and the position between them
PARTNERS = 10  # number of nearest anchors of the class from which the second one is drawn


class AnchorWalk:
    """Draws latents between anchors of the same class.

    Each latent starts at a random anchor of its class, moves a random part of the way to one of the nearest anchors of
    the class, and gets some noise. This is like generative latent optimisation (https://arxiv.org/abs/1707.05776).
    Further entries of a latent are normal and do not depend on the class.

    Args:
        anchors (Tensor): Anchors ``(m, d)`` on the sphere of radius ``sqrt(d)``, near which normal latents lie.
        anchor_labels (Tensor): Class of each anchor, int64 ``(m,)``; all 0 without classes.
        noise (float): Standard deviation of the noise on each coordinate.
        num_classes (int): Number of classes; 1 without classes.

    Raises:
        ValueError: If a class has no anchor, or an anchor has another class.

    Example:
        >>> anchors = to_sphere(torch.randn(6, 4))
        >>> walk = AnchorWalk(anchors, torch.tensor([0, 0, 0, 1, 1, 1]), noise=0.0, num_classes=2)
        >>> walk(torch.tensor([0, 1]), torch.rand(2, 3), torch.randn(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, anchors: Tensor, anchor_labels: Tensor, noise: float, num_classes: int) -> None:
        if torch.unique(anchor_labels).tolist() != list(range(num_classes)):
            raise ValueError(f"anchor_labels must contain all classes from 0 to {num_classes - 1}, and no others.")
        self.anchors, self.noise = anchors, noise
        self.order = anchor_labels.argsort(stable=True)
        self.counts = torch.bincount(anchor_labels)
        self.starts = self.counts.cumsum(0) - self.counts

    def _partners(self, label: int, rows: Tensor) -> Tensor:
        """Returns the nearest anchors of the class, ``(n, 1 to PARTNERS)``; a single anchor is its own partner."""
        start, count = int(self.starts[label]), int(self.counts[label])
        members = self.order[start : start + count]
        if count == 1:
            return members.expand(len(rows), 1)
        points = self.anchors[members].detach()
        # Exact, since which of two partners that are equally near comes first must not depend on how many are drawn.
        partners = nearest_neighbours(points[rows], points, min(PARTNERS, count - 1), own=rows, exact=True)
        return members[partners.indices]

    def __call__(self, labels: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
        """Returns latents ``(n, latent_dim)`` as a function of the classes and of random numbers.

        Args:
            labels (Tensor): Class of each latent, int64 ``(n,)``.
            uniform (Tensor): Uniform random numbers 0..1, ``(n, ANCHOR_DRAWS)``.
            normal (Tensor): Normal random numbers, ``(n, latent_dim)``.
        """
        first = _pick(uniform[:, 0], self.counts[labels])
        second = torch.empty_like(first)
        for label in torch.unique(labels).tolist():
            rows = labels == label
            partners = self._partners(label, first[rows])
            picked = _pick(uniform[rows, 1], partners.shape[1])
            second[rows] = partners.gather(1, picked[:, None])[:, 0]
        first = self.order[self.starts[labels] + first]
        between = torch.lerp(self.anchors[first], self.anchors[second], uniform[:, 2:3].float())
        own = self.anchors.shape[1]
        return torch.cat([add_noise(between, normal[:, :own], self.noise), normal[:, own:]], dim=1)


def add_noise(latents: Tensor, normal: Tensor, noise: float) -> Tensor:
    """Adds noise to latents on the sphere, and scales them back to it."""
    return to_sphere(to_sphere(latents) + noise * normal)


def _pick(uniform: Tensor, count: Tensor | int) -> Tensor:
    """Maps uniform numbers 0..1 to indices below a count."""
    return torch.minimum((uniform * count).long(), torch.as_tensor(count, device=uniform.device) - 1)


def to_sphere(latents: Tensor) -> Tensor:
    """Scales latents ``(n, latent_dim)`` to the length ``sqrt(latent_dim)``."""
    return F.normalize(latents, dim=1) * math.sqrt(latents.shape[1])
