import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.metrics import _distances, density_coverage, frechet_distance, kid, precision_recall


def normal(n, d=8, seed=0, mean=0.0, scale=1.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale + mean


def test_kid_is_the_sum_over_all_pairs():
    x, y = normal(7, 3), normal(5, 3, seed=1, mean=0.5)

    def kernel(a, b):
        return (float(a @ b) / 3 + 1) ** 3

    within_x = np.mean([kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    within_y = np.mean([kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert kid(x, y).value == pytest.approx(within_x + within_y - 2 * across, rel=1e-12)


def test_the_spread_of_kid_is_the_delete_one_jackknife():
    x, y = normal(9, 3), normal(6, 3, seed=1)
    without_x = [kid(torch.cat([x[:i], x[i + 1 :]]), y).value for i in range(9)]
    without_y = [kid(x, torch.cat([y[:i], y[i + 1 :]])).value for i in range(6)]
    assert kid(x, y).spread == pytest.approx(math.sqrt(8 * np.var(without_x) + 5 * np.var(without_y)), rel=1e-9)


def test_kid_of_one_distribution_is_zero_on_average_and_its_spread_is_true():
    values, spreads = zip(*(kid(normal(50, seed=2 * i), normal(60, seed=2 * i + 1)) for i in range(200)))
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(200)
    assert 0.8 < np.mean(spreads) / np.std(values) < 1.6


def test_kid_grows_with_the_shift_and_does_not_depend_on_the_count():
    values = [kid(normal(400), normal(400, seed=1, mean=shift)) for shift in (0.0, 0.2, 0.4, 0.8)]
    assert [v.value for v in values] == sorted(v.value for v in values)
    few, many = kid(normal(60), normal(60, seed=1, mean=0.8)), values[-1]
    assert abs(few.value - many.value) < 3 * few.spread


@pytest.mark.parametrize("measure", [kid, frechet_distance, precision_recall, density_coverage])
def test_blocks_do_not_change_a_value(measure, monkeypatch):
    x, y = normal(50), normal(37, seed=1, mean=0.3)
    whole = measure(x, y)
    monkeypatch.setattr(_distances, "ROWS", 8)
    assert measure(x, y) == pytest.approx(whole, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 40), st.integers(3, 40), st.integers(1, 12), st.integers(0, 99))
def test_distances_are_symmetric_and_do_not_depend_on_the_order(n, m, d, seed):
    x, y = normal(n, d, seed), normal(m, d, seed + 100, mean=0.5)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    assert kid(x, y) == pytest.approx(kid(y, x), rel=1e-6, abs=1e-9)
    assert kid(x, y) == pytest.approx(kid(x[order], y), rel=1e-6, abs=1e-9)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-6, abs=1e-9)
    assert frechet_distance(x, x[order]) == pytest.approx(0, abs=1e-6)


def test_the_frechet_distance_of_one_dimension_is_the_textbooks():
    x, y = normal(50, 1), normal(80, 1, seed=1, mean=2, scale=3)
    expected = (x.mean() - y.mean()) ** 2 + (x.std() - y.std()) ** 2
    assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("n", [5, 200])  # fewer items than features, and more
def test_the_frechet_distance_of_scaled_and_shifted_features(n):
    x = normal(n, 12)
    spread = float(x.var(dim=0).sum())
    shift = torch.arange(12, dtype=torch.float64)
    centre = x - x.mean(0)
    assert frechet_distance(centre, 3 * centre + shift) == pytest.approx(4 * spread + float(shift @ shift), rel=1e-9)


def test_precision_and_recall_by_hand():
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    synthetic = torch.tensor([[0.5], [0.6], [5.0], [100.0]])
    # With k=1 the real balls have radii 1, 1, 1 and 8; the synthetic ones 0.1, 0.1, 4.4 and 95.
    assert precision_recall(real, synthetic, k=1) == (0.75, 0.75)
    assert density_coverage(real, synthetic, k=1) == (5 / 4, 0.75)


def test_mode_loss_costs_recall_and_coverage_and_noise_costs_precision():
    real, fresh = normal(300), normal(300, seed=1)
    lost, noisy = fresh[:5].repeat(60, 1), normal(300, seed=2, scale=3)
    assert precision_recall(real, lost).recall < 0.1 < 0.7 < precision_recall(real, fresh).recall
    assert density_coverage(real, lost).coverage < 0.2 < 0.8 < density_coverage(real, fresh).coverage
    assert precision_recall(real, noisy).precision < 0.2 < 0.7 < precision_recall(real, fresh).precision
    assert density_coverage(real, fresh).density == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(("n", "m", "d", "k"), [(60, 60, 8, 5), (50, 80, 100, 3), (300, 200, 16, 5), (9, 30, 2, 1)])
def test_values_are_those_of_the_libraries(n, m, d, k):
    x, y = normal(n, d).abs(), normal(m, d, seed=1, mean=0.1).abs()
    prdc = pytest.importorskip("prdc", reason="prdc is not installed").compute_prdc(x.numpy(), y.numpy(), k)
    assert precision_recall(x, y, k) == pytest.approx((prdc["precision"], prdc["recall"]), abs=1e-9)
    assert density_coverage(x, y, k) == pytest.approx((prdc["density"], prdc["coverage"]), abs=1e-9)
    fidelity = pytest.importorskip("torch_fidelity.metric_fid", reason="torch-fidelity is not installed")
    statistics = [fidelity.fid_features_to_statistics(features) for features in (x, y)]
    theirs = fidelity.fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    assert frechet_distance(x, y) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(("n", "d"), [(40, 8), (120, 32), (100, 300)])
@pytest.mark.parametrize("mean", [0.0, 0.1, 2.0])
def test_kid_is_that_of_the_libraries_over_all_items(n, d, mean):
    x, y = normal(n, d).abs(), normal(n, d, seed=1, mean=mean).abs()
    fidelity = pytest.importorskip("torch_fidelity.metric_kid", reason="torch-fidelity is not installed")
    options = {"kid_subsets": 1, "kid_subset_size": n, "verbose": False}
    theirs = fidelity.kid_features_to_metric(x, y, **options)["kernel_inception_distance_mean"]
    assert kid(x, y).value == pytest.approx(theirs, rel=1e-6, abs=1e-9)
    theirs = pytest.importorskip("torchmetrics.image.kid", reason="torchmetrics is not installed").poly_mmd(x, y)
    assert kid(x, y).value == pytest.approx(float(theirs), rel=1e-6, abs=1e-9)


def test_kid_of_two_points_that_repeat():
    # All of one side are a, and of the other b: k(a, a) + k(b, b) - 2 k(a, b), of (x . y / 2 + 1) ** 3.
    a, b = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    found = kid(a.repeat(5, 1), b.repeat(7, 1))
    assert found.value == pytest.approx(3**3 + 9**3 - 2)
    assert found.spread == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("measure", [kid, frechet_distance, precision_recall, density_coverage])
@pytest.mark.parametrize(
    ("real", "synthetic", "message"),
    [
        (normal(50), normal(1), "synthetic must hold at least"),
        (normal(50, 8), normal(50, 9), "features of one network"),
        (normal(50).long(), normal(50), "real must be float features"),
        (normal(50)[0], normal(50), "real must be float features"),
        (normal(50), normal(50) / 0, "synthetic must hold finite features"),
    ],
)
def test_what_is_no_pair_of_features_is_refused(measure, real, synthetic, message):
    with pytest.raises(ValueError, match=message):
        measure(real, synthetic)


@pytest.mark.parametrize("measure", [precision_recall, density_coverage])
def test_a_k_that_has_no_neighbour_is_refused(measure):
    with pytest.raises(ValueError, match="k must be at least 1"):
        measure(normal(9), normal(9), k=0)
    with pytest.raises(ValueError, match="at least 10 items"):
        measure(normal(9), normal(9), k=9)
