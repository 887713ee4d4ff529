"""Positions of synthetic items in each mode, with loaders and samplers of every kind."""

import warnings
from functools import partial

import pytest
import torch
from torch.utils.data import (
    DataLoader,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    Subset,
    WeightedRandomSampler,
    random_split,
)

from gan_augment import FixedRatioBatchSampler, GANAugmentedDataset, SyntheticMix
from gan_augment.mixing import oversampled_rows

from .helpers import batch, pool, real, shown, synthetic, values

LABELS = [0, 1, 2] * 40
RARE = [0] * 12 + [1] * 5 + [2]


def augmented(labels=LABELS, ratio=0.25, **options):
    return GANAugmentedDataset(real(labels), pool(), ratio, progress=False, num_classes=3, **options)


def read(dataset):
    """Returns whether each item is synthetic, judged by its pixels, and its class."""
    images, labels = next(iter(DataLoader(dataset, batch_size=len(dataset))))
    assert torch.equal(shown(images), labels)
    return synthetic(images), labels


# Loaders that do not shuffle -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["append", "replace", "balance"])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_every_batch_of_an_unshuffled_loader_has_the_ratio(mode, num_workers):
    dataset = augmented(mode=mode, seed=1)
    loader = DataLoader(dataset, batch_size=20, num_workers=num_workers)
    for images, labels in loader:
        counts = torch.bincount(labels, minlength=3)
        assert int((counts - 20 / 3).abs().max()) < 4  # was 20 of one class and none of another
        share = int(synthetic(images).sum())
        assert share == 5 if mode == "append" else 0 < share < 13


def test_every_window_of_appended_items_is_within_one_item_of_the_ratio():
    for ratio in (0.1, 0.25, 0.5, 0.8):
        flags = augmented(mode="append", ratio=ratio).synthetic_mask().double()
        sums = flags.unfold(0, 10, 1).sum(1)
        assert bool(((sums - 10 * flags.mean()).abs() <= 1).all())


def test_appended_classes_are_interleaved_in_proportion():
    dataset = augmented(RARE * 4, mode="append", ratio=0.5)
    flags, labels = read(dataset)
    added = labels[flags]
    for window in added.split(18):
        assert torch.bincount(window, minlength=3).tolist() == [12, 5, 1]


@pytest.mark.parametrize("mode", ["balance", "fill"])
def test_items_added_to_rare_classes_are_spread_over_the_epoch(mode):
    labels = torch.tensor(RARE * 8)[torch.randperm(144, generator=torch.Generator().manual_seed(0))].tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        dataset = augmented(labels, mode=mode)
    for _, targets in DataLoader(dataset, batch_size=48):
        assert int((torch.bincount(targets, minlength=3) - 16).abs().max()) <= 6


# Without set_epoch, every real item is used in some pass -------------------------------------------


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("persistent", [False, True])
def test_without_set_epoch_each_pass_draws_new_positions(num_workers, persistent):
    dataset = augmented(ratio=0.5)
    options = {"persistent_workers": persistent and num_workers > 0, "num_workers": num_workers}
    loader = DataLoader(dataset, batch_size=7, **options)
    passes = [torch.cat([synthetic(images) for images, _ in loader]) for _ in range(8)]
    assert all(int(flags.sum()) == 60 for flags in passes)
    assert len({tuple(flags.tolist()) for flags in passes}) == 8
    assert int(torch.stack(passes).all(0).sum()) < 8, "real items were left out in every pass"


