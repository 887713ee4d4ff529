"""The adversarial losses, on logits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import functional as F

from ..recipes._options import Options, check_choice, within

if TYPE_CHECKING:
    from ..recipes._recipe import Recipe


class Loss:
    """An adversarial loss on logits ``(n,)``; each network minimises its side of it.

    Subclass it, implement :meth:`of_discriminator` and :meth:`of_generator`, set the flags, and give an instance a
    name in :data:`LOSSES`: recipes then take the name as ``loss``.

    Attributes:
        paired (bool): Whether each real image is compared with one fake, by both networks. Default: False.
        smooths (bool): Whether real images have a target that label smoothing can lower. Default: False.
        signed (bool): Whether a positive logit means "real", which adaptive augmentation follows. Default: True.

    Example:
        >>> import torch
        >>> float(LOSSES["hinge"].discriminator(torch.tensor([2.0, 0.5]), torch.tensor([-1.0, -3.0])))
        0.25
    """

    paired: bool = False
    smooths: bool = False
    signed: bool = True

    def of_discriminator(self, real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
        """Returns the discriminator's loss, a scalar; ``smoothing`` is 0 unless the loss ``smooths``."""
        raise NotImplementedError

    def of_generator(self, fake: Tensor, real: Tensor) -> Tensor:
        """Returns the generator's loss, a scalar; ``real`` holds logits of real images only if ``paired``."""
        raise NotImplementedError

    def discriminator(self, real: Tensor, fake: Tensor, smoothing: float = 0.0) -> Tensor:
        """Checks the logits and returns the discriminator's loss, a scalar.

        Args:
            real (Tensor): Logits of real images, ``(n,)``.
            fake (Tensor): Logits of fakes, ``(n,)``.
            smoothing (float): One-sided label smoothing (https://arxiv.org/abs/1606.03498): the target of real images
                is ``1 - smoothing``. Default: 0.

        Raises:
            ValueError: If the loss has no targets to smooth, or is paired and the logits are not.
        """
        if smoothing and not self.smooths:
            raise ValueError(f"smoothing must be 0 for a loss without targets, but got {smoothing} instead.")
        self._check_pairs(real, fake)
        return self.of_discriminator(real, fake, smoothing)

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Checks the logits and returns the generator's loss, a scalar.

        Args:
            fake (Tensor): Logits of fakes, ``(n,)``.
            real (Tensor, optional): Logits of as many real images, which a paired loss needs.

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


class NonSaturating(Loss):
    """The first GAN's loss (https://arxiv.org/abs/1406.2661), with the generator's loss of its section 3."""

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
    """Least squares (https://arxiv.org/abs/1611.04076), equation 9 without its factor of a half."""

    smooths = True

    def of_discriminator(self, real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
        return (real - (1 - smoothing)).square().mean() + fake.square().mean()

    def of_generator(self, fake: Tensor, real: Tensor) -> Tensor:
        return (fake - 1).square().mean()


class Wasserstein(Loss):
    """The Wasserstein loss (https://arxiv.org/abs/1701.07875), which needs a gradient penalty or clipped weights."""

    signed = False

    def of_discriminator(self, real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
        return fake.mean() - real.mean()

    def of_generator(self, fake: Tensor, real: Tensor) -> Tensor:
        return -fake.mean()


class Relativistic(Loss):
    """The relativistic loss (https://arxiv.org/abs/1807.00734), in pairs as in https://arxiv.org/abs/2501.05441."""

    paired = True
    signed = False

    def of_discriminator(self, real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
        return F.softplus(fake - real).mean()

    def of_generator(self, fake: Tensor, real: Tensor) -> Tensor:
        return F.softplus(real - fake).mean()


LOSSES: dict[str, Loss] = {
    "nonsaturating": NonSaturating(),
    "hinge": Hinge(),
    "least_squares": LeastSquares(),
    "wasserstein": Wasserstein(),
    "relativistic": Relativistic(),
}


@dataclass(frozen=True, kw_only=True)
class LossOptions(Options):
    """The adversarial loss of a recipe.

    Args:
        loss (str): A name of :data:`LOSSES`: ``"hinge"`` (default), ``"nonsaturating"``, ``"least_squares"``,
            ``"wasserstein"``, ``"relativistic"``, or one that you added.
        label_smoothing (float): The target of real images is 1 minus this. Default: 0.
    """

    loss: str = "hinge"
    label_smoothing: float = within(0.0, 1.0, 0.0)

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        """Checks that the loss exists and has a target to smooth."""
        check_choice("loss", recipe.loss, LOSSES)
        if recipe.label_smoothing and not LOSSES[recipe.loss].smooths:
            yield f"label_smoothing must be 0 for loss={recipe.loss!r}, which has no target to smooth"

    @staticmethod
    def unused(recipe: Recipe) -> Iterable[str]:
        """Without a discriminator, all."""
        return () if recipe.adversarial else ("loss", "label_smoothing")
