"""The images that benchmarks and tools read: none is shipped; ``GAN_AUGMENT_DATA`` names the folder they lie in."""

from __future__ import annotations

import gzip
import os
import random
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset
from torchvision.transforms.v2 import functional as F

from gan_augment._core import resize_to_square

FACES_HELD_OUT = 1000  # faces of CelebA that the generators of the zoo were not trained on


@dataclass(frozen=True)
class Data:
    """Images of one size, uint8: those to train on, and those that no weight has seen."""

    train: Tensor
    held_out: Tensor
    labels: Tensor | None = None
    held_out_labels: Tensor | None = None

    def dataset(self) -> Dataset[Any]:
        """As :func:`gan_augment.fit` reads it."""
        return TensorDataset(self.train) if self.labels is None else TensorDataset(self.train, self.labels)


def folder() -> Path:
    """Where the images are."""
    if "GAN_AUGMENT_DATA" not in os.environ:
        raise SystemExit("The environment variable GAN_AUGMENT_DATA must name the folder of the data.")
    return Path(os.environ["GAN_AUGMENT_DATA"])


def mnist() -> Data:
    """MNIST's training and test digits, 28 px."""
    with np.load(folder() / "mnist" / "mnist.npz", allow_pickle=False) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    return Data(
        arrays["train_images"][:, None],
        arrays["test_images"][:, None],
        arrays["train_labels"].long(),
        arrays["test_labels"].long(),
    )


def fashion_mnist() -> Data:
    """Fashion-MNIST's training and test images, 28 px."""

    def read(name: str, header: int) -> Tensor:
        with gzip.open(folder() / "fashion-mnist" / f"{name}-ubyte.gz") as file:
            return torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=header).copy())

    images, test = (read(f"{split}-images-idx3", 16).view(-1, 1, 28, 28) for split in ("train", "t10k"))
    labels, test_labels = (read(f"{split}-labels-idx1", 8).long() for split in ("train", "t10k"))
    return Data(images, test, labels, test_labels)


def celeba(held_out: int, size: int = 64, attributes: tuple[str, ...] = ()) -> Data:
    """10,000 faces of CelebA, the last ones held out.

    Classes are the combinations of attributes, the first the least significant bit.
    """
    images = torch.stack([resize_to_square(image, size, "crop") for _, image in pictures("celeba-10k")])
    train, others = images[:-held_out], images[-held_out:]
    if not attributes:
        return Data(train, others)
    with np.load(folder() / "celeba-10k" / "attributes.npz", allow_pickle=False) as file:
        columns = [file["attribute_names"].tolist().index(name) for name in attributes]
        values = torch.from_numpy(file["attributes"][:, columns]).long()
    labels = (values << torch.arange(len(attributes))).sum(1)
    return Data(train, others, labels[:-held_out], labels[-held_out:])


def utkface(youngest: int = 0) -> Data:
    """UTKFace's faces of an age and above, 128 px; every tenth is held out."""
    images = torch.stack([resize_to_square(image, 128, "crop") for _, image in pictures("utkface-4500")])
    with np.load(folder() / "utkface-4500" / "labels.npz", allow_pickle=False) as file:
        images = images[torch.from_numpy(file["age"]) >= youngest]
    held_out = torch.arange(len(images)) % 10 == 0
    return Data(images[~held_out], images[held_out])


def anime_faces(count: int, seed: int) -> Data:
    """Some of the anime faces to train on; the others are held out."""
    images = torch.stack([image for _, image in pictures("anime-faces-6k")])
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return Data(images[order[:count]], images[order[count:]])


def white_cells(seed: int) -> Data:
    """White blood cells, of which no photo is on both sides: about 300 to train on, about 72 held out."""
    cells = [(name, image) for name, image in pictures("bccd-cells") if "WBC/" in name]
    images, photos = torch.stack([image for _, image in cells]), [photo_of(name) for name, _ in cells]
    chosen = of_some_photos(photos, round(len(set(photos)) * 300 / 372), seed)
    return Data(images[chosen], images[~chosen])


def photo_of(name: str) -> str:
    """The photo from which a cell is cut."""
    return Path(name).stem.split("_")[0]


def of_some_photos(photos: list[str], count: int, seed: int) -> Tensor:
    """Whether each cell is of one of ``count`` photos, which are drawn."""
    names = sorted(set(photos))
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    chosen = {names[i] for i in order[:count]}
    return torch.tensor([photo in chosen for photo in photos])


