"""The zoo: generators that ship with the package, each pinned by a hash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ZOO_FOLDER = Path(__file__).parent / "zoo"


@dataclass(frozen=True)
class ZooEntry:
    """One pretrained generator of the zoo.

    Attributes:
        name (str): The name that :func:`from_pretrained` takes.
        sha256 (str): Of ``config.json``, which has those of all other files but the card.
        license (str): Of the weights.
        data_terms (str): What the training data allow.
        description (str): In a line.
        image_size (int): Side of its images in pixels.
        channels (int): 1 or 3.
        num_classes (int): 0 is unconditional.
        commercial_use (bool): Whether the data's terms allow it.
    """

    name: str
    sha256: str
    license: str
    data_terms: str
    description: str
    image_size: int
    channels: int
    num_classes: int
    commercial_use: bool

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return ZOO_FOLDER / self.name


CELEBA = "CelebA (Liu, Luo, Wang, Tang, 2015): non-commercial research and education only"
REGISTRY: dict[str, ZooEntry] = {
    entry.name: entry
    for entry in (
        ZooEntry(
            name="dcgan-mnist-32",
            sha256="08b3626f48c014bdbf16f8afac0f81d3f568573c8a3654553cccd99fe5b902b7",
            license="mit",
            data_terms="MNIST (LeCun, Cortes, Burges), commonly given as CC BY-SA 3.0",
            description="Handwritten digits, 10 classes, from 55,000 of MNIST's 60,000 training images",
            image_size=32,
            channels=1,
            num_classes=10,
            commercial_use=True,
        ),
        ZooEntry(
            name="dcgan-fashion-mnist-32",
            sha256="8c23d135637c87e93e136fc326b5d657ca42c75d6b63485c93ebfe0dcf2c95dd",
            license="mit",
            data_terms="Fashion-MNIST (Xiao, Rasul, Vollgraf, Zalando): MIT",
            description="Clothes, 10 classes, from 57,000 of Fashion-MNIST's 60,000 training images",
            image_size=32,
            channels=1,
            num_classes=10,
            commercial_use=True,
        ),
        ZooEntry(
            name="dcgan-celeba-64",
            sha256="7a1799e4724903a15b7e8bd55ac7d2cca87fc489e731e79f17127418298d1c89",
            license="cc-by-nc-4.0",
            data_terms=CELEBA,
            description="Faces, from 8,550 of CelebA's images",
            image_size=64,
            channels=3,
            num_classes=0,
            commercial_use=False,
        ),
        ZooEntry(
            name="dcgan-celeba-attributes-64",
            sha256="63cb32d5d909142321702810ba34b47adc1a263a48086620fa285566304d5cd5",
            license="cc-by-nc-4.0",
            data_terms=CELEBA,
            description="Faces of women and men, smiling or not, 4 classes, from 8,550 of CelebA's images",
            image_size=64,
            channels=3,
            num_classes=4,
            commercial_use=False,
        ),
        ZooEntry(
            name="dcgan-faces-128",
            sha256="898c57c0c4e03bb2affb54c786b244a0b77661130fb9bc71eed0129b3da7616f",
            license="cc-by-nc-4.0",
            data_terms="UTKFace (Zhang, Song, Qi, 2017): non-commercial research only; the images are their owners'",
            description="Faces of adults, from 2,312 of UTKFace's images",
            image_size=128,
            channels=3,
            num_classes=0,
            commercial_use=False,
        ),
    )
}


def list_pretrained() -> list[str]:
    """Names of the generators of the zoo, sorted.

    Example:
        >>> "dcgan-mnist-32" in list_pretrained()
        True
    """
    return sorted(REGISTRY)
