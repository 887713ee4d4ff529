"""Finding the images and labels in whatever a transform is called with, as MixUp and CutMix do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from torch import Tensor
from torchvision import tv_tensors

from ..data import describe, find_images, find_label, get, put, walk
from ._items import with_extra

LabelsGetter: TypeAlias = Callable[[Any], Any] | Literal["default"] | None
_UNSUPPORTED = (tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.Video)


@dataclass
class Inputs:
    """A call's inputs, with the places of its images and labels.

    Attributes:
        whole: All of it.
        image: The image, or batch of images.
        labels: The label, or labels; None where there are none.
        image_at (tuple): Keys that lead to the image.
        labels_at (tuple, optional): Keys that lead to the labels.
    """

    whole: Any
    image: Any
    labels: Any
    image_at: tuple[Any, ...]
    labels_at: tuple[Any, ...] | None

    @classmethod
    def find(cls, inputs: Any, labels_getter: LabelsGetter) -> Inputs:
        """Finds exactly one image and, unless the getter is None, the labels.

        Raises:
            ValueError: If there is none, or more than one, or something that cannot be mixed.
        """
        leaves = list(walk(inputs))
        for _, leaf in leaves:
            if isinstance(leaf, _UNSUPPORTED) or type(leaf).__name__ == "KeyPoints":
                raise ValueError(
                    f"SyntheticMix must not be given {type(leaf).__name__}: a synthetic image has none. "
                    "It is for classification."
                )
        labels_at = None if labels_getter is None else _place_of_labels(inputs, labels_getter, leaves)
        places = find_images(inputs, labels_at)
        if len(places) != 1:
            raise ValueError(
                f"SyntheticMix must be given one image, or one batch of images, but found {len(places)} "
                f"among {[type(leaf).__name__ for _, leaf in leaves][:20]}."
            )
        labels = None if labels_at is None else get(inputs, labels_at)
        return cls(inputs, get(inputs, places[0]), labels, places[0], labels_at)

    def has_other_rows(self, n: int) -> bool:
        """Whether anything besides the image and labels has an entry for each of ``n`` images."""
        others = [(path, leaf) for path, leaf in walk(self.whole) if path not in (self.image_at, self.labels_at)]
        # Lists of other things than plain values are no leaves: their entries are.
        parents = {path[:-1] for path, _ in others if path} - {(), self.image_at[:-1], (self.labels_at or ())[:-1]}
        candidates = [leaf for _, leaf in others] + [get(self.whole, path) for path in parents]
        return any(
            (isinstance(entry, (tuple, list)) and len(entry) == n)
            or (isinstance(entry, (Tensor, np.ndarray)) and entry.ndim > 0 and len(entry) == n)
            for entry in candidates
        )

    def rebuild(self, image: Any, labels: Any, extra: dict[str, Any]) -> Any:
        """The same structure with another image and labels, and more entries behind them."""
        out = put(self.whole, self.image_at, image)
        return with_extra(out if self.labels_at is None else put(out, self.labels_at, labels), extra)


def _place_of_labels(inputs: Any, labels_getter: LabelsGetter, leaves: list[Any]) -> tuple[Any, ...]:
    """Where the labels are."""
    if labels_getter == "default":
        found = find_label(inputs)
        if found is None:
            raise ValueError(
                f"Could not find the labels in {describe(inputs)}; pass (images, labels), a labels_getter, or "
                "labels=None if there are none. The transform of a data set is given no labels: mix the batches of "
                "its loader, or wrap it with GANAugmentedDataset."
            )
        return found
    if not callable(labels_getter):
        raise TypeError(f"labels_getter must be callable, 'default' or None, but got {labels_getter!r} instead.")
    labels = labels_getter(inputs)
    places: list[tuple[Any, ...]] = [path for path, leaf in leaves if leaf is labels]
    if len(places) != 1:
        raise ValueError(
            "The labels must be a single object of the input itself, not a copy or one of several, but "
            f"{len(places)} entries are it; pass a labels_getter that returns it."
        )
    return places[0]
