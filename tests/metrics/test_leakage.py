import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2.functional import gaussian_blur

from gan_augment.metrics._leakage import leaked_augmentation, shows_border, shows_cutout


def photos(n, channels=3, side=64, seed=0):
    """Images of soft blobs with some texture, of many brightnesses."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, channels, 6, 6, generator=rng)
    images = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")
    return (images + 0.05 * torch.randn(images.shape, generator=rng)).clamp(0, 1).mul(255).byte()


def digits(n, seed=0):
    """Bright strokes on black, 28 px."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.zeros(n, 1, 28, 28, dtype=torch.uint8)
    for image, (top, left, tall, wide) in zip(images, torch.randint(4, 12, (n, 4), generator=rng).tolist()):
        image[0, top : top + tall, left : left + 3] = 250
        image[0, top : top + 3, left : left + wide] = 200
    return images


def cut(image, row, column):
    """The augmentation's square of half the side, centred on a pixel, in mid-grey."""
    image, reach = image.clone(), image.shape[-1] // 4
    image[..., max(row - reach, 0) : row + reach, max(column - reach, 0) : column + reach] = 128
    return image


def shift(image, rows, columns):
    """The augmentation's shift, with mid-grey coming in."""
    image = torch.roll(image, (rows, columns), dims=(-2, -1))
    if rows:
        image[..., slice(rows) if rows > 0 else slice(rows, None), :] = 128
    if columns:
        image[..., slice(columns) if columns > 0 else slice(columns, None)] = 128
    return image


