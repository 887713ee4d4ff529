import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gan_augment import Recipe
from gan_augment.training import RECIPES
from gan_augment.training.losses._objective import (
    discriminator_loss,
    generator_loss,
    generator_loss_of,
    shared_loss,
)
from gan_augment.training.losses._registry import LOSSES
from gan_augment.training.losses._regularizers import LeCam

from .conftest import new_trainer, training_images

REPRODUCTIONS = ("rings-365", "mnist-sn", "fashion-dcgan", "celebahq-5k-64", "celeba-128")


class Networks:
    """A generator and a discriminator in float64, of a few weights."""

    def __init__(self, seed, scale, n=6):
        rng = torch.Generator().manual_seed(seed)
        self.real, base = torch.rand(2, n, 1, 4, 4, generator=rng, dtype=torch.float64) * 2 - 1
        self.base = base * torch.linspace(0.1, 3, n, dtype=torch.float64).view(-1, 1, 1, 1)
        self.weight = torch.randn(4, 4, generator=rng, dtype=torch.float64).requires_grad_()
        self.judge = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 1)).double()
        for parameter in self.judge.parameters():
            nn.init.normal_(parameter, generator=rng)
        nn.init.normal_(self.judge[-1].weight, std=scale, generator=rng)

    def fake(self):
        return torch.tanh(self.base @ self.weight)

    def __call__(self, images, labels):
        return self.judge(images).flatten()

    def gradients(self):
        """The gradients of the generator and of the discriminator, which are then cleared."""
        parameters = [self.weight, *self.judge.parameters()]
        found = [parameter.grad for parameter in parameters]
        for parameter in parameters:
            parameter.grad = None
        return found[0], found[1:]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(LOSSES)),
    st.integers(0, 1000),
    st.sampled_from((0.01, 1.0, 30.0, 3000.0)),  # at the last, most logits are where losses are flat
    st.sampled_from((0.0, 0.1)),
    st.sampled_from((1.0, 0.5)),
    st.sampled_from((0.0, 0.3)),
)
def test_one_backward_pass_gives_both_networks_their_own_gradients(name, seed, scale, smoothing, kept, lecam):
    loss = LOSSES[name]
    recipe = Recipe(
        loss=name,
        label_smoothing=smoothing if loss.smooths else 0.0,
        top_k=1.0 if loss.paired else kept,
        lecam=lecam,
    )
    regularizer = LeCam(start=0)
    regularizer.real, regularizer.fake = 0.5, -0.5
    networks = Networks(seed, scale)

    def of_discriminator(fake):
        return discriminator_loss(recipe, networks, networks.real, fake, None, lecam=regularizer, penalize=False)

    of_discriminator(networks.fake().detach())[0].backward()
    _, discriminator = networks.gradients()
    generator_loss(recipe, networks, networks.fake(), networks.real, None, epoch=100).backward()
    generator, _ = networks.gradients()

    fake = networks.fake()
    own, real_logits, fake_logits = of_discriminator(fake)
    other = generator_loss_of(recipe, fake_logits, real_logits, epoch=100)
    shared_loss(own, other, fake, fake_logits).backward()
    found_generator, found_discriminator = networks.gradients()
    close = {"rtol": 1e-9, "atol": 1e-13 * max(scale, 1)}
    torch.testing.assert_close(found_generator, generator, **close)
    torch.testing.assert_close(found_discriminator, discriminator, **close)


def test_images_that_no_loss_is_concerned_with_get_no_gradient():
    fake = torch.zeros(2, 1, 1, 1, requires_grad=True) * 1.0
    logits = fake.flatten()
    shared_loss(logits[:1].sum() * 0.0, logits[:1].sum() * 0.0, fake, logits).backward()
    assert torch.isfinite(logits).all()


def collected(trainer, monkeypatch, step):
    """Runs a step without moving any weight, and returns the gradients of each optimiser by its name."""
    gradients = {}

    def descend(*names):
        for name in names:
            gradients.setdefault(name, [None if p.grad is None else p.grad.clone() for p in trainer._learns(name)])
            trainer.optimizers[name].zero_grad()

    monkeypatch.setattr(trainer, "_descend", descend)
    step(trainer)
    return gradients


def assert_same_gradients(found, expected):
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected):
        one, other = (torch.zeros(()) if each is None else each for each in (one, other))
        assert float((one - other).norm()) <= 1e-4 * float(other.norm()) + 1e-9


