"""Exporting synthetic images as files."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
import unicodedata

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.datasets import ImageFolder

from gan_augment import SyntheticPool, Upscaler, from_pretrained
from gan_augment.cli import main
from gan_augment.models import SRGAN, SRGANConfig
from gan_augment.synthesis import UpscaledSource, export_images
from gan_augment.synthesis._export import CHUNK, _folder_names

from ..core.disks import enlarge, small_disk, small_files


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


def test_every_row_of_the_manifest_names_a_file_and_says_that_it_is_synthetic(tmp_path):
    export_images(Grey(3, ["a/b", "caf\u00e9", "\u2028"]), tmp_path / "out", 7, seed=3)
    lines = (tmp_path / "out" / "metadata.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines[:-1]]
    assert lines[-1] == ""
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert {row["file_name"] for row in rows} == files
    assert [row["label"] for row in rows] == [0, 1, 2, 0, 1, 2, 0]
    assert {(row["label"], row["class_name"]) for row in rows} == {(0, "a/b"), (1, "caf\u00e9"), (2, "\u2028")}
    assert all((row["synthetic"], row["source"], row["seed"]) == (True, "Grey", 3) for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [0, 3])
def test_hugging_face_reads_the_folder_with_its_manifest(classes, tmp_path):
    datasets = pytest.importorskip("datasets")
    files = export_images(Grey(classes), tmp_path / "out", 7, seed=3)
    code = f"""if True:
        import json, datasets
        data = datasets.load_dataset("imagefolder", data_dir={str(tmp_path / "out")!r}, split="train")
        print(json.dumps([{{**row, "image": row["image"].getpixel((0, 0)), "mark": row["image"].info["Synthetic"]}}
                          for row in data]))
    """
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", code], env=offline, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = sorted(json.loads(done.stdout), key=lambda row: row["image"])
    assert [row.pop("image") for row in found] == sorted(pixels(files))
    for index, row in enumerate(found):
        expected = {"synthetic": True, "source": "Grey", "seed": 3, "mark": "true"}
        expected |= {"label": index % 3, "class_name": str(index % 3)} if classes else {}
        assert row == expected
    assert datasets.__version__


def test_a_pool_is_written_with_every_image_once(tmp_path):
    images = torch.arange(300, dtype=torch.int64).to(torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4)
    pool = SyntheticPool(images, torch.arange(300) % 2, class_names=["a", "b"])
    files = export_images(pool, tmp_path / "out")
    assert pixels(files) == [index % 256 for index in range(300)]
    assert [file.parent.name for file in files] == ["a", "b"] * 150
    with pytest.raises(ValueError, match="only a pool can be written without n"):
        export_images(Grey(), tmp_path / "other")


def test_class_names_become_folders_inside_the_given_one(tmp_path):
    pool = SyntheticPool(
        torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), class_names=["../cat", "red/blue"]
    )
    files = export_images(pool, tmp_path / "out", 2)
    assert {file.parent.parent for file in files} == {tmp_path / "out"}
    assert {file.parent.name for file in files} == {"-cat", "red-blue"}


class Grey:
    """Images whose value is the lower byte of the seed plus the index, with a given number of classes."""

    def __init__(self, num_classes=0, class_names=None):
        self.num_classes, self.class_names, self.calls = num_classes, class_names, []

    def sample(self, n, labels=None, *, seed=None):
        self.calls.append(n)
        values = (torch.arange(n) + seed) % 256
        return values.to(torch.uint8)[:, None, None, None].expand(n, 1, 4, 4)


def pixels(files):
    return [int(np.asarray(Image.open(file))[0, 0]) for file in files]


def test_classes_with_equal_folder_names_get_different_folders(tmp_path):
    files = export_images(Grey(5, ["a/b", "a-b", "Cat", "cat", "dog"]), tmp_path / "out", 5)
    assert [file.parent.name for file in files] == ["a-b-0", "a-b-1", "Cat-2", "cat-3", "dog"]
    files = export_images(Grey(3, ["a/b", "a-b", "a-b-0"]), tmp_path / "again", 3)
    assert len({file.parent for file in files}) == 3


@given(st.lists(st.text("aA-/é\u0301e01 .", max_size=6), min_size=1, max_size=12))
def test_folder_names_differ_even_if_case_is_ignored(names):
    folders = _folder_names(Grey(len(names), names))
    assert len({unicodedata.normalize("NFC", folder).casefold() for folder in folders}) == len(names)
    assert all(folder not in ("", ".", "..") and "/" not in folder for folder in folders)
    assert folders == _folder_names(Grey(len(names), names))


def test_folders_of_numbered_classes_sort_as_the_numbers(tmp_path):
    export_images(Grey(12), tmp_path / "out", 24)
    data = ImageFolder(tmp_path / "out")
    assert [int(name) for name in data.classes] == list(range(12))


def test_many_images_are_drawn_in_parts_and_the_first_are_those_of_a_few(tmp_path):
    source, n = Grey(3), 2 * CHUNK + 5
    many = pixels(export_images(source, tmp_path / "many", n, seed=7))
    assert source.calls == [CHUNK, CHUNK, 5]
    assert many == pixels(export_images(Grey(3), tmp_path / "again", n, seed=7))
    assert many[:CHUNK] == pixels(export_images(Grey(3), tmp_path / "few", CHUNK, seed=7))
    assert many[CHUNK : CHUNK + 5] != many[:5]
    assert many[2 * CHUNK :] not in (many[:5], many[CHUNK : CHUNK + 5])


def test_later_parts_are_of_the_classes_asked_for(tmp_path):
    labels = [0] * CHUNK + [1, 2, 1]
    values = torch.tensor([10, 20, 30], dtype=torch.uint8)[:, None, None, None].expand(3, 3, 8, 8)
    pool = SyntheticPool(values, torch.arange(3))
    files = export_images(pool, tmp_path / "out", len(labels), labels=labels)
    assert [int(file.parent.name) for file in files] == labels
    assert [int(np.asarray(Image.open(file))[0, 0, 0]) for file in files[-3:]] == [20, 30, 20]


def test_a_class_that_the_source_cannot_make_is_refused_before_anything_is_written(tmp_path):
    pool = SyntheticPool(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 2]))
    with pytest.raises(ValueError, match=r"that the source can make, but got \[1\]"):
        export_images(pool, tmp_path / "out", CHUNK + 1, labels=[0] * CHUNK + [1])
    assert not (tmp_path / "out").exists()


def test_the_mark_names_what_enlarged_the_images(tmp_path):
    upscaler = Upscaler(SRGAN(SRGANConfig(scale=2, width=4, blocks=1)), name="faces-2x")
    source = UpscaledSource("dcgan-mnist-32", upscaler)
    for number, (each, words) in enumerate(
        [(source, ", enlarged 2 x by faces-2x"), (UpscaledSource(source, upscaler), ", enlarged 2 x by faces-2x" * 2)]
    ):
        with Image.open(export_images(each, tmp_path / str(number), 1, seed=3)[0]) as picture:
            assert picture.text["Source"] == f"dcgan-mnist-32{words}, seed 3"


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="must be new or empty"):
        export_images("dcgan-mnist-32", tmp_path, 2)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command_samples_and_enlarges(tmp_path, capsys):
    from gan_augment.hub import save_upscaler

    save_upscaler(SRGAN(SRGANConfig(width=8, blocks=1)), tmp_path / "x2")
    arguments = ["sample", "dcgan-mnist-32", "--n", "3", "--label", "7", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--upscale", str(tmp_path / "x2")]) == 0
    files = list((tmp_path / "out" / "7").iterdir())
    assert len(files) == 3
    with Image.open(files[0]) as picture:
        assert picture.size == (64, 64)
    assert main(["sample", "dcgan-mnist-32", "--n", "0", "--out", str(tmp_path / "none")]) == 2
    assert "n must be at least 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CON", "-CON"),
        ("nul.txt", "-nul.txt"),
        ("Com1.tar.gz", "-Com1.tar.gz"),
        ("LPT\u00b2", "-LPT\u00b2"),
        ("aux .x", "-aux .x"),
        ("console", "console"),
        ("COM10", "COM10"),
        ("dots...", "dots"),
        ("space ", "space"),
        ('<>:"|?*', "-------"),
        ("bell\x07\u202ex", "bell--x"),
        ("", "-"),
        ("x" * 300, "x" * 100),
        ("\u00e4" * 300, "\u00e4" * 50),
    ],
)
def test_names_that_windows_forbids_are_changed(name, expected, tmp_path):
    (file,) = export_images(Grey(1, [name]), tmp_path / "out", 1)
    assert file.parent.name == expected
    assert file.is_file()


@pytest.mark.parametrize(
    ("names", "error"),
    [(["a", "b"], ValueError), (["a", "b", "c", "d"], ValueError), ({"b": 1, "a": 0, "c": 2}, TypeError)],
)
def test_names_that_are_not_those_of_the_classes_are_refused(names, error, tmp_path):
    with pytest.raises(error, match="class_names must be "):
        export_images(Grey(3, names), tmp_path / "out", 3)
    assert not (tmp_path / "out").exists()


def test_changed_names_still_differ():
    long = "x" * 300
    names = ["CON", "-CON", "con", long + "a", long + "b", long, "nul", "-nul-6", "a.", "a"]
    folders = _folder_names(Grey(len(names), names))
    assert len({folder.casefold() for folder in folders}) == len(names)
    assert all(len(folder.encode()) <= 100 for folder in folders)
    assert not [folder for folder in folders if folder.partition(".")[0].casefold() in ("con", "nul")]


class Noise:
    """Images of noise, which PNG cannot compress: 16 KiB each."""

    num_classes = 0

    def sample(self, n, labels=None, *, seed=None):
        return torch.randint(0, 256, (n, 1, 128, 128), dtype=torch.uint8)


def test_a_full_disk_leaves_nothing_and_the_same_call_goes_on_when_there_is_room(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        with pytest.raises(
            OSError, match=r"out needs more space than is left, but there is not enough space [^\n]*\.$"
        ) as caught:
            export_images(Noise(), disk / "out", 10)
        assert caught.value.errno == errno.ENOSPC
        assert list(disk.iterdir()) == []
        enlarge(disk, "1m")
        assert len(export_images(Noise(), disk / "out", 10)) == 10
        assert len(list(disk.rglob("*.png"))) == 10


def test_a_full_disk_ends_the_command_in_one_sentence(tmp_path, capsys):
    with small_files(100):
        assert main(["sample", "dcgan-mnist-32", "--out", str(tmp_path / "out"), "--n", "3"]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(
        r"gan-augment: \S+out needs more space than is left, but there is not enough space [^\n]*\.\n", said
    )
    assert list(tmp_path.iterdir()) == []


def test_a_killed_export_does_not_disturb_the_next_one(tmp_path):
    for delay in (0.0, 0.02, 0.05, 0.1):
        child = os.fork()
        if child == 0:
            export_images(Grey(), tmp_path / "out", 10**5)
            os._exit(0)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        assert not (tmp_path / "out").exists()
    files = export_images(Grey(), tmp_path / "out", 3)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "out", *files, tmp_path / "out" / "metadata.jsonl"]