def test_without_set_epoch_ranks_share_a_pass(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    dataset = augmented(ratio=0.5)
    loader = DataLoader(dataset, batch_size=10, sampler=DistributedSampler(dataset, num_replicas=4, rank=1))
    epochs = []
    for _ in range(3):
        list(loader)
        epochs.append(dataset.epoch)
    assert epochs == [0, 1, 2]


def test_without_set_epoch_the_first_passes_are_the_first_epochs():
    untold, told = augmented(), augmented()
    for epoch in range(3):
        told.set_epoch(epoch)
        assert [int(values(image)) for image, _ in untold] == [int(values(image)) for image, _ in told]
        assert untold.epoch == epoch
        assert torch.equal(untold.synthetic_mask(), told.synthetic_mask())


def test_the_mask_is_that_of_the_pass_that_was_read_last():
    dataset = augmented(ratio=0.5)
    for _ in range(3):
        flags, _ = read(dataset)
        assert torch.equal(dataset.synthetic_mask(), flags)
        assert [dataset.is_synthetic(index) for index in range(len(dataset))] == flags.tolist()


def test_after_set_epoch_passes_do_not_change_the_draw():
    dataset = augmented(ratio=0.5)
    read(dataset)
    dataset.set_epoch(4)
    first, second = read(dataset)[0], read(dataset)[0]
    assert torch.equal(first, second)
    assert dataset.epoch == 4


# Samplers, subsets and weights ---------------------------------------------------------------------


def test_samplers_made_before_wrapping_remain_valid():
    plain = real(LABELS)
    sampler, kept = RandomSampler(plain), list(range(0, 120, 2))
    dataset = GANAugmentedDataset(plain, pool(), 0.25, progress=False)
    loader = DataLoader(dataset, batch_size=120, sampler=sampler)
    assert int(synthetic(next(iter(loader))[0]).sum()) == 30
    labels = torch.stack([label for _, label in Subset(dataset, kept)])
    assert torch.equal(labels, torch.tensor(LABELS)[kept])


def test_a_random_split_made_before_wrapping_stays_disjoint():
    part, rest = random_split(real(LABELS), [100, 20], torch.Generator().manual_seed(0))
    dataset = GANAugmentedDataset(part, pool(), 0.25, num_classes=3, progress=False)
    assert len(dataset) == 100
    assert int(read(dataset)[0].sum()) == 25
    assert not any(bool(synthetic(image)) for image, _ in rest)


@pytest.mark.parametrize("mode", ["replace", "append", "balance"])
def test_ranks_of_a_distributed_sampler_split_the_items(mode):
    dataset = augmented([*LABELS, 0, 0, 1], mode=mode)
    for epoch in range(2):
        dataset.set_epoch(epoch)
        parts = []
        for rank in range(2):
            sampler = DistributedSampler(dataset, num_replicas=2, rank=rank)
            sampler.set_epoch(epoch)
            parts.extend(sampler)
        assert set(parts) == set(range(len(dataset)))
        assert int(torch.tensor([dataset.is_synthetic(index) for index in set(parts)]).sum()) == int(
            dataset.synthetic_mask().sum()
        )


@pytest.mark.parametrize("mode", ["replace", "append", "balance"])
def test_weights_from_the_mask_give_the_expected_share(mode):
    dataset = augmented(mode=mode, ratio=0.5)
    dataset.set_epoch(1)
    loader = DataLoader(dataset, 16, sampler=WeightedRandomSampler(dataset.synthetic_mask().double(), 32))
    assert all(bool(synthetic(images).all()) for images, _ in loader)


@pytest.mark.parametrize("mode", ["replace", "balance", "append"])
def test_a_fixed_ratio_sampler_keeps_its_share_without_set_epoch(mode):
    dataset = augmented(mode=mode, ratio=0.4)
    loader = DataLoader(dataset, batch_sampler=FixedRatioBatchSampler(dataset, 10, 0.3), num_workers=1)
    masks = set()
    for _ in range(3):
        assert all(int(synthetic(images).sum()) == 3 for images, _ in loader)
        masks.add(tuple(dataset.synthetic_mask().tolist()))
    assert len(masks) == (1 if mode == "append" else 3)


@pytest.mark.parametrize("mode", ["replace", "append", "balance"])
def test_a_restart_in_the_middle_of_an_epoch_resumes_with_the_same_batches(mode):
    def batches(skip):
        dataset = augmented(mode=mode)
        dataset.set_epoch(3)
        order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(3)).tolist()
        return [values(images).tolist() for images, _ in DataLoader(dataset, 10, sampler=order[skip * 10 :])]

    assert batches(0)[5:] == batches(5)


# Samplers created before you wrapped ---------------------------------------------------------------------


