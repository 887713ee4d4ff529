import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.training._augment import (
    OPERATIONS,
    brightness,
    contrast,
    cutout,
    diff_augment,
    saturation,
    translation,
)

NAMES = sorted(OPERATIONS)
ALL = {"color": 1.0, "translation": 1.0, "cutout": 1.0}
MAPPINGS = st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1))


def seeded(seed, images, *arguments):
    torch.manual_seed(seed)
    return diff_augment(images, *arguments)


def hit(n):
    return torch.ones(n, 1, 1, 1, dtype=torch.bool)


@settings(max_examples=40, deadline=None)
@given(
    MAPPINGS,
    st.floats(0, 1),
    st.sampled_from((1, 3)),
    st.sampled_from((16, 28)),
    st.integers(0, 5),
    st.sampled_from((torch.float32, torch.float64, torch.bfloat16)),
)
def test_shape_and_type_stay_and_the_images_are_left_alone(operations, strength, channels, side, n, dtype):
    images = (torch.rand(n, channels, side, side) * 2 - 1).to(dtype)
    before = images.clone()
    augmented = diff_augment(images, operations, strength)
    assert (augmented.shape, augmented.dtype) == (images.shape, images.dtype)
    assert torch.equal(images, before)


@settings(max_examples=30, deadline=None)
@given(MAPPINGS)
def test_strength_0_is_the_identity_and_draws_nothing(operations):
    images, state = torch.randn(4, 3, 16, 16), torch.get_rng_state()
    assert diff_augment(images, operations, 0.0) is images
    assert diff_augment(images, dict.fromkeys(operations, 0.0), 1.0) is images
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(probability=st.floats(0, 1), strength=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_an_operation_hits_images_with_its_probability_times_the_strength(name, probability, strength, seed):
    n = 1000
    torch.manual_seed(0)
    images = torch.rand(n, 3, 16, 16) + 0.1
    changed = (seeded(seed, images, {name: probability}, strength) != images).flatten(1).any(1)
    expected = probability * strength
    if name == "translation":
        expected *= 24 / 25  # one shift in 25 is by nothing
    # Five standard deviations, and one image: a draw of almost nothing rounds to it.
    assert abs(int(changed.sum()) - n * expected) <= 5 * math.sqrt(n * expected * (1 - expected)) + 1


@pytest.mark.parametrize("name", NAMES)
def test_images_that_are_not_hit_stay_as_they_are_to_the_bit(name):
    torch.manual_seed(0)
    images = torch.randn(8, 3, 16, 16) * 100
    for operation in OPERATIONS[name]:
        assert torch.equal(operation(images, ~hit(8)), images)


def test_operations_are_drawn_independently():
    torch.manual_seed(0)
    images = torch.rand(4000, 3, 8, 8) + 2  # cutout leaves zeros, brightness does not
    augmented = diff_augment(images, {"cutout": 0.5, "brightness": 0.5})
    cut = (augmented == 0).flatten(1).any(1)
    brighter = (torch.where(augmented == 0, images, augmented) != images).flatten(1).any(1)
    for first in (cut, ~cut):
        for second in (brighter, ~brighter):
            assert float((first & second).float().mean()) == pytest.approx(0.25, abs=0.04)


def test_color_is_its_three_operations_together():
    torch.manual_seed(0)
    images = torch.rand(600, 3, 8, 8)
    augmented = diff_augment(images, {"color": 0.5})
    changed = (augmented != images).flatten(1).any(1)
    assert 0.4 < float(changed.float().mean()) < 0.6
    mean_moved = (augmented.mean((1, 2, 3)) - images.mean((1, 2, 3))).abs() > 1e-4  # by brightness alone
    deviation_changed = (augmented.flatten(1).std(1) - images.flatten(1).std(1)).abs() > 1e-4  # by the others
    assert float(mean_moved[changed].float().mean()) > 0.99
    assert float(deviation_changed[changed].float().mean()) > 0.99


@settings(max_examples=30, deadline=None)
@given(MAPPINGS, st.integers(0, 2**32))
def test_the_order_of_the_mapping_does_not_matter(operations, seed):
    images = torch.rand(8, 3, 16, 16)
    backwards = dict(reversed(operations.items()))
    assert torch.equal(seeded(seed, images, operations), seeded(seed, images, backwards))


def test_the_order_is_the_papers():
    images = torch.ones(200, 1, 16, 16)
    augmented = seeded(0, images, {"cutout": 1.0, "translation": 1.0, "brightness": 1.0})
    # Brightness comes first: what cutout and translation put there is 0, and nothing made it brighter.
    for one in augmented:
        values = one.unique()
        assert len(values) == 2
        assert 0 in values


@pytest.mark.parametrize("name", NAMES)
def test_each_image_is_augmented_on_its_own(name):
    torch.manual_seed(0)
    image = torch.rand(1, 3, 16, 16) + 0.1
    augmented = diff_augment(image.expand(8, -1, -1, -1), {name: 1.0})
    assert len({one.numpy().tobytes() for one in augmented}) > 4


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(probability=st.floats(0.2, 1), seed=st.integers(0, 2**32))
def test_the_same_seed_does_the_same_to_reals_and_fakes(name, probability, seed):
    torch.manual_seed(0)
    real, fake = torch.rand(2, 6, 3, 16, 16) + 0.1
    fake[2] = real[2]
    results = [seeded(seed, images, {name: probability}) for images in (real, fake)]
    torch.testing.assert_close(results[0][2], results[1][2])  # whatever the other images are
    changed = [(result != images).flatten(1).any(1) for result, images in zip(results, (real, fake))]
    assert torch.equal(*changed)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_draws_are_the_same_whatever_the_type(name, dtype):
    torch.manual_seed(0)
    images = (torch.rand(16, 3, 16, 16) * 2 - 1).bfloat16()
    exact = seeded(1, images.double(), {name: 0.7})
    state = torch.get_rng_state()
    result = seeded(1, images.to(dtype), {name: 0.7})
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(result.double(), exact, atol=0.05 if dtype == torch.bfloat16 else 1e-6, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_channels_last_stays_and_changes_nothing(name):
    torch.manual_seed(0)
    images = torch.rand(8, 3, 16, 16)
    plain = seeded(1, images, {name: 0.7})
    last = seeded(1, images.contiguous(memory_format=torch.channels_last).requires_grad_(), {name: 0.7})
    assert last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(last.detach(), plain)


@pytest.mark.parametrize("operations", [{name: 1.0} for name in NAMES] + [dict.fromkeys(NAMES, 0.6)], ids=str)
def test_the_gradients_are_those_of_the_operations_twice(operations):
    images = torch.rand(2, 3, 6, 4, dtype=torch.float64, requires_grad=True)

    def augment(images):
        return seeded(2, images, operations)

    assert torch.autograd.gradcheck(augment, (images,))
    # Its square, as the operations themselves are affine.
    assert torch.autograd.gradgradcheck(lambda images: augment(images).square(), (images,), fast_mode=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_reaches_every_image(name):
    torch.manual_seed(0)
    images = torch.rand(16, 3, 16, 16, requires_grad=True)
    diff_augment(images, {name: 1.0}).square().sum().backward()
    assert bool((images.grad.flatten(1).abs().sum(1) > 0).all())


@pytest.mark.parametrize("operations", [{"colour": 0.5}, {"cutout": 0.5, "rotation": 0.0}])
def test_an_unknown_operation_is_refused_by_name(operations):
    with pytest.raises(ValueError, match=rf"must be out of .*'cutout'.* got '{list(operations)[-1]}'"):
        diff_augment(torch.zeros(1, 3, 16, 16), operations)


def test_brightness_adds_up_to_half_to_a_whole_image():
    torch.manual_seed(0)
    images = torch.rand(2000, 3, 4, 4)
    shift = brightness(images, hit(2000)) - images
    torch.testing.assert_close(shift, shift[:, :1, :1, :1].expand_as(shift))
    shift = shift[:, 0, 0, 0]
    assert 0.49 < float(shift.abs().max()) <= 0.5 + 1e-6
    assert float(shift.mean()) == pytest.approx(0, abs=0.03)


def test_saturation_keeps_the_mean_of_the_channels_and_leaves_grey_alone():
    torch.manual_seed(0)
    images = torch.rand(500, 3, 4, 4)
    result = saturation(images, hit(500))
    torch.testing.assert_close(result.mean(1), images.mean(1))
    scale = (result - result.mean(1, keepdim=True)).flatten(1).norm(dim=1)
    scale = scale / (images - images.mean(1, keepdim=True)).flatten(1).norm(dim=1)
    assert float(scale.min()) < 0.1
    assert 1.9 < float(scale.max()) <= 2 + 1e-4
    assert torch.equal(saturation(images[:, :1], hit(500)), images[:, :1])


def test_contrast_keeps_the_mean_of_the_image():
    torch.manual_seed(0)
    images = torch.rand(500, 3, 8, 8)
    result = contrast(images, hit(500))
    torch.testing.assert_close(result.mean((1, 2, 3)), images.mean((1, 2, 3)))
    scale = result.flatten(1).std(1) / images.flatten(1).std(1)
    assert 0.5 - 1e-4 <= float(scale.min()) < 0.55
    assert 1.45 < float(scale.max()) <= 1.5 + 1e-4


def test_translation_shifts_by_up_to_an_eighth_and_zeros_come_in():
    torch.manual_seed(0)
    image = torch.arange(1, 513).reshape(1, 1, 16, 32).float()
    results = translation(image.expand(1000, -1, -1, -1), hit(1000))
    padded = torch.nn.functional.pad(image, [4, 4, 2, 2])
    windows = {padded[..., y : y + 16, x : x + 32].numpy().tobytes(): (y, x) for y in range(5) for x in range(9)}
    found = {windows[result.contiguous().numpy().tobytes()] for result in results}
    assert len(found) == 45


def test_translation_keeps_channels_together():
    torch.manual_seed(0)
    images = torch.rand(20, 1, 16, 16).expand(-1, 3, -1, -1)
    shifted = translation(images, hit(20))
    assert torch.equal(shifted[:, 0], shifted[:, 2])


def test_cutout_zeroes_a_square_of_half_the_side_anywhere():
    torch.manual_seed(0)
    images = torch.rand(2000, 3, 16, 16) + 0.5
    result = cutout(images, hit(2000))
    cut = result == 0
    assert bool((result[~cut] == images[~cut]).all())
    assert bool((cut.all(1) == cut.any(1)).all())
    heights, widths = cut.any(1).any(2).sum(1), cut.any(1).any(1).sum(1)
    assert torch.equal(cut[:, 0].flatten(1).sum(1), heights * widths)
    assert (int(heights.min()), int(widths.min())) == (4, 4)
    assert (int(heights.max()), int(widths.max())) == (8, 8)
    share = cut[:, 0].float().mean(0)  # no side is favoured
    torch.testing.assert_close(share, share.flip(0, 1), atol=0.06, rtol=0)
