"""The smallest effect that can be shown, and the sign-flip test."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.studies import sign_flip_test
from gan_augment.studies._power import Variances, agrees, power_sentence

numbers = st.floats(-1, 1).map(lambda value: round(value, 3))


@given(st.lists(numbers, min_size=1, max_size=8))
def test_the_p_value_is_a_share_of_all_signs_and_ignores_the_side(values):
    p = sign_flip_test(values)
    assert 2 / 2 ** len(values) <= p <= 1
    assert p == sign_flip_test([-value for value in values])
    assert (p * 2 ** len(values)).is_integer()


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=8))
def test_only_the_observed_signs_and_their_opposite_are_as_extreme_if_all_agree(values):
    assert sign_flip_test(values) == 2 / 2 ** len(values)
    assert agrees(sign_flip_test(values), len(values))


def test_without_an_effect_p_values_are_below_a_twentieth_once_in_twenty():
    rng = torch.Generator().manual_seed(0)
    found = [sign_flip_test(torch.randn(8, generator=rng).tolist()) for _ in range(600)]
    assert sum(p <= 0.05 for p in found) / len(found) == pytest.approx(0.047, abs=0.025)


def test_many_splits_draw_signs_at_random():
    rng = torch.Generator().manual_seed(0)
    assert sign_flip_test((torch.randn(40, generator=rng) + 2).tolist()) <= 1e-4
    assert sign_flip_test(torch.randn(40, generator=rng).tolist()) > 1e-3


def test_one_split_of_another_sign_is_no_agreement_of_five():
    assert not agrees(sign_flip_test([0.02, 0.03, 0.02, 0.03, -0.001]), 5)


@pytest.mark.parametrize(
    ("images", "splits", "residual"), [(0.04, 0.0, 0.01), (0.0, 0.0004, 0.02), (0.03, 0.0001, 0.0)]
)
def test_variances_are_found_again(images, splits, residual):
    rng = torch.Generator().manual_seed(0)
    shape = (60, 900)
    parts = (
        torch.randn(1, shape[1], generator=rng),
        torch.randn(shape[0], 1, generator=rng),
        torch.randn(shape, generator=rng),
    )
    scores = sum(math.sqrt(value) * part for value, part in zip((images, splits, residual), parts))
    found = Variances.of(scores, torch.zeros(shape))
    assert found.images == pytest.approx(images, rel=0.2, abs=1e-4)
    assert found.splits == pytest.approx(splits, rel=0.4, abs=1e-5)
    assert found.residual == pytest.approx(residual, rel=0.05, abs=1e-9)


@given(st.integers(2, 5000), st.integers(2, 20))
@settings(deadline=None)  # the first call imports scipy
def test_more_images_or_splits_show_smaller_effects(n, splits):
    variances = Variances(0.05, 0.0002, 0.03)
    effect = variances.smallest_effect(n, splits)
    assert variances.smallest_effect(n + 1, splits) < effect
    assert variances.smallest_effect(n, splits + 1) < effect


def test_the_sentence_says_how_many_images_or_splits_would_show_a_point():
    many = power_sentence(Variances(0.05, 0.0, 0.0), 100, 5)
    assert many == (
        "With 100 test images and 5 splits, the smallest effect that can be shown is about 6.2 points. To show one "
        "point, the study needs about 3,855 test images."
    )
    assert " or " in power_sentence(Variances(0.002, 1e-6, 0.0), 100, 5)
    assert "both more test images and more splits" in power_sentence(Variances(0.05, 0.01, 0.0), 100, 3)
    assert "To show" not in power_sentence(Variances(0.001, 0.0, 0.0), 1000, 5)
