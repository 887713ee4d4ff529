import dataclasses
import json
import pickle
import warnings

import pytest
import torch

from gan_augment.metrics import (
    METRICS,
    Estimate,
    FeatureSets,
    Measurement,
    Metric,
    authenticity,
    ct_score,
    density_coverage,
    frechet_distance,
    kid,
    measure,
    measure_floor,
    precision_recall,
    register_metric,
)

from .test_features import smooth


class Pixels:
    """Features that can be computed by hand, and that count how often they are."""

    name = "pixels"

    def __init__(self):
        self.calls = 0

    def __call__(self, images):
        self.calls += 1
        return images.flatten(1).float() / 255


def test_a_measurement_says_what_it_is():
    measurement = Measurement("kid", 0.01234, 0.00043, "efficientnet-lite0", 1000, 800, "test")
    assert str(measurement) == "kid[efficientnet-lite0, n=1000/800, test] 0.0123 ±0.00043"
    assert str(dataclasses.replace(measurement, name="fid", value=123.456, spread=None)).endswith("test] 123")
    assert Measurement(**json.loads(json.dumps(measurement.to_dict()))) == measurement
    with pytest.raises(dataclasses.FrozenInstanceError):
        measurement.value = 0.0


NAMES = ["kid", "fid", "precision", "recall", "density", "coverage"]


def test_measure_computes_features_once_and_names_everything():
    pixels, real, synthetic = Pixels(), smooth(60, 1, 8), smooth(50, 1, 8, seed=1)
    measured = measure(real, synthetic, pixels, split="held-out")
    assert pixels.calls == 2
    assert list(measured) == NAMES
    for key, measurement in measured.items():
        assert measurement.label == f"{key}[pixels, n=60/50, held-out]"
    x, y = pixels(real), pixels(synthetic)
    assert (measured["kid"].value, measured["kid"].spread) == kid(x, y)
    assert measured["fid"].value == frechet_distance(x, y)
    assert (measured["precision"].value, measured["recall"].value) == precision_recall(x, y, 3)
    assert (measured["density"].value, measured["coverage"].value) == density_coverage(x, y, 3)
    assert pickle.loads(pickle.dumps(measured)) == measured


def test_training_images_add_memorisation():
    pixels, real, train = Pixels(), smooth(60, 1, 8), smooth(70, 1, 8, seed=2)
    fresh = measure(real, smooth(50, 1, 8, seed=1), pixels, split="test", train=train)
    copied = measure(real, train[:50], pixels, split="test", train=train)
    assert pixels.calls == 6
    assert list(fresh) == [*NAMES, "authenticity", "ct"]
    assert fresh["authenticity"].label == "authenticity[pixels, n=70/50, train]"
    assert fresh["ct"].label == "ct[pixels, n=60/50, test]"
    assert copied["authenticity"].value == 0 < fresh["authenticity"].value
    assert copied["ct"].value < -5 < fresh["ct"].value
    x, y, t = pixels(real), pixels(smooth(50, 1, 8, seed=1)), pixels(train)
    assert (fresh["authenticity"].value, fresh["ct"].value) == (authenticity(t, y), ct_score(t, x, y))


def test_neighbours_are_five_and_of_few_images_three():
    real, synthetic = smooth(500, 1, 8), smooth(500, 1, 8, seed=1)
    five, three = (measure(real, synthetic, Pixels(), split="test", k=k)["density"] for k in (5, 3))
    assert measure(real, synthetic, Pixels(), split="test")["density"] == five != three
    few = measure(real, synthetic[:499], Pixels(), split="test")["density"]
    assert few == measure(real, synthetic[:499], Pixels(), split="test", k=3)["density"]


def test_spreads_of_shares_are_those_of_repeated_samples():
    def draw(seed, n=60):
        return torch.randint(0, 256, (n, 1, 2, 2), generator=torch.Generator().manual_seed(seed)).byte()

    real = draw(0, 80)
    runs = [measure(real, draw(seed), Pixels(), split="test") for seed in range(1, 120)]
    for key in ("precision", "density"):  # of samples anew, in a manifold that stays
        values = torch.tensor([run[key].value for run in runs])
        spreads = torch.tensor([run[key].spread for run in runs])
        assert 0.75 < float(spreads.mean() / values.std()) < 1.33
    for key, count in (("recall", 80), ("coverage", 80)):
        for run in runs[:9]:
            assert run[key].spread == Estimate.of_share(run[key].value, count).spread


@pytest.mark.parametrize(("real", "synthetic"), [(49, 60), (60, 49)])
def test_few_images_are_measured_with_a_warning(real, synthetic):
    with pytest.warns(UserWarning, match=f"fewer than 50 .* there are {real} real and {synthetic} synthetic images"):
        measure(smooth(real, 1, 8, seed=1), smooth(synthetic, 1, 8), Pixels(), split="test")


