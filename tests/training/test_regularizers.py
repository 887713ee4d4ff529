import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gan_augment import Discriminator, DiscriminatorConfig
from gan_augment.training.losses._regularizers import (
    LeCam,
    clip_weights,
    gradient_penalty,
    top_k,
    top_k_share,
    zero_centred_penalty,
)


def linear(weight):
    return lambda images: (images * weight).sum((1, 2, 3))


def half_square(images):
    return images.square().sum((1, 2, 3)) / 2


def images_of(n=3, channels=2, side=4, seed=0):
    return torch.randn(n, channels, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(st.floats(-3, 3), st.integers(1, 5))
def test_the_penalties_of_a_linear_map_depend_on_its_norm_alone(scale, n):
    weight = scale * images_of(1)
    norm = np.linalg.norm(weight.numpy())
    real, fake = images_of(n, seed=1), images_of(n, seed=2)
    assert float(gradient_penalty(linear(weight), real, fake)) == pytest.approx((norm - 1) ** 2)
    assert float(zero_centred_penalty(linear(weight), real)) == pytest.approx(norm**2)


def test_the_penalty_sums_over_an_image_and_averages_over_images():
    real = images_of()
    # Logits are |x|^2 / 2, so that the gradient is the image itself.
    penalty = zero_centred_penalty(half_square, real).detach()
    assert float(penalty) == pytest.approx((real.numpy() ** 2).sum((1, 2, 3)).mean())
    repeated = zero_centred_penalty(half_square, real[:1].expand(9, -1, -1, -1)).detach()
    assert float(repeated) == pytest.approx((real[0].numpy() ** 2).sum())


def test_the_gradient_penalty_is_at_one_uniform_mix_per_image():
    seen = []

    def discriminate(images):
        seen.append(images.detach())
        return half_square(images)

    torch.manual_seed(0)
    real, fake = torch.full((4000, 1, 2, 2), 3.0, dtype=torch.float64), -torch.ones(4000, 1, 2, 2).double()
    penalty = gradient_penalty(discriminate, real, fake)
    (mixed,) = seen
    assert torch.equal(mixed, mixed[:, :1, :1, :1].expand_as(mixed))
    share = np.sort((mixed[:, 0, 0, 0].numpy() + 1) / 4)
    assert np.abs(share - np.linspace(0, 1, 4000)).max() < 0.04  # Kolmogorov-Smirnov
    norms = np.linalg.norm(mixed.flatten(1).numpy(), axis=1)
    assert float(penalty.detach()) == pytest.approx(((norms - 1) ** 2).mean())


PENALTIES = {
    "gradient_penalty": lambda discriminate, images: gradient_penalty(discriminate, images, images.flip(0)),
    "zero_centred_penalty": zero_centred_penalty,
}


@pytest.mark.parametrize("name", sorted(PENALTIES))
def test_the_penalties_are_differentiable_by_the_weights_twice(name):
    images = images_of(2, 1, 3)

    def penalty(weight):
        torch.manual_seed(0)  # the same mix each time
        return PENALTIES[name](lambda x: torch.tanh(x.flatten(1) @ weight).sum(1), images)

    weight = torch.randn(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)
    assert torch.autograd.gradcheck(penalty, (weight,))
    assert torch.autograd.gradgradcheck(penalty, (weight,))


@pytest.mark.parametrize("name", sorted(PENALTIES))
@pytest.mark.parametrize("spectral_norm", [False, True])
def test_the_penalties_reach_every_weight_of_a_discriminator_and_no_image(name, spectral_norm):
    config = DiscriminatorConfig(16, 1, 4, normalization="none", spectral_norm=spectral_norm, num_classes=2)
    torch.manual_seed(0)
    discriminator, labels = Discriminator(config), torch.tensor([0, 1, 1])
    images = torch.randn(3, 1, 16, 16, requires_grad=True)
    PENALTIES[name](lambda x: discriminator(x, labels), images).backward()
    assert images.grad is None
    for key, parameter in discriminator.named_parameters():
        if "weight" in key:
            assert float(parameter.grad.abs().sum()) > 0, key


@pytest.mark.parametrize("name", sorted(PENALTIES))
def test_a_flat_discriminator_has_finite_gradients(name):
    weight = torch.zeros(1, 1, 4, 4, requires_grad=True)
    penalty = PENALTIES[name](linear(weight), torch.randn(2, 1, 4, 4))
    penalty.backward()
    assert float(penalty.detach()) == (1.0 if name == "gradient_penalty" else 0.0)
    assert bool(torch.isfinite(weight.grad).all())


def test_a_penalty_can_be_taken_where_gradients_are_off():
    with torch.no_grad():
        assert float(zero_centred_penalty(linear(torch.ones(1)), torch.zeros(1, 1, 4, 4))) == 16


def test_reals_without_as_many_fakes_are_refused():
    with pytest.raises(ValueError, match="must have the same shape"):
        gradient_penalty(linear(torch.ones(1)), torch.zeros(2, 1, 4, 4), torch.zeros(1, 1, 4, 4))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=12), st.integers(0, 8))
