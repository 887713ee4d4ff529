"""FixedRatioBatchSampler: an exact ratio in each batch."""

import pickle

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from gan_augment import FixedRatioBatchSampler, GANAugmentedDataset

from .helpers import pool, real, shown, synthetic

quick = settings(max_examples=40, deadline=None)
sizes = {"real": st.integers(1, 60), "made": st.integers(1, 20), "size": st.integers(3, 12)}


def mask(real_items, made):
    return [False] * real_items + [True] * made


def reals(batches, count):
    return [index for batch in batches for index in batch if index < count]


@given(**sizes, ratio=st.floats(0, 0.8), seed=st.integers(0, 99))
@quick
def test_each_batch_has_exactly_the_ratio(real, made, size, ratio, seed):
    wanted = round(ratio * size)
    assume(wanted < size and (wanted > 0 or ratio == 0))
    sampler = FixedRatioBatchSampler(mask(real, made), size, ratio, seed=seed)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert all(len(batch) == size and sum(index >= real for index in batch) == wanted for batch in batches)
    assert all(0 <= index < real + made for batch in batches for index in batch)


@given(**sizes, shuffle=st.booleans())
@quick
def test_every_real_item_is_used_once_except_to_fill_the_last_batch(real, made, size, shuffle):
    sampler = FixedRatioBatchSampler(mask(real, made), size, 0.25, shuffle=shuffle)
    seen = reals(sampler, real)
    assert set(seen) == set(range(real))
    assert len(seen) - real < sampler.real_per_batch


@given(**sizes)
@quick
def test_drop_last_uses_no_real_item_twice(real, made, size):
    assume(real >= size)
    batches = list(FixedRatioBatchSampler(mask(real, made), size, 0.25, drop_last=True))
    seen = reals(batches, real)
    assert len(seen) == len(set(seen))
    assert real - len(seen) < size - round(0.25 * size)
    assert all(len(batch) == size for batch in batches)


def test_synthetic_items_are_used_in_turn():
    sampler = FixedRatioBatchSampler(mask(30, 6), 4, 0.5)
    made = [index for batch in sampler for index in batch if index >= 30]
    assert sorted(made[:6]) == sorted(made[6:12]) == list(range(30, 36))


@given(**sizes, ranks=st.integers(1, 4), shuffle=st.booleans())
@quick
def test_ranks_have_equal_lengths_and_together_the_batches_of_one(real, made, size, ranks, shuffle):
    def on(rank, of):
        return FixedRatioBatchSampler(mask(real, made), size, 0.25, num_replicas=of, rank=rank, shuffle=shuffle)

    parts = [list(on(rank, ranks)) for rank in range(ranks)]
    assert {len(part) for part in parts} == {len(on(0, ranks))}
    one = list(on(0, 1))
    together = [batch for step in zip(*parts) for batch in step]
    assert together[: len(one)] == one
    assert len(together) - len(one) < ranks


def test_ranks_are_disjoint_if_all_real_items_fill_batches():
    parts = [FixedRatioBatchSampler(mask(24, 8), 4, 0.25, num_replicas=2, rank=rank) for rank in range(2)]
    first, second = (reals(part, 24) for part in parts)
    assert len(first) == len(second) == 12
    assert set(first) | set(second) == set(range(24))


def test_drop_last_leaves_ranks_disjoint():
    parts = [
        FixedRatioBatchSampler(mask(29, 8), 4, 0.25, num_replicas=2, rank=rank, drop_last=True) for rank in range(2)
    ]
    first, second = (reals(part, 29) for part in parts)
    assert len(first) == len(second) == 12
    assert not set(first) & set(second)


@given(**sizes, stop=st.integers(0, 40), epoch=st.integers(0, 3), ranks=st.integers(1, 2), shuffle=st.booleans())
@quick
def test_a_sampler_resumes_at_any_point(real, made, size, stop, epoch, ranks, shuffle):
    def new():
        options = {"num_replicas": ranks, "rank": ranks - 1, "shuffle": shuffle, "seed": 5}
        return FixedRatioBatchSampler(mask(real, made), size, 0.25, **options)

    whole = new()
    whole.set_epoch(epoch)
    expected = list(whole)
    stop = min(stop, len(expected))
    first = new()
    first.set_epoch(epoch)
    iterator = iter(first)
    done = [next(iterator) for _ in range(stop)]
    state = pickle.loads(pickle.dumps(first.state_dict()))
    second = new()
    second.load_state_dict(state)
    assert done + list(second) == expected
    assert list(second) == expected, "the epoch after the resumed one is a whole one"