def test_fifty_images_are_enough():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure(smooth(50, 1, 8, seed=1), smooth(50, 1, 8), Pixels(), split="test")


def test_images_that_do_not_compare_are_refused():
    real = smooth(10, 1, 8)
    with pytest.raises(ValueError, match="synthetic must be uint8"):
        measure(real, real.float(), Pixels(), split="test")
    with pytest.raises(ValueError, match="synthetic must have the size of the real images"):
        measure(real, smooth(10, 1, 16), Pixels(), split="test")
    with pytest.raises(ValueError, match="synthetic must have 1 channels"):
        measure(real, smooth(10, 3, 8), Pixels(), split="test")
    with pytest.raises(ValueError, match="train must have 1 channels"):
        measure(real, real, Pixels(), split="test", train=smooth(10, 3, 8))
    with pytest.raises(ValueError, match=r"real must hold more than 5 images \(k=5\), but got 5"):
        measure(real[:5], real, Pixels(), split="test", k=5)
    with pytest.raises(ValueError, match=r"real must hold more than 2 images \(k=1\), but got 2"):
        measure(real[:2], real, Pixels(), split="test", k=1)


def test_better_images_measure_better():
    real, fresh = smooth(100), smooth(100, seed=1)
    noise = torch.randint(0, 256, fresh.shape, generator=torch.Generator().manual_seed(0)).byte()
    good = measure(real, fresh, "random-convolutions", split="test")
    bad = measure(real, noise, "random-convolutions", split="test")
    assert good["kid"].value < bad["kid"].value
    assert good["fid"].value < bad["fid"].value
    assert all(good[key].value > bad[key].value for key in ("precision", "recall", "density", "coverage"))


@pytest.fixture
def registry():
    """The registered metrics; those that a test adds are removed afterwards."""
    before = METRICS.copy()
    yield METRICS
    METRICS.clear()
    METRICS.update(before)


def test_a_registered_metric_is_measured_with_the_others(registry):
    register_metric(Metric("shift", lambda sets: (sets.real.mean() - sets.synthetic.mean()).abs()))
    register_metric(Metric("copied", lambda sets: Estimate(0.5, 0.1), needs_train=True, counts_train=True))
    real, synthetic, train = smooth(60, 1, 8), smooth(50, 1, 8, seed=1), smooth(70, 1, 8, seed=2)
    assert list(measure(real, synthetic, Pixels(), split="test")) == [*NAMES, "shift"]
    measured = measure(real, synthetic, Pixels(), split="test", train=train)
    assert list(measured) == [*NAMES, "authenticity", "ct", "shift", "copied"]
    assert measured["shift"].value == pytest.approx(
        abs(float(real.float().mean() - synthetic.float().mean())) / 255, rel=1e-4
    )
    assert (type(measured["shift"].value), measured["shift"].spread) == (float, None)
    assert str(measured["copied"]) == "copied[pixels, n=70/50, train] 0.5 ±0.1"


def test_the_floor_has_real_images_in_place_of_samples(registry):
    for name, options in (("plain", {}), ("copied", {"needs_train": True}), ("bare", {"has_floor": False})):
        register_metric(Metric(name, lambda sets: float(sets.synthetic.mean()), **options))
    real, synthetic, train = torch.zeros(10, 2), torch.ones(6, 2), torch.arange(16).reshape(8, 2).float()
    floor = measure_floor(FeatureSets(real, synthetic, train, 3), features="mine", split="test")
    assert list(floor) == [*NAMES, "authenticity", "plain", "copied"]
    assert floor["plain"].value == train[:6].mean()  # as many training images as samples
    assert floor["copied"].value == 0  # the unseen real images
    assert floor["kid"].label == "kid[mine, n=10/6, test]"
    assert floor["authenticity"].label == "authenticity[mine, n=8/10, train]"
    assert list(measure_floor(FeatureSets(real, synthetic, train[:3], 3), features="mine", split="test")) == [
        "authenticity",
        "copied",
    ]
    assert measure_floor(FeatureSets(real, synthetic), features="mine", split="test") == {}


def test_what_is_no_new_metric_is_refused():
    with pytest.raises(TypeError, match="metric must be a Metric"):
        register_metric(kid)
    with pytest.raises(ValueError, match=r"name must differ from \('kid'.*but got 'kid'"):
        register_metric(Metric("kid", lambda sets: 0.0))
    assert list(METRICS) == [*NAMES, "authenticity", "ct"]


def test_higher_is_better_is_said_of_each_metric():
    better = {name: metric.higher_is_better for name, metric in METRICS.items()}
    assert better == {name: None if name == "ct" else name not in ("kid", "fid") for name in METRICS}
