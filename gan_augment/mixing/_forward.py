"""The names that a wrapper passes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.utils.data import Subset

from .._core import names_kept_by
from ..data import find_class_names


class ForwardsNames:
    """Passes on what people look for on torchvision's data sets, where the wrapped one has it.

    By name, and not by ``__getattr__``: that would hand out the wrapped ``__getitems__`` as well, which the
    loader calls where it finds it, and bypass the wrapper.
    """

    dataset: Any

    @property
    def classes(self) -> Any:
        """Names of the classes, wherever the wrapped data set keeps them."""
        return _forwarded(self.dataset, "classes", list)

    @property
    def class_to_idx(self) -> Any:
        """Name of a class -> its index."""
        return _forwarded(self.dataset, "class_to_idx", lambda names: {name: at for at, name in enumerate(names)})

    @property
    def transform(self) -> Any:
        """The wrapped data set's transform of an image."""
        return self.dataset.transform

    @transform.setter
    def transform(self, transform: Any) -> None:
        self.dataset.transform = transform

    @property
    def target_transform(self) -> Any:
        """The wrapped data set's transform of a target."""
        return self.dataset.target_transform

    @property
    def transforms(self) -> Any:
        """The wrapped data set's transform of both."""
        return self.dataset.transforms


def _forwarded(dataset: Any, attribute: str, make: Callable[[Sequence[str]], Any]) -> Any:
    within = _within(dataset, attribute)
    names = None if hasattr(within, attribute) else find_class_names(within)
    return getattr(within, attribute) if names is None else make(names)


def _within(dataset: Any, attribute: str) -> Any:
    """What a ``Subset`` without names of its own is of: its classes keep their names."""
    if isinstance(dataset, Subset) and not hasattr(dataset, attribute) and names_kept_by(dataset) is None:
        return _within(dataset.dataset, attribute)
    return dataset
