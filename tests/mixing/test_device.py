"""Where a generator draws: on the device of the batch if it was given by name, where it is if it was passed."""

import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from gan_augment import Generator, Geometry, SyntheticMix, SyntheticPool

from .helpers import Collate, Marked, batch, pool, real, synthetic

LABELS = [0, 1, 2] * 4
CPU, FIRST, SECOND = torch.device("cpu"), torch.device("cuda:0"), torch.device("cuda:1")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture
def named(tmp_path, generator):
    """A folder that names a generator."""
    generator.save_pretrained(tmp_path / "generator")
    return str(tmp_path / "generator")


@pytest.fixture
def moves(monkeypatch):
    """Records where generators are moved, which then only claim to be there."""
    moved, really = [], Generator.to

    def to(self, device=None, **options):
        if device is None:
            return really(self, **options)
        moved.append(torch.device(device))
        self.device = moved[-1]
        return self

    monkeypatch.setattr(Generator, "to", to)
    return moved


def resized_pool():
    """A pool whose images came to their size as those of the generators did."""
    plain = pool()
    return SyntheticPool(plain.rows(torch.arange(len(plain))), plain.labels, geometry=Geometry("resize"))


def devices_of(mix, *devices):
    """Where the mix draws for batches on these devices, one after the other."""
    return [mix._sources.on(device).device for device in devices]


def test_a_named_generator_draws_on_the_device_of_each_batch(named, moves):
    mix = SyntheticMix(named)
    moves.clear()
    assert devices_of(mix, CPU, FIRST, SECOND, FIRST, CPU) == [CPU, FIRST, SECOND, FIRST, CPU]
    assert moves == [FIRST, SECOND], "it was moved again"
    assert mix.source.device == CPU, "workers that fork later could not draw"


def test_a_generator_that_was_passed_stays_where_it_is(generator, moves):
    mix = SyntheticMix(generator)
    assert mix._sources.on(FIRST) is generator
    assert moves == []


@pytest.mark.parametrize("by_name", [True, False])
def test_device_says_where_to_draw_and_moves_no_generator_of_the_user(by_name, named, generator, moves):
    mix = SyntheticMix(named if by_name else generator, device="cuda:1")
    moves.clear()
    assert devices_of(mix, CPU, FIRST, SECOND) == [SECOND] * 3
    assert moves == [SECOND]
    assert generator.device == CPU


def test_device_pins_a_named_generator_to_the_cpu(named, moves):
    mix = SyntheticMix(named, device="cpu")
    moves.clear()
    assert devices_of(mix, FIRST, CPU) == [CPU, CPU]
    assert moves == []


def test_a_mapping_moves_the_generators_that_it_names(named, generator, moves):
    given = {0: named, 1: generator, 2: resized_pool()}
    mix = SyntheticMix(given)
    given.clear()
    moves.clear()
    sources = mix._sources.on(FIRST).sources
    assert [sources[label].device for label in range(3)] == [FIRST, CPU, None]
    assert sources[1] is generator
    assert sources[2] is mix.source.sources[2]
    assert moves == [FIRST]


@pytest.mark.parametrize("source", [pool, Marked, lambda: {0: pool(), 1: pool(), 2: pool()}])
def test_a_source_without_a_device_is_drawn_from_as_it_is_and_takes_no_device(source):
    source = source()
    mix = SyntheticMix(source)
    assert type(mix._sources.on(FIRST)) is type(mix.source)
    with pytest.raises(ValueError, match="device must be None for a source that draws on no device, but got 'cuda'"):
        SyntheticMix(source, device="cuda")


def test_copies_on_other_devices_are_not_pickled(named, moves):
    mix = SyntheticMix(named)
    devices_of(mix, FIRST)
    moves.clear()
    other = pickle.loads(pickle.dumps(mix))
    assert devices_of(other, CPU, SECOND) == [CPU, SECOND]
    assert moves == [SECOND]


def test_copies_belong_to_no_model(named):
    model = nn.Sequential(SyntheticMix(named, device="meta"))
    model[0]._sources.on(CPU)
    assert list(model.parameters()) == []
    assert model.state_dict() == {}


def test_the_device_of_images_is_asked_for(named, monkeypatch):
    mix, asked = SyntheticMix(named, 1.0), []
    on = mix._sources.on
    monkeypatch.setattr(mix._sources, "on", lambda device: asked.append(device) or on(device))
    images, labels = batch(LABELS)
    for image in (images[0], tv_tensors.Image(images[0]), F.to_pil_image(images[0]), images[0].numpy()):
        mix(image, 1)
    mix(images, labels)
    mix(images.numpy(), labels)
    assert asked == [CPU] * 6


def test_images_are_drawn_on_the_device_that_is_given(named, moves, monkeypatch):
    drawn_on, sample = [], Generator.sample
    monkeypatch.setattr(
        Generator, "sample", lambda self, *a, **k: drawn_on.append(self.device) or sample(self, *a, **k)
    )
    mix = SyntheticMix(named, 1.0, device="cuda:1")
    images, labels = batch(LABELS)
    mix(images, labels)
    mix(images[0], 1)
    assert drawn_on == [SECOND, SECOND]


class Reads(TorchDispatchMode):
    """Counts the reads of values that come from given tensors: on a GPU, each would wait for it."""

    WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "_unique", "masked_select", "bincount")

    def __init__(self, *tensors):
        super().__init__()
        self.tensors, self.reads = list(tensors), []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        out = op(*args, **(kwargs or {}))
        known = {each.untyped_storage().data_ptr() for each in self.tensors}
        flat = torch.utils._pytree.tree_leaves((args, kwargs))
        if any(isinstance(each, torch.Tensor) and each.untyped_storage().data_ptr() in known for each in flat):
            name = op.overloadpacket.__name__
            if name.startswith(self.WAITS):
                self.reads.append(name)
            self.tensors += [each for each in torch.utils._pytree.tree_leaves(out) if isinstance(each, torch.Tensor)]
        return out