def drawn(images, seed=2):
    """As a generator would draw it: a little blurred, a little noisy."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return (gaussian_blur(images.float(), [3, 3], [0.5, 0.5]) + 4 * noise).round().clamp(0, 255).byte()


def hit(images, share, operation, seed=3):
    rng = torch.Generator().manual_seed(seed)
    images, reach = images.clone(), images.shape[-1]
    for index in range(round(share * len(images))):
        if operation == "cutout":
            row, column = torch.randint(0, reach, (2,), generator=rng).tolist()
            images[index] = cut(images[index], row, column)
        else:
            rows, columns = torch.randint(2, reach // 8 + 1, (2,), generator=rng).tolist()
            signs = torch.randint(0, 2, (2,), generator=rng).mul(2).sub(1).tolist()
            images[index] = shift(images[index], signs[0] * rows, signs[1] * columns)
    return drawn(images)


@pytest.mark.parametrize("share", [0, 0.3, 1])
@pytest.mark.parametrize("operation", ["cutout", "border"])
@pytest.mark.parametrize("kind", [photos, digits])
def test_the_excess_follows_the_share_of_marked_samples(kind, operation, share):
    leakage = leaked_augmentation(kind(300), hit(kind(100, seed=1), share, operation))
    assert getattr(leakage, operation) == pytest.approx(share, abs=0.05)
    other = "border" if operation == "cutout" else "cutout"
    assert getattr(leakage, other) < 0.05
    assert leakage.leaks == (share > 0)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from((28, 32, 64, 128)), st.sampled_from((1, 3)), st.integers(0, 9999), st.data())
def test_a_square_is_found_wherever_it_is_centred(side, channels, seed, data):
    (image,) = photos(1, channels, side, seed) // 3  # dark: nothing else is mid-grey
    row, column = (data.draw(st.integers(0, side - 1)) for _ in range(2))
    assert bool(shows_cutout(cut(image, row, column)[None]))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from((28, 64)), st.integers(0, 9999), st.data())
def test_a_shift_by_up_to_an_eighth_is_found(side, seed, data):
    (image,) = photos(1, 3, side, seed) // 3
    rows, columns = (data.draw(st.integers(-(side // 8), side // 8)) for _ in range(2))
    assert bool(shows_border(shift(image, rows, columns)[None])) == bool(rows or columns)


@pytest.mark.parametrize("level", [0, 40, 210, 255])
def test_squares_and_borders_of_another_level_are_no_marks(level):
    images = photos(50)
    images[:, :, 10:42, 10:42] = level
    images[:, :, :4] = level
    assert not shows_cutout(images).any()
    assert not shows_border(images).any()


def test_squares_of_another_size_are_no_marks():
    small, large = photos(50, seed=1), photos(50, seed=2)
    small[:, :, 20:34, 20:34] = 128
    large[:, :, 4:60, 4:60] = 128
    assert not shows_cutout(small).any()
    assert not shows_cutout(large).any()


def test_grey_backgrounds_are_no_marks():
    images = torch.full((20, 3, 64, 64), 128, dtype=torch.uint8)
    assert not shows_cutout(images).any()
    assert not shows_border(images).any()
    images[:, :, 24:40, 24:40] = photos(20, side=16)
    assert not shows_border(images).any()


def test_marks_that_real_images_have_too_are_no_leak():
    real, samples = photos(200), photos(100, seed=1)
    for images in (real, samples):
        images[:, :, :4] = 128  # a grey band that belongs to the data
    leakage = leaked_augmentation(real, samples)
    assert leakage.border_share == leakage.border_real == 1
    assert leakage.border == 0
    assert leakage.sentence == "No sign of leaked augmentation."


@pytest.mark.parametrize("operation", ["brightness", "contrast", "saturation"])
def test_colors_beyond_those_of_real_images_are_counted(operation):
    real, samples = photos(400), photos(100, seed=1)
    floats = samples[:50].float()
    mean, grey = floats.mean(dim=(1, 2, 3), keepdim=True), floats.mean(dim=1, keepdim=True)
    odd = {
        "brightness": floats + 60,
        "contrast": (floats - mean) * 0.5 + mean,
        "saturation": (floats - grey) * 0.1 + grey,
    }[operation]
    leakage = leaked_augmentation(real, torch.cat([odd.clamp(0, 255).byte(), samples[50:]]))
    assert leakage.color == pytest.approx(0.5, abs=0.06)
    assert leakage.color_real == pytest.approx(0.05, abs=0.02)
    assert not leakage.leaks
    assert leakage.sentence.endswith("possibly leaked augmentation.")


def test_the_sentence_counts_samples_and_says_what_to_do():
    samples = photos(100, seed=1)
    samples[:3] = torch.stack([cut(image, 30, 30) for image in samples[:3]])
    samples[3:23] = torch.stack([shift(image, 0, -5) for image in samples[3:23]])
    leakage = leaked_augmentation(photos(300), samples)
    assert leakage.sentence == (
        "20 of 100 samples show shifted borders (real images: 0): leaked augmentation; lower the probabilities of "
        "augment."
    )


def test_a_record_is_the_same_each_time_and_goes_into_a_log():
    samples, real = photos(20, seed=1), photos(1500, side=16)
    samples = samples[..., :16, :16].contiguous()
    first = leaked_augmentation(real, samples)
    assert first == leaked_augmentation(real, samples)
    entry = first.to_dict()
    assert all(type(value) is float for value in entry.values())
    assert json.loads(json.dumps(entry)) == entry
    assert {"cutout", "border", "color", "cutout_real"} <= set(entry)


IMAGES = photos(4, side=16)


@pytest.mark.parametrize(
    ("samples", "real", "message"),
    [
        (IMAGES.float(), IMAGES, "samples must be uint8"),
        (IMAGES, IMAGES[:1], "real must be at least 2 images"),
        (IMAGES, IMAGES[:, :1], "samples must have 1 channels"),
        (IMAGES, photos(4), "samples must have the size of the real images"),
        (IMAGES[..., :8, :8], IMAGES[..., :8, :8], "samples must be at least 16 px"),
    ],
)
def test_what_cannot_be_compared_is_refused(samples, real, message):
    with pytest.raises(ValueError, match=message):
        leaked_augmentation(real, samples)
