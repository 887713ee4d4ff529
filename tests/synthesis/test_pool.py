import copy
import json
import multiprocessing
import pickle
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import Generator, GeneratorConfig, Geometry, Source, SyntheticPool, UpscaledSource, Upscaler
from gan_augment.hub import resolve_name
from gan_augment.models import Card


def images_of(*values):
    return torch.tensor(values, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4).clone()


def all_of(pool):
    return pool.rows(torch.arange(len(pool)))


@pytest.fixture
def pool():
    return SyntheticPool(
        images_of(5, 0, 1, 15, 10),
        torch.tensor([2, 0, 0, 2, 2]),
        num_classes=4,
        geometry=Geometry("pad", (3, 2)),
    )


@pytest.fixture
def folder(pool, tmp_path):
    pool.save(tmp_path / "pool")
    return tmp_path / "pool"


def test_a_pool_is_a_sequence_of_images_and_classes(pool):
    assert len(pool) == 5
    image, label = pool[3]
    assert (image.shape, image.dtype, int(image[0, 0, 0]), label) == ((1, 4, 4), torch.uint8, 15, 2)
    assert pool[-1][1] == 2
    assert torch.equal(pool[-5][0], pool[0][0])
    assert [label for _, label in pool] == [2, 0, 0, 2, 2]


@pytest.mark.parametrize("index", [5, -6, 10**9])
def test_an_index_beyond_the_pool_is_an_index_error(pool, index):
    with pytest.raises(IndexError, match="index must be below 5"):
        pool[index]


def test_a_pool_without_labels_gives_images():
    pool = SyntheticPool(images_of(1, 2))
    assert isinstance(pool[0], torch.Tensor)
    assert pool.num_classes == 0
    assert pool.class_indices == ()


def test_writing_to_an_image_does_not_change_the_pool(folder):
    for pool in (SyntheticPool(images_of(5, 0)), SyntheticPool.load(folder)):
        pool.rows(torch.tensor([0])).fill_(99)
        pool.sample(3, 0 if pool.num_classes else None, seed=0).fill_(99)
        item = pool[0]
        (item if isinstance(item, torch.Tensor) else item[0]).fill_(99)
        assert int(pool.rows(torch.tensor([0])).max()) == 5


@pytest.mark.parametrize(
    ("images", "labels", "classes", "message"),
    [
        (torch.zeros(2, 1, 4, 4), None, None, "images must be uint8"),
        (torch.zeros(2, 2, 4, 4, dtype=torch.uint8), None, None, "images must be uint8"),
        (torch.zeros(2, 4, 4, dtype=torch.uint8), None, None, "images must be uint8"),
        (torch.zeros(0, 1, 4, 4, dtype=torch.uint8), None, None, "with n above 0"),
        (images_of(1, 2), torch.tensor([0]), None, "labels must have shape"),
        (images_of(1, 2), torch.tensor([0.0, 1.0]), None, "labels must be integers"),
        (images_of(1, 2), torch.tensor([0, 2]), 2, "labels must be between 0 and 1, but got 2"),
        (images_of(1, 2), torch.tensor([-1, 2]), None, "labels must be between 0"),
        (images_of(1, 2), None, 3, "must have labels if it has classes"),
        (images_of(1, 2), torch.tensor([0, 1]), 0, "must have labels if it has classes"),
    ],
)
def test_bad_pools_are_refused(images, labels, classes, message):
    with pytest.raises(ValueError, match=message):
        SyntheticPool(images, labels, num_classes=classes)


@pytest.mark.parametrize("count", [10**5, 10**12, 10**30])
def test_more_classes_than_a_generator_can_have_are_refused_before_they_are_counted(count):
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match=f"at most 10,000 classes, but got {count:,}"):
        SyntheticPool(images, torch.tensor([0, 1]), num_classes=count)
    if count < 2**63:
        with pytest.raises(ValueError, match=f"at most 10,000 classes, but got {count + 1:,}"):
            SyntheticPool(images, torch.tensor([0, count]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_indices_of_a_class_are_those_of_its_images(labels):
    pool = SyntheticPool(torch.zeros(len(labels), 1, 1, 1, dtype=torch.uint8), torch.tensor(labels), num_classes=6)
    for label in range(6):
        assert sorted(pool.indices_of(label).tolist()) == [i for i, other in enumerate(labels) if other == label]
    assert pool.class_indices == tuple(sorted(set(labels)))


@pytest.mark.parametrize("label", [-1, 4])
def test_indices_of_an_unknown_class_are_refused(pool, label):
    with pytest.raises(ValueError, match="label must be between 0 and 3"):
        pool.indices_of(label)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from((0, 2)), max_size=30), st.integers(0, 2**63 - 1))
