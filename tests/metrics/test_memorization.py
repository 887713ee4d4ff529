import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.metrics import authenticity, ct_score


def normal(n, d=6, seed=0, mean=0.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + mean


def uniform(n, d, seed):
    return torch.rand(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_authenticity_by_hand():
    train = torch.tensor([[0.0], [1.0], [5.0]])  # their nearest others are 1, 1 and 4 away
    samples = torch.tensor([[-0.9], [-1.1], [2.5], [3.5], [9.1]])
    assert [authenticity(train, sample[None]) for sample in samples] == [0, 1, 1, 0, 1]
    assert authenticity(train, samples) == 0.6


def test_authenticity_of_new_items_in_one_and_two_dimensions():
    # Two points of a Poisson process are each other's nearest with this probability (Clark and Evans, 1955).
    line, plane = 2 / 3, 6 * math.pi / (8 * math.pi + 3 * math.sqrt(3))
    for d, mutual in ((1, line), (2, plane)):
        found = authenticity(uniform(4000, d, 0), uniform(4000, d, 1))
        assert found == pytest.approx(1 - mutual, abs=4 * math.sqrt(mutual * (1 - mutual) / 4000))


@pytest.mark.parametrize(("d", "share"), [(1, 0.34), (5, 0.5), (100, 0.84)])
def test_authenticity_of_new_items_is_what_the_documentation_says(d, share):
    found = [authenticity(normal(2000, d, 2 * seed), normal(2000, d, 2 * seed + 1)) for seed in range(5)]
    assert sum(found) / 5 == pytest.approx(share, abs=0.015)


def brute(train, synthetic):
    def distance(a, b):
        return math.sqrt(sum((x - y) ** 2 for x, y in zip(a.tolist(), b.tolist())))

    authentic = 0
    for sample in synthetic:
        gap, j = min((distance(sample, item), j) for j, item in enumerate(train))
        authentic += gap > min(distance(train[j], item) for i, item in enumerate(train) if i != j)
    return authentic / len(synthetic)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 30), st.integers(1, 30), st.integers(1, 8), st.integers(0, 999))
def test_authenticity_is_that_of_all_pairs_in_any_order(n, m, d, seed):
    train, synthetic = normal(n, d, seed, mean=3), normal(m, d, seed + 1000, mean=3)
    found = authenticity(train, synthetic)
    assert found == brute(train, synthetic)
    rng = torch.Generator().manual_seed(seed)
    assert found == authenticity(train[torch.randperm(n, generator=rng)], synthetic[torch.randperm(m, generator=rng)])


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 60), st.integers(1, 8), st.floats(0, 1e4), st.integers(0, 999))
def test_copies_are_not_authentic_and_nearer_than_new_items(n, d, mean, seed):
    train, test = normal(n, d, seed, mean), normal(n, d, seed + 1000, mean)
    train[1] = train[0]  # stored twice: a copy of it is as near as its nearest other, which is no farther
    assert authenticity(train, train) == 0
    assert ct_score(train, test, train) < -5
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    assert ct_score(train[order], test, train) == ct_score(train, test[order], train[order])


def test_blocks_do_not_change_a_value(monkeypatch):
    train, test, synthetic = normal(50), normal(31, seed=1), normal(37, seed=2, mean=0.3)
    values = authenticity(train, synthetic), ct_score(train, test, synthetic)
    monkeypatch.setattr("gan_augment._core._neighbours.ROWS", 7)
    monkeypatch.setattr("gan_augment._core._neighbours.COLUMNS", 11)
    assert (authenticity(train, synthetic), ct_score(train, test, synthetic)) == values


@pytest.mark.parametrize("copied", [0, 5, 30])
def test_ct_is_the_mann_whitney_test_of_scipy(copied):
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    train, test, synthetic = normal(80), normal(50, seed=1), normal(60, seed=2)
    synthetic[:copied] = train[:copied]  # ties at 0

    def gaps(items):
        return torch.cdist(items, train, compute_mode="donot_use_mm_for_euclid_dist").amin(1).numpy()

    found = ct_score(train, test, synthetic)
    theirs = stats.mannwhitneyu(
        gaps(synthetic), gaps(test), alternative="less", use_continuity=False, method="asymptotic"
    )
    assert found == pytest.approx(stats.norm.ppf(theirs.pvalue), rel=1e-6)


def test_ct_by_hand_without_ties():
    train, test, synthetic = torch.zeros(1, 1), torch.tensor([[1.0], [3.0], [4.0]]), torch.tensor([[2.0], [0.5]])
    # Of the six pairs one sample is farther: U = 1, its mean 3 and its variance 2 * 3 * 6 / 12 = 3.
    assert ct_score(train, test, synthetic) == pytest.approx(-2 / math.sqrt(3), rel=1e-12)
    assert ct_score(train, synthetic, test) == pytest.approx(2 / math.sqrt(3), rel=1e-12)
    assert ct_score(train, test[:1], -test[:1]) == 0  # nothing but ties


def test_ct_of_new_items_is_a_standard_normal():
    values = torch.tensor([ct_score(*(normal(n, 4, 3 * seed + i) for i, n in enumerate((60, 40, 50)))) for seed in
                           range(200)])  # fmt: skip
    assert abs(float(values.mean())) < 4 / math.sqrt(200)
    assert 0.8 < float(values.std()) < 1.25


def test_ct_tells_copying_from_samples_that_are_far():
    train, test = normal(200), normal(200, seed=1)
    scores = [ct_score(train, test, train + noise * normal(200, seed=2)) for noise in (0.01, 0.3, 3.0)]
    assert scores == sorted(scores)
    assert scores[0] < -10
    assert scores[2] > 10


@pytest.mark.parametrize(
    ("train", "synthetic", "message"),
    [
        (normal(1), normal(5), "train must hold at least 2 items"),
        (normal(5), normal(5)[:0], "synthetic must hold at least 1 items"),
        (normal(5), normal(5, 7), "train and synthetic must be features of one network, but got rows of 6 and 7"),
        (normal(5).long(), normal(5), "train must be float features"),
        (normal(5), normal(5) / 0, "synthetic must hold finite features"),
    ],
)
def test_what_are_no_features_is_refused(train, synthetic, message):
    with pytest.raises(ValueError, match=message):
        authenticity(train, synthetic)


def test_ct_refuses_an_empty_test_set():
    with pytest.raises(ValueError, match="test must hold at least 1 items"):
        ct_score(normal(5), normal(5)[:0], normal(5))
