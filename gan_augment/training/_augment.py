"""Differentiable augmentation (https://arxiv.org/abs/2006.10738), each operation with a probability.

Reals and fakes pass through it, in the steps of both networks. An operation that is always on leaks into
the samples, and there a classifier would learn it; hence the probabilities, which training anneals to zero.

An operation takes images ``(n, c, h, w)`` in -1..1 and ``hit``, a bool ``(n, 1, 1, 1)``: the others stay as
they are, to the bit. Draws are float32 or int64 whatever the images are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .losses._registry import LOSSES
from .recipes._options import Options, check_choice, names_of, within

if TYPE_CHECKING:
    from .recipes._recipe import Recipe


def _draw(hit: Tensor, reach: float, dtype: torch.dtype) -> Tensor:
    """Uniform numbers within +-reach, and 0 where nothing is to happen."""
    return (torch.empty(hit.shape, device=hit.device).uniform_(-reach, reach) * hit).to(dtype)


def brightness(images: Tensor, hit: Tensor) -> Tensor:
    """Adds up to +-0.5."""
    return images + _draw(hit, 0.5, images.dtype)


def saturation(images: Tensor, hit: Tensor) -> Tensor:
    """Scales the distance from grey by 0 to 2; no effect on grey images."""
    distance = images - images.mean(dim=1, keepdim=True)
    return torch.addcmul(images, distance, _draw(hit, 1.0, images.dtype))


def contrast(images: Tensor, hit: Tensor) -> Tensor:
    """Scales the distance from the image's mean by 0.5 to 1.5."""
    distance = images - images.mean(dim=(1, 2, 3), keepdim=True)
    return torch.addcmul(images, distance, _draw(hit, 0.5, images.dtype))


class _Shift(torch.autograd.Function):
    """Moves image ``i`` down by ``-rows[i]`` and right by ``-columns[i]`` pixels; zeros come in.

    The gradient is the shift back, which is far quicker than scattering along the indices.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.save_for_backward(rows, columns)
        n, channels, height, width = images.shape
        rows = rows[:, None] + torch.arange(height, device=images.device)
        columns = columns[:, None] + torch.arange(width, device=images.device)
        row_inside = (rows >= 0) & (rows < height)
        inside = row_inside[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
        first = torch.arange(n, device=images.device)[:, None] * height
        pixels = (first + rows.clamp(0, height - 1))[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
        # As pixels of c values, which lie together in channels-last images.
        moved = images.permute(0, 2, 3, 1).reshape(-1, channels).index_select(0, pixels.flatten())
        return (moved.view(n, height, width, channels) * inside[..., None]).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows, columns = ctx.saved_tensors
        return _shift(gradient, -rows, -columns), None, None


def _shift(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    shifted: Tensor = _Shift.apply(images, rows, columns)
    return shifted


def translation(images: Tensor, hit: Tensor) -> Tensor:
    """Shifts by up to an eighth of the side; zeros come in."""
    rows, columns = (
        torch.randint(-reach, reach + 1, (len(images),), device=images.device) * hit.flatten()
        for reach in (max(round(side / 8), 1) for side in images.shape[2:])
    )
    return _shift(images, rows, columns)


def cutout(images: Tensor, hit: Tensor) -> Tensor:
    """Zeroes a square of half the side, centred anywhere."""
    for_rows, for_columns = (
        torch.arange(side, device=images.device) - torch.randint(0, side + 1, (len(images), 1), device=images.device)
        for side in images.shape[2:]
    )
    half_height, half_width = images.shape[2] // 4, images.shape[3] // 4
    rows = (-half_height <= for_rows) & (for_rows < half_height)
    columns = (-half_width <= for_columns) & (for_columns < half_width)
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :] & hit)


# In the order in which they are applied.
OPERATIONS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], ...]] = {
    "color": (brightness, saturation, contrast),
    "brightness": (brightness,),
    "saturation": (saturation,),
    "contrast": (contrast,),
    "translation": (translation,),
    "cutout": (cutout,),
}


def diff_augment(images: Tensor, operations: Mapping[str, float], strength: float = 1.0) -> Tensor:
    """Augments images, each of them by each operation with a probability.

    Args:
        images (Tensor): A batch ``(n, c, h, w)`` in -1..1, real or generated; gradients pass through, also
            twice. Channels-last images stay so.
        operations (mapping of str to float): Probability of each operation, out of ``"brightness"``,
            ``"saturation"``, ``"contrast"``, ``"color"`` (these three together), ``"translation"`` and
            ``"cutout"``. Their order does not matter.
        strength (float): Times which the probabilities are taken, from 0, the identity, which draws
            nothing, to 1.

    Raises:
        ValueError: If there is no such operation.

    Example:
        >>> images = torch.zeros(8, 3, 32, 32)
        >>> diff_augment(images, {"color": 0.7, "cutout": 0.3}, strength=0.5).shape
        torch.Size([8, 3, 32, 32])
    """
    unknown = [name for name in operations if name not in OPERATIONS]
    if unknown:
        raise ValueError(f"operations must be out of {list(OPERATIONS)}, but got {unknown[0]!r} instead.")
    for name, steps in OPERATIONS.items():
        probability = strength * operations.get(name, 0.0)
        if probability > 0:
            hit = torch.rand(len(images), 1, 1, 1, device=images.device) < probability
            for step in steps:
                images = step(images, hit)
    return images


@dataclass(frozen=True, kw_only=True)
class AugmentationOptions(Options):
    """The differentiable augmentation of a recipe.

    Args:
        augment (dict of str to float): The probability of each operation; see :func:`diff_augment`. Default: none.
        adaptive (int): If above 0, the strength starts at 0 and follows the discriminator's overfitting, by at most 1
            over this many images (https://arxiv.org/abs/2006.06676). Default: 0.
    """

    augment: dict[str, float] = field(default_factory=dict)
    adaptive: int = within(0, 10**12, 0)

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        """Checks the operations and their probabilities, and whether there is something to adapt."""
        for operation, probability in recipe.augment.items():
            check_choice("augment", operation, OPERATIONS)
            if not 0 <= probability <= 1:
                yield f"augment[{operation!r}] must be between 0.0 and 1.0, but got {probability} instead"
        if recipe.adaptive and not LOSSES[recipe.loss].signed:
            yield f"adaptive must be 0 for loss={recipe.loss!r}, whose logits have no sign to follow"
        if recipe.adaptive and not recipe.augment:
            yield "adaptive needs augment, whose strength it sets"

    @staticmethod
    def unused(recipe: Recipe) -> Iterable[str]:
        """Without a discriminator, all."""
        return () if recipe.adversarial else names_of(AugmentationOptions)
