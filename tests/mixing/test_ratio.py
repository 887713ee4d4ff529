"""The ratio n_synthetic / (n_real + n_synthetic) holds in total and in every class."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import Conditional, GANAugmentedDataset, SyntheticMix

from .helpers import SIZE, Exploding, Marked, batch, pool, real, shown, synthetic

POOL = pool(4)
label_lists = st.lists(st.integers(0, 3), min_size=1, max_size=60)
quick = settings(max_examples=40, deadline=None)


def augmented(classes, source=POOL, ratio=0.1, **options):
    options = {"num_classes": 4, "mode": "append", "progress": False, **options}
    return GANAugmentedDataset(real(classes), source, ratio, **options)


def read(dataset):
    """Returns which items are synthetic, and their targets, after checking that each image shows its target."""
    images, targets = torch.stack([dataset[i][0] for i in range(len(dataset))]), [item[1] for item in dataset]
    assert torch.equal(shown(images), torch.stack(targets))
    return synthetic(images), torch.stack(targets)


@given(labels=label_lists, ratio=st.floats(0, 0.9))
@quick
def test_append_adds_the_ratio_to_each_class(labels, ratio):
    flags, targets = read(augmented(labels, ratio=ratio))
    assert (int((~flags).sum()), int(flags.sum())) == (len(labels), round(ratio / (1 - ratio) * len(labels)))
    assert targets[~flags].tolist() == labels
    counts = torch.bincount(torch.tensor(labels), minlength=4)
    added = torch.bincount(targets[flags], minlength=4)
    assert bool(((added - counts * (int(flags.sum()) / len(labels))).abs() < 1).all())


@given(labels=label_lists, ratio=st.floats(0, 1), epoch=st.integers(0, 5))
@quick
def test_replace_keeps_length_and_targets_and_has_the_ratio_in_each_class(labels, ratio, epoch):
    dataset = augmented(labels, ratio=ratio, mode="replace")
    dataset.set_epoch(epoch)
    flags, targets = read(dataset)
    assert targets.tolist() == labels
    assert int(flags.sum()) == round(ratio * len(labels))
    counts = torch.bincount(targets, minlength=4)
    replaced = torch.bincount(targets[flags], minlength=4)
    assert bool(((replaced - counts * (int(flags.sum()) / len(labels))).abs() < 1).all())


@given(labels=label_lists)
@quick
def test_fill_makes_each_class_as_large_as_the_largest(labels):
    dataset = augmented(labels, mode="fill")
    flags, targets = read(dataset)
    counts = torch.bincount(torch.tensor(labels), minlength=4)
    wanted = torch.where(counts > 0, counts.max(), 0)
    assert torch.equal(torch.bincount(targets, minlength=4), wanted)
    assert targets[~flags].tolist() == labels
    assert dataset.class_counts == {c: (int(counts[c]), int(wanted[c] - counts[c])) for c in range(4)}


@given(labels=label_lists, to=st.integers(1, 40))
@quick
def test_fill_to_a_size_grows_smaller_classes_and_removes_nothing(labels, to):
    _, targets = read(augmented(labels, mode="fill", balance_to=to))
    counts = torch.bincount(torch.tensor(labels), minlength=4)
    assert torch.bincount(targets, minlength=4).tolist() == torch.where(counts > 0, counts.clamp(min=to), 0).tolist()


@given(labels=label_lists, number=st.integers(0, 30), mode=st.sampled_from(["append", "replace"]))
@quick
def test_num_synthetic_sets_the_number(labels, number, mode):
    number = min(number, len(labels)) if mode == "replace" else number
    dataset = augmented(labels, mode=mode, num_synthetic=number)
    assert int(read(dataset)[0].sum()) == number
    assert int(dataset.synthetic_mask().sum()) == number


@given(labels=label_lists, mode=st.sampled_from(["append", "replace"]))
@quick
def test_ratio_0_is_the_data_set_itself(labels, mode):
    plain = real(labels)
    dataset = GANAugmentedDataset(plain, Exploding(), 0, mode=mode, labels="conditional", num_classes=4)
    assert len(dataset) == len(plain)
    assert not bool(dataset.synthetic_mask().any())
    for item, same in zip(dataset, plain, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(item, same, strict=True))


def test_ratio_0_returns_the_same_objects_as_the_data_set():
    items = [(torch.zeros(1, 16, 16), 0), (torch.zeros(1, 16, 16), 1)]
    dataset = GANAugmentedDataset(items, Exploding(), 0, num_classes=3)
    assert all(dataset[index] is items[index] for index in range(2))


@given(labels=label_lists, ratio=st.floats(0.05, 0.8))
@quick
def test_the_ratio_holds_in_the_classes_that_the_source_can_make(labels, ratio):
    policy = Conditional(class_map={0: 1, 2: 3})
    reachable = sum(label in (1, 3) for label in labels)
    dataset = augmented(labels, ratio=ratio, labels=policy)
    added = torch.tensor(dataset.targets)[dataset.synthetic_mask()]
    assert set(added.tolist()) <= {1, 3}
    assert len(added) == round(ratio / (1 - ratio) * reachable)


def test_a_class_without_a_source_in_a_mapping_stays_real():
    dataset = augmented([0, 0, 1, 1, 2, 2], {0: Marked(4), 2: Marked(4)}, ratio=0.5)
    assert dataset.class_counts == {0: (2, 2), 1: (2, 0), 2: (2, 2), 3: (0, 0)}


@pytest.mark.parametrize("mode", ["append", "replace", "fill"])
@pytest.mark.filterwarnings("ignore:mode='fill'")
def test_classes_that_the_source_cannot_make_stay_real(mode):
    dataset = augmented([0, 0, 1], mode=mode, ratio=0 if mode == "fill" else 0.5, labels=Conditional(class_map={0: 3}))
    assert (len(dataset), int(dataset.synthetic_mask().sum())) == (3, 0)


# In a batch ----------------------------------------------------------------------------------------


@given(labels=label_lists, ratio=st.floats(0, 1), seed=st.integers(0, 2**31))
@quick
def test_a_batch_is_within_one_image_of_the_ratio_with_replace(labels, ratio, seed):
    torch.manual_seed(seed)
    out, _ = SyntheticMix(POOL, ratio)(*batch(labels))
    exact = ratio * len(labels)
    assert math.floor(exact) <= int(synthetic(out).sum()) <= math.ceil(exact)


@given(labels=label_lists, ratio=st.floats(0, 0.9), seed=st.integers(0, 2**31))
@quick
def test_a_batch_is_within_one_image_of_the_ratio_with_append(labels, ratio, seed):
    torch.manual_seed(seed)
    out, targets = SyntheticMix(POOL, ratio, mode="append")(*batch(labels))
    exact = ratio / (1 - ratio) * len(labels)
    assert math.floor(exact) <= len(out) - len(labels) <= math.ceil(exact)
    assert torch.equal(shown(out), targets)


@pytest.mark.parametrize("policy", ["same", 1, None])
@pytest.mark.parametrize("mode", ["replace", "append"])
def test_batches_meet_the_ratio_on_average(policy, mode):
    images, labels = batch([0, 1, 2, 3, 0, 1, 2])
    mix = SyntheticMix(POOL, 0.23, mode=mode, labels=policy)
    flags = [synthetic(mix(images) if policy is None else mix(images, labels)[0]) for _ in range(600)]
    exact = (0.23 if mode == "replace" else 0.23 / 0.77) * 7  # 1.61 and 2.09: a Bernoulli above 1 or 2
    assert abs(sum(int(f.sum()) for f in flags) / 600 - exact) < 4 * 0.5 / math.sqrt(600)


def test_batches_meet_the_ratio_in_each_class_on_average():
    images, labels = batch([0] * 12 + [1] * 4 + [2] * 2)
    mix = SyntheticMix(POOL, 0.3)
    replaced = sum(torch.bincount(labels[synthetic(mix(images, labels)[0])], minlength=3) for _ in range(500))
    share = replaced / torch.tensor([12, 4, 2]) / 500
    assert bool(((share - 0.3).abs() < 4 * (0.21 / torch.tensor([6000, 2000, 1000])).sqrt()).all())


@given(labels=label_lists)
@quick
def test_a_balanced_batch_has_equal_classes(labels):
    _, targets = SyntheticMix(POOL, mode="balance")(*batch(labels))
    counts = torch.bincount(torch.tensor(labels), minlength=4)
    assert torch.bincount(targets, minlength=4).tolist() == torch.where(counts > 0, counts.max(), 0).tolist()


# Refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "mode"), [(-0.1, "append"), (1, "append"), (1.1, "replace"), (math.nan, "append")])
def test_a_ratio_out_of_range_is_refused(ratio, mode):
    with pytest.raises(ValueError, match=rf"ratio must be in \[0, 1.*mode='{mode}', but got {ratio}"):
        augmented([0, 1], ratio=ratio, mode=mode)


def test_num_synthetic_cannot_exceed_the_real_items():
    with pytest.raises(ValueError, match=r"num_synthetic must be at most 2.*got 3"):
        augmented([0, 1], num_synthetic=3, mode="replace")


@pytest.mark.parametrize("number", [-1, 0.5, True])
def test_num_synthetic_must_be_a_count(number):
    with pytest.raises((ValueError, TypeError), match="num_synthetic must be"):
        augmented([0, 1], num_synthetic=number)


@pytest.mark.parametrize("number", [10**9, 10**18, 10**30])
@pytest.mark.parametrize("options", [{}, {"labels": "uniform"}, {"labels": 0}])
def test_numbers_that_exceed_the_memory_are_refused(number, options):
    with pytest.raises(ValueError, match=f"for {number:,} images, but"):
        augmented([0, 1], num_synthetic=number, mode="append", **options)
    with pytest.raises(ValueError, match=f"num_classes must be at most 1,048,576, but got {number:,}"):
        augmented([0, 1], num_classes=number, **options)


def test_a_label_of_a_billion_is_refused_before_classes_are_counted():
    with pytest.raises(ValueError, match=r"labels must be between 0 and 1048575, but got 1000000000"):
        GANAugmentedDataset([(torch.rand(1, SIZE, SIZE), 10**9)], pool(), labels="conditional")
    with pytest.raises(ValueError, match="class_map must map class indices"):
        Conditional(class_map={0: 10**9})
    with pytest.raises(ValueError, match="fixed label must be a class index"):
        augmented([0, 1], labels=10**9)


def test_counts_for_another_mode_are_refused():
    with pytest.raises(ValueError, match="balance_to is for mode='balance'"):
        augmented([0, 1], balance_to=3)
    with pytest.raises(ValueError, match="num_synthetic must not be given for mode='balance'"):
        augmented([0, 1], num_synthetic=3, mode="balance")
