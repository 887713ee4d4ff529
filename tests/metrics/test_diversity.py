import dataclasses
import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.metrics import diversity_report
from gan_augment.metrics._diversity import _within


def smooth(n, channels=3, side=32, seed=0):
    """Images of a few large blobs: as unlike each other as photographs are."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, channels, 5, 5, generator=rng)
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1).mul(255).byte()


def jitter(images, seed=1):
    noise = torch.randint(-4, 5, images.shape, generator=torch.Generator().manual_seed(seed))
    return (images.int() + noise).clamp(0, 255).byte()


def flat(images):
    return images.flatten(1).double()


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**31))
def test_diversity_is_the_root_mean_square_distance_of_all_pairs(n, seed):
    images = torch.randint(0, 256, (n, 1, 4, 4), generator=torch.Generator().manual_seed(seed)).byte()
    pairs = torch.pdist(flat(images))
    assert math.sqrt(_within(flat(images))) == pytest.approx(float(pairs.square().mean().sqrt()), rel=1e-9)


def test_with_labels_only_pairs_of_a_class_count():
    images = torch.tensor([0, 2, 100, 106, 50]).byte().reshape(5, 1, 1, 1)
    labels = torch.tensor([0, 0, 1, 1, 2])  # the last one has no partner
    real = torch.tensor([0, 1, 0, 1]).byte().reshape(4, 1, 1, 1)
    found = diversity_report(real, images, labels[:4], labels, features=flat)
    assert found.relative == pytest.approx(math.sqrt((2**2 + 6**2) / 2))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from((1, 3)), st.sampled_from((16, 28, 64)))
def test_one_image_has_no_diversity(seed, channels, side):
    real = smooth(40, channels, side, seed)
    assert diversity_report(real, real[:1].repeat(30, 1, 1, 1)).relative == pytest.approx(0, abs=1e-6)


def test_images_of_the_same_kind_are_as_diverse():
    assert diversity_report(smooth(1000, seed=2), smooth(256, seed=1)).relative == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("modes", [2, 5, 20])
def test_diversity_falls_with_the_number_of_modes_and_duplicates_show_them(modes):
    real = smooth(400)
    report = diversity_report(real, jitter(smooth(modes, seed=3).repeat(256 // modes, 1, 1, 1)))
    assert report.relative == pytest.approx(math.sqrt(1 - 1 / modes), abs=0.12)
    assert report.duplicates == 1
    assert report.duplicates_real == 0
    assert report.sentence.startswith("Collapse")


def test_the_share_of_duplicates_follows_the_samples():
    samples = smooth(200, seed=4)
    samples[:60] = jitter(samples[:1].repeat(60, 1, 1, 1))
    assert diversity_report(smooth(400), samples).duplicates == pytest.approx(0.3, abs=0.02)


def test_brightness_alone_is_no_diversity():
    real = smooth(200)
    image = real[:1].float() * 0.5
    brighter = torch.cat([image + offset for offset in torch.linspace(0, 120, 50)]).byte()
    assert diversity_report(real, brighter).relative < 0.1


def test_a_collapsed_class_is_named():
    real, real_labels = smooth(300), torch.arange(300) % 3
    samples, labels = smooth(90, seed=5), torch.arange(90) % 3
    samples[labels == 1] = samples[1].clone()
    report = diversity_report(real, samples, real_labels, labels)
    assert (report.lowest_class, report.lowest) == (1, pytest.approx(0, abs=1e-6))
    assert report.relative == pytest.approx(math.sqrt(2 / 3), abs=0.08)
    assert "class 1" in report.sentence


def test_collapse_within_classes_is_hidden_without_labels():
    real_labels, labels = torch.arange(300) % 10, torch.arange(100) % 10
    centers = smooth(10, seed=6)
    real = (0.5 * centers[real_labels] + 0.5 * smooth(300)).byte()
    samples = centers[labels]
    assert diversity_report(real, samples, real_labels, labels).relative < 0.01
    assert diversity_report(real, samples).relative > 0.5


def test_a_report_is_the_same_each_time_and_goes_into_a_log():
    real = smooth(50)
    first, second = diversity_report(real, real[:20]), diversity_report(real, real[:20])
    assert first == second
    entry = first.to_dict()
    assert all(type(value) is float for value in entry.values())
    assert json.loads(json.dumps(entry)) == entry
    assert "lowest" not in entry  # there are no classes
    assert {"relative", "duplicates"} <= set(entry)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.relative = 1


def test_healthy_samples_are_called_diverse():
    assert diversity_report(smooth(100, seed=2), smooth(100, seed=1)).sentence.startswith("Diverse: ")


IMAGES = smooth(10)
LABELS = torch.arange(10) % 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGES, IMAGES.float() / 255), "samples must be uint8"),
        ((IMAGES[0], IMAGES), "real must be uint8"),
        ((IMAGES, IMAGES[:1]), "samples must be at least 2 images, but got 1"),
        ((IMAGES[:, :1], IMAGES), "real must have 3 channels"),
        ((IMAGES, IMAGES, LABELS), "given together"),
        ((IMAGES, IMAGES, LABELS, LABELS[:5]), "labels must be one integer for each of 10 images"),
        ((IMAGES, IMAGES, LABELS.float(), LABELS), "real_labels must be one integer"),
        ((IMAGES, IMAGES, LABELS, torch.arange(10)), "labels must have a class with at least 2 images"),
        ((IMAGES, IMAGES, LABELS, LABELS + 1), "but class 2 has fewer"),
        ((IMAGES[:1].repeat(5, 1, 1, 1), IMAGES), "real must be different images"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        diversity_report(*arguments)
