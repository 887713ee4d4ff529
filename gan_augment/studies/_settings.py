"""The settings of a study, their presets and their checks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._core import check_count, check_seed
from ..evaluation import AUGMENTATIONS, Classifier, Hyperparameters
from ..mixing import LabelPolicy, resolve_policy
from ..synthesis import FILTERS, Source
from ._controls import CONTROL_POOLS
from ._race import race_trainings

CONTROLS = ("repeated", *CONTROL_POOLS)
FIRST_SEEDS = 2  # in the first round of a race
TUNING_SEEDS = 3  # in the last round of a race between hyperparameters
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
        "fit_steps": 1500,
        "controls": CONTROLS,
    },
    "quick": {
        "ratios": (0.25, 0.5),
        "augment": ("none", "affine", "affine-mix", "trivial-mix"),
        "steps": 400,
        "pool_size": 4_000,
        "fit_steps": 400,
        "controls": ("varied", "repeated"),
    },
    "demo": {
        "ratios": (0.5,),
        "augment": ("affine", "affine-mix"),
        "steps": 250,
        "pool_size": 4_000,
        "fit_steps": 400,
        "controls": ("varied", "repeated"),
    },
}


@dataclass(frozen=True)
class Settings:
    """The checked arguments of :func:`study`, which describes them."""

    classifiers: tuple[Classifier, ...]
    ratios: tuple[float, ...]
    labels: tuple[Any, ...]
    filters: tuple[tuple[str, ...], ...]
    augment: tuple[str, ...]
    controls: tuple[str, ...]
    mode: str
    metric: str
    seeds: int
    splits: int
    steps: int
    batch_size: int
    reference: bool  # whether there is an arm with images of another data set
    lr: float | None  # of all classifiers, whose trials hold it; None if it is chosen
    pool_size: int
    count: int | None
    validation: float
    seed: int
    processes: int
    precision: str
    device: str

    def __post_init__(self) -> None:
        for name in ("splits", "steps", "batch_size", "pool_size", "processes"):
            check_count(name, getattr(self, name), 1)
        if self.count is not None:
            check_count("count", self.count, 2)
        check_count("seeds", self.seeds, 2)
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
        registries: tuple[tuple[str, Sequence[str], Collection[str]], ...] = (
            ("augment", self.augment, AUGMENTATIONS),
            ("filters", filters, FILTERS),
            ("controls", self.controls, CONTROLS),
        )
        for argument, names, known in registries:
            for name in names:
                if name not in known:
                    raise ValueError(f"{argument} must be one or more of {tuple(known)}, but got {name!r} instead.")
        if not (self.augment and self.filters and self.labels and self.classifiers):
            raise ValueError(
                "augment, classifier, filters and labels must each have at least one entry to try, but one is empty."
            )
        names = [classifier.name for classifier in self.classifiers]
        if len(set(names)) < len(names):
            raise ValueError(
                f"The entries of classifier must have different names, but got {names}; use Classifier(name, ...)."
            )
        baselines = len(self.augment) * len(self.classifiers) + (3 if self.mode == "balance" else 0)
        if max(baselines, self.num_synthetic_arms) > 1 and self.validation == 0:
            raise ValueError(
                "validation must be above 0 if there is more than one augmentation, classifier or synthetic arm to "
                "choose from: the choice uses the validation images."
            )

    def trials(self, classifier: Classifier) -> tuple[Hyperparameters, ...]:
        """Returns the hyperparameters of a classifier to choose from; without validation images, only the default."""
        return classifier.trials if self.validation else classifier.trials[:1]

    @property
    def num_synthetic_arms(self) -> int:
        """The number of combinations of a ratio, a label policy and filters."""
        return len(self.ratios) * len(self.labels) * len(self.filters)

    @property
    def tuning_augment(self) -> str:
        """The ordinary augmentation with which hyperparameters are chosen."""
        return next((name for name in self.augment if name != "none"), "none")

    def num_real_trainings(self, classifier: Classifier) -> int:
        """The maximum number of training runs that choose a classifier's hyperparameters and augmentation."""
        tuning = race_trainings(len(self.trials(classifier)), 1, min(TUNING_SEEDS, self.seeds))
        return tuning + max(race_trainings(len(self.augment), FIRST_SEEDS, self.seeds), self.seeds)

    @property
    def num_mixed_trainings(self) -> int:
        """The maximum number of training runs of the synthetic arms, their controls, and the arms of ``balance``."""
        repeated = "repeated" in self.controls and self.mode == "balance"  # it has no arm of its own there
        others = len(self.controls) + self.reference - repeated + (4 if self.mode == "balance" else 0)
        synthetic = race_trainings(self.num_synthetic_arms, FIRST_SEEDS, self.seeds)
        return max(synthetic, self.seeds) + others * self.seeds

    @property
    def num_trainings(self) -> int:
        """The maximum number of training runs. The study makes fewer if two stages share some of them."""
        return sum(map(self.num_real_trainings, self.classifiers)) + self.num_mixed_trainings

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


def resolve_device(device: str) -> str:
    """Returns the name of a device; ``"auto"`` is a GPU with CUDA if there is one.

    Apple's GPUs are not chosen, because ``adaptive_max_pool2d`` gives wrong values there (pytorch#190064).

    Raises:
        ValueError: If torch does not know the device, or the machine does not have it.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).item()  # the device "meta" holds no values
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(f"device must be one that this machine has, but got {device!r}: {reason}.") from error
    return device
