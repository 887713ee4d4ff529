import dataclasses

import pytest
import torch

from gan_augment.training import LOSSES

from .conftest import new_trainer, training_images


@pytest.fixture(scope="module")
def images():
    rng = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (24, 1, 16, 16), generator=rng, dtype=torch.uint8)


def recorded(trainer, name):
    """The arguments of each call of a method of the trainer, from now on."""
    calls, original = [], getattr(trainer, name)

    def call(*arguments, **options):
        calls.append((arguments, options))
        return original(*arguments, **options)

    setattr(trainer, name, call)
    return calls


def turns(images, **options):
    """A trainer whose networks take turns."""
    return new_trainer(images, simultaneous=False, **options)


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"r1": 1.0},
        {"discriminator_normalization": "batch", "discriminator_spectral_norm": False},
        {"augment": {"color": 1.0}, "attention_resolution": 8, "mapping_layers": 2},
        {"objective": "anchored", "coverage": 0.0},
    ],
    ids=str,
)
def test_the_generator_gets_the_bits_that_the_same_images_give_when_they_are_generated_again(images, loss, options):
    kept, again = (turns(training_images(images), loss=loss, precision="fp32", **options) for _ in range(2))
    calls, step = recorded(again, "_generate"), again._generator_step

    def generator_step(stage, fake):
        assert fake.requires_grad
        arguments, _ = calls[-1]
        step(stage, again._generate(*arguments))

    again._generator_step = generator_step
    for each in (kept, again):
        each.step(0.5)
    for network in ("generator", "discriminator"):
        for one, other in zip(getattr(kept, network).parameters(), getattr(again, network).parameters()):
            assert torch.equal(one, other)


def test_the_images_that_both_networks_learn_from_are_judged_by_their_own_classes(images):
    labels = [index % 3 for index in range(len(images))]
    trainer = turns(training_images(images, labels), conditional=True)
    generated, judged = recorded(trainer, "_generate"), recorded(trainer, "_judge")
    trainer.step(0.5)
    assert len(generated) == 1, "the generator must not generate again"
    assert torch.equal(generated[-1][0][1], judged[-1][0][1])


@pytest.mark.parametrize("options", [{"accumulation": 2}, {"n_critic": 2}], ids=str)
def test_no_graph_of_a_batch_in_parts_or_of_several_steps_is_kept(images, options):
    trainer = turns(training_images(images), **options)
    stage = dataclasses.replace(trainer.stage(0.5), adversarial=True)
    assert trainer._discriminator_step(stage, 0, last=True) is None
    trainer._generator_step(stage, None)
    assert trainer.losses().keys() == {"generator", "discriminator"}
