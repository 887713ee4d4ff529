"""Folders and arrays of images that say what they are: real ones are dark, synthetic ones bright."""

import PIL.Image
import pytest
import torch

from gan_augment import SyntheticPool

SIZE = 16
CLASSES = ("cat", "dog", "emu")
PER_CLASS = 8
DARK, BRIGHT = 20, 200  # plus the class


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def pool():
    """Eight bright RGB images of each class."""
    labels = torch.arange(24) % 3
    images = (BRIGHT + labels).to(torch.uint8)[:, None, None, None].expand(-1, 3, SIZE, SIZE).contiguous()
    return SyntheticPool(images, labels, class_names=CLASSES)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Eight dark RGB images of each class, in a folder for each."""
    root = tmp_path_factory.mktemp("photos")
    for label, name in enumerate(CLASSES):
        (root / name).mkdir()
        for number in range(PER_CLASS):
            PIL.Image.new("RGB", (SIZE, SIZE), (DARK + label,) * 3).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def arrays():
    """Dark float images and their labels."""
    labels = torch.arange(24) % 3
    return (DARK + labels).float()[:, None, None, None].expand(-1, 3, SIZE, SIZE).div(255).contiguous(), labels


class Seen:
    """Notes how many images of each batch are synthetic, and holds their pixels against their labels."""

    def __init__(self):
        self.train, self.evaluation = [], []

    def note(self, images, labels, training):
        """Takes float images of 0..1."""
        values = images.flatten(1).mean(1).mul(255).round().long()
        bright = values >= BRIGHT
        shown = values - torch.where(bright, BRIGHT, DARK)
        assert torch.equal(shown.cpu(), labels.cpu()), "an image does not show its label"
        (self.train if training else self.evaluation).append(int(bright.sum()))


@pytest.fixture
def seen():
    return Seen()
