import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.training._augment import (
    OPERATIONS,
    AdaptiveStrength,
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
    with pytest.raises(ValueError, match=rf"must be from .*'cutout'.* got '{list(operations)[-1]}'"):
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


MEANS = st.lists(st.tuples(st.floats(-1, 1), st.integers(1, 64)), max_size=40)


def run(controller, mean, steps, batch_size=32):
    for _ in range(steps):
        controller.update(mean, batch_size)
    return controller.strength


@settings(max_examples=60, deadline=None)
@given(MEANS, st.integers(1, 5), st.floats(0, 1), st.floats(10, 1000))
def test_it_follows_the_rule_and_stays_within_bounds(means, interval, maximum, images_to_full):
    controller = AdaptiveStrength(0.6, images_to_full, interval, maximum)
    expected = 0.0
    for index, (mean, batch_size) in enumerate(means):
        controller.update(mean, batch_size)
        if (index + 1) % interval == 0:
            last = means[index + 1 - interval : index + 1]
            images = sum(size for _, size in last)
            sign = math.copysign(1, sum(m * size for m, size in last) / images - 0.6)
            expected = min(max(expected + sign * images / images_to_full, 0), maximum)
        assert controller.strength == pytest.approx(expected)
        assert 0 <= controller.strength <= maximum


def test_the_named_number_of_images_takes_it_from_0_to_1_and_back():
    controller = AdaptiveStrength(images_to_full=3200, interval=4, maximum=1.0)
    assert run(controller, 1.0, 48) == pytest.approx(0.48)
    assert run(controller, 1.0, 52) == pytest.approx(1)
    assert run(controller, 1.0, 20) == 1
    assert run(controller, 0.0, 48) == pytest.approx(0.52)
    assert run(controller, 0.0, 80) == 0


def test_it_changes_only_at_intervals_by_the_mean_over_them():
    controller = AdaptiveStrength(images_to_full=1000, interval=3)
    changes = []
    for mean in (0.7, 0.7, 0.1, 0.7, 0.7, 0.5):
        controller.update(mean, 10)
        changes.append(controller.strength)
    assert changes == pytest.approx([0, 0, 0, 0, 0, 0.03])  # the mean is 0.5 first, below the target


def test_it_rests_at_the_target():
    controller = AdaptiveStrength(target=0.5, images_to_full=100, interval=1)
    controller.update(1.0, 10)
    controller.update(0.5, 10)
    assert controller.strength == pytest.approx(0.1)


def test_it_settles_where_the_discriminator_is_at_the_target():
    # A discriminator that overfits less, the more is augmented: its mean sign is the target at 0.3.
    controller = AdaptiveStrength(images_to_full=10_000, interval=4)
    path = [run(controller, 0.9 - controller.strength, 1) for _ in range(1000)]
    assert all(abs(strength - 0.3) < 0.03 for strength in path[200:])


@pytest.mark.parametrize("after", range(6))
def test_it_goes_on_from_its_state_through_json(after):
    whole, first = (AdaptiveStrength(images_to_full=500) for _ in range(2))
    means = [0.9, 0.8, 0.95, 0.2, 1.0, 0.7, 0.9, 0.8]
    for mean in means:
        whole.update(mean, 7)
    for mean in means[:after]:
        first.update(mean, 7)
    second = AdaptiveStrength(images_to_full=500)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for mean in means[after:]:
        second.update(mean, 7)
    assert second.state_dict() == whole.state_dict()
    assert second.strength > 0


@pytest.mark.parametrize("mean", [math.nan, 1.5, -2.0])
def test_what_is_no_mean_of_signs_is_refused_and_changes_nothing(mean):
    controller = AdaptiveStrength()
    before = controller.state_dict()
    with pytest.raises(ValueError, match="real_logits_sign_mean"):
        controller.update(mean, 8)
    assert controller.state_dict() == before


@pytest.mark.parametrize(
    "arguments",
    [{"target": 2}, {"maximum": 1.1}, {"maximum": -0.1}, {"images_to_full": 0}, {"interval": 0}, {"target": math.nan}],
)
def test_an_argument_out_of_range_is_refused_by_name(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        AdaptiveStrength(**arguments)
