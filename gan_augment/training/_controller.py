"""Adaptive augmentation: its strength follows how much the discriminator overfits."""

from __future__ import annotations


class AdaptiveStrength:
    """The rule of adaptive discriminator augmentation (https://arxiv.org/abs/2006.06676).

    A discriminator that calls nearly all training images real has begun to memorise them. If the mean sign of their
    logits is above the target, the augmentation grows stronger; below it, it grows weaker.

    Args:
        target (float): Mean sign of the logits of real images to hold, from -1 to 1. Default: 0.6.
        images_to_full (float): Number of images over which the strength can rise from 0 to 1. Default: 500,000 as in
            the paper, which is too slow for runs that show fewer images.
        interval (int): Steps between two changes. Default: 4.
        maximum (float): Largest strength, from 0 to 1. Default: 0.8; close to 1 the augmentation leaks into samples.

    Attributes:
        strength (float): The current strength; it starts at 0.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> adaptive = AdaptiveStrength(images_to_full=1000, interval=1)
        >>> adaptive.update(0.9, batch_size=64)
        >>> adaptive.strength
        0.064
    """

    def __init__(
        self, target: float = 0.6, images_to_full: float = 500_000, interval: int = 4, maximum: float = 0.8
    ) -> None:
        for name, value, low, high in (("target", target, -1, 1), ("maximum", maximum, 0, 1)):
            if not low <= value <= high:
                raise ValueError(f"{name} must be between {low} and {high}, but got {value} instead.")
        if not (images_to_full > 0 and interval > 0):
            raise ValueError(
                f"images_to_full and interval must be positive, but got {images_to_full} and {interval} instead."
            )
        self.target, self.images_to_full, self.interval, self.maximum = target, images_to_full, interval, maximum
        self.strength = 0.0
        self._steps, self._images, self._signs = 0, 0, 0.0

    def update(self, real_logits_sign_mean: float, batch_size: int) -> None:
        """Records a step of the discriminator, and changes the strength after every ``interval`` steps.

        Args:
            real_logits_sign_mean (float): Mean sign of the logits of (augmented) real images over all processes, from
                -1 to 1.
            batch_size (int): Number of real images in the step, over all processes.

        Raises:
            ValueError: If the mean is out of range.
        """
        if not -1 <= real_logits_sign_mean <= 1:
            raise ValueError(f"real_logits_sign_mean must be between -1 and 1, but got {real_logits_sign_mean}.")
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
        """Returns the state as plain numbers."""
        return {"strength": self.strength, "steps": self._steps, "images": self._images, "signs": self._signs}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Restores a :meth:`state_dict`."""
        self.strength, self._signs = float(state["strength"]), float(state["signs"])
        self._steps, self._images = int(state["steps"]), int(state["images"])