def test_a_sample_has_the_labels_and_depends_only_on_the_seed(labels, seed):
    pool = SyntheticPool(images_of(5, 0, 1, 15, 10), torch.tensor([2, 0, 0, 2, 2]), num_classes=4)
    images = pool.sample(len(labels), torch.tensor(labels, dtype=torch.int64), seed=seed)
    assert images.shape == (len(labels), 1, 4, 4)
    assert all(int(value) in {0: (0, 1), 2: (5, 10, 15)}[label] for value, label in zip(images[:, 0, 0, 0], labels))
    assert torch.equal(pool.sample(len(labels), torch.tensor(labels, dtype=torch.int64), seed=seed), images)


def test_a_sample_reaches_every_image_about_equally(pool):
    values = pool.sample(3000, 2, seed=0)[:, 0, 0, 0]
    counts = torch.bincount(values.long())[[5, 10, 15]]
    assert int(counts.sum()) == 3000
    assert int(counts.min()) > 900


def test_a_sample_without_a_seed_follows_torch(pool):
    torch.manual_seed(3)
    first = pool.sample(50)
    torch.manual_seed(3)
    assert torch.equal(pool.sample(50), first)
    assert not torch.equal(pool.sample(50), first)


def test_a_class_without_images_in_the_pool_is_refused(pool):
    with pytest.raises(ValueError, match="none of 3"):
        pool.sample(2, [2, 3], seed=0)
    with pytest.raises(ValueError, match="between 0 and 3"):
        pool.sample(2, [2, 4], seed=0)


def test_labels_default_to_the_classes_in_turn(tiny):
    pool = SyntheticPool.generate(tiny, 7, progress=False)
    assert pool.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert (pool.num_classes, pool.image_shape) == (3, (1, 16, 16))


@pytest.mark.parametrize(("labels", "expected"), [(1, [1] * 4), ([2, 2, 0, 1], [2, 2, 0, 1])])
def test_labels_are_the_given_ones(tiny, labels, expected):
    assert SyntheticPool.generate(tiny, 4, labels=labels, progress=False).labels.tolist() == expected


def test_each_image_is_of_its_label():
    class Shows:
        num_classes = 9

        def sample(self, n, labels=None, *, seed=None):
            return labels.to(torch.uint8)[:, None, None, None].expand(n, 3, 4, 4)

    labels = [8, 0, 3, 3, 7, 1, 0]
    pool = SyntheticPool.generate(Shows(), 7, labels=labels, batch_size=3, progress=False)
    assert all_of(pool)[:, 0, 0, 0].tolist() == labels


def test_a_pool_of_a_mapping_has_its_classes_only(tiny):
    blank = SyntheticPool(torch.zeros(1, 1, 16, 16).byte(), geometry=Geometry("resize"))
    pool = SyntheticPool.generate({1: tiny, 5: blank}, 4, progress=False)
    assert pool.labels.tolist() == [1, 5, 1, 5]
    assert pool.class_indices == (1, 5)


def test_a_class_that_a_mapping_does_not_have_is_refused_by_number(tiny):
    blank = SyntheticPool(torch.zeros(1, 1, 16, 16).byte(), geometry=Geometry("resize"))
    with pytest.raises(ValueError, match="5"):
        SyntheticPool.generate({0: tiny, 2: tiny, 7: blank}, 4, labels=5, progress=False)


def test_a_pool_can_be_made_of_a_pool(pool):
    again = SyntheticPool.generate(pool, 6, labels=2, progress=False)
    assert set(all_of(again)[:, 0, 0, 0].tolist()) <= {5, 10, 15}
    assert again.geometry == pool.geometry


