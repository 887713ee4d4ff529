"""The base class of everything that gives synthetic images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .._core import ResizeMode
from ._card import Card


@dataclass(frozen=True)
class Geometry:
    """How the training images of a source were resized to its size, so that this can be undone.

    Attributes:
        resize_mode (str): ``"resize"``, ``"crop"`` or ``"pad"``. Default: ``"crop"``, so synthetic images are never
            stretched.
        source_size (tuple, optional): Height and width of the training images before resizing.
    """

    resize_mode: ResizeMode = "crop"
    source_size: tuple[int, int] | None = None


class _Computed:
    """An attribute that a function computes at each access, unless the object or its class sets another value."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function, self.__doc__ = function, function.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self.function(instance)


def computed(function: Callable[[Any], Any]) -> Any:
    """Makes an attribute in the body of a class. Its value is ``function(self)``, unless the attribute is set."""
    return _Computed(function)


class Source:
    """Base class of sources of synthetic images, such as a :class:`Generator` or a :class:`SyntheticPool`.

    A source defines :meth:`sample`. Set the attributes whose defaults do not fit, in the class or its ``__init__``.
    Any other object with such a ``sample`` can be used like a ``Source``.

    Attributes:
        num_classes (int): Number of classes. Default: 0, an unconditional source.
        class_indices (sequence of int): The classes that the source can draw. Default: all ``num_classes``.
        class_names (sequence of str, optional): A name for each class, which is compared with the classes of your data.
        geometry (Geometry): How the training images were resized. This is undone when a synthetic image is matched
            to a real one.
        image_shape (tuple, optional): Channels, height and width of the images, if they are known in advance.
        card (Card, optional): What is known about the weights.
        fingerprints (Tensor, optional): Content hashes of all training images, int64 ``(m,)``, which show whether the
            source has seen your test images; see :func:`gan_augment.data.fingerprint`. Default: those of the card.
        name (str): What the source is called in exported images. Default: the name of the card, or of the class.
        device (torch.device, optional): Where the source draws images. If it is set, :meth:`to` moves the source.
        partial (bool): Whether the source may lack classes of your data, like a mapping from class to generator. Its
            class indices are then those of your data, and ``num_classes`` only bounds them.

    Example:
        >>> class Noise(Source):
        ...     def sample(self, n, labels=None, *, seed=None):
        ...         return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(seed or 0))
        >>> Noise().sample(2, seed=0).shape, Noise().num_classes
        (torch.Size([2, 3, 32, 32]), 0)
    """

    num_classes: int = 0
    class_indices: Sequence[int] = computed(lambda self: range(self.num_classes))
    class_names: Sequence[str] | None = None
    geometry: Geometry = Geometry()
    image_shape: tuple[int, int, int] | None = None
    card: Card | None = None
    fingerprints: Tensor | None = computed(lambda self: None if self.card is None else self.card.fingerprints)
    name: str = computed(lambda self: type(self).__name__ if self.card is None else self.card.name)
    device: torch.device | None = None
    partial: bool = False

    def sample(self, n: int, labels: Any = None, *, seed: int | None = None) -> Tensor:
        """Draws ``n`` images, uint8 (0..255) or float (0..1), ``(n, 1 or 3, height, width)``.

        Args:
            n (int): Number of images.
            labels (Tensor, optional): Class of each image, int64 ``(n,)``. It is None if the source has no classes.
            seed (int, optional): The same seed gives the same images. Default: drawn from torch's global generator.
        """
        raise NotImplementedError(f"{type(self).__name__} must define sample(n, labels=None, *, seed=None).")

    def parts(self) -> list[Source]:
        """Returns the sources that this one draws from. Default: the source itself."""
        return [self]

    def to(self, device: Any) -> Any:
        """Moves the source to a device and returns it. By default there is nothing to move."""
        return self
