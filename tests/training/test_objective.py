import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from gan_augment import Recipe
from gan_augment.training.losses._objective import discriminator_loss, generator_loss, judge_both
from gan_augment.training.losses._registry import LOSSES
from gan_augment.training.losses._regularizers import LeCam

from .conftest import new_trainer, training_images

LOSS = st.sampled_from(sorted(LOSSES))


def batch(seed, n=6):
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(2, n, 1, 4, 4, generator=rng, dtype=torch.float64) * 2 - 1


class Linear:
    """A judge whose logits and gradients are known: the inner product of an image and a weight, plus the class."""

    def __init__(self, scale=1.0):
        self.weight = scale * torch.linspace(-1, 1, 16, dtype=torch.float64).reshape(1, 4, 4)
        self.calls = []

    def __call__(self, images, labels):
        self.calls.append(len(images))
        logits = (images * self.weight).sum((1, 2, 3))
        return logits if labels is None else logits + labels


def of(recipe, judge, real, fake, labels=None, penalize=True, lecam=None):
    return discriminator_loss(recipe, judge, real, fake, labels, lecam=lecam or LeCam(), penalize=penalize)


@settings(max_examples=40, deadline=None)
@given(LOSS, st.integers(0, 1000), st.booleans())
def test_the_plain_losses_are_those_of_the_logits(name, seed, labelled):
    real, fake = batch(seed)
    judge, recipe = Linear(), Recipe(loss=name)
    labels = torch.arange(6) % 3 if labelled else None
    loss, real_logits, fake_logits = of(recipe, judge, real, fake, labels)
    torch.testing.assert_close(real_logits, Linear()(real, labels))
    torch.testing.assert_close(fake_logits, Linear()(fake, labels))
    torch.testing.assert_close(loss, LOSSES[name].discriminator(real_logits, fake_logits))
    expected = LOSSES[name].generator(fake_logits, real_logits)
    torch.testing.assert_close(generator_loss(recipe, judge, fake, real, labels, epoch=0), expected)


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({}, [12]),
        ({"discriminator_normalization": "batch"}, [6, 6]),
        ({"discriminator_normalization": "instance"}, [12]),
        ({"minibatch_stddev": 4}, [6, 6]),
    ],
)
def test_reals_and_fakes_are_one_batch_only_where_images_do_not_see_each_other(options, passes):
    judge = Linear()
    real, fake = batch(1)
    real_logits, fake_logits = judge_both(Recipe(**options), judge, real, fake, torch.arange(6))
    assert judge.calls == passes
    torch.testing.assert_close(real_logits, Linear()(real, torch.arange(6)))
    torch.testing.assert_close(fake_logits, Linear()(fake, torch.arange(6)))


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 100), st.integers(1, 32), st.floats(0.1, 3), st.sampled_from(("gradient_penalty", "r1", "r2")))
def test_gradient_penalties_are_weighted_and_made_up_for(weight, every, scale, which):
    # The gradient of a linear judge is its weight, wherever it is taken.
    judge = Linear(scale)
    square = float(judge.weight.square().sum())
    expected = weight * (math.sqrt(square) - 1) ** 2 if which == "gradient_penalty" else weight / 2 * square
    real, fake = batch(2)
    recipe = Recipe(loss="wasserstein", penalty_every=every, **{which: weight})
    with_it, without = (of(recipe, judge, real, fake, penalize=penalize)[0] for penalize in (True, False))
    assert float(with_it - without) == pytest.approx(every * expected, rel=1e-6, abs=1e-9)
    torch.testing.assert_close(without, of(Recipe(loss="wasserstein"), judge, real, fake)[0])


def test_r1_is_of_reals_and_r2_of_fakes():
    def judge(images, labels):
        return images.square().sum((1, 2, 3)) / 2  # whose gradient is the image

    real, fake = batch(3)
    bare = of(Recipe(), judge, real, fake)[0]
    for name, images in (("r1", real), ("r2", fake)):
        expected = images.square().sum((1, 2, 3)).mean()
        torch.testing.assert_close(of(Recipe(**{name: 2.0}), judge, real, fake)[0] - bare, expected)