CASES = [
    {},
    {"loss": "nonsaturating", "label_smoothing": 0.1},
    {"loss": "relativistic", "r1": 1.0, "r2": 1.0},
    {"loss": "wasserstein", "gradient_penalty": 10.0, "n_critic": 2},
    {"loss": "least_squares", "top_k": 0.5},
    {"discriminator_normalization": "batch", "discriminator_spectral_norm": False},
    {"discriminator_normalization": "instance", "dropout": 0.3},
    {"minibatch_stddev": 4, "accumulation": 2},
    {"accumulation": 2, "lecam": 0.3},
    {"conditional": True, "balance_classes": True, "class_fade": (0.0, 1.0)},
    {"augment": {"color": 1.0, "translation": 0.7, "cutout": 0.7}, "flip": True},
    {"adaptive": 100, "growing": 0.9},
    {"generator_spectral_norm": True, "attention_resolution": 8, "mapping_layers": 2},
    {"freeze_discriminator": 1},
    {"objective": "anchored", "coverage": 0.0},
    {"objective": "imle", "coverage": 0.0, "discriminator_normalization": "batch"},
]


@pytest.mark.parametrize("options", CASES, ids=str)
def test_both_networks_get_the_gradients_that_each_has_alone_at_the_same_weights(options, monkeypatch):
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (12, 1, 16, 16), generator=rng, dtype=torch.uint8)
    labels = [0, 1, 2] * 4 if options.get("conditional") else None

    def trainer():
        made = new_trainer(training_images(images, labels), simultaneous=True, precision="fp32", **options)
        made.lecam._steps, made.lecam.real, made.lecam.fake = 1000, 0.5, -0.5
        if made.controller is not None:
            made.controller.strength = 0.8
        made.step_number = 400  # far enough that the generator learns from the best images only
        return made

    def step(each):
        each.step(0.5)

    def of_the_discriminator(each):
        original = each._discriminator_step
        each._discriminator_step = lambda stage, turn, last: original(stage, turn, last=False)
        each.step(0.5)

    def of_the_generator(each):
        each._backward_both = lambda loss, real, fake, logits: each._backward(
            generator_loss_of(each.recipe, logits, real, epoch=each._epoch())
        )
        each.step(0.5)

    found = collected(trainer(), monkeypatch, step)
    alone = collected(trainer(), monkeypatch, of_the_discriminator)
    assert_same_gradients(found["discriminator"], alone["discriminator"])
    alone = collected(trainer(), monkeypatch, of_the_generator)
    for name in found.keys() - {"discriminator"}:
        assert_same_gradients(found[name], alone[name])


@pytest.mark.parametrize("name", [name + end for name in REPRODUCTIONS for end in ("", "-light")])
def test_recipes_of_published_systems_let_the_networks_take_turns(name):
    assert RECIPES[name].simultaneous is False


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"discriminator_normalization": "instance"}, True),
        ({"discriminator_normalization": "batch", "discriminator_spectral_norm": False}, False),
        ({"minibatch_stddev": 4}, False),
        ({"precision": "fp16"}, False),
        ({"simultaneous": False}, False),
        ({"discriminator_normalization": "batch", "simultaneous": True}, True),
    ],
    ids=str,
)
def test_by_default_networks_learn_in_one_pass_if_images_are_judged_one_by_one(options, expected):
    images = training_images(torch.zeros(8, 1, 16, 16, dtype=torch.uint8))
    trainer = new_trainer(images, **options)
    generated, original = [], trainer._generate
    trainer._generate = lambda *arguments: generated.append(1) or original(*arguments)
    learned = []
    trainer._backward_both = lambda *arguments: learned.append(1)
    trainer.step(0.5)
    assert learned == [1] * expected
    assert len(generated) == 1


def test_float16_is_refused():
    with pytest.raises(ValueError, match="precision must not be 'fp16' with simultaneous=True"):
        Recipe(simultaneous=True, precision="fp16")


def test_adam_moves_no_weight_of_a_saturated_hinge_discriminator():
    torch.manual_seed(0)
    judge = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 1))
    real, fake = torch.ones(4, 1, 4, 4), -torch.ones(4, 1, 4, 4)
    with torch.no_grad():  # margins hold: both losses of the discriminator are 0
        judge[1].weight.fill_(0.1)
        judge[3].weight.fill_(2.0)
    recipe, start = Recipe(loss="hinge"), [parameter.detach().clone() for parameter in judge.parameters()]
    optimizer = torch.optim.Adam(judge.parameters(), 2e-4, betas=(0.0, 0.9))
    for _ in range(50):
        drawn = fake.clone().requires_grad_()
        own, real_logits, fake_logits = discriminator_loss(
            recipe, lambda images, labels: judge(images).flatten(), real, drawn, None, lecam=LeCam(), penalize=False
        )
        assert float(own.detach()) == 0
        optimizer.zero_grad()
        shared_loss(own, generator_loss_of(recipe, fake_logits, real_logits, epoch=0), drawn, fake_logits).backward()
        optimizer.step()
        assert bool(drawn.grad.abs().max() > 1e-3), "the generator must still learn"
    for parameter, before in zip(judge.parameters(), start):
        torch.testing.assert_close(parameter.detach(), before, rtol=0, atol=1e-9)
