"""Variations: what images of a class differ by, as a last layer that deforms them and changes their tones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONTROLS = 8  # control points on each side of a field
KNOTS = 8  # of a curve over the values -1..1


def warp(images: Tensor, fields: Tensor) -> Tensor:
    """Images moved along fields; what comes in at the borders is as they are.

    Args:
        images (Tensor): Float ``(n, c, h, w)``.
        fields (Tensor): Displacements in half sides on a coarse grid, ``(n, 2, CONTROLS, CONTROLS)``.
    """
    count, _, height, width = images.shape
    identity = torch.eye(2, 3, dtype=images.dtype, device=images.device).expand(count, 2, 3)
    grid = F.affine_grid(identity, [count, 1, height, width], align_corners=False)
    fine = F.interpolate(fields, size=(height, width), mode="bicubic", align_corners=False)
    moved = grid + fine.permute(0, 2, 3, 1)
    return F.grid_sample(images, moved, mode="bilinear", padding_mode="border", align_corners=False)


def tone(images: Tensor, curves: Tensor) -> Tensor:
    """Images with their values moved along curves.

    Args:
        images (Tensor): Float ``(n, c, h, w)`` in -1..1.
        curves (Tensor): What is added to a value at each knot, ``(n, c, KNOTS)``; linear in between.
    """
    place = (images.clamp(-1, 1) + 1) / 2 * (KNOTS - 1)
    below = place.nan_to_num().floor().clamp(max=KNOTS - 2)  # a diverged network is found out elsewhere
    flat = below.long().flatten(2)
    low, high = (curves.gather(2, flat + side).view_as(images) for side in (0, 1))
    return (images + torch.lerp(low, high, place - below)).clamp(-1, 1)


class Variations(nn.Module):
    """Changes images by normal numbers; the layer that a spatial transformer ends with, with tones besides.

    A number scales a field along which the image is warped (https://arxiv.org/abs/1506.02025), or a curve that
    its values follow. Both are learned from training images, as principal components of what pairs of a class
    differ by (https://arxiv.org/abs/1510.02795); until then they are zero and change nothing.

    Args:
        channels (int): Of the images.
        deformations (int): Number of fields.
        tones (int): Number of curves.

    Attributes:
        fields (Tensor): ``(deformations, 2, CONTROLS, CONTROLS)``.
        curves (Tensor): ``(tones, channels, KNOTS)``.
    """

    def __init__(self, channels: int, deformations: int, tones: int) -> None:
        super().__init__()
        self.fields: Tensor
        self.curves: Tensor
        self.register_buffer("fields", torch.zeros(deformations, 2, CONTROLS, CONTROLS))
        self.register_buffer("curves", torch.zeros(tones, channels, KNOTS))

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        """Images ``(n, c, h, w)`` in -1..1 changed by ``(n, deformations + tones)`` numbers."""
        with torch.autocast(images.device.type, enabled=False):  # half precision would shift the pixels
            shapes, tones = torch.split(codes.float(), [len(self.fields), len(self.curves)], dim=1)
            fields = torch.einsum("nk,kdij->ndij", shapes, self.fields.float())
            curves = torch.einsum("nk,kcj->ncj", tones, self.curves.float())
            return tone(warp(images.float(), fields), curves).to(images.dtype)
