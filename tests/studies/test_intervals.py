"""The 95 % interval holds the truth in 93 to 97 % of 2,000 simulations."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.studies import crossed_difference, paired_difference

SIMULATIONS = 2000
TRUTH = 0.02


def share_of_hits(intervals):
    return sum(interval.low <= TRUTH <= interval.high for interval in intervals) / SIMULATIONS


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_paired_intervals_cover(seeds):
    rng = torch.Generator().manual_seed(seeds)
    control = 0.8 + 0.03 * torch.randn(SIMULATIONS, seeds, generator=rng)
    treated = control + TRUTH + 0.01 * torch.randn(SIMULATIONS, seeds, generator=rng)
    found = [paired_difference(a, b) for a, b in zip(treated.tolist(), control.tolist())]
    assert 0.93 <= share_of_hits(found) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "images", "of_seeds", "of_images"),
    [(5, 200, 0.01, 0.2), (5, 600, 0.02, 0.1), (10, 300, 0.005, 0.3), (5, 100, 0.0, 0.3)],
)
def test_crossed_intervals_cover_other_seeds_and_other_images(seeds, images, of_seeds, of_images):
    rng = torch.Generator().manual_seed(0)
    found = []
    for _ in range(SIMULATIONS):
        difference = TRUTH + of_seeds * torch.randn(seeds, 1, generator=rng)
        difference = difference + of_images * torch.randn(1, images, generator=rng)
        difference += 0.3 * torch.randn(seeds, images, generator=rng)
        found.append(crossed_difference(difference, torch.zeros_like(difference)))
    assert 0.93 <= share_of_hits(found) <= 0.97


@pytest.mark.slow
def test_crossed_intervals_cover_where_classifiers_are_right_or_wrong():
    # An image is hard or easy, and mixing helps with some images and hurts with others.
    rng = torch.Generator().manual_seed(1)
    found = []
    for _ in range(SIMULATIONS):
        right = 0.2 + 0.6 * torch.rand(600, generator=rng)
        change = TRUTH + 0.15 * (2 * torch.rand(600, generator=rng) - 1)
        seeds = 0.02 * torch.randn(5, 1, generator=rng)
        control = torch.rand(5, 600, generator=rng) < right
        treated = torch.rand(5, 600, generator=rng) < right + change + seeds
        found.append(crossed_difference(treated.float(), control.float()))
    assert 0.93 <= share_of_hits(found) <= 0.97


def test_few_images_widen_an_interval_that_seeds_alone_do_not():
    rng = torch.Generator().manual_seed(0)
    per_image = (torch.rand(1, 100, generator=rng) < 0.2).float().repeat(5, 1)
    few = crossed_difference(per_image, torch.zeros(5, 100))
    many = crossed_difference(per_image.repeat(1, 50), torch.zeros(5, 5000))
    assert few.mean == pytest.approx(many.mean)
    assert few.high - few.low > 5 * (many.high - many.low) > 0
    of_seeds = paired_difference(per_image.mean(1).tolist(), [0.0] * 5)
    assert of_seeds.high - of_seeds.low == pytest.approx(0, abs=1e-9)


def test_with_classes_it_is_the_difference_of_balanced_accuracy():
    labels = torch.tensor([0] * 90 + [1] * 10)
    treated, control = torch.ones(4, 100), torch.ones(4, 100)
    control[:, :9] = 0  # a tenth of class 0
    treated[:, 90:95] = 0  # half of class 1
    assert crossed_difference(treated, control, labels).mean == pytest.approx((0.1 - 0.5) / 2)
    assert crossed_difference(treated, control).mean == pytest.approx(0.09 - 0.05)


@given(st.integers(2, 6), st.integers(4, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_the_order_of_seeds_and_images_does_not_matter_and_sides_mirror(seeds, images, seed):
    rng = torch.Generator().manual_seed(seed)
    a, b = (torch.rand(2, seeds, images, generator=rng) < 0.6).float()
    labels = torch.arange(images) % 2
    found = crossed_difference(a, b, labels)
    rows, columns = torch.randperm(seeds, generator=rng), torch.randperm(images, generator=rng)
    moved = crossed_difference(a[rows][:, columns], b[rows][:, columns], labels[columns])
    assert moved.low == pytest.approx(found.low, abs=1e-9)
    mirrored = crossed_difference(b, a, labels)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-9)


def test_no_difference_at_all_is_no_effect():
    same = torch.ones(5, 50)
    found = crossed_difference(same, same)
    assert (found.low, found.mean, found.high, found.verdict) == (0, 0, 0, "no effect shown")


@pytest.mark.parametrize(
    ("treated", "control", "labels", "message"),
    [
        (torch.ones(1, 9), torch.ones(1, 9), None, "at least 2 seeds"),
        (torch.ones(3, 9), torch.ones(3, 8), None, "of the same seeds and images"),
        (torch.ones(3), torch.ones(3), None, "must be scores"),
        (torch.ones(3, 3), torch.ones(3, 3), torch.tensor([0, 0, 1]), "at least 2 images"),
        (torch.ones(3, 3), torch.ones(3, 3), torch.tensor([0, 0]), "each image its class"),
    ],
)
def test_what_is_not_paired_is_refused(treated, control, labels, message):
    with pytest.raises(ValueError, match=message):
        crossed_difference(treated, control, labels)
