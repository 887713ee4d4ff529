"""Pools whose folder is replaced, damaged or short of space while they are used or written."""

import json
import multiprocessing
import os
import pickle
import resource
import shutil
import signal
import subprocess

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from gan_augment import GANAugmentedDataset, SyntheticPool

REPLACED = r"The pool in .* was replaced by another after it was loaded; load it again\."


def pool_of(*values, classes=2):
    """A pool with a constant image for each value. Its class is the value modulo the number of classes."""
    values = torch.tensor(values)
    images = values.to(torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8).clone()
    return SyntheticPool(images, values % classes, num_classes=classes)


@pytest.fixture
def folder(tmp_path):
    pool_of(10, 11, 12, 13).save(tmp_path / "pool")
    return tmp_path / "pool"


def values(pool):
    return pool.rows(torch.arange(len(pool)))[:, 0, 0, 0].tolist()


def replace(folder, *others):
    shutil.rmtree(folder)
    pool_of(*others).save(folder)


def flip(path, place=-1):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


# Replaced and changed ------------------------------------------------------------------------------


def test_an_open_pool_keeps_its_images_when_another_takes_its_folder(folder):
    pool = SyntheticPool.load(folder)
    replace(folder, 21, 20, 23, 22)
    assert values(pool) == [10, 11, 12, 13]
    assert values(SyntheticPool.load(folder)) == [21, 20, 23, 22]


@pytest.mark.parametrize("name", ["num_classes", "geometry", "class_names", "rows", "sample", "anything"])
def test_a_child_process_says_what_is_wrong_with_a_pool_when_it_is_used(folder, name, monkeypatch):
    data = pickle.dumps(SyntheticPool.load(folder))
    replace(folder, 21, 20)
    with pytest.raises(ValueError, match=REPLACED):
        pickle.loads(data)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "a parent")
    pool = pickle.loads(data)
    assert isinstance(pool, SyntheticPool)
    for use in (lambda: getattr(pool, name), lambda: len(pool), lambda: pool[0]):
        with pytest.raises(ValueError, match=REPLACED):
            use()


def test_a_process_that_starts_later_refuses_a_replaced_pool(folder):
    real = TensorDataset(torch.zeros(8, 1, 8, 8, dtype=torch.uint8), torch.arange(8) % 2)
    pool = SyntheticPool.load(folder)
    sent = [pickle.dumps(pool), pickle.dumps(GANAugmentedDataset(real, pool, 0.2))]
    replace(folder, 21, 20, 23, 22)
    for data in sent:
        with pytest.raises(ValueError, match=REPLACED):
            pickle.loads(data)


@pytest.mark.slow
def test_workers_that_start_later_end_in_one_error(folder):
    real = TensorDataset(torch.zeros(8, 1, 8, 8, dtype=torch.uint8), torch.arange(8) % 2)
    data = GANAugmentedDataset(real, SyntheticPool.load(folder), 0.3)
    loader = DataLoader(data, 4, num_workers=1, multiprocessing_context="spawn")
    assert sum(len(labels) for _, labels in loader) == len(data)
    replace(folder, 21, 20, 23, 22)
    with pytest.raises(ValueError, match=REPLACED):
        list(loader)


def test_the_same_pool_in_another_file_is_the_same_pool(folder, tmp_path):
    data = pickle.dumps(SyntheticPool.load(folder))
    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(folder)
    os.replace(tmp_path / "copy", folder)
    assert values(pickle.loads(data)) == [10, 11, 12, 13]


def test_images_written_over_in_place_are_found(folder):
    pool, data = SyntheticPool.load(folder), pickle.dumps(SyntheticPool.load(folder))
    flip(folder / "images.npy")
    with pytest.raises(ValueError, match=r"images.npy must have the SHA-256 that pool.json lists"):
        pool.sample(2, 0, seed=0)
    with pytest.raises(ValueError, match=r"images.npy must have the SHA-256 that pool.json lists"):
        pickle.loads(data)


def test_truncated_images_are_an_error_and_not_a_crash(tmp_path):
    SyntheticPool(torch.zeros(100, 3, 64, 64, dtype=torch.uint8)).save(tmp_path / "pool")
    pool = SyntheticPool.load(tmp_path / "pool")
    os.truncate(tmp_path / "pool" / "images.npy", 5000)
    with pytest.raises(ValueError, match=r"images.npy was changed or replaced after the pool was loaded"):
        pool.rows(torch.tensor([99]))
    with pytest.raises(ValueError, match=r"images.npy must be a whole .npy file"):
        pickle.loads(pickle.dumps(pool))


def test_a_file_whose_time_alone_changed_is_the_same(folder):
    pool = SyntheticPool.load(folder)
    data = pickle.dumps(pool)
    os.utime(folder / "images.npy", (1, 1))
    assert values(pool) == values(pickle.loads(data)) == [10, 11, 12, 13]


def test_a_pool_of_an_older_version_loads_and_may_not_change(folder):
    description = json.loads((folder / "pool.json").read_text())
    del description["sha256"]
    (folder / "pool.json").write_text(json.dumps(description))
    pool = SyntheticPool.load(folder, verify=True)
    assert values(pickle.loads(pickle.dumps(pool))) == [10, 11, 12, 13]
    os.utime(folder / "images.npy", (1, 1))
    with pytest.raises(ValueError, match="changed or replaced after the pool was loaded"):
        pool.rows(torch.tensor([0]))


@pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
def test_a_flipped_bit_is_found_if_the_hash_is_checked(folder, name):
    SyntheticPool.load(folder, verify=True)
    flip(folder / name, -8)
    with pytest.raises(ValueError, match=rf"{name} must have the SHA-256 that pool.json lists, but has another"):
        SyntheticPool.load(folder, verify=True)


