"""Controls: pools of images that are made from real images, without a generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from .._core import to_signed, to_uint8
from ..mixing import ClassVariation
from ..models import displace, enlarge
from ..synthesis import Source, class_labels

Make = Callable[[Tensor, Tensor], Tensor]  # maps images and others of the same classes to new images

ALPHA, SIGMA, DIGIT_SIDE = 30.0, 4.0, 28  # of the elastic deformation of images of 28 px


def vary(images: Tensor, labels: Tensor) -> Make:
    """Returns a function that varies each image as images of its class differ; see :class:`ClassVariation`."""
    variation = ClassVariation.fit(images, labels, p=1.0, progress=False)
    return lambda chosen, others: variation(chosen)


def deform(images: Tensor, labels: Tensor) -> Make:
    """Returns a function that deforms each image at random, like ``v2.ElasticTransform`` on digits of 28 px."""

    def elastic(chosen: Tensor, others: Tensor) -> Tensor:
        noise = torch.rand(len(chosen), 2, DIGIT_SIDE, DIGIT_SIDE) * 2 - 1
        smooth = gaussian_blur(noise, [int(8 * SIGMA + 1)] * 2, [SIGMA] * 2) * ALPHA / DIGIT_SIDE
        return to_uint8(displace(to_signed(chosen), enlarge(smooth, *chosen.shape[2:])))

    return elastic


def interpolate(images: Tensor, labels: Tensor) -> Make:
    """Returns a function that blends each image with another of its class (https://arxiv.org/abs/1106.1813)."""
    return lambda chosen, others: (
        torch.lerp(chosen.float(), others.float(), torch.rand(len(chosen), 1, 1, 1)).round().byte()
    )


Control = Literal["varied", "elastic", "smote"]
CONTROL_POOLS: dict[Control, Callable[[Tensor, Tensor], Make]] = {
    "varied": vary,
    "elastic": deform,
    "smote": interpolate,
}


REFERENCE: Literal["reference"] = "reference"  # kind of the arm with images of another data set
POOLED_KINDS = (*CONTROL_POOLS, REFERENCE)  # kinds of arms with a pool of real images


def control_pool(control: str) -> tuple[str, str]:
    """Returns the name of a control's pool. No combination of filters has this name."""
    return "control", control


class ControlSource(Source):
    """A source that makes images of a class from the real images of that class, without a generator.

    Args:
        control (str): A key of :data:`CONTROL_POOLS`.
        images (Tensor): Real images, uint8 ``(n, c, h, w)``.
        labels (Tensor): Their classes, int64 ``(n,)``.
        num_classes (int): Number of classes.

    Raises:
        ValueError: If the control is ``"varied"`` and no class has two images.
    """

    def __init__(self, control: Control, images: Tensor, labels: Tensor, num_classes: int) -> None:
        self.images, self.num_classes = images, num_classes
        self.make = CONTROL_POOLS[control](images, labels)
        self.rows = [(labels == label).nonzero().flatten() for label in range(num_classes)]

    def sample(self, n: int, labels: Any = None, *, seed: int | None = None) -> Tensor:
        classes = class_labels(self, n, labels).tolist()
        with torch.random.fork_rng(devices=[]):
            if seed is not None:
                torch.manual_seed(seed)
            pairs = torch.stack([self._draw_pair(self.rows[label]) for label in classes])
            return self.make(self.images[pairs[:, 0]], self.images[pairs[:, 1]])

    @staticmethod
    def _draw_pair(rows: Tensor) -> Tensor:
        """Draws two rows of a class. They differ if the class has two or more."""
        first = int(torch.randint(len(rows), ()))
        second = (first + 1 + int(torch.randint(max(len(rows) - 1, 1), ()))) % len(rows)
        return rows[[first, second]]
