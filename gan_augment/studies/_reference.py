"""The reference: real images, such as those that the source was trained on, in place of its samples."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from .._core import largest_remainder, mix_seed
from ..data import TrainingImages, content_hashes
from ..evaluation import OnSeen
from ..synthesis import Source, SyntheticPool, fingerprints_of
from ._splits import StudyData, check_test_images, read_others


@dataclass(frozen=True)
class Reference:
    """Real images of the classes of a study, and the rows of them that each split may use."""

    images: TrainingImages
    rows: tuple[Tensor, ...]  # of each split, without test images and the split's own images
    notes: tuple[str, ...]

    @classmethod
    def read(
        cls,
        dataset: Dataset[Any] | str | os.PathLike[str],
        data: StudyData,
        splits: list[tuple[Tensor, Tensor]],
        source: Source,
        on_seen: OnSeen,
        progress: bool,
    ) -> Reference:
        """Reads the images in the size of the study's images, and checks that each split can use some of every class.

        Args:
            dataset (Dataset or str): Labelled images in any form that :func:`gan_augment.fit` takes.
            data (StudyData): The images of the study.
            splits (list of tuple): Rows of the training and validation images of each split.
            source (Source): The source of the study, for a note on how many of the images it was trained on.
            on_seen (str): What to do with test images: ``"refuse"`` or ``"warn"``, which leaves them out.
            progress (bool): Whether to show a progress bar.
        """
        images = read_others("reference", dataset, data.images, progress)
        # Two images are the same if their originals are, or if they are the same in the size of the study.
        known, own = _both_hashes(images), _both_hashes(data.images)
        tested = int(_among(own[:, data.test_rows], known).sum())
        notes = check_test_images("reference", tested, len(data.test_rows), on_seen)
        rows = []
        for train, validation in splits:
            used = own[:, torch.cat([train, validation, data.test_rows])]
            rows.append((~_among(known, used)).nonzero().flatten())
            counts = torch.bincount(images.classes[rows[-1]], minlength=data.num_classes)
            if int(counts.min()) == 0:
                raise ValueError(
                    "reference must have, for every class, some images that are not in the data set, but has none for "
                    f"class {int(counts.argmin())}; add some, or leave out reference."
                )
        dropped = len(images) - min(map(len, rows))
        if dropped:
            notes.append(
                f"Up to {dropped:,} of the {len(images):,} reference images are also in the data set. Each split "
                "leaves out those that are among its own training, validation or test images."
            )
        return cls(images, tuple(rows), (*notes, _trained_on(source, images)))

    def save_pool(self, path: Path, split: int, size: int, seed: int) -> None:
        """Writes the pool of a split to a folder."""
        rows = self._draw(split, size, seed)
        SyntheticPool(self.images.images[rows], self.images.classes[rows]).save(path)

    def _draw(self, split: int, size: int, seed: int) -> Tensor:
        """Draws up to ``size`` different rows, equally many of each class if there are enough."""
        rng = torch.Generator().manual_seed(mix_seed(seed, 18, split))
        rows = self.rows[split][torch.randperm(len(self.rows[split]), generator=rng)]
        classes = self.images.classes[rows]
        counts = torch.bincount(classes, minlength=self.images.num_classes).tolist()
        shares = largest_remainder(min(size, len(rows)), [1] * len(counts), limits=counts)
        return torch.cat([rows[classes == label][:share] for label, share in enumerate(shares)])


def _both_hashes(images: TrainingImages) -> Tensor:
    """Returns the hashes of the originals and of the resized images, ``(2, n)``."""
    return torch.stack([images.hashes, content_hashes(images.images)])


def _among(hashes: Tensor, others: Tensor) -> Tensor:
    """Returns for each image whether one of its two hashes is a hash of the other images, bool ``(n,)``."""
    return torch.isin(hashes[0], others[0]) | torch.isin(hashes[1], others[1])


def _trained_on(source: Source, images: TrainingImages) -> str:
    """Returns a sentence on how many of the reference images the source is known to have been trained on."""
    known = fingerprints_of(source)
    if known is None:
        return (
            "The source does not list all its training images, so nobody can tell whether the reference images are "
            "among them."
        )
    return (
        f"The source was trained on {int(torch.isin(images.hashes, known).sum()):,} of the {len(images):,} reference "
        "images."
    )
