"""Filling classes up: all to the largest, by synthetic images or by all real ones before any comes twice."""

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


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.booleans(), st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_classes_get_what_they_lack(counts, synthetic, seed):
    images, labels = real(counts)
    filled, targets = fill_up(images, labels, POOL if synthetic else None, seed)
    assert torch.equal(filled[: len(images)], images)
    added, of = filled[len(images) :, 0, 0, 0], targets[len(images) :]
    assert torch.bincount(targets).tolist() == [max(counts)] * len(counts)
    assert bool((added == 255).all()) if synthetic else 255 not in added
    for label, count in enumerate(counts):
        again = added[of == label]
        if not synthetic and len(again):
            times = torch.bincount(again.long(), minlength=len(images))[labels == label]
            assert int(times.max()) - int(times.min()) <= 1
            assert int(times.sum()) == max(counts) - count


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4))
@settings(max_examples=30, deadline=None)
def test_under_weights_all_classes_weigh_alike(counts):
    labels = real(counts)[1]
    weights = weighted_targets(labels, len(counts))
    assert torch.allclose(weights.sum(0), torch.full((len(counts),), len(labels) / len(counts)))
    assert torch.equal(weights.argmax(1), labels)
