"""Differentiable augmentation (https://arxiv.org/abs/2006.10738), and a strength that follows overfitting.

Both networks see real and generated images augmented. Each operation has a probability, which falls to zero at the end
of a run: an operation that is always on would show in the samples, and a classifier would learn it.

An operation takes images ``(n, c, h, w)`` in -1..1 and ``hit``, a bool ``(n, 1, 1, 1)``. Images that are not hit stay
the same to the bit. Random numbers are float32 or int64, whatever the type of the images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .._core import check_range
from .losses._registry import LOSSES
from .recipes._options import AdversarialOptions, check_choice, within

if TYPE_CHECKING:
    from .recipes._recipe import Recipe


def _draw(hit: Tensor, reach: float, dtype: torch.dtype) -> Tensor:
    """Draws uniform numbers within +-reach for the images that are hit, and 0 for the others."""
    return (torch.empty(hit.shape, device=hit.device).uniform_(-reach, reach) * hit).to(dtype)


def brightness(images: Tensor, hit: Tensor) -> Tensor:
    """Adds up to +-0.5."""
    return images + _draw(hit, 0.5, images.dtype)


def saturation(images: Tensor, hit: Tensor) -> Tensor:
    """Scales the distance from grey by 0 to 2, which leaves grey images unchanged."""
    distance = images - images.mean(dim=1, keepdim=True)
    return torch.addcmul(images, distance, _draw(hit, 1.0, images.dtype))


def contrast(images: Tensor, hit: Tensor) -> Tensor:
    """Scales the distance from the image's mean by 0.5 to 1.5."""
    distance = images - images.mean(dim=(1, 2, 3), keepdim=True)
    return torch.addcmul(images, distance, _draw(hit, 0.5, images.dtype))


class _Shift(torch.autograd.Function):
    """Moves image ``i`` up by ``rows[i]`` and left by ``columns[i]`` pixels, and fills with zeros.

    The gradient is the shift back, which is much faster than scattering along the indices.
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
        # The values of a pixel lie together in channels-last images.
        moved = images.permute(0, 2, 3, 1).reshape(-1, channels).index_select(0, pixels.flatten())
        return (moved.view(n, height, width, channels) * inside[..., None]).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows, columns = ctx.saved_tensors
        return _Shift.apply(gradient, -rows, -columns), None, None


def translation(images: Tensor, hit: Tensor) -> Tensor:
    """Shifts by up to an eighth of the side, and fills with zeros."""
    rows, columns = (
        torch.randint(-reach, reach + 1, (len(images),), device=images.device) * hit.flatten()
        for reach in (max(round(side / 8), 1) for side in images.shape[2:])
    )
    shifted: Tensor = _Shift.apply(images, rows, columns)
    return shifted


def cutout(images: Tensor, hit: Tensor) -> Tensor:
    """Sets a square of half the side to zero. Its centre is anywhere in the image."""
    inside = []
    for side in images.shape[2:]:
        centre = torch.randint(0, side + 1, (len(images), 1), device=images.device)
        distance = torch.arange(side, device=images.device) - centre
        inside.append((-(side // 4) <= distance) & (distance < side // 4))
    rows, columns = inside
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
    """Augments each image ``(n, c, h, w)`` in -1..1 by each operation with its probability times ``strength``.

    First and second derivatives pass through. Channels-last images stay channels-last. At strength 0 it draws nothing.
    """
    unknown = [name for name in operations if name not in OPERATIONS]
    if unknown:
        raise ValueError(f"operations must be from {list(OPERATIONS)}, but got {unknown[0]!r} instead.")
    for name, steps in OPERATIONS.items():
        probability = strength * operations.get(name, 0.0)
        if probability > 0:
            hit = torch.rand(len(images), 1, 1, 1, device=images.device) < probability
            for step in steps:
                images = step(images, hit)
    return images


class AdaptiveStrength:
    """The strength of adaptive discriminator augmentation (https://arxiv.org/abs/2006.06676), from 0 to ``maximum``.

    A discriminator that calls nearly all training images real has begun to memorise them. If the mean sign of their
    logits is above ``target``, the augmentation grows stronger; if it is below, weaker. The strength needs at least
    ``images_to_full`` images to rise from 0 to 1. It changes every ``interval`` steps.

    The paper's 500,000 images are too many for a run that sees fewer. Close to 1, augmentation leaks into the samples.
    """

    def __init__(
        self, target: float = 0.6, images_to_full: float = 500_000, interval: int = 4, maximum: float = 0.8
    ) -> None:
        check_range("target", target, -1, 1)
        check_range("maximum", maximum, 0, 1)
        if not (images_to_full > 0 and interval > 0):
            raise ValueError(
                f"images_to_full and interval must be positive, but got {images_to_full} and {interval} instead."
            )
        self.target, self.images_to_full, self.interval, self.maximum = target, images_to_full, interval, maximum
        self.strength = 0.0
        self._steps, self._images, self._signs = 0, 0, 0.0

    def update(self, real_logits_sign_mean: float, batch_size: int) -> None:
        """Records a step of the discriminator: the mean sign of its logits of real images over all processes."""
        check_range("real_logits_sign_mean", real_logits_sign_mean, -1, 1)
        self._steps += 1
        self._images += batch_size
        self._signs += real_logits_sign_mean * batch_size
        if self._steps < self.interval:
            return
        excess = self._signs / self._images - self.target
        direction = (excess > 0) - (excess < 0)
        strength = self.strength + direction * self._images / self.images_to_full
        self.strength = min(max(strength, 0.0), self.maximum)
        self._steps, self._images, self._signs = 0, 0, 0.0

    def state_dict(self) -> dict[str, float]:
        return {"strength": self.strength, "steps": self._steps, "images": self._images, "signs": self._signs}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.strength, self._signs = float(state["strength"]), float(state["signs"])
        self._steps, self._images = int(state["steps"]), int(state["images"])


@dataclass(frozen=True, kw_only=True)
class AugmentationOptions(AdversarialOptions):
    """The differentiable augmentation of a recipe.

    Args:
        augment (dict of str to float): The probability of each operation, out of ``"brightness"``, ``"saturation"``,
            ``"contrast"``, ``"color"`` (these three together), ``"translation"`` and ``"cutout"``. Their order does not
            matter. Default: none.
        adaptive (int): If above 0, the strength starts at 0 and follows the discriminator's overfitting. It needs at
            least this many images to rise from 0 to 1 (https://arxiv.org/abs/2006.06676). Default: 0.
    """

    augment: dict[str, float] = field(default_factory=dict)
    adaptive: int = within(0, 10**12, 0)

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        for operation, probability in recipe.augment.items():
            check_choice("augment", operation, OPERATIONS)
            if not 0 <= probability <= 1:
                yield f"augment[{operation!r}] must be between 0.0 and 1.0, but got {probability} instead"
        if recipe.adaptive and not LOSSES[recipe.loss].signed:
            yield f"adaptive must be 0 for loss={recipe.loss!r}, because the sign of its logits says nothing"
        if recipe.adaptive and not recipe.augment:
            yield "adaptive needs augment, because it sets the strength of augment"
