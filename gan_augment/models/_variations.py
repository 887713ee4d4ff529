"""Variations: a last layer that deforms images and changes their tones like other images of the class."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONTROLS = 8  # control points on each side of a field
KNOTS = 8  # points of a curve over the values -1..1


def warp(images: Tensor, fields: Tensor) -> Tensor:
    """Moves the pixels of images along fields; the border is repeated outside.

    Args:
        images (Tensor): Float images ``(n, c, h, w)``.
        fields (Tensor): Displacements on a coarse grid, in halves of a side, ``(n, 2, CONTROLS, CONTROLS)``.
    """
    return displace(images, enlarge(fields, *images.shape[2:]))


def enlarge(fields: Tensor, height: int, width: int) -> Tensor:
    """Returns the displacement of every pixel, ``(n, 2, height, width)``, from those on a coarse grid."""
    return F.interpolate(fields, size=(height, width), mode="bicubic", align_corners=False)


def displace(images: Tensor, displacements: Tensor) -> Tensor:
    """Moves each pixel of images ``(n, c, h, w)`` by its own displacement; see :func:`warp`."""
    identity = torch.eye(2, 3, dtype=images.dtype, device=images.device)[None]
    grid = F.affine_grid(identity, [1, 1, *images.shape[2:]], align_corners=False)
    moved = grid + displacements.permute(0, 2, 3, 1)
    return F.grid_sample(images, moved, mode="bilinear", padding_mode="border", align_corners=False)


def tone(images: Tensor, curves: Tensor) -> Tensor:
    """Adds curves ``(n, c, KNOTS)`` over the values -1..1, with linear interpolation, to images ``(n, c, h, w)``."""
    place = (images.clamp(-1, 1) + 1) / 2 * (KNOTS - 1)
    below = place.nan_to_num().floor().clamp(max=KNOTS - 2)  # NaN, from a diverged network, is reported elsewhere
    flat = below.long().flatten(2)
    low, high = (curves.gather(2, flat + side).view_as(images) for side in (0, 1))
    return (images + torch.lerp(low, high, place - below)).clamp(-1, 1)


class Variations(nn.Module):
    """Deforms images and changes their tones at random. Normal random numbers scale the fields and the curves.

    Fields ``(deformations, 2, CONTROLS, CONTROLS)`` warp the image (https://arxiv.org/abs/1506.02025), and curves
    ``(tones, channels, KNOTS)`` change its values. They are principal components of the differences between training
    images of a class (https://arxiv.org/abs/1510.02795). Initially they are zero and change nothing.

    Args:
        channels (int): Number of channels of the images.
        deformations (int): Number of fields.
        tones (int): Number of curves.
    """

    def __init__(self, channels: int, deformations: int, tones: int) -> None:
        super().__init__()
        self.fields: Tensor
        self.curves: Tensor
        self.register_buffer("fields", torch.zeros(deformations, 2, CONTROLS, CONTROLS))
        self.register_buffer("curves", torch.zeros(tones, channels, KNOTS))

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        """Varies images ``(n, c, h, w)`` in -1..1 by numbers ``(n, deformations + tones)``."""
        with torch.autocast(images.device.type, enabled=False):  # half precision would shift the pixels
            shapes, tones = torch.split(codes.float(), [len(self.fields), len(self.curves)], dim=1)
            varied = images.float()
            if len(self.fields):
                varied = warp(varied, torch.einsum("nk,kdij->ndij", shapes, self.fields.float()))
            if len(self.curves):  # ONNX Runtime crashes on sums of no curves
                varied = tone(varied, torch.einsum("nk,kcj->ncj", tones, self.curves.float()))
            return varied.to(images.dtype)