def passes(dataset, sampler, count, *, num_workers=0, told=False):
    """Returns the warnings of a few epochs."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for epoch in range(count):
            if told:
                dataset.set_epoch(epoch)
            list(DataLoader(dataset, batch_size=16, sampler=sampler, num_workers=num_workers))
        if told:
            dataset.set_epoch(count)
    return [str(each.message) for each in caught if "created before you wrapped" in str(each.message)]


@pytest.mark.parametrize(
    "make", [RandomSampler, SequentialSampler, lambda plain: WeightedRandomSampler([1.0] * 120, 120)]
)
@pytest.mark.parametrize("mode", ["append", "balance"])
def test_a_sampler_made_before_wrapping_gives_one_warning(make, mode):
    dataset = augmented([*LABELS[:-9], *[0] * 9], mode=mode)
    assert len(passes(dataset, make(dataset.dataset), 5)) == 1


@pytest.mark.parametrize("num_workers", [0, 2])
def test_with_workers_the_warning_comes_at_set_epoch(num_workers):
    dataset = augmented(mode="append")
    found = passes(dataset, RandomSampler(dataset.dataset), 2, num_workers=num_workers, told=True)
    assert len(found) == 1
    assert "160 items" in found[0]


def test_workers_warn_if_set_epoch_is_never_called(tmp_path):
    dataset = augmented(mode="append")
    sampler = RandomSampler(dataset.dataset)
    log = tmp_path / "warnings.txt"  # not stderr, since a fork server, the default of Python 3.14, keeps an older one
    loader = DataLoader(dataset, 16, sampler=sampler, num_workers=2, worker_init_fn=partial(_log_warnings, log))
    for _ in range(3):
        list(loader)
    assert log.read_text().count("created before you wrapped") == 1


def _log_warnings(log, worker):
    warnings.showwarning = partial(_append, log)
    warnings.simplefilter("always")


def _append(log, message, *_):
    with log.open("a") as file:
        file.write(f"{message}\n")


@pytest.mark.parametrize("told", [False, True])
def test_a_distributed_sampler_made_before_wrapping_gives_a_warning(told, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    dataset = augmented(mode="append")
    assert passes(dataset, DistributedSampler(dataset, 2, 1), 4, told=told) == []
    dataset = augmented(mode="append")
    warned = passes(dataset, DistributedSampler(dataset.dataset, 2, 1, shuffle=False), 4, told=told)
    assert len(warned) == 1


@pytest.mark.parametrize(
    "make", [RandomSampler, SequentialSampler, lambda data: WeightedRandomSampler([1.0] * 160, 160)]
)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_sampler_made_after_wrapping_gives_no_warning(make, num_workers):
    dataset = augmented(mode="append")
    assert passes(dataset, make(dataset), 2, num_workers=num_workers) == []


def test_replace_gives_no_warning():
    dataset = augmented(mode="replace")
    assert passes(dataset, RandomSampler(dataset.dataset), 3) == []


# Balance -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [0, 0.25, 0.5, 1])
def test_balance_makes_classes_equal_with_the_same_synthetic_share(ratio):
    dataset = augmented(RARE, mode="balance", ratio=ratio)
    made = round(12 * ratio)
    assert len(dataset) == 36
    for epoch in range(2):
        dataset.set_epoch(epoch)
        flags, labels = read(dataset)
        assert torch.bincount(labels).tolist() == [12, 12, 12]
        assert torch.bincount(labels[flags], minlength=3).tolist() == [made] * 3
        assert dataset.class_counts == dict.fromkeys(range(3), (12 - made, made))


def test_balance_uses_the_same_images_as_a_balanced_study():
    images = torch.arange(18, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 16, 16).contiguous()
    data = torch.utils.data.TensorDataset(images, torch.tensor(RARE))
    dataset = GANAugmentedDataset(data, pool(), 0, mode="balance", seed=5)
    rows = torch.stack([values(image) for image, _ in dataset])
    assert torch.equal(rows.sort().values, oversampled_rows(torch.tensor(RARE), 5).sort().values)
    # An arm replaces a share of each batch; the data set replaces the same share over the epoch.
    made, batches = 0, 200
    mix, evened = SyntheticMix(pool(), 0.25), batch(torch.tensor(RARE)[oversampled_rows(torch.tensor(RARE), 5)])
    for _ in range(batches):
        made = made + torch.bincount(evened[1][synthetic(mix(*evened)[0])], minlength=3)
    assert bool((made / batches - 3).abs().max() < 0.5)
    assert augmented(RARE, mode="balance", seed=5).class_counts == dict.fromkeys(range(3), (9, 3))


def test_balance_uses_every_real_image_in_some_epoch():
    images = torch.arange(18, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 16, 16).contiguous()
    data = torch.utils.data.TensorDataset(images, torch.tensor(RARE))
    dataset = GANAugmentedDataset(data, pool(), 0.5, mode="balance", progress=False)
    found = {int(values(image)) for _ in range(12) for image, _ in dataset}
    assert found >= set(range(18))


def test_balance_to_is_the_size_of_each_class():
    assert augmented(RARE, mode="balance", balance_to=20).class_counts == dict.fromkeys(range(3), (15, 5))
    with pytest.raises(ValueError, match="balance_to must be at least 12"):
        augmented(RARE, mode="balance", balance_to=11)


def test_balance_requires_a_source_with_all_classes():
    for make in (
        lambda source: GANAugmentedDataset(real(RARE), source, mode="balance"),
        lambda source: SyntheticMix(source, 0.5, mode="balance")(*batch(RARE)),
    ):
        with pytest.raises(ValueError, match=r"every class of the data for mode='balance', but cannot make \[0, 2\]"):
            make({1: pool(1, labelled=False)})


def test_fill_warns():
    with pytest.warns(UserWarning, match="what looks synthetic is rare.*mode='balance'"):
        dataset = augmented(RARE, mode="fill")
    assert dataset.class_counts == {0: (12, 0), 1: (5, 7), 2: (1, 11)}


@pytest.mark.parametrize("mode", ["balance", "fill"])
def test_num_synthetic_is_refused_for_modes_that_balance_classes(mode):
    with pytest.raises(ValueError, match=f"num_synthetic must not be given for mode='{mode}'"):
        augmented(RARE, mode=mode, num_synthetic=3)
