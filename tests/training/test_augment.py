import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.training._augment import (
    POLICIES,
    brightness,
    contrast,
    cutout,
    diff_augment,
    saturation,
    translation,
)

ALL = ("color", "translation", "cutout")
SUBSETS = st.lists(st.sampled_from(ALL), unique=True).map(tuple)


@settings(max_examples=40, deadline=None)
@given(SUBSETS, st.sampled_from((1, 3)), st.sampled_from((16, 28)), st.floats(0, 1), st.integers(0, 5))
def test_shape_and_type_stay(policies, channels, side, probability, n):
    images = torch.rand(n, channels, side, side) * 2 - 1
    before = images.clone()
    augmented = diff_augment(images, policies, probability)
    assert (augmented.shape, augmented.dtype) == (images.shape, images.dtype)
    assert torch.equal(images, before)


@settings(max_examples=30, deadline=None)
@given(SUBSETS)
def test_probability_0_is_the_identity(policies):
    images = torch.randn(4, 3, 16, 16)
    assert torch.equal(diff_augment(images, policies, 0.0), images)


def test_no_policy_is_the_identity():
    images = torch.randn(4, 3, 16, 16)
    assert torch.equal(diff_augment(images, (), 1.0), images)


@pytest.mark.parametrize("policy", sorted(POLICIES))
@pytest.mark.parametrize("probability", [0.25, 1.0])
def test_a_policy_hits_images_with_its_probability(policy, probability):
    torch.manual_seed(0)
    images = torch.rand(1000, 1, 16, 16) + 0.1
    changed = (diff_augment(images, (policy,), probability) != images).flatten(1).any(1).float().mean()
    # A translation may be by nothing, once in 25.
    assert float(changed) == pytest.approx(probability, abs=0.06)


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_each_image_is_augmented_on_its_own(policy):
    torch.manual_seed(0)
    image = torch.rand(1, 3, 16, 16) + 0.1
    augmented = diff_augment(image.expand(8, -1, -1, -1), (policy,), 1.0)
    assert len({one.numpy().tobytes() for one in augmented}) > 4


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_an_image_does_not_depend_on_the_others(policy):
    images = torch.rand(4, 3, 16, 16)
    other = torch.cat([images[:1], torch.rand(3, 3, 16, 16) * 9])
    torch.manual_seed(1)
    first = diff_augment(images, (policy,), 1.0)
    torch.manual_seed(1)
    torch.testing.assert_close(diff_augment(other, (policy,), 1.0)[0], first[0])


@pytest.mark.parametrize("policies", [(policy,) for policy in ALL] + [ALL])
def test_gradients_pass_through(policies):
    torch.manual_seed(0)
    images = torch.rand(16, 3, 16, 16, requires_grad=True)
    (diff_augment(images, policies, 1.0) ** 2).sum().backward()
    assert bool(torch.isfinite(images.grad).all())
    assert bool((images.grad.flatten(1).abs().sum(1) > 0).all())


def test_the_gradient_is_that_of_the_operation():
    def augment(images):
        torch.manual_seed(2)
        return diff_augment(images, ALL, 1.0)

    images = torch.rand(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(augment, (images,))


def test_brightness_adds_up_to_half_to_a_whole_image():
    torch.manual_seed(0)
    images = torch.rand(2000, 3, 4, 4)
    shift = brightness(images) - images
    torch.testing.assert_close(shift, shift[:, :1, :1, :1].expand_as(shift))
    shift = shift[:, 0, 0, 0]
    assert 0.49 < float(shift.abs().max()) <= 0.5 + 1e-6
    assert float(shift.mean()) == pytest.approx(0, abs=0.03)


def test_saturation_keeps_the_mean_of_the_channels_and_leaves_grey_alone():
    torch.manual_seed(0)
    images = torch.rand(500, 3, 4, 4)
    result = saturation(images)
    torch.testing.assert_close(result.mean(1), images.mean(1))
    scale = (result - result.mean(1, keepdim=True)).flatten(1).norm(dim=1)
    scale = scale / (images - images.mean(1, keepdim=True)).flatten(1).norm(dim=1)
    assert float(scale.min()) < 0.1
    assert 1.9 < float(scale.max()) <= 2 + 1e-4
    torch.testing.assert_close(saturation(images[:, :1]), images[:, :1])


def test_contrast_keeps_the_mean_of_the_image():
    torch.manual_seed(0)
    images = torch.rand(500, 3, 8, 8)
    result = contrast(images)
    torch.testing.assert_close(result.mean((1, 2, 3)), images.mean((1, 2, 3)))
    scale = result.flatten(1).std(1) / images.flatten(1).std(1)
    assert 0.5 - 1e-4 <= float(scale.min()) < 0.55
    assert 1.45 < float(scale.max()) <= 1.5 + 1e-4


def test_translation_shifts_by_up_to_an_eighth_and_zeros_come_in():
    torch.manual_seed(0)
    image = torch.arange(1, 257).reshape(1, 1, 16, 16).float()
    results = translation(image.expand(400, -1, -1, -1))
    padded = torch.nn.functional.pad(image, [2] * 4)
    windows = {padded[..., y : y + 16, x : x + 16].numpy().tobytes(): (y, x) for y in range(5) for x in range(5)}
    found = {windows[result.numpy().tobytes()] for result in results}
    assert len(found) == 25


def test_translation_keeps_channels_together():
    torch.manual_seed(0)
    images = torch.rand(20, 1, 16, 16).expand(-1, 3, -1, -1)
    shifted = translation(images)
    assert torch.equal(shifted[:, 0], shifted[:, 2])


def test_cutout_zeroes_a_square_of_half_the_side():
    torch.manual_seed(0)
    images = torch.rand(500, 3, 16, 16) + 0.5
    result = cutout(images)
    cut = result == 0
    assert bool((result[~cut] == images[~cut]).all())
    assert bool((cut.all(1) == cut.any(1)).all())
    heights, widths = cut.any(1).any(2).sum(1), cut.any(1).any(1).sum(1)
    assert torch.equal(cut[:, 0].flatten(1).sum(1), heights * widths)
    assert int(heights.min()) >= 3
    assert (int(heights.max()), int(widths.max())) == (8, 8)


def test_the_draw_is_torchs():
    images = torch.rand(8, 3, 16, 16)
    torch.manual_seed(4)
    first = diff_augment(images, ALL, 0.5)
    torch.manual_seed(4)
    assert torch.equal(diff_augment(images, ALL, 0.5), first)
    assert not torch.equal(diff_augment(images, ALL, 0.5), first)
