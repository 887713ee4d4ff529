"""Anchors: the latents of training images, between which an anchored generator samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

ANCHOR_DRAWS = 3  # uniform numbers for each latent: where from, where to, how far


class AnchorWalk:
    """Latents between two anchors of a class.

    Each latent starts at a random anchor of its class, goes a random part of the way to another one, and
    gets some noise; see generative latent optimisation (https://arxiv.org/abs/1707.05776).

    Args:
        anchors (Tensor): ``(m, latent_dim)``, on the sphere of radius ``sqrt(latent_dim)``, near which
            normal latents lie too.
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
        self.noise = noise
        self.order = anchor_labels.argsort(stable=True)
        self.anchors = anchors
        self.counts = torch.bincount(anchor_labels)
        self.starts = self.counts.cumsum(0) - self.counts

    def __call__(self, labels: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
        """Latents ``(n, latent_dim)`` of classes ``(n,)``, out of uniform ``(n, 3)`` and normal ``(n, latent_dim)``."""
        counts, starts = self.counts[labels], self.starts[labels]
        first, second = ((uniform[:, i] * counts).long().clamp_(max=counts - 1) + starts for i in (0, 1))
        between = torch.lerp(self.anchors[self.order[first]], self.anchors[self.order[second]], uniform[:, 2:3].float())
        return self.disturb(between, normal)

    def disturb(self, latents: Tensor, normal: Tensor) -> Tensor:
        """Latents with noise, on the sphere before and after."""
        return to_sphere(to_sphere(latents) + self.noise * normal)


def to_sphere(latents: Tensor) -> Tensor:
    """Latents ``(n, latent_dim)`` at the length ``sqrt(latent_dim)``."""
    return F.normalize(latents, dim=1) * math.sqrt(latents.shape[1])
