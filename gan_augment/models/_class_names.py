"""Names of classes: what a class index means must not be guessed where it can be known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from torch.utils.data import Subset


def find_class_names(dataset: Any) -> tuple[str, ...] | None:
    """The ``classes`` of a torchvision-style data set, also inside ``Subset``; None if it has none."""
    if isinstance(dataset, Subset):
        return find_class_names(dataset.dataset)
    names = getattr(dataset, "classes", None)
    return tuple(map(str, names)) if isinstance(names, (list, tuple)) and names else None


def differing_class(first: Sequence[str], second: Sequence[str]) -> int | None:
    """The first class whose names in two lists do not agree; None if all do.

    Names agree if the words of one are all among those of the other: ``"0"`` and ``"0 - zero"`` do.

    Example:
        >>> differing_class(["0", "1"], ["0 - zero", "1 - one"]), differing_class(["0", "1"], ["eight", "five"])
        (None, 0)
    """
    for index, names in enumerate(zip(first, second)):
        one, other = (set(re.findall(r"\w+", name.lower())) for name in names)
        if not (one <= other or other <= one):
            return index
    return None