# What a folder holds -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "pool.json"])
def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path, name):
    os.replace(folder / name, tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} must lie in its folder, but is a link to .*; copy the file"):
        SyntheticPool.load(folder)


def test_a_link_to_a_folder_and_within_one_is_followed(folder, tmp_path):
    os.replace(folder / "images.npy", folder / "moved.npy")
    (folder / "images.npy").symlink_to("moved.npy")
    (tmp_path / "link").symlink_to(folder)
    assert values(SyntheticPool.load(tmp_path / "link")) == [10, 11, 12, 13]


@pytest.mark.parametrize(
    "names",
    [{"b": 1, "a": 0}, {"a", "b"}, 5, iter(["a", "b"]), "ab"],
    ids=["mapping", "set", "number", "iterator", "text"],
)
def test_class_names_without_an_order_are_refused(names):
    class Named:
        num_classes, class_names = 2, names

        def sample(self, n, labels=None, *, seed=None):
            return torch.zeros(n, 1, 8, 8, dtype=torch.uint8)

    with pytest.raises(TypeError, match="class_names must be a sequence of str"):
        SyntheticPool.generate(Named(), 2, progress=False)


@pytest.mark.parametrize(
    "change", [{"num_classes": 0}, {"sha256": []}, {"sha256": None}, {"sha256": {}}, {"fingerprints": 0}], ids=str
)
def test_a_description_that_contradicts_its_hashes_is_refused(folder, change):
    description = json.loads((folder / "pool.json").read_text())
    (folder / "pool.json").write_text(json.dumps({**description, **change}))
    with pytest.raises(ValueError, match=r"must describe a pool, but does not: .*its sha256"):
        SyntheticPool.load(folder)


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], []])
def test_class_names_of_another_count_are_refused(folder, names):
    class Named:
        num_classes, class_names = 2, names

        def sample(self, n, labels=None, *, seed=None):
            raise AssertionError("it was drawn from")

    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    words = rf"class_names (must be 2 names, one for each class, but got {len(names)}|are {len(names)}, not 2)"
    with pytest.raises(ValueError, match=words):
        SyntheticPool(images, torch.tensor([0, 1]), class_names=names)
    with pytest.raises(ValueError, match=words):
        SyntheticPool.generate(Named(), 2, progress=False)
    description = json.loads((folder / "pool.json").read_text())
    (folder / "pool.json").write_text(json.dumps({**description, "class_names": names}))
    with pytest.raises(ValueError, match=words):
        SyntheticPool.load(folder)


def test_class_names_must_be_text():
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    for names in ("ab", [1, 2]):
        with pytest.raises(TypeError, match="class_names must be a sequence of str"):
            SyntheticPool(images, torch.tensor([0, 1]), class_names=names)


# Space and signals ---------------------------------------------------------------------------------


@pytest.fixture(params=["disk", "limit"])
def small_disk(request, tmp_path):
    """A folder on a disk of 1 MB, or in which no file can be larger than that."""
    place = tmp_path / "disk"
    place.mkdir()
    if request.param == "limit":
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limits[1]))
        yield place
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        return
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a disk of 1 MB cannot be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_an_error_that_leaves_nothing(small_disk):
    pool = SyntheticPool(torch.zeros(500, 3, 32, 32, dtype=torch.uint8))
    for write in (pool.save, lambda out: SyntheticPool.generate(pool, 500, out=out, progress=False)):
        with pytest.raises(
            (OSError, ValueError), match=r"needs [\d,]+ bytes, but there is not enough space|takes [\d,]+ bytes"
        ):
            write(small_disk / "pool")
    assert list(small_disk.iterdir()) == []
    SyntheticPool(torch.zeros(50, 3, 32, 32, dtype=torch.uint8)).save(small_disk / "pool")
    assert len(SyntheticPool.load(small_disk / "pool", verify=True)) == 50


def test_a_disk_that_fills_up_meanwhile_is_an_error_that_leaves_nothing(small_disk, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")  # as on systems without it
    with pytest.raises(
        (OSError, ValueError), match=r"needs [\d,]+ bytes, but there is not enough space|takes [\d,]+ bytes"
    ):
        SyntheticPool(torch.zeros(500, 3, 32, 32, dtype=torch.uint8)).save(small_disk / "pool")
    assert list(small_disk.iterdir()) == []


def test_the_next_pool_removes_what_a_killed_one_left(tmp_path):
    class Kills:
        drawn = 0

        def sample(self, n, labels=None, *, seed=None):
            self.drawn += n
            if self.drawn > 20:
                os.kill(os.getpid(), signal.SIGKILL)
            return torch.zeros(n, 1, 8, 8, dtype=torch.uint8)

    child = os.fork()
    if child == 0:
        SyntheticPool.generate(Kills(), 100, batch_size=10, out=tmp_path / "pool", progress=False)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    pool_of(1, 2).save(tmp_path / "pool")
    assert [path.name for path in tmp_path.iterdir()] == ["pool"]


def test_images_may_come_in_any_order(tmp_path):
    def keep(images, labels):
        return torch.rand(len(images)) < 0.5

    class Counting:
        count = 0

        def sample(self, n, labels=None, *, seed=None):
            first, self.count = self.count, self.count + n
            return (torch.arange(first, first + n) % 251).to(torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8)

    drawn = []
    for out in (None, tmp_path / "pool"):
        torch.manual_seed(0)
        pool = SyntheticPool.generate(Counting(), 60, batch_size=7, keep=keep, out=out, progress=False)
        drawn.append(values(pool))
    assert drawn[0] == drawn[1]
    SyntheticPool.load(tmp_path / "pool", verify=True)
