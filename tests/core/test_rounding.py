"""Tests the rounding by largest remainders."""

from fractions import Fraction

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


@given(total=st.integers(0, 200), counts=WEIGHTS)
def test_the_part_with_the_largest_deficit_is_next(total, counts):
    n = sum(counts)
    expected = [total * count // n for count in counts]
    for _ in range(total - sum(expected)):
        places = range(len(counts))
        expected[max(places, key=lambda place: total * counts[place] - n * expected[place])] += 1
    assert largest_remainder(total, counts) == expected


def test_of_equal_remainders_the_first_are_rounded_up():
    assert largest_remainder(4, [1, 1, 1]) == [2, 1, 1]


def test_large_counts_are_exact():
    assert largest_remainder(10**18, [3, 10**18]) == [3, 10**18 - 3]


def test_nothing_is_divided_without_weights():
    assert largest_remainder(0, [0, 0]) == [0, 0]
