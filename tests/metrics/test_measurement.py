import dataclasses
import json

import pytest
import torch

from gan_augment.metrics import Measurement, frechet_distance, kid, measure

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


def test_measure_computes_features_once_and_names_everything():
    pixels, real, synthetic = Pixels(), smooth(40, 1, 8), smooth(30, 1, 8, seed=1)
    measured = measure(synthetic, real, pixels, split="held-out")
    assert pixels.calls == 2
    assert list(measured) == ["kid", "fid", "precision", "recall", "density", "coverage"]
    for key, measurement in measured.items():
        assert measurement.label == f"{key}[pixels, n=40/30, held-out]"
    x, y = pixels(real), pixels(synthetic)
    assert (measured["kid"].value, measured["kid"].spread) == kid(x, y)
    assert measured["fid"].value == frechet_distance(x, y)


def test_images_that_do_not_compare_are_refused():
    real = smooth(10, 1, 8)
    with pytest.raises(ValueError, match="synthetic must be uint8"):
        measure(real.float(), real, Pixels(), split="test")
    with pytest.raises(ValueError, match="must be of one size"):
        measure(smooth(10, 1, 16), real, Pixels(), split="test")
    with pytest.raises(ValueError, match="must be of one size"):
        measure(smooth(10, 3, 8), real, Pixels(), split="test")
    with pytest.raises(ValueError, match="real must hold more than k=5 images, but got 5"):
        measure(real, real[:5], Pixels(), split="test")


def test_better_images_measure_better():
    real, fresh = smooth(100), smooth(100, seed=1)
    noise = torch.randint(0, 256, fresh.shape, generator=torch.Generator().manual_seed(0)).byte()
    good = measure(fresh, real, "random-convolutions", split="test")
    bad = measure(noise, real, "random-convolutions", split="test")
    assert good["kid"].value < bad["kid"].value
    assert good["fid"].value < bad["fid"].value
    assert all(good[key].value > bad[key].value for key in ("precision", "recall", "density", "coverage"))
