"""Synthetic images as files."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from gan_augment import SyntheticPool, from_pretrained
from gan_augment.cli import main
from gan_augment.synthesis import export_images


def test_files_are_the_samples_and_say_that_they_are_synthetic(tmp_path):
    files = export_images("dcgan-mnist-32", tmp_path / "out", 12, seed=3)
    expected = from_pretrained("dcgan-mnist-32").sample(12, seed=3)
    for file, image in zip(files, expected):
        with Image.open(file) as picture:
            assert (np.asarray(picture) == image[0].numpy()).all()
            assert picture.text["Synthetic"] == "true"
            assert picture.text["Source"] == "dcgan-mnist-32, seed 3"
    data = ImageFolder(tmp_path / "out")
    assert data.classes == [str(label) for label in range(10)]
    assert len(data) == 12


def test_class_names_become_folders_and_nothing_climbs(tmp_path):
    pool = SyntheticPool(
        torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), class_names=["../cat", "red/blue"]
    )
    files = export_images(pool, tmp_path / "out", 2)
    assert {file.parent.parent for file in files} == {tmp_path / "out"}
    assert {file.parent.name for file in files} == {"-cat", "red-blue"}


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="must be new or empty"):
        export_images("dcgan-mnist-32", tmp_path, 2)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command_samples_and_enlarges(tmp_path, capsys):
    from gan_augment.hub import save_upscaler
    from gan_augment.models import SRGAN, SRGANConfig

    save_upscaler(SRGAN(SRGANConfig(width=8, blocks=1)), tmp_path / "x2")
    arguments = ["sample", "dcgan-mnist-32", "--n", "3", "--label", "7", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--upscale", str(tmp_path / "x2")]) == 0
    files = list((tmp_path / "out" / "7").iterdir())
    assert len(files) == 3
    with Image.open(files[0]) as picture:
        assert picture.size == (64, 64)
    assert main(["sample", "dcgan-mnist-32", "--n", "0", "--out", str(tmp_path / "none")]) == 2
    assert "n must be at least 1" in capsys.readouterr().err
