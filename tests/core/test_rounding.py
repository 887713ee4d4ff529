"""Tests the rounding by largest remainders."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_augment._core import largest_remainder

WEIGHTS = st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any)


@given(total=st.integers(0, 200), weights=WEIGHTS)
def test_parts_add_up_and_stay_next_to_their_exact_shares(total, weights):
    parts = largest_remainder(total, weights)
    assert sum(parts) == total
    assert all(
        abs(part - Fraction(total * weight, sum(weights))) < 1 and (weight or not part)
        for part, weight in zip(parts, weights)
    )


@given(data=st.data(), counts=WEIGHTS)
def test_limits_hold_and_the_part_with_the_largest_deficit_is_next(data, counts):
    limits = [max(0, count - 1) for count in counts]
    total = data.draw(st.integers(0, sum(limits)))
    order = data.draw(st.permutations(range(len(counts))))
    n = sum(counts)
    expected = [min(total * count // n, limit) for count, limit in zip(counts, limits)]
    for _ in range(total - sum(expected)):
        free = [place for place in order if expected[place] < limits[place]]
        expected[max(free, key=lambda place: total * counts[place] - n * expected[place])] += 1
    assert largest_remainder(total, counts, limits=limits, order=order) == expected


def test_equal_remainders_are_rounded_up_in_the_given_order():
    assert largest_remainder(4, [1, 1, 1]) == [2, 1, 1]
    assert largest_remainder(4, [1, 1, 1], order=[2, 0, 1]) == [1, 1, 2]


def test_large_counts_are_exact():
    assert largest_remainder(10**18, [3, 10**18]) == [3, 10**18 - 3]


def test_nothing_is_divided_without_weights():
    assert largest_remainder(0, [0, 0]) == [0, 0]


def test_more_than_the_limits_hold_is_refused():
    with pytest.raises(ValueError, match="at most 3, the sum of the limits, but got 4"):
        largest_remainder(4, [1, 1], limits=[1, 2])
