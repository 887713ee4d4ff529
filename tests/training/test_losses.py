import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.training import LOSSES, Loss

NAMES = sorted(LOSSES)
PAIRS = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=8).map(np.array)


def softplus(x):
    return np.logaddexp(0, x)


def for_discriminator(name, real, fake, smoothing):
    """The closed forms, in numpy."""
    target = 1 - smoothing
    return {
        "nonsaturating": (target * softplus(-real) + smoothing * softplus(real)).mean() + softplus(fake).mean(),
        "hinge": np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean(),
        "least_squares": ((real - target) ** 2).mean() + (fake**2).mean(),
        "wasserstein": fake.mean() - real.mean(),
        "relativistic": softplus(-(real - fake)).mean(),
    }[name]


def for_generator(name, real, fake):
    return {
        "nonsaturating": softplus(-fake).mean(),
        "hinge": -fake.mean(),
        "least_squares": ((fake - 1) ** 2).mean(),
        "wasserstein": -fake.mean(),
        "relativistic": softplus(-(fake - real)).mean(),
    }[name]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(PAIRS, st.floats(0, 0.5))
def test_a_loss_is_its_formula(name, pairs, smoothing):
    loss, (real, fake) = LOSSES[name], pairs.T
    smoothing = smoothing if loss.smooths else 0.0
    of_discriminator = loss.discriminator(torch.tensor(real), torch.tensor(fake), smoothing)
    assert float(of_discriminator) == pytest.approx(for_discriminator(name, real, fake, smoothing), 1e-9, 1e-9)
    of_generator = loss.generator(torch.tensor(fake), torch.tensor(real))
    assert float(of_generator) == pytest.approx(for_generator(name, real, fake), 1e-9, 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradients_are_those_of_the_loss(name):
    # Away from the hinge's kinks.
    real, fake = torch.tensor([[-0.3, 1.7, 0.4], [0.9, -0.8, 2.1]], dtype=torch.float64)
    loss, smoothing = LOSSES[name], 0.1 if LOSSES[name].smooths else 0.0
    inputs = real.requires_grad_(), fake.requires_grad_()
    assert torch.autograd.gradcheck(lambda r, f: loss.discriminator(r, f, smoothing), inputs)
    assert torch.autograd.gradcheck(lambda r, f: loss.generator(f, r), inputs)


@pytest.mark.parametrize("name", NAMES)
def test_the_networks_pull_in_opposite_directions(name):
    fake = torch.full((3,), 0.5, requires_grad=True)
    LOSSES[name].generator(fake, torch.zeros(3)).backward()
    for_generator = fake.grad.clone()
    fake.grad = None
    LOSSES[name].discriminator(torch.zeros(3), fake).backward()
    assert bool((for_generator < 0).all())
    assert bool((fake.grad > 0).all())


@pytest.mark.parametrize("name", NAMES)
def test_extreme_logits_stay_finite(name):
    for value in (-1e4, 1e4):
        logits = torch.full((2,), value)
        assert bool(torch.isfinite(LOSSES[name].discriminator(logits, -logits)))
        assert bool(torch.isfinite(LOSSES[name].generator(logits, -logits)))


@pytest.mark.parametrize("name", [name for name in NAMES if LOSSES[name].smooths])
@pytest.mark.parametrize("smoothing", [0.1, 0.25])
def test_smoothing_is_of_the_reals_and_bounds_the_best_logit(name, smoothing):
    logits = torch.linspace(-4, 4, 8001, dtype=torch.float64)
    losses = torch.stack([LOSSES[name].discriminator(x[None], x.new_zeros(1), smoothing) for x in logits])
    best = logits[losses.argmin()]
    found = best.sigmoid() if name == "nonsaturating" else best
    assert float(found) == pytest.approx(1 - smoothing, abs=1e-3)
    real, fake = torch.zeros(2), torch.randn(2, requires_grad=True)
    (plain,) = torch.autograd.grad(LOSSES[name].discriminator(real, fake), fake)
    (smoothed,) = torch.autograd.grad(LOSSES[name].discriminator(real, fake, smoothing), fake)
    assert torch.equal(plain, smoothed)


@pytest.mark.parametrize("name", [name for name in NAMES if not LOSSES[name].smooths])
def test_smoothing_of_a_loss_without_targets_is_refused(name):
    with pytest.raises(ValueError, match=r"smoothing must be 0 .* 0\.1"):
        LOSSES[name].discriminator(torch.zeros(2), torch.zeros(2), 0.1)


@pytest.mark.parametrize("name", [name for name in NAMES if not LOSSES[name].paired])
def test_a_loss_without_pairs_ignores_the_order_and_needs_no_reals(name):
    loss, (real, fake) = LOSSES[name], torch.randn(2, 6, dtype=torch.float64)
    torch.testing.assert_close(loss.discriminator(real.flip(0), fake), loss.discriminator(real, fake))
    assert torch.equal(loss.generator(fake), loss.generator(fake, real))
    assert bool(torch.isfinite(loss.discriminator(real, fake[:2])))


def test_a_paired_loss_compares_in_order_and_refuses_what_has_no_pair():
    loss, real, fake = LOSSES["relativistic"], torch.tensor([5.0, -5.0]), torch.tensor([4.0, -6.0])
    assert float(loss.discriminator(real, fake)) < 0.4 < 4 < float(loss.discriminator(real.flip(0), fake))
    for other in (fake[:1], fake[:, None]):
        with pytest.raises(ValueError, match="must have the same shape"):
            loss.discriminator(real, other)
        with pytest.raises(ValueError, match="must have the same shape"):
            loss.generator(other, real)
    with pytest.raises(ValueError, match="logits of real images"):
        loss.generator(fake)


def test_a_loss_that_lacks_a_side_says_which_one():
    class Empty(Loss):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty must define of_discriminator\(real, fake, smoothing\)"):
        Empty().discriminator(torch.zeros(3), torch.zeros(3))
    with pytest.raises(NotImplementedError, match=r"Empty must define of_generator\(fake, real\)"):
        Empty().generator(torch.zeros(3))
