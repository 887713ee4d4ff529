"""Filling classes up: to the largest, by the share that is asked, and by all real images before any comes twice."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import SyntheticPool
from gan_augment.study._balance import fill_up, weighted_targets

# Real images are dark, and each is of its own grey; synthetic ones are white.
POOL = SyntheticPool(torch.full((4, 1, 8, 8), 255, dtype=torch.uint8), torch.arange(4))


def real(counts):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    greys = torch.arange(len(labels), dtype=torch.uint8)
    return greys[:, None, None, None].expand(-1, 1, 8, 8).contiguous(), labels


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.floats(0, 1), st.booleans(), st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_classes_get_what_they_lack_in_the_share_asked_for(counts, ratio, repeat, seed):
    images, labels = real(counts)
    filled, targets = fill_up(images, labels, POOL, ratio, seed, repeat)
    synthetic = filled[:, 0, 0, 0] == 255
    assert torch.equal(filled[: len(images)], images)
    for label, count in enumerate(counts):
        missing = max(counts) - count
        assert int(synthetic[targets == label].sum()) == round(ratio * missing)
        total = int((targets == label).sum())
        assert total == (max(counts) if repeat else count + round(ratio * missing))
        greys = filled[(targets == label) & ~synthetic][:, 0, 0, 0]
        times = torch.bincount(greys.long())[greys.long().unique()]
        assert int(times.max()) - int(times.min()) <= 1
        assert set(greys.tolist()) == set(images[labels == label][:, 0, 0, 0].tolist())


def test_without_a_pool_there_is_nothing_synthetic():
    images, labels = real([10, 3])
    filled, targets = fill_up(images, labels, None, 0.5, 0, False)
    assert torch.equal(filled, images)
    assert torch.equal(targets, labels)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4))
@settings(max_examples=30, deadline=None)
def test_under_weights_all_classes_weigh_alike(counts):
    labels = real(counts)[1]
    weights = weighted_targets(labels, len(counts))
    assert torch.allclose(weights.sum(0), torch.full((len(counts),), len(labels) / len(counts)))
    assert torch.equal(weights.argmax(1), labels)
