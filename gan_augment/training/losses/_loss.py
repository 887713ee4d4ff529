"""The base class of adversarial losses."""

from __future__ import annotations

from torch import Tensor


class Loss:
    """Base class of adversarial losses, which map logits ``(n,)`` to what each network minimises.

    A loss defines :meth:`of_discriminator` and :meth:`of_generator`, and sets the attributes that differ from their
    defaults. Recipes can use it by its name in :data:`LOSSES`.

    Attributes:
        paired (bool): Whether both networks compare each real image with one generated image. Default: False.
        smooths (bool): Whether real images have a target, which label smoothing can lower. Default: False.
        signed (bool): Whether a positive logit means "real". Adaptive augmentation needs that. Default: True.

    Example:
        >>> import torch
        >>> class Linear(Loss):
        ...     def of_discriminator(self, real, fake, smoothing):
        ...         return fake.mean() - real.mean()
        ...     def of_generator(self, fake, real):
        ...         return -fake.mean()
        >>> float(Linear().discriminator(real=torch.tensor([2.0, 0.5]), fake=torch.tensor([-1.0, -3.0])))
        -3.25
    """

    paired: bool = False
    smooths: bool = False
    signed: bool = True

    def of_discriminator(self, real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
        """Returns the discriminator's loss, a scalar. ``smoothing`` is 0 unless the loss ``smooths``."""
        raise NotImplementedError(f"{type(self).__name__} must define of_discriminator(real, fake, smoothing).")

    def of_generator(self, fake: Tensor, real: Tensor) -> Tensor:
        """Returns the generator's loss, a scalar. ``real`` holds logits of real images only if it is ``paired``."""
        raise NotImplementedError(f"{type(self).__name__} must define of_generator(fake, real).")

    def discriminator(self, real: Tensor, fake: Tensor, smoothing: float = 0.0) -> Tensor:
        """Checks the logits and returns the discriminator's loss, a scalar.

        Args:
            real (Tensor): Logits of real images, ``(n,)``.
            fake (Tensor): Logits of generated images, ``(n,)``.
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
            fake (Tensor): Logits of generated images, ``(n,)``.
            real (Tensor, optional): Logits of an equal number of real images. A paired loss needs them.

        Raises:
            ValueError: If the loss is paired and the logits are not.
        """
        if not self.paired:
            return self.of_generator(fake, fake)
        if real is None:
            raise ValueError("real must be the logits of real images for a paired loss, but got None instead.")
        self._check_pairs(real, fake)
        return self.of_generator(fake, real)

    def _check_pairs(self, real: Tensor, fake: Tensor) -> None:
        if self.paired and real.shape != fake.shape:
            raise ValueError(
                f"real and fake must have the same shape for a paired loss, but got {tuple(real.shape)} and "
                f"{tuple(fake.shape)} instead."
            )
