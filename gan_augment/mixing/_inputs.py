"""Finding the images and labels in whatever a transform is called with, as MixUp and CutMix do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import PIL.Image
import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten
from torchvision import tv_tensors

LabelsGetter: TypeAlias = Callable[[Any], Any] | Literal["default"] | None
_UNSUPPORTED = (tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.Video)


def default_labels_getter(inputs: Any) -> Any:
    """The second item of a sequence, or the entry of a mapping whose key speaks of labels.

    Raises:
        ValueError: If there is none.
    """
    if isinstance(inputs, (tuple, list)) and len(inputs) >= 2:
        return inputs[1]
    if isinstance(inputs, Mapping):
        keys = [key for key in inputs if isinstance(key, str)]
        found = [key for key in keys if key.lower() == "labels"] or [k for k in keys if "label" in k.lower()]
        if found:
            return inputs[found[0]]
    raise ValueError(
        f"Could not find the labels in an input of type {type(inputs)}; pass (images, labels), a labels_getter, "
        "or labels=None if there are none; in a data set, use it as transforms=, "
        "not as transform=."
    )


def _is_image(leaf: Any) -> bool:
    return isinstance(leaf, (tv_tensors.Image, PIL.Image.Image)) or (
        type(leaf) is Tensor and leaf.ndim >= 3 and (leaf.is_floating_point() or leaf.dtype == torch.uint8)
    )


@dataclass
class Inputs:
    """A call's inputs, taken apart.

    Attributes:
        whole: All of it.
        image: The image, or batch of images.
        labels: The label, or labels; None where there are none.
        leaves (list): All leaves of the input.
        spec: The tree that they hang in.
        image_at (int): Place of the image among the leaves.
        labels_at (int, optional): Place of the labels.
    """

    whole: Any
    image: Any
    labels: Any
    leaves: list[Any]
    spec: TreeSpec
    image_at: int
    labels_at: int | None

    @classmethod
    def find(cls, inputs: Any, labels_getter: LabelsGetter) -> Inputs:
        """Finds exactly one image and, unless the getter is None, the labels.

        Raises:
            ValueError: If there is none, or more than one, or something that cannot be mixed.
        """
        leaves, spec = tree_flatten(inputs)
        for leaf in leaves:
            if isinstance(leaf, _UNSUPPORTED) or type(leaf).__name__ == "KeyPoints":
                raise ValueError(
                    f"SyntheticMix must not be given {type(leaf).__name__}: a synthetic image has none. "
                    "It is for classification."
                )
        labels_at = None if labels_getter is None else _place_of_labels(inputs, labels_getter, leaves, spec)
        places = [place for place, leaf in enumerate(leaves) if place != labels_at and _is_image(leaf)]
        declared = [place for place in places if type(leaves[place]) is not Tensor]
        places = declared or places  # as torchvision has it: plain tensors are images where nothing else is
        if len(places) != 1:
            raise ValueError(
                f"SyntheticMix must be given one image, or one batch of images, but found {len(places)} "
                f"among {[type(leaf).__name__ for leaf in leaves]}."
            )
        labels = None if labels_at is None else leaves[labels_at]
        return cls(inputs, leaves[places[0]], labels, leaves, spec, places[0], labels_at)

    def has_other_rows(self, n: int) -> bool:
        """Whether anything besides the image and labels has an entry for each of ``n`` images."""
        entries = list(self.whole.values()) if isinstance(self.whole, Mapping) else self.whole
        lists = entries if isinstance(entries, (tuple, list)) else []
        tensors = [leaf for at, leaf in enumerate(self.leaves) if at not in (self.image_at, self.labels_at)]
        return any(isinstance(entry, (tuple, list)) and len(entry) == n for entry in lists) or any(
            isinstance(leaf, Tensor) and leaf.ndim > 0 and len(leaf) == n for leaf in tensors
        )

    def rebuild(self, image: Any, labels: Any, extra: dict[str, Any]) -> Any:
        """The same structure with another image and labels, and more entries behind them.

        Raises:
            ValueError: If there is no sequence or mapping to add the entries to.
        """
        leaves = list(self.leaves)
        leaves[self.image_at] = image
        if self.labels_at is not None:
            leaves[self.labels_at] = labels
        out = tree_unflatten(leaves, self.spec)
        if not extra:
            return out
        if isinstance(out, Mapping):
            return type(out)({**out, **extra})  # type: ignore[call-arg]
        items = tuple(out) if isinstance(out, (tuple, list)) else (out,)
        return (*items, *extra.values())


def _place_of_labels(inputs: Any, labels_getter: LabelsGetter, leaves: list[Any], spec: TreeSpec) -> int:
    """Which leaf the labels are."""
    if labels_getter == "default":
        # By structure: a small int is the same object wherever it stands.
        place = default_labels_getter(tree_unflatten(list(range(len(leaves))), spec))
        places = [place] if isinstance(place, int) else []
    elif callable(labels_getter):
        labels = labels_getter(inputs)
        places = [place for place, leaf in enumerate(leaves) if leaf is labels]
    else:
        raise TypeError(f"labels_getter must be callable, 'default' or None, but got {labels_getter!r} instead.")
    if len(places) != 1:
        raise ValueError(
            "The labels must be a single object of the input itself, not a copy or one of several, but "
            f"{len(places)} entries are it; pass a labels_getter that returns it."
        )
    return places[0]
