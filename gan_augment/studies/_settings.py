"""The settings of a study, their presets and their checks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from .._core import check_count, check_seed
from ..evaluation import AUGMENTATIONS
from ..mixing import LabelPolicy, resolve_policy
from ..synthesis import FILTERS, Source

METRICS = ("accuracy", "balanced accuracy")
MODES = ("replace", "balance")
LONGEST_NAME = 40
PRECISIONS = ("auto", "bf16", "fp32")
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "full": {
        "ratios": (0.1, 0.25, 0.5, 0.75),
        "augment": ("none", "affine", "flip-affine", "affine-mix", "trivial-mix"),
        "steps": 1000,
        "pool_size": 10_000,
        "budget": "10m",
    },
    "quick": {
        "ratios": (0.25, 0.5),
        "augment": ("none", "affine", "affine-mix", "trivial-mix"),
        "steps": 400,
        "pool_size": 4_000,
        "budget": "60s",
    },
    "demo": {
        "ratios": (0.5,),
        "augment": ("affine", "affine-mix"),
        "steps": 250,
        "pool_size": 4_000,
        "budget": "60s",
    },
}


@dataclass(frozen=True)
class Settings:
    """The checked arguments of :func:`study`, which describes them."""

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
            raise ValueError(f"lr must be positive and finite, but got {self.lr} instead.")
        check_seed(self.seed)
        if not 2 <= self.splits <= self.seeds:
            raise ValueError(
                f"splits must be between 2 and the number of seeds, {self.seeds}, but got {self.splits} instead."
            )
        for name, choices in (("mode", MODES), ("precision", PRECISIONS), ("metric", METRICS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, but got {getattr(self, name)!r} instead.")
        if not self.ratios or not all(0 < ratio <= 1 for ratio in self.ratios):
            raise ValueError(
                "ratios must be one or more numbers above 0 and up to 1 (ratio 0 is always tried), "
                f"but got {self.ratios} instead."
            )
        if len({f"{ratio:g}" for ratio in self.ratios}) < len(self.ratios):
            raise ValueError(f"ratios must differ in their first six digits, but got {self.ratios} instead.")
        if not isinstance(self.validation, float) or not 0 <= self.validation < 1:
            raise ValueError(f"validation must be a share in [0, 1), but got {self.validation} instead.")
        filters = [name for names in self.filters for name in names]
        for argument, names, known in (("augment", self.augment, AUGMENTATIONS), ("filters", filters, FILTERS)):
            for name in names:
                if name not in known:
                    raise ValueError(f"{argument} must be one or more of {tuple(known)}, but got {name!r} instead.")
        if not self.augment or not self.filters or not self.labels:
            raise ValueError("augment, filters and labels must each have at least one entry to try, but one is empty.")
        baselines = len(self.augment) + (2 if self.mode == "balance" else 0)
        if max(baselines, self.num_synthetic_arms) > 1 and self.validation == 0:
            raise ValueError(
                "validation must be above 0 if there is more than one augmentation or synthetic arm to choose from: "
                "the choice uses the validation images."
            )

    @property
    def num_synthetic_arms(self) -> int:
        """The number of combinations of a ratio, a label policy and a filter."""
        return len(self.ratios) * len(self.labels) * len(self.filters)

    @property
    def num_trainings(self) -> int:
        """The number of classifiers that the study trains."""
        real = len({"none", *self.augment}) + (3 if self.mode == "balance" else 1)
        return self.seeds * (real + self.num_synthetic_arms)

    def policies(self, source: Source) -> dict[str, LabelPolicy]:
        """Returns the label policies by name, checked against the source."""
        policies: dict[str, LabelPolicy] = {}
        for labels in self.labels:
            policy = resolve_policy(labels, source)
            if policy is None:
                raise ValueError("labels must be label policies, but got None. A study requires labels.")
            name = labels if isinstance(labels, str) else repr(policy)
            if len(name) > LONGEST_NAME:  # the repr of a module, such as a teacher
                name = f"{type(policy).__name__} {len(policies) + 1}"
            policies[name] = policy
        return policies


def as_tuple(value: Any) -> tuple[Any, ...]:
    """Returns one value or a sequence of values as a tuple."""
    if isinstance(value, (np.ndarray, Tensor)):
        value = value.tolist()
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)


def as_filter_sets(filters: Any) -> tuple[tuple[str, ...], ...]:
    """Returns the filters to try as tuples of names. None, for no filter, becomes the empty tuple."""
    entries = (filters,) if filters is None else as_tuple(filters)
    return tuple(dict.fromkeys(() if entry is None else as_tuple(entry) for entry in entries))
