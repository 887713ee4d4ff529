"""The small classifier and the paired interval."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.evaluation import SmallCNN, accuracy, predict, random_affine, train_classifier
from gan_augment.studies import Interval, paired_difference


def bars(n):
    """Images of two classes: a bright upper or lower half."""
    labels = torch.arange(n) % 2
    images = torch.zeros(n, 1, 16, 16, dtype=torch.uint8)
    for image, label in zip(images, labels):
        image[:, :8] = 200 * (1 - int(label))
        image[:, 8:] = 200 * int(label)
    return images, labels


def test_the_classifier_learns_and_is_a_function_of_its_seed():
    images, labels = bars(20)
    state = torch.get_rng_state()
    first = train_classifier(images, labels, num_classes=2, steps=15, batch_size=8, seed=1)
    again = train_classifier(images, labels, num_classes=2, steps=15, batch_size=8, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters()))
    assert accuracy(first, images, labels) == 1.0


def test_what_a_mix_draws_does_not_move_the_other_randomness():
    images, labels = bars(20)
    seen = []

    def record(draws):
        def mix(batch, targets):
            seen.append((draws, targets.clone()))
            torch.rand(draws)
            return batch, targets

        return mix

    for draws in (0, 7):
        train_classifier(images, labels, num_classes=2, steps=6, batch_size=8, mix=record(draws), augment=None)
    plain, mixed = ([t for d, t in seen if d == draws] for draws in (0, 7))
    assert all(torch.equal(a, b) for a, b in zip(plain, mixed))


def test_affine_augmentation_moves_each_image_by_its_own_amount():
    images = torch.rand(1, 1, 16, 16).repeat(4, 1, 1, 1)
    moved = random_affine(images)
    assert moved.shape == images.shape
    assert all(not torch.equal(moved[0], other) for other in moved[1:])
    assert torch.allclose(random_affine(images, 0.0, 0.0, 0.0), images, atol=1e-4)


def test_predict_leaves_the_mode_as_it_was():
    model = SmallCNN(1, 2).train()
    predict(model, bars(4)[0])
    assert model.training


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
