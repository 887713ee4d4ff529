import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.metrics._copies import copy_report, nearest_training_image


def smooth(n, channels=3, side=32, seed=0):
    coarse = torch.rand(n, channels, 6, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1).mul(255).byte()


def jitter(images, seed=1):
    noise = torch.randint(-6, 7, images.shape, generator=torch.Generator().manual_seed(seed))
    return (images.int() + noise).clamp(0, 255).byte()


TRAINING = smooth(600)
NEW = smooth(300, seed=9)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 40), st.sampled_from((1, 3)), st.integers(0, 2**31))
def test_distances_are_those_of_the_nearest_pixels(n, m, channels, seed):
    images = torch.randint(0, 256, (n + m, channels, 8, 8), generator=torch.Generator().manual_seed(seed)).byte()
    samples, training = images[:n], images[n:]
    found = nearest_training_image(training, samples, side=8, flips=False)
    pairs = (samples[:, None].double() - training[None].double()).square().mean(dim=(2, 3, 4)).sqrt()
    torch.testing.assert_close(found.distances.double(), pairs.amin(dim=1), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(pairs[torch.arange(n), found.indices], pairs.amin(dim=1), rtol=1e-5, atol=1e-3)


def test_all_blocks_of_a_large_training_set_are_searched():
    training = torch.randint(0, 256, (9000, 1, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    wanted = torch.tensor([0, 4095, 4096, 8191, 8192, 8999])
    found = nearest_training_image(training, training[wanted], side=8)
    assert found.indices.tolist() == wanted.tolist()
    assert found.distances.tolist() == [0] * 6


def test_a_mirrored_copy_is_a_copy_if_flips_count():
    samples = TRAINING[[5, 77]].flip(-1)
    found = nearest_training_image(TRAINING, samples)
    assert found.indices.tolist() == [5, 77]
    assert float(found.distances.max()) < 1e-3
    assert float(nearest_training_image(TRAINING, samples, flips=False).distances.min()) > 10


@pytest.mark.parametrize("offset", [(2, 2), (-2, 1), (0, -2)])
@pytest.mark.parametrize("flip", [False, True])
def test_a_shifted_copy_is_a_copy_if_shifts_count(offset, flip):
    shifted = torch.roll(TRAINING[[5, 77]], offset, dims=(2, 3))
    found = nearest_training_image(TRAINING, shifted.flip(-1) if flip else shifted, shift=2)
    assert found.indices.tolist() == [5, 77]
    assert float(found.distances.max()) < 1e-3
    assert float(nearest_training_image(TRAINING, shifted).distances.min()) > 3


def test_new_images_are_no_copies():
    report = copy_report(TRAINING, NEW)
    assert report.near_copies == pytest.approx(report.expected, abs=0.05)
    assert report.relative == pytest.approx(1, abs=0.05)
    assert not report.suspicious
    assert report.sentence.endswith("no sign of copying.")


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_the_share_of_near_copies_follows_the_samples(share):
    count = round(share * len(NEW))
    samples = torch.cat([jitter(TRAINING[:count]).flip(-1), NEW[count:]])
    report = copy_report(TRAINING, samples)
    assert report.near_copies == pytest.approx(share, abs=0.06)
    assert report.suspicious
    assert "signs of copying; look at the closest pairs" in report.sentence


def test_copies_have_a_small_relative_distance():
    assert copy_report(TRAINING, jitter(TRAINING[:100])).relative < 0.15


def test_the_percentile_is_the_share_of_new_images_below_it():
    lenient, strict = (copy_report(TRAINING, NEW, percentile=q) for q in (30, 1))
    assert lenient.threshold > strict.threshold
    assert lenient.near_copies == pytest.approx(0.3, abs=0.1)
    assert strict.near_copies < 0.06


def test_held_out_images_say_what_is_to_be_expected():
    held_out = torch.cat([TRAINING[:30], smooth(70, seed=4)])  # a set that was split after it was copied
    report = copy_report(TRAINING, NEW, held_out)
    assert report.held_out
    assert report.expected == pytest.approx(0.3, abs=0.08)
    assert "of held-out real images are near copies" in report.sentence
    assert not copy_report(TRAINING, torch.cat([TRAINING[:90], NEW[90:]]), held_out).suspicious


def test_training_images_that_are_stored_twice_do_not_lower_the_threshold():
    doubled = torch.cat([TRAINING[:100], TRAINING[:100], TRAINING[100:]])
    report = copy_report(doubled, jitter(TRAINING[200:260]))
    assert report.threshold == pytest.approx(copy_report(TRAINING, NEW).threshold, rel=0.1)
    assert report.near_copies == 1


def test_a_report_is_the_same_each_time_and_goes_into_a_log():
    first = copy_report(TRAINING, NEW[:20])
    assert first == copy_report(TRAINING, NEW[:20])
    entry = first.to_dict()
    assert all(type(value) is float for value in entry.values())
    assert json.loads(json.dumps(entry)) == entry
    assert {"relative", "near_copies", "threshold"} <= set(entry)


@pytest.mark.parametrize(
    ("samples", "training", "options", "message"),
    [
        (NEW.float(), TRAINING, {}, "samples must be uint8"),
        (NEW, TRAINING[:1], {}, "training must be at least 2 images"),
        (NEW[:, :1], TRAINING, {}, "samples must have 3 channels"),
        (NEW[..., :16, :16], TRAINING, {}, "samples must have the size of the training images"),
        (NEW, TRAINING, {"held_out": NEW[..., 1:]}, "held_out must have the size"),
        (NEW, TRAINING, {"shift": 16}, "shift must be less than half the side"),
        (NEW, TRAINING, {"shift": -1}, "shift must be at least 0"),
        (NEW, TRAINING, {"side": 0}, "side must be at least 1"),
        (NEW, TRAINING, {"percentile": 0}, "percentile must be between 0 and 100"),
        (NEW, TRAINING, {"percentile": 100}, "percentile must be between 0 and 100"),
    ],
)
def test_what_cannot_be_compared_is_refused(samples, training, options, message):
    with pytest.raises(ValueError, match=message):
        copy_report(training, samples, **options)
