import json
import random
import time

import numpy as np
import PIL.Image
import pytest
import torch

from gan_augment import fit, from_pretrained
from gan_augment.metrics import seen
from gan_augment.training import Recipe, _fit
from gan_augment.training._trainer import Trainer


def same_weights(one, other):
    state = other.state_dict()
    return all(torch.equal(value, state[key]) for key, value in one.state_dict().items())


@pytest.fixture(scope="module")
def run(labelled, tmp_path_factory):
    """One conditional run that wrote its folder."""
    out = tmp_path_factory.mktemp("runs") / "deep" / "run"
    tiny = {"image_size": 16, "latent_dim": 8, "generator_width": 4, "discriminator_width": 4}
    result = fit(labelled, "conditional", out=out, progress=False, batch_size=8, steps=6, fit="pad", **tiny)
    return result, out


def test_a_run_gives_a_generator_of_the_data(run):
    result, out = run
    assert (result.steps, result.folder) == (6, out)
    assert result.seconds > 0
    assert set(result.losses) == {"generator", "discriminator"}
    config = result.generator.config
    assert (config.num_classes, config.channels, config.fit, config.source_size) == (3, 1, "pad", (14, 12))
    assert not any(module.training for module in result.generator.modules())
    assert result.generator.sample(4, seed=0).shape == (4, 1, 16, 16)


def test_a_run_writes_a_folder_that_a_person_can_read(run):
    result, out = run
    assert {"config.json", "metrics.jsonl", "samples", "checkpoint.pt", "generator"} == {p.name for p in out.iterdir()}
    config = json.loads((out / "config.json").read_text())
    assert (config["seed"], config["images"]["count"], config["recipe_name"]) == (0, 20, "conditional")
    assert Recipe.from_dict(config["recipe"]).steps == 6
    (line,) = (out / "metrics.jsonl").read_text().splitlines()
    metrics = json.loads(line)
    assert metrics["step"] == 6
    assert metrics["generator"] == result.losses["generator"]
    (picture,) = (out / "samples").iterdir()
    assert PIL.Image.open(picture).size == (2 * (10 * 18 + 2), 2 * (3 * 18 + 2))  # a row for each class


def test_the_generator_of_the_folder_is_the_one_of_the_result(run):
    result, out = run
    loaded = from_pretrained(out / "generator")
    assert same_weights(loaded, result.generator)
    assert torch.equal(loaded.sample(4, seed=0), result.generator.sample(4, seed=0))
    assert loaded.card == result.generator.card
    assert loaded.card.training["images_per_class"] == [7, 7, 6]
    assert loaded.card.training["steps"] == 6


def test_the_card_knows_the_training_images_before_their_fit(run, labelled):
    known = run[0].generator.card.fingerprints
    assert bool(seen([image for image, _ in labelled], known).all())
    assert not bool(seen([255 - image for image, _ in labelled], known).any())


def test_the_checkpoint_is_read_without_unpickling_objects(run):
    state = torch.load(run[1] / "checkpoint.pt", weights_only=True)
    assert state["step_number"] == 6


def test_a_folder_that_holds_a_run_is_refused_and_left_alone(run, labelled, tiny_recipe):
    _, out = run
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(ValueError, match="already holds something"):
        fit(labelled, "conditional", out=out, progress=False, **tiny_recipe)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_folder_that_holds_something_else_is_refused(labelled, tiny_recipe, tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(ValueError, match="out must be"):
        fit(labelled, out=tmp_path, progress=False, **tiny_recipe)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"recipe": "conditional"},
        {"loss": "nonsaturating", "flip": True, "latent": "uniform"},
        {"generator_spectral_norm": True, "attention_resolution": 8, "discriminator_normalization": "instance"},
        {"precision": "fp32", "upsampling": "resize", "kernel_size": 3, "generator_normalization": "instance"},
        {"batch_size": 32, "channels": 3},  # more than the 20 images
    ],
)
def test_the_same_seed_gives_the_same_bits(labelled, tiny_recipe, options):
    options = {**tiny_recipe, "steps": 3, "progress": False, **options}
    first, second = (fit(labelled, seed=5, **options).generator for _ in range(2))
    assert same_weights(first, second)
    assert not same_weights(first, fit(labelled, seed=6, **options).generator)


def test_training_changes_the_weights_and_the_images_matter(labelled, tiny_recipe):
    tiny_recipe["steps"] = 4
    one = fit(labelled, progress=False, **tiny_recipe).generator
    other = fit([255 - image for image, _ in labelled], progress=False, **tiny_recipe).generator
    assert not same_weights(one, other)


