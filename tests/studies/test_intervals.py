"""The 95% interval holds the truth in 93 to 97% of 2,000 simulations."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.studies import Interval, crossed_difference, paired_difference

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


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20))
@settings(max_examples=40, deadline=None)
def test_an_interval_holds_its_mean_and_shifts_with_the_values(values):
    interval = Interval.of(values)
    assert interval.low <= interval.mean <= interval.high
    shifted = Interval.of([value + 5 for value in values])
    assert math.isclose(shifted.mean, interval.mean + 5, abs_tol=1e-9)
    assert math.isclose(shifted.high - shifted.low, interval.high - interval.low, abs_tol=1e-6)


def test_the_interval_is_students_t():
    interval = Interval.of([1.0, 2.0, 3.0, 4.0, 5.0])
    # mean 3, s = sqrt(2.5), t(0.975, 4) = 2.776445
    assert interval.high - interval.mean == pytest.approx(2.776445 * math.sqrt(2.5 / 5), rel=1e-6)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = torch.Generator().manual_seed(0)
    draws = torch.randn(1000, 5, generator=rng, dtype=torch.float64) + 0.3
    hits = sum(i.low <= 0.3 <= i.high for i in (Interval.of(row.tolist()) for row in draws))
    assert 0.93 <= hits / 1000 <= 0.97


@pytest.mark.parametrize(
    ("treated", "verdict"),
    [((0.9, 0.91, 0.92), "helps"), ((0.1, 0.11, 0.12), "hurts"), ((0.4, 0.5, 0.62), "no effect shown")],
)
def test_the_verdict_needs_the_whole_interval_on_one_side(treated, verdict):
    assert paired_difference(treated, (0.5, 0.51, 0.5)).verdict == verdict


def test_unpaired_or_single_runs_are_refused():
    with pytest.raises(ValueError, match="one value for each seed"):
        paired_difference([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="at least 2"):
        Interval.of([1.0])
