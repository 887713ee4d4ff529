"""The zoo: what ships with the package."""

import copy
import shutil
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from gan_augment import Card, SyntheticPool, from_pretrained, list_pretrained
from gan_augment.demo import load_digits
from gan_augment.hub import REGISTRY, _registry, sample_grid
from gan_augment.hub._grid import CARD_WIDTH
from gan_augment.metrics import seen


@pytest.mark.parametrize("name", list_pretrained())
def test_an_entry_says_what_its_files_say(name):
    entry, generator = REGISTRY[name], from_pretrained(name)
    config = generator.config
    assert (entry.image_size, entry.channels, entry.num_classes) == (
        config.image_size,
        config.channels,
        config.num_classes,
    )
    assert entry.license == generator.card.license
    assert generator.card.measured
    assert len(generator.card.fingerprints) >= generator.card.training["images"]
    assert sum(file.stat().st_size for file in entry.folder.iterdir()) < 16_000_000


def test_a_zoo_folder_with_other_weights_is_refused(tmp_path, monkeypatch):
    shutil.copytree(REGISTRY["dcgan-mnist-32"].folder, tmp_path / "dcgan-mnist-32")
    generator = from_pretrained("dcgan-mnist-32")
    with torch.no_grad():
        generator.to_image.weight.add_(0.1)
    generator.save_pretrained(tmp_path / "dcgan-mnist-32")
    monkeypatch.setattr(_registry, "ZOO_FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"SHA-256 .* of the registry"):
        from_pretrained("dcgan-mnist-32")


def test_the_digit_generator_has_seen_none_of_the_demos_digits():
    known = from_pretrained("dcgan-mnist-32").card.fingerprints
    images, _ = load_digits()
    assert not seen(images, known).any()


def test_the_digit_generator_draws_different_digits_of_each_class():
    generator = from_pretrained("dcgan-mnist-32")
    images = generator.sample(100, torch.arange(10).repeat_interleave(10), seed=3).float().view(10, 10, -1)
    within = images.var(dim=1).mean()
    between = images.mean(dim=1).var(dim=0).mean()
    assert within > 0.2 * between > 0
    border = generator.sample(50, seed=0)[:, :, [0, 1, -2, -1], :]
    assert border.float().mean() < 1  # digits of 28 px were padded with black to 32


def test_samples_leave_by_cropping_at_28_px():
    pool = SyntheticPool.generate("dcgan-mnist-32", 4, progress=False)
    assert pool.geometry.fit == "pad"
    assert pool.geometry.source_size == (28, 28)


def test_weights_from_data_that_forbid_commercial_use_say_so_once(tiny, tmp_path):
    generator = copy.copy(tiny)
    data = {"terms": "for research only", "commercial_use": False}
    generator.card = Card(name="restricted-by-its-data", data=data)
    generator.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="restricted-by-its-data was trained on data .*: for research only"):
        from_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_pretrained(tmp_path)


@pytest.mark.parametrize("name", list_pretrained())
def test_without_a_network_a_seeded_sample_is_the_one_on_the_card(name, offline):
    generator = from_pretrained(name)
    with Image.open(REGISTRY[name].folder / "grid.png") as recorded:
        now = sample_grid(generator, width=CARD_WIDTH)
        difference = np.abs(np.asarray(recorded).astype(int) - np.asarray(now).astype(int))
    assert difference.max() <= 2  # processors round differently
    assert (difference > 0).mean() < 0.02
