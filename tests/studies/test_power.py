"""The smallest effect that can be shown, and the sign-flip test."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gan_augment.studies import Interval, sign_flip_test
from gan_augment.studies._power import joint_verdict, power_sentence

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
    assert joint_verdict(found(0.001), sign_flip_test(values), len(values)) == "helps"


def test_without_an_effect_p_values_are_below_a_twentieth_once_in_twenty():
    rng = torch.Generator().manual_seed(0)
    found = [sign_flip_test(torch.randn(8, generator=rng).tolist()) for _ in range(600)]
    assert sum(p <= 0.05 for p in found) / len(found) == pytest.approx(0.047, abs=0.025)


def test_many_splits_draw_signs_at_random():
    rng = torch.Generator().manual_seed(0)
    assert sign_flip_test((torch.randn(40, generator=rng) + 2).tolist()) <= 1e-4
    assert sign_flip_test(torch.randn(40, generator=rng).tolist()) > 1e-3


def test_one_split_of_another_sign_is_no_agreement_of_five():
    p = sign_flip_test([0.02, 0.03, 0.02, 0.03, -0.001])
    assert joint_verdict(found(0.001), p, 5) == "no effect shown"


def found(half):
    return Interval(0.003, 0.003 - half, 0.003 + half, 5, 0.95)


def test_the_sentence_says_how_many_images_and_splits_would_show_a_point():
    sentence = power_sentence(found(0.02), 150, 5)
    assert sentence == (
        "With 150 test images and 5 splits, chance can move the result by about 2.0 points to either side (95% "
        "interval). Such a study can show a true effect of this size about half of the time, and a smaller one less "
        "often. To show an effect of one point as often, use about 600 test images and 20 seeds, each with its own "
        "split."
    )
    assert "To show" not in power_sentence(found(0.005), 10_000, 5)
    assert power_sentence(found(0.635), 153, 2).endswith(
        "Use 5 splits or more: with fewer, intervals can be wide by chance."
    )


@given(st.floats(-0.1, 0.1), st.floats(0.001, 0.1), st.floats(0, 1), st.integers(2, 20))
def test_both_must_show_an_effect(mean, half, p, splits):
    interval = Interval(mean, mean - half, mean + half, splits, 0.95)
    verdict = joint_verdict(interval, p, splits)
    assert verdict in (interval.verdict, "no effect shown")
    if p <= 0.05:
        assert verdict == interval.verdict
    if p > 0.5:
        assert verdict == "no effect shown"
