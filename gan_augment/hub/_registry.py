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
            sha256="d0a3621ae8d5c17a34773edaf2c61134b5124334f7756cfe7d7d13c3024522e6",
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
            sha256="d54f0413715afa156dca5954bee0b9fbfc1243cec52d118e67b44a9842c0a9c2",
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
            sha256="16182b5ea28c73853afe7c63757d714a4fc2969e4ff6869c11f20989fb8565a7",
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
            sha256="8b5e55d4ec61d8f05c1756a8f4bd8f25c40f90ff0ba5f997ff44c23371284e10",
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
            sha256="e60e6eda3e76f57a1588823d1dbff5b513e69539095d35aa658a3299700d9e7a",
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
