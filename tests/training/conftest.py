import functools

import pytest
import torch

from gan_augment import fit
from gan_augment.data import TrainingImages
from gan_augment.models import _learn_variations
from gan_augment.training import get_recipe
from gan_augment.training._trainer import Trainer
from gan_augment.training.runs import _monitor
from gan_augment.training.runs._folder import RunFolder

TINY = {
    "image_size": 16,
    "latent_dim": 8,
    "generator_width": 4,
    "batch_size": 8,
    "steps": 6,
    "evaluations": 2,
}
FULL_STEPS = _learn_variations.STEPS


@pytest.fixture(autouse=True, scope="session")
def features_once():
    """What a run is measured by takes longer to build than a tiny run takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_monitor, "load_features", functools.cache(_monitor.load_features))
        yield


@pytest.fixture(autouse=True, scope="package")
def rough_registration():
    """Pairs of images are registered in five steps: in all of them it takes longer than a tiny run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_learn_variations, "STEPS", 5)
        yield


@pytest.fixture
def full_registration(monkeypatch):
    """Pairs of images are registered as users have it."""
    monkeypatch.setattr(_learn_variations, "STEPS", FULL_STEPS)


@pytest.fixture
def no_plot(monkeypatch):
    """Runs that draw no losses.png, which takes as long."""
    monkeypatch.setattr(RunFolder, "save_plot", lambda self: None)


@pytest.fixture
def tiny_recipe():
    """Overrides that make any recipe train in a second."""
    return dict(TINY)


@pytest.fixture(scope="session")
def labelled():
    """Twenty grey images of three classes, of 14 x 12 pixels."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (20, 1, 14, 12), generator=rng, dtype=torch.uint8)
    return [(image, index % 3) for index, image in enumerate(images)]


def training_images(images, labels=None):
    """Images as the trainer holds them: uint8 ``(n, c, s, s)`` that need no fit."""
    dataset = list(images) if labels is None else list(zip(images, labels))
    return TrainingImages.from_dataset(
        dataset, images.shape[-1], "resize", conditional=labels is not None, progress=False
    )


def new_trainer(images, recipe="small", *, start=None, seed=0, **overrides):
    """A trainer of tiny networks."""
    return Trainer(images, get_recipe(recipe, **{**TINY, "discriminator_width": 4, **overrides}), seed, start)


def run_steps(trainer, steps, total=None):
    for _ in range(steps):
        trainer.step(trainer.step_number / (total or trainer.total_steps))
    return trainer


def same_weights(one, other):
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[key]) for key, value in ours.items())


class KilledError(Exception):
    """What a kill looks like from inside."""


def run_until(step_number, dataset, out, **options):
    """A run that is killed before its next step."""
    original = Trainer.step

    def step(self, progress):
        if self.step_number == step_number:
            raise KilledError
        original(self, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", step)
        with pytest.raises(KilledError):
            fit(dataset, out=out, progress=False, **{"checkpoint_every": 0.0, **options})
