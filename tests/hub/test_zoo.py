"""The zoo: what ships with gan-augment and with gan-augment-faces."""

import copy
import re
import shutil
import warnings
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from PIL import Image

from gan_augment import Card, SyntheticPool, from_pretrained, list_pretrained
from gan_augment.data import seen
from gan_augment.demo import load_digits
from gan_augment.hub import _entries, find_entry
from gan_augment.models import REAL, sample_grid
from gan_augment.models._sampling import CARD_WIDTH

DOCS = Path(__file__).parents[2] / "docs"
INSTALLED = list_pretrained(installed=True)


@pytest.mark.parametrize("name", INSTALLED)
def test_an_entry_says_what_its_files_say(name):
    entry, generator = find_entry(name), from_pretrained(name)
    config = generator.config
    assert (entry.image_size, entry.channels, entry.num_classes) == (
        config.image_size,
        config.channels,
        config.num_classes,
    )
    assert entry.license == generator.card.license
    assert generator.card.measured
    assert len(generator.card.fingerprints) > 0.99 * generator.card.training["images"]  # a few images come twice
    assert sum(file.stat().st_size for file in entry.folder.iterdir()) < 16_000_000
    readme = (entry.folder / "README.md").read_text(encoding="utf-8")
    assert readme == generator.card.to_readme(config, grid="grid.png")


@pytest.mark.parametrize("name", INSTALLED)
def test_registry_card_and_documentation_give_the_same_numbers(name):
    entry, card = find_entry(name), from_pretrained(name).card
    count = f"{card.training['images']:,}"
    assert re.search(rf"\bfrom {count} of ", entry.description)
    assert not entry.num_classes or f"{entry.num_classes} classes" in entry.description
    shown = (DOCS / "hub.md").read_text(encoding="utf-8")
    cells = [cell.strip() for cell in re.search(rf"^\| `{name}` \|(.*)\|$", shown, re.MULTILINE)[1].split("|")]
    assert cells[0].startswith(("the same", f"{count} "))
    assert not entry.num_classes or f"{entry.num_classes} classes" in cells[0]
    figures = {(f["metric"].partition("[")[0], f.get("of", "samples")): f["value"] for f in card.measured}
    for cell, metric in ((cells[2], "kid"), (cells[3], "recall"), (cells[4], "closest to a training image")):
        said = [float(number) for number in cell.split(",")]
        for value, of, number in zip(said, ("samples", REAL), cell.split(",")):
            half_a_digit = 0.5 * 10.0 ** -len(number.partition(".")[2])
            assert value == pytest.approx(figures.get((metric, of), value), abs=half_a_digit + 1e-9)
    body = (entry.folder / "README.md").read_text(encoding="utf-8")
    assert f"- images: {card.training['images']}\n" in body
    assert f"content hashes of {len(card.fingerprints):,} training images" in body
    assert card.data["terms"] == entry.data_terms
    assert card.data["commercial_use"] == entry.commercial_use
    assert cells[5] == ("yes" if entry.commercial_use else "no")


@pytest.mark.parametrize("name", INSTALLED)
def test_each_figure_is_published_once(name):
    results = huggingface_hub.ModelCard.load(find_entry(name).folder / "README.md").data.eval_results
    names = [result.metric_name for result in results]
    assert len(names) == len(set(names))
    assert not [metric for metric in names if "classifier's accuracy" in metric]


def test_a_zoo_folder_with_other_weights_is_refused(tmp_path, monkeypatch):
    shutil.copytree(_entries.ZOO_FOLDER, tmp_path, dirs_exist_ok=True)
    generator = from_pretrained("dcgan-mnist-32")
    with torch.no_grad():
        generator.to_image.weight.add_(0.1)
    generator.save_pretrained(tmp_path / "dcgan-mnist-32")
    monkeypatch.setattr(_entries, "ZOO_FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"SHA-256 .* from the registry"):
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
    assert pool.geometry.resize_mode == "pad"
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


def test_whoever_makes_the_warning_about_terms_an_error_gets_it_each_time(tiny, tmp_path):
    generator = copy.copy(tiny)
    generator.card = Card(name="refused-for-its-data", data={"terms": "for research only", "commercial_use": False})
    generator.save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(UserWarning, match=r"refused-for-its-data was trained on data .*: for research only"):
                from_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="for research only") as caught:  # nobody has seen it so far
        from_pretrained(tmp_path)
    assert [each.filename for each in caught] == [__file__]


@pytest.mark.parametrize("name", INSTALLED)
def test_without_a_network_a_seeded_sample_is_the_one_on_the_card(name, offline):
    generator = from_pretrained(name)
    with Image.open(find_entry(name).folder / "grid.png") as recorded:
        now = sample_grid(generator, width=CARD_WIDTH)
        difference = np.abs(np.asarray(recorded).astype(int) - np.asarray(now).astype(int))
    assert difference.max() <= 2  # processors round differently
    assert (difference > 0).mean() < 0.02
