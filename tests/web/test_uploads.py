"""Zip files of visitors: what is read, and what is refused in a sentence."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gan_augment.web import Limits
from gan_augment.web._uploads import SIDE, read_upload, safe_name

from .conftest import photos, png, write_zip


def test_images_of_one_size_keep_it_and_their_classes(tmp_path, limits):
    path = write_zip(tmp_path / "a.zip", {**photos(("ants", "bees"), 3), "ants/notes.txt": b"hello"})
    upload = read_upload(path, limits)
    assert upload.images.shape == (6, 1, 28, 28)
    assert upload.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert upload.class_names == ("ants", "bees")
    assert not upload.resized
    assert upload.sentence == "a.zip: 6 images of 28 px. Classes: ants (3), bees (3)."
    assert upload.notes == ("Skipped 1 entry of 'a.zip': 1 not readable as images (ants/notes.txt).",)


def test_larger_and_uneven_images_become_squares(tmp_path, limits):
    rng = np.random.default_rng(0)
    path = write_zip(tmp_path / "a.zip", {"x/0.png": png(rng, 100), "y/0.png": png(rng, 30)})
    upload = read_upload(path, limits)
    assert upload.images.shape == (2, 1, SIDE, SIDE)
    assert upload.resized
    assert "cropped and resized" in upload.sentence


def damaged(path):
    data = bytearray(write_zip(path, photos()).read_bytes())
    data[200:240] = bytes(40)
    path.write_bytes(data)


REFUSED = {
    "is no zip": (lambda path: path.write_bytes(b"text"), {}, "File is not a zip file"),
    "is empty": (lambda path: path.write_bytes(b""), {}, "File is not a zip file"),
    "has no images": (lambda path: write_zip(path, {"notes.txt": b"text"}), {}, "but holds none"),
    "has no classes": (lambda path: write_zip(path, {"1.png": png(np.random.default_rng(0))}), {}, "have no classes"),
    "has a text named as an image": (lambda path: write_zip(path, {**photos(), "0/x.png": b"text"}), {}, "0/x.png"),
    "is damaged": (damaged, {}, "must be an image, but"),
    "is a bomb": (
        lambda path: write_zip(path, {**photos(), "0/x.png": bytes(2**20)}),
        {"unpacked_bytes": 2**19},
        "524,288",
    ),
    "is large": (lambda path: write_zip(path, photos()), {"upload_bytes": 1000}, "at most 1,000 bytes"),
    "has many images": (lambda path: write_zip(path, photos()), {"images": 7}, "at most 7 images, but holds 8"),
    "has many entries": (lambda path: write_zip(path, photos()), {"entries": 7}, "at most 7 files"),
    "has many classes": (lambda path: write_zip(path, photos()), {"classes": 1}, "at most 1 classes, but holds 2"),
    "takes long": (lambda path: write_zip(path, photos()), {"reading_seconds": -1}, "only 0 of 8 were read"),
    "leads out": (lambda path: write_zip(path, {**photos(), "../x.png": b""}), {}, "outside the archive"),
}


@pytest.mark.parametrize(("make", "limits", "words"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_refused_is_named_without_its_folder(tmp_path, make, limits, words):
    path = tmp_path / "mine.zip"
    make(path)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read_upload(path, Limits(**limits))
    assert str(tmp_path) not in str(caught.value)
    assert str(caught.value).endswith("Drop a zip file with one folder of images for each class.")
    assert "data set" not in str(caught.value)


def test_another_kind_of_file_is_refused(tmp_path, limits):
    np.savez(tmp_path / "a.npz", images=torch.zeros(2, 8, 8).numpy())
    with pytest.raises(ValueError, match=r"must be a \.zip file, but got 'a\.npz'"):
        read_upload(tmp_path / "a.npz", limits)


@given(st.text())
def test_a_safe_name_is_one_part_of_a_path(name):
    safe = safe_name(name)
    assert re.fullmatch(r"[\w-]+(\.\w+)?", safe)
    assert len(safe) < 200
    assert safe_name(safe) == safe


def test_a_safe_name_keeps_the_suffix():
    assert safe_name("C:\\photos\\my cats.zip") == "my-cats.zip"
    assert safe_name(".zip") == "zip"
