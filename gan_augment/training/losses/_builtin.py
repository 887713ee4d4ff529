"""The adversarial losses of five papers."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ._loss import Loss


class NonSaturating(Loss):
    """The loss of the first GAN (https://arxiv.org/abs/1406.2661). The generator has the loss of section 3 there."""

    smooths = True

    def of_discriminator(self, real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
        return (F.softplus(-real) + smoothing * real).mean() + F.softplus(fake).mean()

    def of_generator(self, fake: Tensor, real: Tensor) -> Tensor:
        return F.softplus(-fake).mean()


class Hinge(Loss):
    """The hinge loss (https://arxiv.org/abs/1705.02894)."""

    def of_discriminator(self, real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def of_generator(self, fake: Tensor, real: Tensor) -> Tensor:
        return -fake.mean()


class LeastSquares(Loss):
    """The least-squares loss (https://arxiv.org/abs/1611.04076): equation 9 without its factor of a half."""

    smooths = True

    def of_discriminator(self, real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
        return (real - (1 - smoothing)).square().mean() + fake.square().mean()

    def of_generator(self, fake: Tensor, real: Tensor) -> Tensor:
        return (fake - 1).square().mean()


class Wasserstein(Loss):
    """The Wasserstein loss (https://arxiv.org/abs/1701.07875). It needs a gradient penalty or clipped weights."""

    signed = False

    def of_discriminator(self, real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
        return fake.mean() - real.mean()

    def of_generator(self, fake: Tensor, real: Tensor) -> Tensor:
        return -fake.mean()


class Relativistic(Loss):
    """The relativistic loss (https://arxiv.org/abs/1807.00734) of pairs, as in https://arxiv.org/abs/2501.05441."""

    paired = True
    signed = False

    def of_discriminator(self, real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
        return F.softplus(fake - real).mean()

    def of_generator(self, fake: Tensor, real: Tensor) -> Tensor:
        return F.softplus(real - fake).mean()
