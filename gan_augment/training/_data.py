"""The training images: decoded, brought to size and cached as uint8 once, not in every epoch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset
from tqdm.auto import tqdm

from ..metrics import fingerprints
from ..models import Fit, find_class_names
from ..models.images import as_uint8, fit_image, to_channels


@dataclass(frozen=True)
class TrainingImages:
    """A data set as the trainer holds it.

    Attributes:
        images (Tensor): uint8 ``(n, channels, image_size, image_size)``.
        labels (Tensor, optional): int64 ``(n,)``.
        num_classes (int): 0 without labels.
        source_size (tuple, optional): Height and width before the fit, if all images had the same.
        class_names (tuple of str, optional): The data set's ``classes``, where it has them for all labels.
        fingerprints (Tensor): Content hashes of the images before the fit, int64, sorted.
    """

    images: Tensor
    labels: Tensor | None
    num_classes: int
    source_size: tuple[int, int] | None
    class_names: tuple[str, ...] | None
    fingerprints: Tensor

    @classmethod
    def from_dataset(
        cls,
        dataset: Dataset[Any],
        image_size: int,
        fit: Fit,
        *,
        channels: int | None = None,
        conditional: bool = True,
        progress: bool = True,
    ) -> TrainingImages:
        """Reads every item of a map-style data set: an image, or an image and its label.

        Args:
            dataset (Dataset): Items are images (PIL, uint8 or float 0..1), or ``(image, label, ...)``.
            image_size (int): Side to bring them to.
            fit (str): How: ``"resize"``, ``"crop"`` or ``"pad"``.
            channels (int, optional): 1 or 3. Default: 1 if every image is grey, else 3.
            conditional (bool): Whether to keep the labels.
            progress (bool): Whether to show a bar.

        Raises:
            TypeError: If the data set is not map-style, or an item is no image.
            ValueError: If the data set is empty, or a label is not a class index.
        """
        if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
            raise TypeError(f"dataset must be map-style (with a length), but got {type(dataset)} instead.")
        if len(dataset) == 0:
            raise ValueError("dataset must hold at least one image, but it is empty.")
        originals, labels = [], []
        for index in tqdm(range(len(dataset)), desc="Reading images", disable=not progress, leave=False):
            image, label = _split(dataset[index])
            originals.append(_read_image(image))
            if conditional:
                labels.append(_class_index(label, index))
        if channels is None:
            channels = max(image.shape[0] for image in originals)
        count = max(labels) + 1 if conditional else 0
        missing = sorted(set(range(count)) - set(labels))
        if missing:
            raise ValueError(f"Labels must be 0, 1, 2, ... without gaps, but no image is of class {missing[:10]}.")
        names = find_class_names(dataset)
        sizes = {(image.shape[1], image.shape[2]) for image in originals}
        fitted = [to_channels(fit_image(image, image_size, fit), channels) for image in originals]
        return cls(
            images=torch.stack(fitted),
            labels=torch.tensor(labels) if conditional else None,
            num_classes=count,
            class_names=names if count and names is not None and len(names) == count else None,
            source_size=sizes.pop() if len(sizes) == 1 else None,
            fingerprints=fingerprints(originals),
        )

    def __len__(self) -> int:
        return len(self.images)

    def digest(self) -> dict[str, Any]:
        """Count and hash of the images and labels, to know them again by."""
        data = hashlib.sha256(self.images.numpy().tobytes())
        data.update(b"" if self.labels is None else self.labels.numpy().tobytes())
        return {"count": len(self), "sha256": data.hexdigest()}

    def class_counts(self) -> list[int]:
        """Number of images of each class; empty without classes."""
        return [] if self.labels is None else torch.bincount(self.labels).tolist()


def _read_image(image: Any) -> Tensor:
    try:
        return as_uint8(image)
    except ValueError as error:
        raise ValueError(f"{error} A data set to fit must give its images without transforms.") from error


def _split(item: Any) -> tuple[Any, Any]:
    if isinstance(item, (tuple, list)):
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def _class_index(label: Any, index: int) -> int:
    value = label.item() if isinstance(label, (Tensor, np.ndarray)) and label.ndim == 0 else label
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 0:
        raise ValueError(
            f"A label must be a class index (an int from 0), but item {index} has {label!r}; "
            "pass conditional=False to train without classes."
        )
    return int(value)