def test_labels_are_smoothed_on_the_side_of_reals():
    real, fake = batch(4)
    real_logits, fake_logits = Linear()(real, None), Linear()(fake, None)
    loss = of(Recipe(loss="nonsaturating", label_smoothing=0.2), Linear(), real, fake)[0]
    target = torch.full_like(real_logits, 0.8)
    expected = F.binary_cross_entropy_with_logits(real_logits, target)
    expected = expected + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(target))
    torch.testing.assert_close(loss, expected)


def test_lecam_is_added_with_its_weight():
    class Constant(LeCam):
        def penalty(self, real, fake):
            return real.new_tensor(5.0)

    real, fake = batch(5)
    bare = of(Recipe(), Linear(), real, fake, lecam=Constant())[0]
    assert float(of(Recipe(lecam=0.3), Linear(), real, fake, lecam=Constant())[0] - bare) == pytest.approx(1.5)


def test_the_generator_learns_from_its_best_fakes_in_later_epochs():
    real, fake = batch(6)
    logits = Linear()(fake, None)
    recipe = Recipe(loss="hinge", top_k=0.5)
    torch.testing.assert_close(generator_loss(recipe, Linear(), fake, real, None, epoch=0), -logits.mean())
    best = -logits.topk(3).values.mean()
    torch.testing.assert_close(generator_loss(recipe, Linear(), fake, real, None, epoch=10**4), best)


def test_a_paired_loss_has_no_gradient_through_the_reals():
    real, fake = batch(7)
    real.requires_grad_()
    fake.requires_grad_()
    generator_loss(Recipe(loss="relativistic"), Linear(), fake, real, None, epoch=0).backward()
    assert real.grad is None
    assert float(fake.grad.abs().sum()) > 0


@pytest.mark.parametrize(
    "options",
    [
        {"loss": name, **extra}
        for name in sorted(LOSSES)
        for extra in (
            {},
            {"r1": 1.0, "r2": 1.0, "penalty_every": 2},
            {"gradient_penalty": 10.0, "n_critic": 2},
            {"lecam": 0.1, "minibatch_stddev": 4},
            {"clip_weights": 0.01, "discriminator_spectral_norm": False},
            {"top_k": 1.0 if LOSSES[name].paired else 0.5, "accumulation": 2},
        )
    ],
    ids=str,
)
def test_every_loss_trains_with_every_regulariser(options):
    rng = torch.Generator().manual_seed(0)
    images = training_images(torch.randint(0, 256, (12, 1, 16, 16), generator=rng, dtype=torch.uint8))
    trainer = new_trainer(images, **options)
    before = [[p.detach().clone() for p in net.parameters()] for net in (trainer.generator, trainer.discriminator)]
    for step in range(2):
        trainer.step(step / 10)
    losses = trainer.losses()
    assert set(losses) == {"generator", "discriminator"}
    for old, network in zip(before, (trainer.generator, trainer.discriminator)):
        assert not all(torch.equal(a, b) for a, b in zip(old, network.parameters()))
    if options.get("clip_weights"):
        assert max(float(p.detach().abs().max()) for p in trainer.discriminator.parameters()) <= 0.01


def test_the_two_networks_take_turns_and_do_not_touch_each_other():
    images = training_images(torch.randint(0, 256, (12, 1, 16, 16), dtype=torch.uint8))
    trainer = new_trainer(images, simultaneous=False)
    stage = trainer.stage(0.0)
    for turn, other in (
        (lambda: trainer._discriminator_step(stage, 0, last=True), trainer.generator),
        (lambda: trainer._generator_step(stage, None), trainer.discriminator),
    ):
        before = [p.detach().clone() for p in other.parameters()]
        turn()
        assert all(torch.equal(a, b) for a, b in zip(before, other.parameters()))
        assert all(p.grad is None or not bool(p.grad.any()) for p in other.parameters())
        assert all(p.requires_grad for p in other.parameters())
