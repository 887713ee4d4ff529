"""Uneven classes: all brought to the largest, by synthetic images or by all real ones before any comes twice."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import TensorDataset

from gan_augment import SyntheticPool
from gan_augment.evaluation import predict, train_classifier
from gan_augment.mixing import oversampled_rows
from gan_augment.studies import _arms, study
from gan_augment.studies._arms import fill_up, log_shares, weighted_targets

from .conftest import CLASSES, PLAIN, gratings

KINDS = {"none", "oversampled", "class weights", "logit adjustment", "synthetic", "filled up"}

# Real images are dark, and each is of its own grey; synthetic ones are bright, and each class is of its own.
POOL = SyntheticPool((250 + torch.arange(4))[:, None, None, None].expand(-1, 1, 8, 8).byte(), torch.arange(4))


def real(counts):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    greys = torch.arange(len(labels), dtype=torch.uint8)
    return greys[:, None, None, None].expand(-1, 1, 8, 8).contiguous(), labels


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.integers(0, 2**40))
@settings(max_examples=40, deadline=None)
def test_oversampled_rows_have_every_class_equally_often(counts, seed):
    labels = real(counts)[1]
    rows = oversampled_rows(labels, seed)
    assert torch.bincount(labels[rows]).tolist() == [max(counts)] * len(counts)
    times = torch.bincount(rows)
    for label in range(len(counts)):
        assert int(times[labels == label].min()) >= 1
        assert int(times[labels == label].max()) - int(times[labels == label].min()) <= 1


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.integers(0, 2**40))
@settings(max_examples=40, deadline=None)
def test_what_classes_lack_is_filled_up_by_synthetic_images_of_them(counts, seed):
    images, labels = real(counts)
    filled, targets = fill_up(images, labels, POOL, seed)
    assert torch.equal(filled[: len(images)], images)
    assert torch.bincount(targets).tolist() == [max(counts)] * len(counts)
    assert torch.equal(filled[len(images) :, 0, 0, 0].long(), 250 + targets[len(images) :])


def test_arms_train_on_the_classes_as_they_say(monkeypatch):
    images, labels = gratings(120, 3)
    kept = (labels > 0) | (torch.cumsum(labels == 0, 0) <= 9)
    seen, foreign, known = {}, [], set(map(bytes, images.numpy()))

    def note(settings, arm, images, targets, seed, mix=None, on_step=None):
        counts = targets.sum(0) if targets.ndim == 2 else torch.bincount(targets, minlength=CLASSES)
        seen.setdefault((len(images), mix is None), []).append(counts.tolist())
        foreign.append(not known.issuperset(map(bytes, images.numpy())))
        return train(settings, arm, images, targets, seed, mix, on_step)

    train = _arms.train
    monkeypatch.setattr(_arms, "train", note)
    options = {**PLAIN, "augment": "none", "steps": 1, "seeds": 2, "ratios": 0.5, "progress": False}
    data = TensorDataset(images[kept], labels[kept])
    result = study(data, SyntheticPool(*gratings(60, 4)), test=0.25, mode="balance", **options)
    few, even = min(count for count, _ in seen), max(count for count, _ in seen)
    assert even > few
    assert len(seen[few, True]) == 3 * 2  # no augmentation, class weights, and logit adjustment
    assert len(seen[even, True]) == 2 * 2  # oversampled, and filled up
    assert len(seen[even, False]) == 2  # synthetic, in the places of evened real images
    assert sum(foreign) == 2  # filled up
    assert all(max(counts) - min(counts) < 1e-3 for counts in [*seen[even, True], *seen[even, False]])
    assert {arm.kind for arm in result.arms} == KINDS


def test_a_source_of_some_classes_alone_is_refused():
    images, labels = gratings(120, 3)
    with pytest.raises(ValueError, match="all 3 classes for mode='balance', but has 1"):
        study(TensorDataset(images, labels), {0: SyntheticPool(images[labels == 0])}, mode="balance", progress=False)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4))
@settings(max_examples=30, deadline=None)
def test_under_weights_all_classes_weigh_alike(counts):
    labels = real(counts)[1]
    weights = weighted_targets(labels, len(counts))
    assert torch.allclose(weights.sum(0), torch.full((len(counts),), len(labels) / len(counts)))
    assert torch.equal(weights.argmax(1), labels)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4))
@settings(max_examples=30, deadline=None)
def test_log_shares_are_those_of_the_classes(counts):
    shares = log_shares(real(counts)[1], len(counts)).exp()
    torch.testing.assert_close(shares, torch.tensor(counts) / sum(counts))


def test_a_class_without_images_has_a_finite_share():
    assert bool(log_shares(torch.tensor([0, 0, 2]), 4).isfinite().all())


def test_adjusted_logits_find_more_of_a_rare_class_that_overlaps_a_common_one():
    rng = torch.Generator().manual_seed(0)

    def greys(common, rare):
        labels = torch.tensor([0] * common + [1] * rare)
        levels = 100 + 40 * labels + 30 * torch.randn(common + rare, generator=rng)
        return levels.clamp(0, 255).byte()[:, None, None, None].expand(-1, 1, 16, 16).contiguous(), labels

    (images, labels), (test, wanted) = greys(400, 40), greys(300, 300)
    options = {"num_classes": 2, "steps": 80, "augment": None}
    recall = {}
    for offset in (None, log_shares(labels, 2)):
        found = predict(train_classifier(images, labels, logit_offset=offset, **options), test)
        recall[offset is None] = [float((found[wanted == label] == label).float().mean()) for label in (0, 1)]
    assert recall[False][1] > recall[True][1] + 0.2
    assert sum(recall[False]) > sum(recall[True]) + 0.05