def test_the_random_states_of_the_caller_are_untouched(labelled, tiny_recipe, tmp_path):
    numpy_state = np.random.get_state
    states = torch.get_rng_state(), numpy_state()[1].copy(), random.getstate()
    fit(labelled, "conditional", out=tmp_path / "run", progress=False, **tiny_recipe)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert bool((numpy_state()[1] == states[1]).all())
    assert random.getstate() == states[2]


def test_the_random_state_of_the_caller_does_not_matter(labelled, tiny_recipe):
    torch.manual_seed(1)
    first = fit(labelled, progress=False, **tiny_recipe).generator
    torch.manual_seed(2)
    assert same_weights(fit(labelled, progress=False, **tiny_recipe).generator, first)


def test_every_image_is_used_once_an_epoch(labelled, tiny_recipe, monkeypatch):
    used, original = [], Trainer._real_batch

    def record(self):
        real, labels = original(self)
        used.extend(image.numpy().tobytes() for image in real.contiguous())
        return real, labels

    monkeypatch.setattr(Trainer, "_real_batch", record)
    fit(labelled, progress=False, **{**tiny_recipe, "batch_size": 8, "steps": 10, "fit": "pad"})
    epochs = [used[start : start + 20] for start in range(0, 80, 20)]
    assert all(len(set(epoch)) == 20 for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_budget_stops_the_run(labelled, tiny_recipe):
    started = time.monotonic()
    result = fit(labelled, budget="1s", progress=False, **{**tiny_recipe, "steps": 10**6})
    assert time.monotonic() - started < 20
    assert 1 <= result.steps < 10**6
    assert result.seconds >= 1
    assert set(result.losses) == {"generator", "discriminator"}


def test_steps_end_the_run_before_the_budget(labelled, tiny_recipe):
    assert fit(labelled, budget="1h", progress=False, **tiny_recipe).steps == 6


def test_nothing_is_written_without_a_folder(labelled, tiny_recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fit(labelled, progress=False, **tiny_recipe).folder is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": "huge"}, "recipe must be one of"),
        ({"learning_rate": 1}, "learning_rate"),
        ({"budget": "soon"}, "budget must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"image_size": 17}, "image_size must be"),
        ({"seed": -1}, "seed|non-negative"),
    ],
)
def test_arguments_out_of_range_are_refused_before_anything_is_written(labelled, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        fit(labelled, out=tmp_path / "run", progress=False, **arguments)
    assert not (tmp_path / "run").exists()


def test_unlabelled_images_cannot_be_fitted_with_classes(labelled, tiny_recipe):
    with pytest.raises(ValueError, match="A label must be a class index"):
        fit([image for image, _ in labelled], "conditional", progress=False, **tiny_recipe)


def test_divergence_is_an_error_or_does_not_happen(labelled, tiny_recipe):
    options = {**tiny_recipe, "steps": 15, "discriminator_spectral_norm": False, "loss": "nonsaturating"}
    try:
        result = fit(labelled, generator_lr=1.0, discriminator_lr=1.0, progress=False, **options)
    except RuntimeError as error:
        assert "diverged" in str(error)  # noqa: PT017 - training may also go well
    else:
        assert all(bool(torch.isfinite(parameter).all()) for parameter in result.generator.parameters())


def poison(monkeypatch, at, last=False):
    """Makes the generator's weights NaN at a step; perhaps ends the budget there."""
    original = Trainer.step

    def step(self, progress):
        original(self, progress)
        if self.step_number == at:
            with torch.no_grad():
                next(self.generator.parameters()).fill_(float("nan"))
        if last and self.step_number == at + 1:
            self.seconds = 1e9

    monkeypatch.setattr(Trainer, "step", step)


def test_losses_that_are_not_finite_are_an_error(labelled, tiny_recipe, tmp_path, monkeypatch):
    poison(monkeypatch, 3)
    with pytest.raises(RuntimeError, match="Training diverged"):
        fit(labelled, out=tmp_path / "run", progress=False, **tiny_recipe)
    assert not (tmp_path / "run" / "generator").exists()


def test_divergence_is_found_though_the_budget_ends_between_two_logs(labelled, tiny_recipe, monkeypatch):
    monkeypatch.setattr(_fit, "LOG_EVERY", 2)
    poison(monkeypatch, 2, last=True)
    with pytest.raises(RuntimeError, match="Training diverged"):
        fit(labelled, budget="1h", progress=False, **tiny_recipe)


def test_the_last_checkpoint_of_a_diverged_run_is_whole(labelled, tiny_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(_fit, "CHECKPOINT_EVERY_SECONDS", 0.0)
    poison(monkeypatch, 3)
    with pytest.raises(RuntimeError, match="the last checkpoint is whole"):
        fit(labelled, out=tmp_path / "run", progress=False, **tiny_recipe)
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert all(bool(torch.isfinite(value).all()) for value in state["generator"].values())