def blood_cells() -> tuple[Data, list[str]]:
    """All blood cells, white, red and platelets, none held out; and the photo that each is cut from."""
    cells = [(name, image) for name, image in pictures("bccd-cells")]
    kinds = sorted({Path(name).parent.name for name, _ in cells})
    labels = torch.tensor([kinds.index(Path(name).parent.name) for name, _ in cells])
    images = torch.stack([image for _, image in cells])
    return Data(images, images[:0], labels, labels[:0]), [photo_of(name) for name, _ in cells]


def split_cells(seed: int = 0) -> Data:
    """The same, with the cells of a quarter of the photos held out."""
    data, photos = blood_cells()
    held_out, labels = of_some_photos(photos, len(set(photos)) // 4, seed), data.labels
    assert labels is not None
    return Data(data.train[~held_out], data.train[held_out], labels[~held_out], labels[held_out])


def hymenoptera(side: int = 64) -> Data:
    """Photographs of ants and bees, cut to a square: 244 to train on, and 153 test images."""
    found: dict[str, list[tuple[Tensor, int]]] = {"train": [], "val": []}
    for name, image in pictures("hymenoptera"):
        split, kind = Path(name).parts[-3:-1]
        found[split].append((resize_to_square(image, side, "crop"), ["ants", "bees"].index(kind)))
    images, test = (torch.stack([image for image, _ in found[split]]) for split in found)
    labels, test_labels = (torch.tensor([label for _, label in found[split]]) for split in found)
    return Data(images, test, labels, test_labels)


def cifar10() -> Data:
    """20,000 training and 5,000 test images of CIFAR-10, 32 px, the test images in a random order."""
    found: dict[str, list[tuple[Tensor, int]]] = {"train": [], "test": []}
    with tarfile.open(folder() / "cifar10-25k" / "images.tar.xz") as archive:
        members = sorted((member for member in archive if member.isfile()), key=lambda member: member.name)
        kinds = sorted({Path(member.name).parent.name for member in members})
        for member in members:
            file = archive.extractfile(member)
            split, kind = Path(member.name).parts[-3:-1]
            image = F.pil_to_tensor(PIL.Image.open(file).convert("RGB"))  # type: ignore[arg-type]
            found[split].append((image, kinds.index(kind)))
    random.Random(0).shuffle(found["test"])
    images, test = (torch.stack([image for image, _ in found[split]]) for split in ("train", "test"))
    labels, test_labels = (torch.tensor([label for _, label in found[split]]) for split in ("train", "test"))
    return Data(images, test, labels, test_labels)


def pneumonia(split: str = "train") -> Data:
    """Chest X-rays of 28 px: 388 normal and 3,494 with pneumonia to train on, or 135 and 389 in ``"val"``."""
    with np.load(folder() / "pneumonia-mnist" / "pneumoniamnist.npz", allow_pickle=False) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    return Data(
        arrays[f"{split}_images"][:, None],
        arrays["test_images"][:, None],
        arrays[f"{split}_labels"].long().flatten(),
        arrays["test_labels"].long().flatten(),
    )


def long_tailed(data: Data, most: int, least: int, seed: int = 0) -> Data:
    """Training images of which there are fewer, class by class: from ``most`` to ``least``, by equal factors."""
    if data.labels is None:
        raise ValueError("data must have labels, but has none.")
    number = int(data.labels.max()) + 1
    order = torch.randperm(len(data.labels), generator=torch.Generator().manual_seed(seed))
    counts = [round(most * (least / most) ** (label / (number - 1))) for label in range(number)]
    rows = torch.cat([order[data.labels[order] == label][:count] for label, count in enumerate(counts)])
    return Data(data.train[rows], data.held_out, data.labels[rows], data.held_out_labels)


def pictures(name: str) -> Iterator[tuple[str, Tensor]]:
    """The images of a data set's archive as RGB, uint8, with their names and in the names' order."""
    with zipfile.ZipFile(folder() / name / "images.zip") as archive:
        for inside in sorted(inside for inside in archive.namelist() if inside.endswith(".jpg")):
            yield inside, F.pil_to_tensor(PIL.Image.open(archive.open(inside)).convert("RGB"))