def test_lecam_copies_until_the_start_then_averages(means, start):
    lecam, expected = LeCam(decay=0.9, start=start), np.zeros(2)
    for step, mean in enumerate(means):
        decay = 0.9 if step >= start else 0.0
        expected = decay * expected + (1 - decay) * np.array(mean)
        lecam.update(*torch.tensor(mean, dtype=torch.float64))
    assert (lecam.real, lecam.fake) == pytest.approx(tuple(expected))
    real, fake = torch.tensor([[1.0, -2.0, 6.0], [0.5, 7.0, -9.0]], dtype=torch.float64, requires_grad=True)
    wanted = np.maximum(0, real.detach().numpy() - expected[1]) ** 2
    wanted = wanted.mean() + (np.maximum(0, expected[0] - fake.detach().numpy()) ** 2).mean()
    assert float(lecam.penalty(real, fake).detach()) == pytest.approx(wanted if len(means) >= start else 0.0)


def test_lecams_penalty_has_its_gradient_and_the_averages_have_none():
    lecam = LeCam(start=0)
    real, fake = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    inputs = real.requires_grad_(), fake.requires_grad_()
    lecam.update(real, fake)
    assert type(lecam.real) is type(lecam.fake) is float
    assert torch.autograd.gradcheck(lecam.penalty, inputs)


def test_lecam_goes_on_from_its_state_through_json():
    lecam, again = LeCam(start=2), LeCam(start=2)
    for _ in range(3):
        lecam.update(torch.randn(4), torch.randn(4))
    again.load_state_dict(json.loads(json.dumps(lecam.state_dict())))
    real, fake = torch.randn(2, 4)
    for one in (lecam, again):
        one.update(real, fake)
    assert again.state_dict() == lecam.state_dict()
    assert float(again.penalty(real, fake)) == float(lecam.penalty(real, fake)) > 0


def test_clipping_holds_every_weight_within_the_limit_and_leaves_the_others():
    layer = nn.Linear(20, 20)
    before = layer.weight.detach().clone()
    clip_weights(layer, 0.1)
    assert torch.equal(layer.weight, before.clamp(-0.1, 0.1))
    assert bool((layer.weight != before).any())
    assert layer.weight.requires_grad
    with pytest.raises(ValueError, match=r"limit must be positive, but got 0"):
        clip_weights(layer, 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 100))
def test_top_k_keeps_the_best_and_their_gradients(n, percent):
    logits = torch.randn(n, generator=torch.Generator().manual_seed(n), requires_grad=True)
    kept = top_k(logits, percent / 100)
    count = -(-percent * n // 100)  # rounded up, in whole numbers
    assert sorted(kept.tolist()) == sorted(logits.tolist())[n - count :]
    kept.sum().backward()
    assert int(logits.grad.sum()) == count


@pytest.mark.parametrize("share", [0, -0.5, 1.01, math.nan])
def test_top_k_of_no_share_is_refused(share):
    with pytest.raises(ValueError, match="share must be above 0"):
        top_k(torch.zeros(3), share)


def test_the_share_falls_from_1_to_the_floor():
    shares = [top_k_share(epoch) for epoch in range(200)]
    assert shares[0] == 1
    assert shares[7] == pytest.approx(0.99**7)
    assert shares == sorted(shares, reverse=True)
    assert shares[68] > 0.5 == shares[69] == shares[-1]
    assert top_k_share(500, floor=0.75) == 0.75