def test_an_epoch_is_a_function_of_seed_and_epoch():
    def batches(seed, epoch):
        sampler = FixedRatioBatchSampler(mask(40, 8), 8, 0.25, seed=seed)
        sampler.set_epoch(epoch)
        torch.manual_seed(len(str(seed)))
        torch.rand(epoch + 1)
        return list(sampler)

    assert batches(0, 1) == batches(0, 1)
    dealt = {str([sorted(batch) for batch in batches(seed, epoch)]) for seed in (0, 1) for epoch in (0, 1, 2)}
    assert len(dealt) == 6


def test_without_set_epoch_the_epoch_repeats():
    sampler = FixedRatioBatchSampler(mask(40, 8), 8, 0.25)
    assert list(sampler) == list(sampler)


def test_a_sampler_leaves_the_random_state_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(FixedRatioBatchSampler(mask(40, 8), 8, 0.25))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_in_a_loader_of_an_augmented_data_set(mode):
    dataset = GANAugmentedDataset(real([0, 1, 2] * 10), pool(), 0.4, mode=mode, progress=False)
    sampler = FixedRatioBatchSampler(dataset, 6, 0.5)
    for epoch in range(2):
        dataset.set_epoch(epoch)
        sampler.set_epoch(epoch)
        loader = DataLoader(dataset, batch_sampler=sampler)
        assert len(loader) == (10 if mode == "append" else 6)
        for images, labels in loader:
            assert int(synthetic(images).sum()) == 3
            assert torch.equal(shown(images), labels)


def test_with_workers_a_state_resumes_after_the_batches_that_were_trained_on():
    dataset = GANAugmentedDataset(real([0, 1, 2] * 10), pool(), 0.4, progress=False)
    dataset.set_epoch(0)
    whole = [images for images, _ in DataLoader(dataset, batch_sampler=FixedRatioBatchSampler(dataset, 6, 0.5))]
    sampler = FixedRatioBatchSampler(dataset, 6, 0.5)
    loader = iter(DataLoader(dataset, batch_sampler=sampler, num_workers=2))
    done = [next(loader)[0] for _ in range(3)]
    resumed = FixedRatioBatchSampler(dataset, 6, 0.5)
    resumed.load_state_dict({**sampler.state_dict(), "batch": 3})
    rest = [images for images, _ in DataLoader(dataset, batch_sampler=resumed)]
    assert all(torch.equal(a, b) for a, b in zip(done + rest, whole, strict=True))


def test_a_pickled_sampler_keeps_its_position():
    sampler = FixedRatioBatchSampler(mask(40, 8), 8, 0.25)
    iterator = iter(sampler)
    next(iterator)
    copied = pickle.loads(pickle.dumps(sampler))
    copied.load_state_dict(copied.state_dict())
    assert list(copied) == list(iterator)


def test_reading_one_batch_does_not_shorten_the_epoch():
    sampler = FixedRatioBatchSampler(mask(40, 8), 8, 0.25)
    expected = list(sampler)
    next(iter(sampler))
    assert list(sampler) == expected


def test_a_mask_may_be_a_tensor():
    flags = mask(9, 3)
    assert list(FixedRatioBatchSampler(torch.tensor(flags), 4, 0.25)) == list(FixedRatioBatchSampler(flags, 4, 0.25))


# Refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 4.0}, "batch_size must be an int"),
        ({"ratio": 1}, r"ratio must be in \[0, 1\)"),
        ({"ratio": -0.5}, r"ratio must be in \[0, 1\)"),
        ({"ratio": 0.95}, "must leave at least one real item"),
        ({"rank": 2, "num_replicas": 2}, "rank must be below num_replicas=2"),
        ({"rank": -1, "num_replicas": 2}, "rank must be at least 0"),
        ({"num_replicas": 0}, "num_replicas must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"dataset": mask(0, 4)}, "must have real items"),
        ({"dataset": mask(4, 0)}, "and synthetic ones"),
        ({"dataset": mask(2, 4), "drop_last": True}, "must fill a batch on every rank"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        FixedRatioBatchSampler(**{"dataset": mask(8, 4), "batch_size": 4, "ratio": 0.25, **options})
