"""What a study is asked to do, checked and complete."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from .._core import check_count, check_seed
from ..evaluation import AUGMENTATIONS
from ..mixing import LabelPolicy, as_policy
from ._sources import FILTERS

METRICS = ("accuracy", "balanced accuracy")
MODES = ("replace", "balance")
LONGEST_NAME = 40
PRECISIONS = ("auto", "bf16", "fp32")
FULL: Mapping[str, Any] = {
    "ratios": (0.1, 0.25, 0.5, 0.75),
    "augment": ("none", "affine", "flip-affine", "affine-mix", "trivial-mix"),
    "steps": 1000,
    "pool_size": 10_000,
    "budget": "10m",
}
LIGHT: Mapping[str, Any] = {
    "ratios": (0.25, 0.5),
    "augment": ("none", "affine", "affine-mix", "trivial-mix"),
    "steps": 400,
    "pool_size": 4_000,
    "budget": "60s",
}


@dataclass(frozen=True)
class Settings:
    """See :func:`study`, whose arguments these are."""

    ratios: tuple[float, ...]
    labels: tuple[Any, ...]
    filters: tuple[tuple[str, ...], ...]
    augment: tuple[str, ...]
    mode: str
    metric: str
    seeds: int
    splits: int
    steps: int
    batch_size: int
    lr: float
    pool_size: int
    count: int | None
    validation: float
    seed: int
    processes: int
    precision: str

    def __post_init__(self) -> None:
        for name in ("splits", "steps", "batch_size", "pool_size", "processes"):
            check_count(name, getattr(self, name), 1)
        if self.count is not None:
            check_count("count", self.count, 2)
        check_count("seeds", self.seeds, 2)
        if not 0 < self.lr < math.inf:
            raise ValueError(f"lr must be above 0 and finite, but got {self.lr} instead.")
        check_seed(self.seed)
        if not 2 <= self.splits <= self.seeds:
            raise ValueError(
                f"splits must be at least 2 and at most as many as seeds, {self.seeds}, but got {self.splits} instead."
            )
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}, but got {self.mode!r} instead.")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {PRECISIONS}, but got {self.precision!r} instead.")
        if self.metric not in METRICS:
            raise ValueError(f"metric must be one of {METRICS}, but got {self.metric!r} instead.")
        if not self.ratios or not all(0 < ratio <= 1 for ratio in self.ratios):
            raise ValueError(
                "ratios must be one or more shares above 0 and up to 1 (0 is always tried), "
                f"but got {self.ratios} instead."
            )
        if len({f"{ratio:g}" for ratio in self.ratios}) < len(self.ratios):
            raise ValueError(f"ratios must differ in their first six digits, but got {self.ratios} instead.")
        if not isinstance(self.validation, float) or not 0 <= self.validation < 1:
            raise ValueError(f"validation must be a share in [0, 1), but got {self.validation} instead.")
        for name in self.augment:
            if name not in AUGMENTATIONS:
                raise ValueError(f"augment must be of {tuple(AUGMENTATIONS)}, but got {name!r} instead.")
        for name in (name for several in self.filters for name in several):
            if name not in FILTERS:
                raise ValueError(f"filters must be of {FILTERS}, but got {name!r} instead.")
        if not self.augment or not self.filters or not self.labels:
            raise ValueError("augment, filters and labels must each have at least one entry to try, but one is empty.")
        if self.choices > 1 and self.validation == 0:
            raise ValueError(
                "validation must be above 0 if there are several ways to choose from; it is the share to choose by."
            )

    @property
    def choices(self) -> int:
        """How many augmentations and ways to mix there are to choose from, at least 1."""
        controls = 2 if self.mode == "balance" else 0
        return max(len(self.augment) + controls, len(self.ratios) * len(self.labels) * len(self.filters))

    def filters_use(self, name: str) -> bool:
        """Whether a filter of this name is to be tried."""
        return any(name in several for several in self.filters)

    @property
    def jobs(self) -> int:
        """Trainings that the study is made of."""
        real = len({"none", *self.augment}) + (3 if self.mode == "balance" else 1)
        return self.seeds * (real + len(self.ratios) * len(self.labels) * len(self.filters))

    def policies(self, classes: int) -> dict[str, LabelPolicy]:
        """The label policies by what they are called, for a source of so many classes.

        Raises:
            ValueError: If a policy does not fit the source.
            TypeError: If something is no policy.
        """
        found: dict[str, LabelPolicy] = {}
        for labels in self.labels:
            policy = as_policy(labels, classes)
            if policy is None:
                raise ValueError("labels must be label policies, since a study has labels, but got None.")
            name = labels if isinstance(labels, str) else repr(policy)
            if len(name) > LONGEST_NAME:  # of a module, such as a teacher
                name = f"{type(policy).__name__} {len(found) + 1}"
            found[name] = policy
        return found


def as_tuple(value: Any) -> tuple[Any, ...]:
    """One or several as a tuple."""
    if isinstance(value, (np.ndarray, Tensor)):
        value = value.tolist()
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)


def as_filter_sets(filters: Any) -> tuple[tuple[str, ...], ...]:
    """What a user may write for the filters to try: names, tuples of names, None for none."""
    several = (filters,) if filters is None else as_tuple(filters)
    return tuple(dict.fromkeys(() if each is None else as_tuple(each) for each in several))
