"""The adversarial losses. Each is a pair: the discriminator's and the generator's, on logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Loss:
    """``discriminator(real, fake)`` and ``generator(fake)``, both on logits ``(n,)``, both minimised."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def _nonsaturating_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _nonsaturating_generator(fake: Tensor) -> Tensor:
    return F.softplus(-fake).mean()


def _hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def _hinge_generator(fake: Tensor) -> Tensor:
    return -fake.mean()


LOSSES = {
    # https://arxiv.org/abs/1406.2661, with the generator's loss of its section 3
    "nonsaturating": Loss(_nonsaturating_discriminator, _nonsaturating_generator),
    # https://arxiv.org/abs/1705.02894
    "hinge": Loss(_hinge_discriminator, _hinge_generator),
}