@pytest.mark.parametrize("labels", ["same", "conditional", 1, None])
def test_a_batch_on_the_device_of_its_pool_is_read_only_by_checks_that_a_gpu_skips(labels, monkeypatch):
    monkeypatch.setattr(SyntheticPool, "_trusts", lambda self, labels: True)  # as on a GPU
    source = pool().to("cpu")
    mix = SyntheticMix(source, 0.3, labels=labels, num_classes=3)
    inputs = batch(LABELS) if labels is not None else batch(LABELS)[:1]
    mix(*inputs)  # checks the whole batch
    with Reads(*inputs, source._images, source._counts) as found:
        mix(*inputs)
    range_of_images, range_of_labels = 2, 2
    assert len(found.reads) == range_of_images + (range_of_labels if labels is not None else 0)


@needs_gpu
@pytest.mark.parametrize("labels", ["same", "conditional", 1])
def test_mixing_from_a_pool_on_the_gpu_never_waits_for_it(labels):
    mix = SyntheticMix(pool().to("cuda"), 0.3, labels=labels, num_classes=3)
    images, targets = (each.cuda() for each in batch(LABELS))
    mix(images, targets)  # checks the first batch
    torch.cuda.set_sync_debug_mode("error")
    try:
        images, targets = mix(images, targets)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert int(synthetic(images.cpu()).sum()) in (3, 4)


@settings(max_examples=20)
@given(st.integers(0, 40), st.integers(0, 2**63 - 1), st.booleans())
def test_a_pool_that_was_moved_draws_the_same(n, seed, labelled):
    plain, moved = pool(labelled=labelled), pool(labelled=labelled).to("cpu")
    labels = torch.arange(n) % 3 if labelled else None
    assert torch.equal(plain.sample(n, labels, seed=seed), moved.sample(n, labels, seed=seed))


class Float64OnMeta(TorchDispatchMode):
    """Fails if a result on the device "meta" is float64."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for each in torch.utils._pytree.tree_leaves(out):
            assert not (isinstance(each, torch.Tensor) and each.is_meta and each.dtype == torch.float64)
        return out


@pytest.mark.parametrize("labels", [None, 1, torch.arange(5) % 3])
def test_a_device_without_float64_draws_without_it(labels, monkeypatch):
    monkeypatch.setattr("gan_augment.synthesis.pool._pool.NO_FLOAT64", ("meta",))  # as on "mps"
    with Float64OnMeta():
        images = pool().to("meta").sample(5, labels, seed=0)
    assert (images.device.type, images.shape, images.dtype) == ("meta", (5, 1, 16, 16), torch.uint8)


def test_labels_on_the_cpu_are_checked_also_after_a_move():
    with pytest.raises(ValueError, match="between 0 and 2"):
        pool().to("cpu").sample(3, torch.tensor([-1, -1, -1]))


def test_a_mask_chooses_rows_of_a_pool_in_memory_and_in_a_folder(tmp_path):
    own = pool()
    own.save(tmp_path / "pool")
    mask = own.labels == 1
    expected = own.rows(mask.nonzero().flatten())
    for each in (own, SyntheticPool.load(tmp_path / "pool")):
        assert torch.equal(each.rows(mask), expected)


def test_a_pool_in_a_folder_can_be_moved(tmp_path):
    pool().save(tmp_path / "pool")
    moved = SyntheticPool.load(tmp_path / "pool").to("cpu")
    (tmp_path / "pool" / "images.npy").unlink()
    again = pickle.loads(pickle.dumps(moved))
    assert torch.equal(again.rows(torch.arange(12)), pool().rows(torch.arange(12)))


@needs_gpu
@pytest.mark.parametrize("kind", [torch.Tensor, tv_tensors.Image])
def test_on_a_gpu(named, kind):
    mix = SyntheticMix({0: named, 1: named, 2: resized_pool()}, 0.5, return_synthetic=True)
    images, labels = batch(LABELS)
    for device in ("cuda", "cpu", "cuda"):
        given = images.to(device)
        given = given if kind is torch.Tensor else tv_tensors.Image(given)
        out, targets, flags = mix(given, labels.to(device))
        assert out.device == targets.device == flags.device == given.device
        assert type(out) is type(given)
        assert int(flags.sum()) == 6
        sources = mix._sources.on(given.device).sources.values()
        assert [source.device for source in sources] == [given.device, given.device, None]
    assert [source.device for source in mix.source.sources.values()] == [CPU, CPU, None]


@needs_gpu
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_draw_on_the_cpu_after_a_batch_on_a_gpu(named, start):
    mix = SyntheticMix(named, 0.5)
    images, labels = batch(LABELS)
    mix(images.cuda(), labels.cuda())
    options = {"num_workers": 1, "multiprocessing_context": start, "collate_fn": Collate(mix)}
    assert [len(images) for images, _ in DataLoader(real(LABELS), batch_size=6, **options)] == [6, 6]


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_data_parallel(named):
    model = nn.DataParallel(SyntheticMix(named, 0.5))
    images, labels = batch(LABELS)
    out, targets = model(images.cuda(), labels.cuda())
    assert torch.equal(targets, labels.cuda())
    assert len(out) == len(images)
