"""The adversarial losses. Each is a pair: the discriminator's and the generator's, on logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Loss:
    """An adversarial loss on logits ``(n,)``; both networks minimise their side of it.

    Args:
        of_discriminator (callable): Takes the logits of reals and fakes, and the label smoothing.
        of_generator (callable): Takes the logits of fakes, and for a paired loss those of reals.
        paired (bool): Whether each real is compared with one fake, by both networks.
        smooths (bool): Whether it has a target for reals that label smoothing can lower.

    Example:
        >>> import torch
        >>> float(LOSSES["hinge"].discriminator(torch.tensor([2.0, 0.5]), torch.tensor([-1.0, -3.0])))
        0.25
    """

    of_discriminator: Callable[[Tensor, Tensor, float], Tensor]
    of_generator: Callable[[Tensor, Tensor], Tensor]
    paired: bool = False
    smooths: bool = False

    def discriminator(self, real: Tensor, fake: Tensor, smoothing: float = 0.0) -> Tensor:
        """The discriminator's loss, a scalar.

        Args:
            real (Tensor): Logits of reals, ``(n,)``.
            fake (Tensor): Logits of fakes, ``(n,)``.
            smoothing (float): One-sided label smoothing (https://arxiv.org/abs/1606.03498): reals have the
                target ``1 - smoothing``.

        Raises:
            ValueError: If the loss has no targets to smooth, or is paired and the logits are not.
        """
        if smoothing and not self.smooths:
            raise ValueError(f"smoothing must be 0 for a loss without targets, but got {smoothing} instead.")
        self._check_pairs(real, fake)
        return self.of_discriminator(real, fake, smoothing)

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """The generator's loss, a scalar.

        Args:
            fake (Tensor): Logits of fakes, ``(n,)``.
            real (Tensor, optional): Logits of as many reals, which only a paired loss looks at.

        Raises:
            ValueError: If the loss is paired and the logits are not.
        """
        if not self.paired:
            return self.of_generator(fake, fake)
        if real is None:
            raise ValueError("real must be the logits of reals for a paired loss, but got None instead.")
        self._check_pairs(real, fake)
        return self.of_generator(fake, real)

    def _check_pairs(self, real: Tensor, fake: Tensor) -> None:
        if self.paired and real.shape != fake.shape:
            raise ValueError(
                f"real and fake must be of one shape for a paired loss, but got {tuple(real.shape)} and "
                f"{tuple(fake.shape)} instead."
            )


def _nonsaturating_discriminator(real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
    return (F.softplus(-real) + smoothing * real).mean() + F.softplus(fake).mean()


def _nonsaturating_generator(fake: Tensor, _: Tensor) -> Tensor:
    return F.softplus(-fake).mean()


def _hinge_discriminator(real: Tensor, fake: Tensor, _: float) -> Tensor:
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def _minus_mean(fake: Tensor, _: Tensor) -> Tensor:
    return -fake.mean()


def _least_squares_discriminator(real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
    return (real - (1 - smoothing)).square().mean() + fake.square().mean()


def _least_squares_generator(fake: Tensor, _: Tensor) -> Tensor:
    return (fake - 1).square().mean()


def _wasserstein_discriminator(real: Tensor, fake: Tensor, _: float) -> Tensor:
    return fake.mean() - real.mean()


def _relativistic_discriminator(real: Tensor, fake: Tensor, _: float) -> Tensor:
    return F.softplus(fake - real).mean()


def _relativistic_generator(fake: Tensor, real: Tensor) -> Tensor:
    return F.softplus(real - fake).mean()


LOSSES: dict[str, Loss] = {
    # https://arxiv.org/abs/1406.2661, with the generator's loss of its section 3
    "nonsaturating": Loss(_nonsaturating_discriminator, _nonsaturating_generator, smooths=True),
    # https://arxiv.org/abs/1705.02894
    "hinge": Loss(_hinge_discriminator, _minus_mean),
    # https://arxiv.org/abs/1611.04076, equation 9 without its factor of a half
    "least_squares": Loss(_least_squares_discriminator, _least_squares_generator, smooths=True),
    # https://arxiv.org/abs/1701.07875; it needs a gradient penalty or clipped weights
    "wasserstein": Loss(_wasserstein_discriminator, _minus_mean),
    # https://arxiv.org/abs/1807.00734, in pairs as in https://arxiv.org/abs/2501.05441
    "relativistic": Loss(_relativistic_discriminator, _relativistic_generator, paired=True),
}
