"""Anchors: the latents of training images, between which an anchored generator samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .._core import nearest_neighbours

ANCHOR_DRAWS = 3  # uniform numbers for each latent: from, to, how far
PARTNERS = 10  # of an anchor: the nearest others of the class, to which ways lead


class AnchorWalk:
    """Latents between anchors of a class.

    Each latent starts at a random anchor of its class, goes a random part of the way to one of the nearest
    others of the class, and gets some noise; see generative latent optimisation
    (https://arxiv.org/abs/1707.05776). Entries beyond those of the anchors are normal, whatever the class.

    Args:
        anchors (Tensor): ``(m, d)``, on the sphere of radius ``sqrt(d)``, near which normal latents lie too.
        anchor_labels (Tensor): int64 ``(m,)``, the class of each; all 0 without classes.
        noise (float): Standard deviation of the noise on each coordinate.
        num_classes (int): Number of classes; 1 without.

    Raises:
        ValueError: If a class has no anchor, or an anchor no class.

    Example:
        >>> anchors = to_sphere(torch.randn(6, 4))
        >>> walk = AnchorWalk(anchors, torch.tensor([0, 0, 0, 1, 1, 1]), noise=0.0, num_classes=2)
        >>> walk(torch.tensor([0, 1]), torch.rand(2, 3), torch.randn(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, anchors: Tensor, anchor_labels: Tensor, noise: float, num_classes: int) -> None:
        if torch.unique(anchor_labels).tolist() != list(range(num_classes)):
            raise ValueError(f"anchor_labels must be of all classes from 0 to {num_classes - 1}, and of no other.")
        self.anchors, self.noise = anchors, noise
        self.order = anchor_labels.argsort(stable=True)
        self.counts = torch.bincount(anchor_labels)
        self.starts = self.counts.cumsum(0) - self.counts

    def _partners(self, label: int, rows: Tensor) -> Tensor:
        """For these members of a class the nearest others of it, ``(n, 1 to PARTNERS)``; an only one is its own."""
        start, count = int(self.starts[label]), int(self.counts[label])
        members = self.order[start : start + count]
        if count == 1:
            return members.expand(len(rows), 1)
        points = self.anchors[members].detach()
        # Exact, since which of two partners that are equally near comes first must not depend on how many are drawn.
        partners = nearest_neighbours(points[rows], points, min(PARTNERS, count - 1), own=rows, exact=True)
        return members[partners.indices]

    def __call__(self, labels: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
        """Latents ``(n, latent_dim)`` of classes ``(n,)``, out of draws.

        Args:
            labels (Tensor): int64 ``(n,)``.
            uniform (Tensor): 0..1, ``(n, ANCHOR_DRAWS)``.
            normal (Tensor): ``(n, latent_dim)``.
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
        return torch.cat([disturb(between, normal[:, :own], self.noise), normal[:, own:]], dim=1)


def disturb(latents: Tensor, normal: Tensor, noise: float) -> Tensor:
    """Latents with noise, on the sphere before and after."""
    return to_sphere(to_sphere(latents) + noise * normal)


def _pick(uniform: Tensor, count: Tensor | int) -> Tensor:
    """Indices below a count out of numbers of 0..1."""
    return torch.minimum((uniform * count).long(), torch.as_tensor(count, device=uniform.device) - 1)


def to_sphere(latents: Tensor) -> Tensor:
    """Latents ``(n, latent_dim)`` at the length ``sqrt(latent_dim)``."""
    return F.normalize(latents, dim=1) * math.sqrt(latents.shape[1])
