"""Hugging Face data sets."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from gan_augment import GANAugmentedDataset, SyntheticMix

from .conftest import CLASSES

datasets = pytest.importorskip("datasets", reason="datasets is in the extra dev")


@pytest.fixture(scope="module")
def split(arrays):
    """Eighteen images to train on and six to validate on, with names of the classes."""
    images = [np.asarray(image.permute(1, 2, 0).mul(255).round().byte()) for image in arrays[0]]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(CLASSES))})
    whole = datasets.Dataset.from_dict({"image": images, "label": arrays[1].tolist()}, features=features)
    return whole.select(range(18)), whole.select(range(18, 24))


class Pairs(Dataset):
    """A Hugging Face data set as ``(image, label)``."""

    def __init__(self, data):
        self.data, self.classes = data, data.features["label"].names

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        row = self.data[int(index)]
        return torch.from_numpy(np.asarray(row["image"])).permute(2, 0, 1).float() / 255, row["label"]


def as_tensors(rows):
    images = torch.stack([torch.from_numpy(np.asarray(row["image"])) for row in rows])
    return {"image": images.permute(0, 3, 1, 2).float() / 255, "label": torch.tensor([row["label"] for row in rows])}


def test_plain(split, seen):
    for data, training in zip(split, (True, False)):
        for batch in DataLoader(data, batch_size=6, collate_fn=as_tensors):
            seen.note(batch["image"], batch["label"], training)
    assert sum(seen.train) == sum(seen.evaluation) == 0


def test_a_mix_in_the_collator_of_the_training_loader(split, pool, seen):
    mix = SyntheticMix(pool, 0.5)
    for data, training in zip(split, (True, False)):
        collate = (lambda rows: mix(as_tensors(rows))) if training else as_tensors
        for batch in DataLoader(data, batch_size=6, collate_fn=collate, shuffle=training):
            seen.note(batch["image"], batch["label"], training)
    assert seen.train == [3] * 3
    assert seen.evaluation == [0]


@pytest.mark.parametrize("mode", ["replace", "append", "balance"])
def test_a_wrapped_data_set(split, pool, seen, mode):
    data = GANAugmentedDataset(Pairs(split[0]), pool, 0.5, mode=mode, progress=False)
    for epoch in range(2):
        data.set_epoch(epoch)
        for images, labels in DataLoader(data, batch_size=6, shuffle=True):
            seen.note(images, labels, True)
    for images, labels in DataLoader(Pairs(split[1]), batch_size=6):
        seen.note(images, labels, False)
    assert sum(seen.train) == 2 * int(data.synthetic_mask().sum()) == 2 * (18 if mode == "append" else 9)
    assert seen.evaluation == [0]
