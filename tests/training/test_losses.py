import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.training._losses import LOSSES

LOGITS = st.lists(st.floats(-50, 50), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(LOGITS, LOGITS)
def test_hinge_is_its_formula(real, fake):
    loss = LOSSES["hinge"]
    expected = sum(max(0, 1 - x) for x in real) / len(real) + sum(max(0, 1 + x) for x in fake) / len(fake)
    assert float(loss.discriminator(torch.tensor(real), torch.tensor(fake))) == pytest.approx(expected, 1e-4, 1e-4)
    assert float(loss.generator(torch.tensor(fake))) == pytest.approx(-sum(fake) / len(fake), 1e-4, 1e-4)


@settings(max_examples=40, deadline=None)
@given(LOGITS, LOGITS)
def test_nonsaturating_is_the_cross_entropy(real, fake):
    def minus_log_sigmoid(x):
        return math.log1p(math.exp(-x))

    loss = LOSSES["nonsaturating"]
    expected = sum(map(minus_log_sigmoid, real)) / len(real)
    expected += sum(minus_log_sigmoid(-x) for x in fake) / len(fake)
    assert float(loss.discriminator(torch.tensor(real), torch.tensor(fake))) == pytest.approx(expected, 1e-4, 1e-4)
    expected = sum(map(minus_log_sigmoid, fake)) / len(fake)
    assert float(loss.generator(torch.tensor(fake))) == pytest.approx(expected, 1e-4, 1e-4)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_the_networks_pull_in_opposite_directions(name):
    fake = torch.zeros(3, requires_grad=True)
    LOSSES[name].generator(fake).backward()
    for_generator = fake.grad.clone()
    fake.grad = None
    LOSSES[name].discriminator(torch.zeros(3), fake).backward()
    assert bool((for_generator < 0).all())
    assert bool((fake.grad > 0).all())


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_extreme_logits_stay_finite(name):
    for value in (-1e4, 1e4):
        logits = torch.full((2,), value)
        assert bool(torch.isfinite(LOSSES[name].discriminator(logits, -logits)))
        assert bool(torch.isfinite(LOSSES[name].generator(logits)))
