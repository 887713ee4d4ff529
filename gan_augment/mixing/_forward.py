"""The names that a wrapper passes on."""

from __future__ import annotations

from typing import Any

from torch.utils.data import Subset


class ForwardsNames:
    """Passes on what people look for on torchvision's data sets, where the wrapped one has it.

    By name, and not by ``__getattr__``: that would hand out the wrapped ``__getitems__`` as well, which the
    loader calls where it finds it, and bypass the wrapper.
    """

    dataset: Any

    @property
    def classes(self) -> Any:
        """Names of the classes."""
        return _within(self.dataset).classes

    @property
    def class_to_idx(self) -> Any:
        """Name of a class -> its index."""
        return _within(self.dataset).class_to_idx

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


def _within(dataset: Any) -> Any:
    """What a ``Subset`` is of: its classes keep their names."""
    return _within(dataset.dataset) if isinstance(dataset, Subset) else dataset
