"""A mixed batch, its figures, and files to download, without a page."""

import html
import io
import re
import urllib.parse
import zipfile

import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import SyntheticPool
from gan_augment.models import SRGAN, SRGANConfig
from gan_augment.synthesis import Upscaler
from gan_augment.web import _generators as generators
from gan_augment.web._downloads import write_pool_zip
from gan_augment.web._mixing import mix_batch
from gan_augment.web._pictures import Tile, figures, film, png
from gan_augment.web._uploads import Upload


def upload(names=tuple("0123456789"), each=4):
    labels = torch.arange(len(names)).repeat_interleave(each)
    images = torch.randint(0, 256, (len(labels), 1, 28, 28), dtype=torch.uint8)
    return Upload(None, images, labels, tuple(names), False)


def mix(images, ratio=0.5, labels="same", count=20, seed=0):
    generator = generators.load("dcgan-mnist-32")
    return mix_batch(images, generator, "dcgan-mnist-32", ratio=ratio, labels=labels, count=count, seed=seed)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.integers(0, 2**31 - 1))
def test_the_share_of_synthetic_images_is_the_ratio(ratio, seed):
    batch = mix(upload(), ratio, seed=seed)
    assert len(batch.tiles) == 20
    assert abs(batch.num_synthetic - 20 * ratio) < 1
    assert sum(bool(tile.source) for tile in batch.tiles) == batch.num_synthetic


def test_a_batch_depends_on_the_seed_and_leaves_the_random_state():
    images, before = upload(), torch.get_rng_state()
    one, same, other = (mix(images, seed=seed) for seed in (1, 1, 2))
    assert torch.get_rng_state().equal(before)
    assert all(a.image.equal(b.image) for a, b in zip(one.tiles, same.tiles))
    assert not all(a.image.equal(b.image) for a, b in zip(one.tiles, other.tiles))


def test_another_ratio_keeps_the_real_images():
    images = upload()
    real = [tile.image for tile in mix(images, 0).tiles]
    for tile, expected in zip(mix(images, 0.25).tiles, real):
        assert tile.source or tile.image.equal(expected)


def test_labels_of_synthetic_images_are_named():
    batch = mix(upload(("ants", "bees"), 10), labels="uniform")
    assert {tile.caption for tile in batch.tiles if tile.source} == {"all classes equally"}
    assert {tile.caption for tile in batch.tiles if not tile.source} <= {"ants", "bees"}
    fixed = mix(upload(("ants", "bees"), 10), labels=1)
    assert {tile.caption for tile in fixed.tiles if tile.source} == {"bees"}


@pytest.mark.parametrize("names", [("ants", "bees"), tuple("abcdefghij")])
def test_other_classes_are_refused_with_both_lists(names):
    with pytest.raises(
        ValueError, match=rf"classes of your images \({names[0]}, {names[1]}.*but its classes are: 0, 1, 2"
    ):
        mix(upload(names))


@pytest.mark.parametrize("ratio", [-0.1, 1.5, float("nan")])
def test_only_other_classes_are_called_a_mismatch(ratio):
    with pytest.raises(ValueError, match="The ratio must be between 0 and 1"):
        mix(upload(("ants", "bees")), ratio)


def test_synthetic_figures_are_framed_and_marked_and_names_are_escaped():
    image = torch.zeros(1, 8, 8, dtype=torch.uint8)
    text = figures([Tile(image, "<b>cat</b>", "g, seed 0"), Tile(image, "dog")], "Mixed", framed=True)
    assert text.count("<figure") == 2
    assert text.count('class="ga-synthetic"') == 1
    assert "<b>cat" not in text
    assert re.findall('alt="(.*?)"', text) == ["synthetic image, &lt;b&gt;cat&lt;/b&gt;", "real image, dog"]
    assert PIL.Image.open(io.BytesIO(png(Tile(image, "", "g, seed 0")))).text["Source"] == "g, seed 0"
    assert PIL.Image.open(io.BytesIO(png(Tile(image)))).text == {}


@pytest.mark.parametrize(("side", "style"), [(32, False), (128, True)])
def test_large_images_get_large_tiles(side, style):
    text = figures([Tile(torch.zeros(1, side, side, dtype=torch.uint8))], "Samples")
    assert (f"--ga-side: {side}px" in text) == style


def test_a_film_runs_there_and_back_and_is_marked():
    images = torch.arange(0, 250, 50, dtype=torch.uint8)[:, None, None, None].expand(5, 1, 8, 8)
    shown = PIL.Image.open(io.BytesIO(film(images, "g, between seeds 0 and 1")))
    assert shown.n_frames == 8
    assert shown.text["Synthetic"] == "true"


def test_png_files_are_marked_and_come_with_the_card(tmp_path):
    path = write_pool_zip(generators.load("dcgan-mnist-32"), "digits", tmp_path, count=5, label=3, seed=1)
    assert list(tmp_path.iterdir()) == [path]
    with zipfile.ZipFile(path) as archive:
        pictures = [name for name in archive.namelist() if name.endswith(".png")]
        assert pictures == [f"images/3/00000{index}.png" for index in range(5)]
        assert all(PIL.Image.open(archive.open(name)).text["Synthetic"] == "true" for name in pictures)
        assert "seed 1" in archive.read("README.md").decode()
        assert "license: mit" in archive.read("CARD.md").decode()


def test_a_pool_can_be_loaded_and_enlarged(tmp_path):
    upscaler = Upscaler(SRGAN(SRGANConfig(scale=2, width=8, blocks=1)))
    options = {"count": 4, "kind": "pool", "upscaler": upscaler}
    path = write_pool_zip(generators.load("dcgan-mnist-32"), "digits", tmp_path, **options)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    pool = SyntheticPool.load(tmp_path / "unpacked" / "pool", verify=True)
    assert (len(pool), pool.image_shape, pool.num_classes) == (4, (1, 64, 64), 10)
    assert "enlarged 2 times" in (tmp_path / "unpacked" / "README.md").read_text()


def test_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="The format must be one of"):
        write_pool_zip(generators.load("dcgan-mnist-32"), "digits", tmp_path, count=1, kind="exe")


@pytest.mark.parametrize("name", ["org/name@v1", "my photos #1?", "100%41", '"><b>', "..", "größe"])
def test_a_download_has_an_address_whatever_its_generator_is_called(tmp_path, name):
    path = write_pool_zip(generators.load("dcgan-mnist-32"), name, tmp_path, count=1)
    assert path.parent == tmp_path
    assert path.is_file()
    assert (
        urllib.parse.unquote(urllib.parse.urlsplit(f"downloads/token/{path.name}").path)
        == f"downloads/token/{path.name}"
    )
    assert path.name == html.escape(path.name)
