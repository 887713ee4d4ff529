"""Exporting pools and samples as shards that many readers stream."""

import errno
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from gan_augment import SyntheticPool, from_pretrained
from gan_augment.cli import main
from gan_augment.synthesis import export_images, export_shards

from ..core.disks import enlarge, small_disk
from .shards import read_shard, served


class Noise:
    """Images of noise that depend on the seed, with a given number of classes."""

    def __init__(self, num_classes=0):
        self.num_classes = num_classes

    def sample(self, n, labels=None, *, seed=None):
        return torch.randint(0, 256, (n, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def digest(pixels):
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 300),
    images_per_shard=st.integers(1, 400),
    classes=st.integers(0, 6),
    labels=st.none() | st.lists(st.integers(0, 5), min_size=1),
)
@example(n=294, images_per_shard=98, classes=4, labels=[0, 1, 1, 1, 1, 1, 1, 2, 2, 1, 1, 0, 0, 3, 1])
def test_shards_hold_the_images_that_are_exported_as_files(n, images_per_shard, classes, labels):
    if labels is not None:  # of any counts, in any order
        labels = None if classes == 0 else [label % classes for label in (labels * n)[:n]]
    with tempfile.TemporaryDirectory() as folder:
        shards = export_shards(
            Noise(classes), Path(folder, "a"), n, labels=labels, seed=3, images_per_shard=images_per_shard
        )
        found = [read_shard(shard) for shard in shards]
        samples = {key: sample for shard in found for key, sample in shard.items()}
        assert list(samples) == [f"synthetic-{index:06}" for index in range(n)]
        sizes = [len(shard) for shard in found]
        assert max(sizes) <= images_per_shard
        assert max(sizes) - min(sizes) <= 1
        written = [int(sample["cls"]) for sample in samples.values()] if classes else None
        assert sorted(written or []) == sorted(labels or [index % classes for index in range(n if classes else 0)])
        for file in export_images(Noise(classes), Path(folder, "b"), n, labels=written, seed=3):
            with Image.open(file) as picture:
                assert (np.asarray(picture) == samples[f"synthetic-{file.stem}"]["png"]).all()
        for shard in found:  # the share of each class is that of the whole, in whole numbers
            for label in set(written or ()):
                share = written.count(label) * len(shard) / n
                assert abs(sum(int(sample["cls"]) == label for sample in shard.values()) - share) < 2


def test_every_sample_says_that_it_is_synthetic(tmp_path):
    (shard,) = export_shards("dcgan-mnist-32", tmp_path / "out", 12, seed=3)
    images = from_pretrained("dcgan-mnist-32").sample(12, seed=3)
    for index, (key, sample) in enumerate(read_shard(shard).items()):
        assert key == f"synthetic-{index:06}"
        assert int(sample["cls"]) == index % 10
        assert sample["text"]["Synthetic"] == "true"
        assert sample["text"]["Source"] == "dcgan-mnist-32, seed 3"
        assert (sample["png"] == images[index, 0].numpy()).all()
    about = (tmp_path / "out" / "README.md").read_text()
    assert "They are 12 images in 1 shards" in about
    assert "    dcgan-mnist-32, seed 3\n" in about


def test_a_pool_is_written_with_every_image_once_and_all_classes_in_each_shard(tmp_path):
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    images = torch.arange(100, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4)
    pool = SyntheticPool(images, labels, class_names=["cat", "dog", "emu"])
    pool.save(tmp_path / "pool")
    shards = export_shards(tmp_path / "pool", tmp_path / "out", images_per_shard=25)
    found = [list(read_shard(shard).values()) for shard in shards]
    assert [len(shard) for shard in found] == [25] * 4
    values = [int(sample["png"][0, 0]) for shard in found for sample in shard]
    assert sorted(values) == list(range(100))
    for sample in (sample for shard in found for sample in shard):
        assert int(sample["cls"]) == int(labels[int(sample["png"][0, 0])])
        assert sample["text"]["Source"] == "images"
    assert all({int(sample["cls"]) for sample in shard} == {0, 1, 2} for shard in found)
    assert "The classes are:\n\n    0: cat\n    1: dog\n    2: emu\n" in (tmp_path / "out" / "README.md").read_text()
    (drawn,) = export_shards(pool, tmp_path / "drawn", 7, labels=1)
    assert {sample["cls"] for sample in read_shard(drawn).values()} == {b"1"}


