"""GANAugmentedDataset: an item is a function of seed, epoch and index, whichever process reads it."""

import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler

from gan_augment import GANAugmentedDataset, SyntheticPool

from .helpers import Digits, Jitter, draw_of_all, flatten, pool, seed_all

LABELS = [0, 1, 2] * 8
MODES = ["append", "replace"]


def augmented(mode="append", source=None, transform=True, **options):
    plain = Digits(LABELS, Jitter() if transform else None)
    return GANAugmentedDataset(plain, source or pool(), 0.5, mode=mode, progress=False, **options)


def epoch_of(dataset, epoch):
    """Returns the items of an epoch, read one by one in this process, whatever the random state."""
    seed_all(epoch + 100)
    dataset.set_epoch(epoch)
    return flatten([dataset[index] for index in range(len(dataset))])


def through(loader):
    return flatten([item for images, labels in loader for item in zip(images, labels)])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_items_are_the_same_for_any_number_of_forked_workers(mode, num_workers):
    expected = [epoch_of(augmented(mode), epoch) for epoch in (0, 1)]
    assert expected[0] != expected[1]
    dataset = augmented(mode)
    context = {"multiprocessing_context": "fork"} if num_workers else {}
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        assert through(DataLoader(dataset, batch_size=5, num_workers=num_workers, **context)) == expected[epoch]


@pytest.mark.parametrize("mode", MODES)
def test_set_epoch_reaches_persistent_workers(mode):
    expected = [epoch_of(augmented(mode), epoch) for epoch in (0, 1, 2)]
    dataset = augmented(mode)
    options = {"num_workers": 2, "persistent_workers": True, "multiprocessing_context": "fork"}
    loader = DataLoader(dataset, batch_size=5, **options)
    for epoch in (0, 1, 2, 0):
        dataset.set_epoch(epoch)
        assert through(loader) == expected[epoch]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_spawned_workers_give_the_same_items_and_follow_the_epoch(mode, tmp_path):
    pool().save(tmp_path / "pool")
    source = SyntheticPool.load(tmp_path / "pool")  # memory-mapped: the worker opens it again
    expected = [epoch_of(augmented(mode), epoch) for epoch in (0, 1)]
    dataset = augmented(mode, source)
    options = {"num_workers": 2 if mode == "append" else 1, "persistent_workers": mode == "append"}
    loader = DataLoader(dataset, batch_size=12, multiprocessing_context="spawn", **options)
    for epoch in (0, 1) if mode == "append" else (1,):
        dataset.set_epoch(epoch)
        assert through(loader) == expected[epoch]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_two_ranks_read_the_same_items_as_one_process(mode, num_workers):
    for epoch in (0, 1):
        expected = epoch_of(augmented(mode), epoch)
        found = {}
        for rank in range(2):
            dataset = augmented(mode)
            sampler = DistributedSampler(dataset, num_replicas=2, rank=rank, seed=3)
            dataset.set_epoch(epoch)
            sampler.set_epoch(epoch)
            found.update(zip(sampler, through(DataLoader(dataset, 5, sampler=sampler, num_workers=num_workers))))
        assert [found[index] for index in range(len(expected))] == expected


@pytest.mark.parametrize("mode", MODES)
def test_a_restart_in_the_middle_reads_the_same_items(mode, generator):
    expected = [epoch_of(augmented(mode, generator, seed=7), epoch) for epoch in range(4)]
    again = augmented(mode, generator, seed=7)
    assert epoch_of(again, 3) == expected[3]
    again.set_epoch(2)
    order = torch.randperm(len(again)).tolist()
    assert flatten([again[index] for index in order]) == [expected[2][index] for index in order]


@pytest.mark.parametrize("mode", MODES)
def test_batches_and_shuffling_do_not_change_an_item(mode):
    expected = epoch_of(augmented(mode), 1)
    dataset = augmented(mode)
    dataset.set_epoch(1)
    for size in (1, 7, 48):
        assert sorted(through(DataLoader(dataset, batch_size=size, shuffle=True))) == sorted(expected)


def test_random_transforms_differ_between_items_and_epochs_after_set_epoch():
    dataset = augmented()
    drawn = [value for epoch in (0, 1) for value, label in epoch_of(dataset, epoch) if value and label == 1]
    assert len(set(drawn)) == len(drawn) == 32


def test_random_transforms_are_not_frozen_before_set_epoch():
    dataset = augmented()
    loader = DataLoader(dataset, batch_size=48)
    first, second = through(loader), through(loader)
    assert all(a != b for a, b in zip(first, second) if a[1] == 1)


def test_before_set_epoch_random_transforms_follow_the_global_seeds():
    def draw(seed):
        dataset = augmented()
        seed_all(seed)
        return flatten([dataset[index] for index in range(48)])

    assert draw(1) == draw(1) != draw(2)


def test_before_set_epoch_synthetic_images_are_those_of_epoch_0():
    untold, told = augmented(transform=False), augmented(transform=False)
    told.set_epoch(0)
    assert flatten([untold[i] for i in range(48)]) == flatten([told[i] for i in range(48)])


def test_reading_an_item_after_set_epoch_leaves_the_random_state_alone():
    dataset = augmented()
    dataset.set_epoch(0)
    seed_all(1)
    expected = draw_of_all()
    seed_all(1)
    _ = dataset[0], dataset[40]
    assert draw_of_all() == expected
