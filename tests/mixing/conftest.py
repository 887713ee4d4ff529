"""Fixtures of the tests of mixing."""

import PIL.Image
import pytest
import torch

from gan_augment import Generator, GeneratorConfig

from .helpers import SIZE


@pytest.fixture(autouse=True)
def _same_randomness():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def generator():
    torch.manual_seed(0)
    return Generator(GeneratorConfig(image_size=SIZE, channels=1, num_classes=3, width=4))


@pytest.fixture(scope="session")
def unconditional():
    torch.manual_seed(0)
    return Generator(GeneratorConfig(image_size=SIZE, channels=1, width=4))


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder of RGB images of three classes, 6, 4 and 2 of them, whose values are their class."""
    root = tmp_path_factory.mktemp("images")
    for label, count in enumerate((6, 4, 2)):
        (root / f"class{label}").mkdir()
        for number in range(count):
            image = PIL.Image.new("RGB", (SIZE, SIZE), (label, label, label))
            image.save(root / f"class{label}" / f"{number}.png")
    return root