def test_a_pool_without_classes_keeps_its_order(tmp_path):
    images = torch.arange(9, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4)
    shards = export_shards(SyntheticPool(images), tmp_path / "out", images_per_shard=4)
    samples = [sample for shard in shards for sample in read_shard(shard).values()]
    assert [int(sample["png"][0, 0]) for sample in samples] == list(range(9))
    assert not any("cls" in sample for sample in samples)


def test_two_readers_over_http_see_every_image_once(tmp_path):
    pytest.importorskip("datasets", reason="datasets is in the extra dev")
    shards = export_shards(Noise(3), tmp_path / "out", 50, images_per_shard=9)
    expected = [
        f"{key} {int(sample['cls'])} {digest(sample['png'])}"
        for shard in shards
        for key, sample in read_shard(shard).items()
    ]
    with served(tmp_path / "out") as url:
        command = [sys.executable, "-m", "tests.synthesis.shards"]
        urls = [f"{url}/{shard.name}" for shard in shards]
        readers = [
            subprocess.Popen([*command, rank, "2", *urls], stdout=subprocess.PIPE, text=True) for rank in ("0", "1")
        ]
        first, second = (reader.communicate(timeout=120)[0].splitlines() for reader in readers)
    assert sorted(first + second) == expected
    assert (len(shards), len(first), len(second)) == (6, 25, 25)


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    first, second = (
        [shard.read_bytes() for shard in export_shards(Noise(2), tmp_path / name, 30, images_per_shard=9)]
        for name in ("a", "b")
    )
    assert first == second
    with tarfile.open(tmp_path / "a" / "pool-000000.tar") as tar:
        owners = {(member.mtime, member.uid, member.gid, member.uname, member.gname) for member in tar}
    assert owners == {(0, 0, 0, "", "")}


def test_wrong_requests_are_refused_before_anything_is_written(tmp_path):
    pool = SyntheticPool(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 2]))
    for source, options, words in [
        (Noise(), {}, "n must be the number of images, but got None; only a pool"),
        (Noise(), {"n": 0}, "n must be at least 1"),
        (Noise(), {"n": 3, "images_per_shard": 0}, "images_per_shard must be at least 1"),
        (pool, {"labels": 0}, "labels must be None if every image of a pool is written"),
        (pool, {"n": 3, "labels": [0, 1, 2]}, r"that the source can make, but got \[1\]"),
    ]:
        with pytest.raises(ValueError, match=words):
            export_shards(source, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="must be new or empty"):
        export_shards(pool, tmp_path)


def test_a_full_disk_leaves_no_shard(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        with pytest.raises(OSError, match="out needs more space than is left") as caught:
            export_shards(Noise(), disk / "out", 50, images_per_shard=5)
        assert caught.value.errno == errno.ENOSPC
        assert list(disk.iterdir()) == []
        enlarge(disk, "1m")
        assert len(export_shards(Noise(), disk / "out", 50, images_per_shard=5)) == 10


def test_the_command_writes_shards(tmp_path, capsys):
    SyntheticPool(torch.zeros(5, 1, 8, 8, dtype=torch.uint8)).save(tmp_path / "pool")
    assert main(["sample", str(tmp_path / "pool"), "--shards", "2", "--out", str(tmp_path / "out")]) == 0
    assert "3 shards in" in capsys.readouterr().out
    assert [len(read_shard(shard)) for shard in sorted((tmp_path / "out").glob("*.tar"))] == [1, 2, 2]
    assert main(["sample", "dcgan-mnist-32", "--shards", "50", "--out", str(tmp_path / "drawn")]) == 0
    assert [len(read_shard(shard)) for shard in sorted((tmp_path / "drawn").glob("*.tar"))] == [50, 50]
