"""What is added to, or done beside, the adversarial loss so that training stays stable."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..recipes._options import Options, names_of, within
from ._registry import LOSSES

if TYPE_CHECKING:
    from ..recipes._recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class RegularizerOptions(Options):
    """What a recipe adds to its adversarial loss.

    Args:
        gradient_penalty (float): Weight of the Wasserstein gradient penalty. Default: 0, none.
        r1, r2 (float): Weight of half the squared gradient at real images, and at fakes. Default: 0.
        penalty_every (int): Steps from one of these penalties to the next, which is weighted to make up for it.
            Default: 1.
        lecam (float): Weight of the LeCam regulariser. Default: 0.
        clip_weights (float): Largest weight of a Wasserstein critic without penalty. Default: 0, no limit.
        top_k (float): The generator learns from the best share of its fakes, which falls by 1 % each epoch down to
            this. Default: 1, all of them.
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
        """Checks the penalties against the discriminator, and the share of fakes against the loss."""
        if recipe.discriminator_normalization == "batch" and (recipe.gradient_penalty or recipe.r1 or recipe.r2):
            yield "discriminator_normalization must not be 'batch' beside a gradient penalty, which is of single images"
        if recipe.top_k < 1 and LOSSES[recipe.loss].paired:
            yield f"top_k must be 1 for loss={recipe.loss!r}, which compares every fake with a real image"

    @staticmethod
    def unused(recipe: Recipe) -> Iterable[str]:
        """Without a discriminator, all."""
        return () if recipe.adversarial else names_of(RegularizerOptions)


def _input_gradient(discriminate: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The gradient of each image's logit with respect to it, itself differentiable."""
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(discriminate(images).sum(), images, create_graph=True)
    return gradient


def gradient_penalty(discriminate: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """The penalty of WGAN-GP (https://arxiv.org/abs/1704.00028), without its weight, which is 10 there.

    Mean of ``(norm - 1) ** 2``, where the norm is that of the logit's gradient at a random mix of a real
    and a fake. A discriminator with batch normalisation mixes images up, and so does not suit it.

    Args:
        discriminate (callable): Images ``(n, c, h, w)`` to logits ``(n,)``.
        real (Tensor): ``(n, c, h, w)``.
        fake (Tensor): As many.

    Raises:
        ValueError: If there are not as many fakes as reals.

    Example:
        >>> real, fake = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
        >>> float(gradient_penalty(lambda images: images.sum((1, 2, 3)), real, fake))  # the norm is sqrt(16)
        9.0
    """
    if real.shape != fake.shape:
        raise ValueError(f"real and fake must be of one shape, but got {tuple(real.shape)} and {tuple(fake.shape)}.")
    share = torch.rand(len(real), 1, 1, 1, device=real.device).to(real.dtype)
    gradient = _input_gradient(discriminate, torch.lerp(fake.detach(), real.detach(), share))
    norm: Tensor = torch.linalg.vector_norm(gradient, dim=(1, 2, 3))
    return (norm - 1).square().mean()


def zero_centred_penalty(discriminate: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The penalty R1 on reals, or R2 on fakes (https://arxiv.org/abs/1801.04406), without its ``gamma / 2``.

    Mean of the squared norm of the logit's gradient, which is summed over channels, height and width.

    Args:
        discriminate (callable): Images ``(n, c, h, w)`` to logits ``(n,)``.
        images (Tensor): ``(n, c, h, w)``; no gradient reaches what made them.

    Example:
        >>> float(zero_centred_penalty(lambda images: images.sum((1, 2, 3)), torch.zeros(2, 1, 4, 4)))
        16.0
    """
    return _input_gradient(discriminate, images).square().sum((1, 2, 3)).mean()


class LeCam:
    """The regulariser for few images of https://arxiv.org/abs/2104.03310, without its weight.

    It keeps the logits of reals near the average of those of fakes, and the other way round. Before
    ``start`` it follows the last batch and costs nothing; from then on it averages exponentially.

    Args:
        decay (float): Of the averages at each step.
        start (int): Steps before it begins.

    Attributes:
        real (float): Average logit of reals.
        fake (float): Average logit of fakes.

    Example:
        >>> lecam = LeCam(start=1)
        >>> lecam.update(torch.tensor([1.0, 3.0]), torch.tensor([-1.0]))
        >>> float(lecam.penalty(torch.tensor([0.0]), torch.tensor([1.0])))  # (0 + 1) ** 2 + (2 - 1) ** 2
        2.0
    """

    def __init__(self, decay: float = 0.99, start: int = 1000) -> None:
        self.decay, self.start = decay, start
        self.real = self.fake = 0.0
        self._steps = 0

    def penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        """The penalty on the logits of reals and fakes; 0 before the start."""
        if self._steps < self.start:
            return real.new_zeros(())
        return F.relu(real - self.fake).square().mean() + F.relu(self.real - fake).square().mean()

    def update(self, real: Tensor, fake: Tensor) -> None:
        """Notes a step's logits of reals and fakes, or their means (over all processes, where there are several)."""
        decay = self.decay if self._steps >= self.start else 0.0
        self.real = decay * self.real + (1 - decay) * float(real.detach().mean())
        self.fake = decay * self.fake + (1 - decay) * float(fake.detach().mean())
        self._steps += 1

    def state_dict(self) -> dict[str, float]:
        """Plain numbers."""
        return {"real": self.real, "fake": self.fake, "steps": self._steps}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Goes back to a :meth:`state_dict`."""
        self.real, self.fake, self._steps = float(state["real"]), float(state["fake"]), int(state["steps"])


@torch.no_grad()
def clip_weights(module: nn.Module, limit: float) -> None:
    """Clamps every parameter to ``-limit..limit``, as WGAN's critic (https://arxiv.org/abs/1701.07875) needs it.

    Raises:
        ValueError: If the limit is not positive.
    """
    if not limit > 0:
        raise ValueError(f"limit must be positive, but got {limit} instead.")
    for parameter in module.parameters():
        parameter.clamp_(-limit, limit)


def top_k(logits: Tensor, share: float) -> Tensor:
    """The best share of the fakes (https://arxiv.org/abs/2002.06224), from which the generator learns.

    Args:
        logits (Tensor): ``(n,)``.
        share (float): Above 0 and up to 1; ``ceil(share * n)`` are kept.

    Raises:
        ValueError: If the share is out of range.

    Example:
        >>> top_k(torch.tensor([0.1, 3.0, -2.0, 1.0]), 0.5)
        tensor([3., 1.])
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, but got {share} instead.")
    kept = max(math.ceil(share * len(logits) - 1e-9), 1)  # 0.55 of 100 is 55, and not 56 as in float64
    return logits if kept >= len(logits) else logits.topk(kept).values


def top_k_share(epoch: float, decay: float = 0.99, floor: float = 0.5) -> float:
    """The share for :func:`top_k` after so many epochs: 1 at first, times ``decay`` at each, down to ``floor``.

    Example:
        >>> top_k_share(0), round(top_k_share(10), 3), top_k_share(1000)
        (1.0, 0.904, 0.5)
    """
    return max(floor, float(decay**epoch))