def test_a_pool_is_a_function_of_the_seed(tiny):
    first, second, other = (all_of(SyntheticPool.generate(tiny, 20, seed=s, progress=False)) for s in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    torch.manual_seed(0)
    third = SyntheticPool.generate(tiny, 20, seed=None, progress=False)
    torch.manual_seed(0)
    assert torch.equal(all_of(third), all_of(SyntheticPool.generate(tiny, 20, seed=None, progress=False)))


def test_no_image_of_a_pool_is_drawn_twice(tiny):
    pool = SyntheticPool.generate(tiny, 60, labels=0, batch_size=7, progress=False)
    assert len({image.numpy().tobytes() for image in all_of(pool)}) == 60


def test_generating_leaves_the_generator_and_the_global_state_alone(tiny):
    tiny.train()
    before = torch.get_rng_state()
    try:
        SyntheticPool.generate(tiny, 5, device="cpu", progress=False)
        assert tiny.training
    finally:
        tiny.eval()
    assert torch.equal(torch.get_rng_state(), before)


def test_generators_draw_on_the_device_also_in_a_mapping_and_enlarged():
    where, cpu, other = [], torch.device("cpu"), torch.device("meta")

    class Moves(Source):
        device = cpu

        def sample(self, n, labels=None, *, seed=None):
            where.append(self.device)
            return torch.zeros(n, 1, 4, 4, dtype=torch.uint8)

        def to(self, device):
            self.device = torch.device(device)
            return self

    class Stays(Source):
        def sample(self, n, labels=None, *, seed=None):
            return torch.zeros(n, 1, 4, 4, dtype=torch.uint8)

        def __deepcopy__(self, memo):
            raise AssertionError("it was copied")

    mapping = {0: Moves(), 2: Stays(), 5: {3: Moves(), 5: Moves()}}
    for source in (Moves(), mapping, UpscaledSource(mapping, Upscaler(torch.nn.Upsample(scale_factor=2)))):
        where.clear()
        SyntheticPool.generate(source, 6, device="meta", progress=False)
        assert set(where) == {other}
        SyntheticPool.generate(source, 6, progress=False)
        assert where[-1] == cpu, "the source itself was moved"
    SyntheticPool.generate(Stays(), 6, device="meta", progress=False)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"size": 0}, ValueError, "size must be at least 1"),
        ({"size": -3}, ValueError, "size must be at least 1"),
        ({"size": 2.5}, TypeError, "size must be an int"),
        ({"size": 2, "batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"size": 2, "labels": [0]}, ValueError, "labels must have shape"),
        ({"size": 2, "labels": 3}, ValueError, "labels must be between 0 and 2"),
        ({"size": 2, "seed": -1}, ValueError, "seed must be at least 0"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(tiny, arguments, error, message):
    with pytest.raises(error, match=message):
        SyntheticPool.generate(tiny, **arguments, progress=False)


def same(one, other):
    assert torch.equal(all_of(one), all_of(other))
    assert (one.labels is None) == (other.labels is None)
    assert one.labels is None or torch.equal(one.labels, other.labels)
    assert (one.num_classes, one.geometry, one.info) == (other.num_classes, other.geometry, other.info)


def test_a_pool_is_the_same_after_saving_and_loading(pool, folder):
    loaded = SyntheticPool.load(folder)
    same(loaded, pool)
    assert torch.equal(loaded.sample(9, 2, seed=0), pool.sample(9, 2, seed=0))
    assert "in memory" in repr(pool)
    assert str(folder) in repr(loaded)


def test_a_pool_without_classes_is_the_same_after_saving_and_loading(tmp_path):
    pool = SyntheticPool(torch.randint(0, 256, (3, 3, 5, 6), dtype=torch.uint8))
    pool.save(str(tmp_path / "deep" / "pool"))
    same(SyntheticPool.load(str(tmp_path / "deep" / "pool")), pool)
    assert not (tmp_path / "deep" / "pool" / "labels.npy").exists()


def test_a_loaded_pool_is_mapped_and_not_read(tmp_path):
    SyntheticPool(torch.zeros(100, 3, 256, 256, dtype=torch.uint8)).save(tmp_path / "pool")
    tracemalloc.start()
    loaded = SyntheticPool.load(tmp_path / "pool")
    assert loaded[99].shape == (3, 256, 256)
    assert tracemalloc.get_traced_memory()[1] < 2**21
    tracemalloc.stop()


def test_a_pool_written_while_it_is_generated_equals_one_in_memory(tiny, tmp_path):
    def keep(images, labels):
        return images[:, 0, 0, 0] % 2 == 0

    options = {"keep": keep, "batch_size": 8, "seed": 5, "progress": False}
    written = SyntheticPool.generate(tiny, 20, out=tmp_path / "pool", **options)
    same(written, SyntheticPool.generate(tiny, 20, **options))
    same(SyntheticPool.load(tmp_path / "pool"), written)
    assert 0 < written.info.acceptance < 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pool"]


def test_a_pool_says_that_it_is_synthetic(folder):
    assert json.loads((folder / "pool.json").read_text())["synthetic"] is True


def test_an_empty_folder_may_be_written_to(pool, tmp_path):
    (tmp_path / "empty").mkdir()
    pool.save(tmp_path / "empty")
    same(SyntheticPool.load(tmp_path / "empty"), pool)


def test_a_folder_that_holds_something_is_refused_and_left_alone(pool, tiny, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for write in (pool.save, lambda out: SyntheticPool.generate(tiny, 4, out=out, progress=False)):
        with pytest.raises(ValueError, match="new or empty folder"):
            write(tmp_path)
        with pytest.raises(ValueError, match="new or empty folder"):
            write(tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("exists", [False, True])
def test_a_source_that_fails_midway_leaves_nothing_half_written(tmp_path, error, exists):
    class Fails:
        calls = 0

        def sample(self, n, labels=None, *, seed=None):
            self.calls += 1
            if self.calls == 4:
                raise error("out of luck")
            return torch.zeros(n, 1, 4, 4, dtype=torch.uint8)

    out = tmp_path / "pool"
    if exists:
        out.mkdir()
    with pytest.raises(error, match="out of luck"):
        SyntheticPool.generate(Fails(), 100, batch_size=10, out=out, progress=False)
    assert list(tmp_path.iterdir()) == ([out] if exists else [])
    assert not exists or list(out.iterdir()) == []


def test_a_source_that_changes_its_shape_midway_is_refused():
    class Changes:
        side = 3

        def sample(self, n, labels=None, *, seed=None):
            self.side += 1
            return torch.zeros(n, 1, self.side, self.side)

    with pytest.raises(ValueError, match="images of the same shape"):
        SyntheticPool.generate(Changes(), 4, progress=False)


def test_a_loaded_pool_is_pickled_as_its_folder(tmp_path):
    n = 50_000
    SyntheticPool(torch.zeros(n, 1, 2, 2, dtype=torch.uint8), torch.arange(n) % 10).save(tmp_path / "pool")
    loaded = SyntheticPool.load(tmp_path / "pool")
    data = pickle.dumps(loaded)
    same(pickle.loads(data), loaded)
    assert len(data) < 100_000


def test_a_pool_in_memory_is_pickled_whole(pool):
    again = pickle.loads(pickle.dumps(pool))
    same(again, pool)
    assert torch.equal(again.sample(4, 2, seed=1), pool.sample(4, 2, seed=1))


def test_a_pickled_pool_does_not_depend_on_the_working_directory(pool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pool.save("pool")
    data = pickle.dumps(SyntheticPool.load("pool"))
    monkeypatch.chdir("/")
    same(pickle.loads(data), pool)


@pytest.mark.slow
def test_a_loaded_pool_works_in_a_spawned_process(pool, folder):
    with multiprocessing.get_context("spawn").Pool(1) as workers:
        images = workers.apply(SyntheticPool.sample, (SyntheticPool.load(folder), 6, 2), {"seed": 4})
    assert torch.equal(images, pool.sample(6, 2, seed=4))


@pytest.mark.parametrize("name", ["pool.json", "images.npy", "labels.npy"])
def test_a_missing_file_of_a_pool_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        SyntheticPool.load(folder)


@pytest.mark.parametrize("name", ["pool.json", "images.npy", "labels.npy"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_truncated_file_of_a_pool_is_named(tmp_path_factory, name, data):
    folder = tmp_path_factory.mktemp("t") / "pool"
    SyntheticPool(images_of(5, 0, 1), torch.tensor([2, 0, 0])).save(folder)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: data.draw(st.integers(0, len(whole) - 3))])
    with pytest.raises(ValueError, match=name):
        SyntheticPool.load(folder)


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, 127), value=st.integers(0, 255))
def test_a_damaged_header_is_refused_by_name_or_means_the_same(tmp_path_factory, place, value):
    folder = tmp_path_factory.mktemp("h") / "pool"
    SyntheticPool(images_of(5, 0, 1), torch.tensor([2, 0, 0])).save(folder)
    whole = bytearray((folder / "images.npy").read_bytes())
    whole[place] = value
    (folder / "images.npy").write_bytes(whole)
    try:
        loaded = SyntheticPool.load(folder)
    except ValueError as error:
        assert "images.npy" in str(error)  # noqa: PT017 - it may also load
    else:
        assert loaded.image_shape == (1, 4, 4)


def edit(folder, change):
    description = json.loads((folder / "pool.json").read_text())
    change(description)
    (folder / "pool.json").write_text(json.dumps(description))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("format"),
        lambda d: d.pop("shape"),
        lambda d: d.pop("geometry"),
        lambda d: d.pop("seed"),
        lambda d: d.update(format=2),
        lambda d: d.update(shape=[5, 1, 4]),
        lambda d: d.update(shape=[4, 1, 4, 4]),
        lambda d: d.update(shape=[5, 1, -4, -4]),
        lambda d: d.update(shape=3),
        lambda d: d.update(shape=[float("inf"), 1, 4, 4]),
        lambda d: d.update(shape=[float("nan"), 1, 4, 4]),
        lambda d: d.update(num_classes="many"),
        lambda d: d.update(num_classes=-1),
        lambda d: d.update(num_classes=2),
        lambda d: d.update(num_classes=10**13),
        lambda d: d.update(geometry=3),
        lambda d: d["geometry"].update(resize_mode="stretch"),
        lambda d: d["geometry"].update(source_size=[1]),
        lambda d: d["geometry"].update(source_size=[0, -3]),
        lambda d: d.update(acceptance="most"),
        lambda d: d.update(source=3),
    ],
)
def test_a_wrong_description_is_refused_by_name(folder, change):
    edit(folder, change)
    with pytest.raises(ValueError, match=r"pool\.json|images\.npy|labels\.npy"):
        SyntheticPool.load(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\xff", " " * (2**20 + 1)])
def test_a_description_must_be_a_mapping(folder, text):
    (folder / "pool.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"pool\.json must describe a pool"):
        SyntheticPool.load(folder)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
def test_an_array_of_objects_is_never_unpickled(folder, tmp_path, name):
    trap = tmp_path / "sprung"
    np.save(folder / name, np.array([Trap(trap)] * 5, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=name):
        SyntheticPool.load(folder)
    (folder / name).write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(ValueError, match=name):
        SyntheticPool.load(folder)
    assert not trap.exists()


@pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
def test_an_archive_in_place_of_an_array_is_refused(folder, name):
    np.savez(folder / "x.npz", a=np.zeros(3))
    shutil.move(folder / "x.npz", folder / name)
    with pytest.raises(ValueError, match=name):
        SyntheticPool.load(folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:60])
    with pytest.raises(ValueError, match=name):
        SyntheticPool.load(folder)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("images.npy", np.zeros((5, 1, 4, 4), dtype=np.int8)),
        ("images.npy", np.zeros((5, 1, 4, 5), dtype=np.uint8)),
        ("images.npy", np.zeros((5, 4, 4), dtype=np.uint8)),
        ("labels.npy", np.zeros(5, dtype=np.int32)),
        ("labels.npy", np.zeros(4, dtype=np.int64)),
        ("labels.npy", np.full(5, 4)),
        ("labels.npy", np.full(5, -1)),
    ],
)
def test_an_array_of_other_shape_type_or_values_is_refused_by_name(folder, name, array):
    np.save(folder / name, array)
    with pytest.raises(ValueError, match=name):
        SyntheticPool.load(folder)


def test_a_pool_of_two_channels_is_refused_by_name(folder):
    np.save(folder / "images.npy", np.zeros((5, 2, 4, 4), dtype=np.uint8))
    edit(folder, lambda description: description.update(shape=[5, 2, 4, 4]))
    with pytest.raises(ValueError, match=r"pool\.json|images\.npy"):
        SyntheticPool.load(folder)


def test_the_folder_of_a_pool_is_a_source(pool, folder):
    assert resolve_name(folder) == folder
    again = SyntheticPool.generate(folder, 4, labels=2, progress=False)
    assert set(all_of(again)[:, 0, 0, 0].tolist()) <= {5, 10, 15}


def test_a_source_of_cropped_images_gives_crops():
    generator = Generator(GeneratorConfig(image_size=16, channels=1, width=2, resize_mode="crop", source_size=(40, 56)))
    assert SyntheticPool.generate(generator, 4, progress=False, seed=0).sample(4, seed=0).shape == (4, 1, 16, 16)


PRINTS = torch.tensor([9, -4, 2**62, 9, 0])


def known(generator, *prints):
    """A copy of a generator with the fingerprints of its training images in its card."""
    generator = copy.deepcopy(generator)
    generator.card = Card("tested", fingerprints=torch.tensor(sorted(prints), dtype=torch.int64))
    return generator


def test_a_pool_knows_the_training_images_of_its_generator(tiny, tmp_path):
    source = known(tiny, 3, -7, 8)
    for pool in (
        SyntheticPool.generate(source, 4, progress=False),
        SyntheticPool.generate(source, 4, out=tmp_path / "pool", progress=False),
        SyntheticPool.generate(tmp_path / "pool", 2, progress=False),
        SyntheticPool.generate({0: source, 2: known(tiny, 3)}, 4, progress=False),
    ):
        assert pool.fingerprints.tolist() == [-7, 3, 8]


def test_a_pool_of_several_sources_knows_the_training_images_of_all_or_none(tiny):
    both = SyntheticPool.generate({0: known(tiny, 3), 1: known(tiny, 5, 3)}, 4, progress=False)
    assert both.fingerprints.tolist() == [3, 5]
    assert SyntheticPool.generate({0: known(tiny, 3), 1: tiny}, 4, progress=False).fingerprints is None
    assert SyntheticPool.generate(tiny, 4, progress=False).fingerprints is None


@settings(max_examples=25, deadline=None)
@given(prints=st.none() | st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_a_pool_keeps_its_fingerprints_in_its_folder_and_pickled(tmp_path_factory, prints):
    given_prints = None if prints is None else torch.tensor(prints, dtype=torch.int64)
    pool = SyntheticPool(images_of(5, 0), fingerprints=given_prints)
    folder = tmp_path_factory.mktemp("f") / "pool"
    pool.save(folder)
    loaded = SyntheticPool.load(folder)
    for each in (pool, loaded, pickle.loads(pickle.dumps(pool)), pickle.loads(pickle.dumps(loaded))):
        if prints is None:
            assert each.fingerprints is None
        else:
            assert each.fingerprints.tolist() == sorted(set(prints))
    assert (folder / "fingerprints.npy").exists() == (prints is not None)


@pytest.mark.parametrize(
    ("prints", "error"), [(torch.zeros(3), ValueError), (torch.zeros(1, 3).long(), ValueError), ([1, 2], TypeError)]
)
def test_bad_fingerprints_are_refused(prints, error):
    with pytest.raises(error, match="fingerprints must be"):
        SyntheticPool(images_of(5), fingerprints=prints)


@pytest.fixture
def remembering(tmp_path):
    SyntheticPool(images_of(5, 0), fingerprints=PRINTS).save(tmp_path / "remembering")
    return tmp_path / "remembering"


def test_a_folder_from_before_fingerprints_existed_still_loads(remembering):
    edit(remembering, lambda description: description.pop("fingerprints"))
    (remembering / "fingerprints.npy").unlink()
    assert SyntheticPool.load(remembering).fingerprints is None


@pytest.mark.parametrize("count", [3, 5, -1, 4.0, True, "4", 2**40])
def test_another_count_of_fingerprints_is_refused_by_name(remembering, count):
    edit(remembering, lambda description: description.update(fingerprints=count))
    with pytest.raises(ValueError, match=r"fingerprints\.npy|pool\.json"):
        SyntheticPool.load(remembering)


@pytest.mark.parametrize(
    "array", [np.zeros(4, np.int32), np.zeros((4, 1), np.int64), np.array([1, 2, 2, 3]), np.array([4, 3, 2, 1])]
)
def test_other_fingerprints_are_refused_by_name(remembering, array):
    np.save(remembering / "fingerprints.npy", array)
    with pytest.raises(ValueError, match=r"fingerprints\.npy"):
        SyntheticPool.load(remembering)


def test_missing_fingerprints_are_named(remembering):
    (remembering / "fingerprints.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"fingerprints\.npy"):
        SyntheticPool.load(remembering)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_truncated_fingerprints_are_refused_by_name(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("t") / "pool"
    SyntheticPool(images_of(5, 0), fingerprints=PRINTS).save(folder)
    whole = (folder / "fingerprints.npy").read_bytes()
    (folder / "fingerprints.npy").write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(ValueError, match=r"fingerprints\.npy"):
        SyntheticPool.load(folder)


def test_fingerprints_are_never_unpickled(remembering, tmp_path):
    trap = tmp_path / "sprung"
    np.save(remembering / "fingerprints.npy", np.array([Trap(trap)] * 4, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"fingerprints\.npy"):
        SyntheticPool.load(remembering)
    assert not trap.exists()
