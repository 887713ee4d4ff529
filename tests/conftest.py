"""Fixtures of all tests."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from gan_augment import Generator, GeneratorConfig


@pytest.fixture(scope="session")
def tiny():
    """A real class-conditional generator, with batch statistics that are not those of initialisation."""
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(image_size=16, channels=1, num_classes=3, width=4))
    with torch.no_grad():
        generator.to_image.weight.mul_(400)  # from nearly grey images to ones of many values
        generator.train()(torch.randn(32, 100), torch.arange(32) % 3)
    return generator.eval()


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small are slower on several threads, and far slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def third_party():
    """Checkpoints of others, none of which is shipped."""
    if "GAN_AUGMENT_DATA" not in os.environ:
        pytest.skip("GAN_AUGMENT_DATA does not name the folder of data by others")
    return Path(os.environ["GAN_AUGMENT_DATA"]) / "third-party-weights"


@pytest.fixture(scope="session")
def saved(tiny, tmp_path_factory):
    """A folder that holds the tiny generator; tests copy it."""
    folder = tmp_path_factory.mktemp("saved")
    tiny.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "generator"))
