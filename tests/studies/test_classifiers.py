"""Classifiers of the user's own: what their weights may be, where they may be, and how a study tells them apart."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gan_augment import SyntheticPool
from gan_augment.evaluation import Classifier, SmallCNN
from gan_augment.studies import study

from .conftest import PLAIN, gratings

SMALL = {**PLAIN, "augment": "none", "ratios": 0.5, "steps": 3, "seeds": 2, "pool_size": 60, "progress": False}


class Own(nn.Module):
    """Subtracts a mean that may be a buffer, and computes in any type."""

    def __init__(self, channels, num_classes, dtype=torch.float32, mean=None):
        super().__init__()
        self.net = SmallCNN(channels, num_classes, width=4).to(dtype)
        if mean is None:
            self.register_buffer("mean", torch.full((1, 1, 1), 0.5))
        else:
            self.mean = mean

    def forward(self, images):
        return self.net((images - self.mean).to(self.net[0].weight.dtype))


class Pair(Own):
    """Returns a tuple while it trains, like networks with auxiliary heads."""

    def forward(self, images):
        logits = super().forward(images)
        return (logits, logits) if self.training else logits


class Broken(Own):
    def forward(self, images):
        return [super().forward(images)][1]


class Spectral(nn.Module):
    """Has complex weights."""

    def __init__(self, channels, num_classes):
        super().__init__()
        self.filter = nn.Parameter(torch.ones(16, 9, dtype=torch.complex64))
        self.last = nn.Linear(256 * channels, num_classes)

    def forward(self, images):
        return self.last(torch.fft.irfft2(torch.fft.rfft2(images) * self.filter).flatten(1))


def moved(channels, num_classes):
    return Own(channels, num_classes).to("cpu")


def double(channels, num_classes):
    return Own(channels, num_classes, torch.float64)


def half(channels, num_classes):
    return Own(channels, num_classes, torch.bfloat16)


def run(few, test_images, classifier, **changes):
    pool = SyntheticPool(*gratings(90, 5))
    return study(few, pool, test=test_images, **{**SMALL, "classifier": classifier, **changes})


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_module_that_was_moved_gives_the_same_as_one_that_was_not(few, test_images, precision):
    options = {"device": "cpu", "precision": precision}
    one, two = (run(few, test_images, each, **options) for each in (Own, moved))
    assert [arm.log_loss for arm in one.arms] == [arm.log_loss for arm in two.arms]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("build", [double, half])
def test_a_module_may_compute_in_a_type_of_its_own(few, test_images, build, precision):
    result = run(few, test_images, build, precision=precision, filters=(None, "agreement"), steps=20)
    assert all(0 < arm.log_loss < 20 for arm in result.arms)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda channels, number: SmallCNN(channels, number, width=4).double(), r"float32 images.*\.float\(\)"),
        (lambda channels, number: SmallCNN(channels, number, width=4).bfloat16(), r"float32 images.*\.float\(\)"),
        (lambda channels, number: Own(channels, number).to("meta"), "with weights, but .* on the device 'meta'"),
        (lambda channels, number: Own(channels, number, mean=torch.zeros(1, device="meta")), "as buffers"),
        (lambda channels, number: nn.Sequential(nn.Flatten(), nn.Linear(7, number)), r"shape \(2, 1, 16, 16\)"),
        (lambda channels, number: nn.Sequential(nn.Flatten(), nn.LazyLinear(number)), "a lazy module"),
        (Pair, "must return logits of shape .* returned <class 'tuple'>"),
        (Broken, "Broken failed .*list index out of range"),
    ],
)  # fmt: skip
def test_a_module_that_cannot_be_trained_is_refused_in_a_sentence(few, test_images, build, message, tmp_path):
    with pytest.raises(ValueError, match=message) as refused:
        run(few, test_images, build, out=tmp_path / "study")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "study").exists()


def test_a_module_may_have_complex_weights(few, test_images):
    assert all(0 < arm.log_loss < 20 for arm in run(few, test_images, Spectral).arms)


def test_a_study_continues_with_another_number_of_threads(few, test_images, tmp_path):
    threads, wide = torch.get_num_threads(), partial(SmallCNN, width=128)
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            run(few, test_images, Classifier("wide", wide), out=tmp_path / "study")
    finally:
        torch.set_num_threads(threads)


def test_a_device_without_values_is_refused(few, test_images):
    with pytest.raises(ValueError, match="device must be one that this machine has, but got 'meta'"):
        run(few, test_images, Own, device="meta")


class Functional(nn.Module):
    """Has its activation and its dropout in its code, or in its attributes."""

    def __init__(self, channels, num_classes, rate=0.1, drop=nn.Dropout, activation=nn.ReLU):
        super().__init__()
        self.rate = rate
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(256 * channels, 8), activation(), drop(rate))
        self.last = nn.Linear(8, num_classes)
        self.note = object()  # its repr differs in each process

    def extra_repr(self):
        return f"note={self.note}"

    def forward(self, images):
        return self.last(F.dropout(F.relu(self.layers(images)), 0.2, self.training))


def renamed(kind):
    """Gives a class the name of the class that it changes, as if someone had edited its file."""
    kind.__name__ = kind.__qualname__ = Functional.__name__
    return kind


@renamed
class Harder(Functional):
    def forward(self, images):
        return self.last(F.dropout(F.relu(self.layers(images)), 0.4, self.training))


@renamed
class Smoother(Functional):
    def forward(self, images):
        return self.last(F.dropout(F.gelu(self.layers(images)), 0.2, self.training))


@renamed
class Commented(Functional):
    def forward(self, images):
        # A comment changes nothing.
        return self.last(F.dropout(F.relu(self.layers(images)), 0.2, self.training))


@renamed
class Scaled(Functional):
    def forward(self, images, scale=2.0):
        return self.last(F.dropout(F.relu(self.layers(images)), 0.2, self.training))


def with_axes(channels, number, axes=(2, 3)):
    built = Functional(channels, number)
    built._axes = axes
    return built


CHANGED = {
    "rate": lambda channels, number: Functional(channels, number, rate=0.3),
    "kind of dropout": lambda channels, number: Functional(channels, number, drop=nn.AlphaDropout),
    "activation": lambda channels, number: Functional(channels, number, activation=nn.GELU),
    "rate in the code": Harder,
    "activation in the code": Smoother,
    "default in the code": Scaled,
    "tuple in an attribute": with_axes,
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_classifier_of_the_same_name_and_weights_is_told_from_the_old_one(few, test_images, tmp_path, change):
    out = tmp_path / "study"
    whole = run(few, test_images, Classifier("net", Functional), out=out)
    with pytest.raises(ValueError, match="holds one that differs in classifier_modules"):
        run(few, test_images, Classifier("net", CHANGED[change]), out=out)
    again = run(few, test_images, Classifier("net", Commented), out=out)
    assert [arm.log_loss for arm in again.arms] == [arm.log_loss for arm in whole.arms]
