"""Regularisers: terms that are added to the adversarial loss to keep training stable."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..recipes._options import AdversarialOptions, within
from ._registry import LOSSES

if TYPE_CHECKING:
    from ..recipes._recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class RegularizerOptions(AdversarialOptions):
    """What a recipe adds to its adversarial loss.

    Args:
        gradient_penalty (float): Weight of the Wasserstein gradient penalty. Default: 0, no penalty.
        r1, r2 (float): Weight of half the squared gradient at real images, and at generated ones. Default: 0.
        penalty_every (int): Number of steps from one of these penalties to the next. The penalty is multiplied by this
            number, to make up for the steps without a penalty. Default: 1.
        lecam (float): Weight of the LeCam regulariser. Default: 0.
        clip_weights (float): Largest weight of a Wasserstein critic without penalty. Default: 0, no limit.
        top_k (float): The generator learns from the best share of its images. The share falls by 1 % each epoch down
            to this value. Default: 1, all images.
    """

    gradient_penalty: float = within(0.0, 1000000.0, 0.0)
    r1: float = within(0.0, 1000000.0, 0.0)
    r2: float = within(0.0, 1000000.0, 0.0)
    penalty_every: int = within(1, 1000, 1)
    lecam: float = within(0.0, 1000000.0, 0.0)
    clip_weights: float = within(0.0, 1000000.0, 0.0)
    top_k: float = within(0.0, 1.0, 1.0)

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        if recipe.discriminator_normalization == "batch" and (recipe.gradient_penalty or recipe.r1 or recipe.r2):
            yield (
                "discriminator_normalization must not be 'batch' with a gradient penalty, because it mixes the images "
                "of a batch"
            )
        if recipe.top_k < 1 and LOSSES[recipe.loss].paired:
            yield f"top_k must be 1 for loss={recipe.loss!r}, which compares every generated image with a real one"


def _input_gradient(discriminate: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Returns the gradient of each image's logit with respect to the image; it can be differentiated again."""
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(discriminate(images).sum(), images, create_graph=True)
    return gradient


def gradient_penalty(discriminate: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Returns the penalty of WGAN-GP (https://arxiv.org/abs/1704.00028), without its weight, which is 10 there.

    It is the mean of ``(norm - 1) ** 2``. The norm is that of the logit's gradient at a random mix of a real and a
    generated image ``(n, c, h, w)``.
    """
    if real.shape != fake.shape:
        raise ValueError(
            f"real and fake must have the same shape, but got {tuple(real.shape)} and {tuple(fake.shape)}."
        )
    share = torch.rand(len(real), 1, 1, 1, device=real.device).to(real.dtype)
    gradient = _input_gradient(discriminate, torch.lerp(fake.detach(), real.detach(), share))
    norm: Tensor = torch.linalg.vector_norm(gradient, dim=(1, 2, 3))
    return (norm - 1).square().mean()


def zero_centred_penalty(discriminate: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Returns the penalty R1 for real images or R2 for generated ones (https://arxiv.org/abs/1801.04406).

    It is the mean squared norm of the logit's gradient, without the weight ``gamma / 2``.
    """
    return _input_gradient(discriminate, images).square().sum((1, 2, 3)).mean()


class LeCam:
    """The LeCam regulariser for small data sets (https://arxiv.org/abs/2104.03310), without its weight.

    It keeps the logits of real images near the average of those of generated images, and the other way round. Before
    step ``start`` the penalty is 0 and the averages are those of the last batch. After it they decay exponentially.
    """

    def __init__(self, decay: float = 0.99, start: int = 1000) -> None:
        self.decay, self.start = decay, start
        self.real = self.fake = 0.0  # average logits
        self._steps = 0

    def penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        """Returns the penalty on the logits of real and generated images."""
        if self._steps < self.start:
            return real.new_zeros(())
        return F.relu(real - self.fake).square().mean() + F.relu(self.real - fake).square().mean()

    def update(self, real: Tensor, fake: Tensor) -> None:
        """Records the logits of a step, or their means over all processes."""
        decay = self.decay if self._steps >= self.start else 0.0
        self.real = decay * self.real + (1 - decay) * float(real.detach().mean())
        self.fake = decay * self.fake + (1 - decay) * float(fake.detach().mean())
        self._steps += 1

    def state_dict(self) -> dict[str, float]:
        return {"real": self.real, "fake": self.fake, "steps": self._steps}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.real, self.fake, self._steps = float(state["real"]), float(state["fake"]), int(state["steps"])


@torch.no_grad()
def clip_weights(module: nn.Module, limit: float) -> None:
    """Clamps every parameter to ``-limit..limit``, for the critic of WGAN (https://arxiv.org/abs/1701.07875)."""
    if not limit > 0:
        raise ValueError(f"limit must be positive, but got {limit} instead.")
    for parameter in module.parameters():
        parameter.clamp_(-limit, limit)


def top_k(logits: Tensor, share: float) -> Tensor:
    """Returns the highest ``ceil(share * n)`` of logits ``(n,)`` (https://arxiv.org/abs/2002.06224)."""
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, but got {share} instead.")
    kept = max(math.ceil(share * len(logits) - 1e-9), 1)  # 55 for 0.55 of 100, which is above 55 in float64
    return logits if kept >= len(logits) else logits.topk(kept).values


def top_k_share(epoch: float, decay: float = 0.99, floor: float = 0.5) -> float:
    """Returns the share for :func:`top_k`: 1 at first, times ``decay`` after each epoch, down to ``floor``."""
    return max(floor, float(decay**epoch))
