import json
import random
import signal
import time
import warnings

import numpy as np
import PIL.Image
import pytest
import torch

from gan_augment import fit, from_pretrained, resume
from gan_augment.data import seen
from gan_augment.models import load_discriminator
from gan_augment.training import Recipe, _loop
from gan_augment.training._trainer import Trainer
from gan_augment.training.runs._checkpoints import Checkpoints

from .conftest import same_weights


@pytest.fixture(scope="module")
def run(labelled, tmp_path_factory):
    """One conditional run that wrote its folder."""
    out = tmp_path_factory.mktemp("runs") / "deep" / "run"
    tiny = {"image_size": 16, "latent_dim": 8, "generator_width": 4, "discriminator_width": 4}
    options = {
        "batch_size": 8,
        "steps": 6,
        "held_out": 0.0,
        "evaluations": 3,
        "checkpoint_every": 0.0,
        "resize_mode": "pad",
    }
    result = fit(labelled, "conditional", out=out, progress=False, **options, **tiny)
    return result, out


def test_a_run_gives_a_generator_of_the_data(run):
    result, out = run
    assert (result.steps, result.folder) == (6, out)
    assert result.seconds > 0
    assert set(result.losses) == {"generator", "discriminator"}
    config = result.generator.config
    assert (config.num_classes, config.channels, config.resize_mode, config.source_size) == (3, 1, "pad", (14, 12))
    assert not any(module.training for module in result.generator.modules())
    assert result.generator.sample(4, seed=0).shape == (4, 1, 16, 16)


def test_on_step_is_called_after_each_step_that_is_made(labelled, tiny_recipe, tmp_path):
    calls = []

    def stop_after_four():
        calls.append("fit")
        if len(calls) == 4:
            signal.raise_signal(signal.SIGTERM)

    options = {**tiny_recipe, "steps": 6, "evaluations": 0}
    with pytest.raises(SystemExit):
        fit(labelled, out=tmp_path / "run", progress=False, on_step=stop_after_four, **options)
    resume(tmp_path / "run", labelled, progress=False, on_step=lambda: calls.append("resume"))
    assert calls == ["fit"] * 4 + ["resume"] * 2


def test_a_run_writes_a_folder_that_a_person_can_read(run):
    result, out = run
    pytest.importorskip("matplotlib")
    names = {"config.json", "metrics.jsonl", "samples", "progress.webp", "losses.png", "checkpoints", "generator"}
    assert {path.name for path in out.iterdir()} == names
    config = json.loads((out / "config.json").read_text())
    assert (config["seed"], config["images"]["count"], config["recipe_name"]) == (0, 20, "conditional")
    assert (config["init"], config["held_out"], config["data"], config["validation"]) == (None,) * 4
    assert Recipe.from_dict(config["recipe"]).steps == 6
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 6]
    assert {"diversity", "copies", "leak_cutout"} <= lines[0].keys()
    assert lines[-1]["generator"] == result.losses["generator"]
    assert (lines[-1]["phase"], lines[-1]["learning_rate"]) == ("adversarial", 0.0)


def test_sample_grids_have_a_row_for_each_class(run):
    pictures = sorted((run[1] / "samples").iterdir())
    assert [path.name for path in pictures] == [f"step-{step:07d}.png" for step in (2, 4, 6)]
    assert PIL.Image.open(pictures[0]).size == (2 * (10 * 18 + 2), 2 * (3 * 18 + 2))
    assert PIL.Image.open(run[1] / "progress.webp").n_frames >= 1


def test_the_folder_of_the_generator_holds_the_discriminator_too(run):
    files = {path.name for path in (run[1] / "generator").iterdir()}
    weights = {"generator.safetensors", "discriminator.safetensors", "fingerprints.safetensors"}
    assert files == weights | {"config.json", "README.md", "grid.png"}
    judge = load_discriminator(run[1] / "generator")
    assert (judge.config.image_size, judge.config.num_classes, judge.config.width) == (16, 3, 4)


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


def test_there_are_two_checkpoints_at_most(run):
    files = sorted(path.name for path in (run[1] / "checkpoints").iterdir())
    assert len(files) == 2
    assert all(name.endswith(".safetensors") for name in files)
    assert Checkpoints(run[1] / "checkpoints").load_newest()["step_number"] == 6


def test_a_folder_that_holds_a_run_is_refused_and_left_alone(run, labelled, tiny_recipe):
    _, out = run
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(ValueError, match="is not empty"):
        fit(labelled, "conditional", out=out, progress=False, **tiny_recipe)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_folder_that_holds_something_else_is_refused(labelled, tiny_recipe, tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(ValueError, match="out must be"):
        fit(labelled, out=tmp_path, progress=False, **tiny_recipe)


def slowly(options):
    return pytest.param(options, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"recipe": "conditional"},
        {"recipe": "small", "loss": "nonsaturating", "flip": True, "latent": "uniform"},
        {"recipe": "small", "generator_spectral_norm": True, "attention_resolution": 8},
        slowly({"recipe": "small", "discriminator_normalization": "instance"}),
        slowly({"precision": "fp32", "upsampling": "resize", "kernel_size": 3, "generator_normalization": "instance"}),
        {"batch_size": 32, "channels": 3},  # more than the 20 images
        slowly({"recipe": "tiny-conditional", "held_out": 0.2, "balance_classes": True}),
        {"recipe": "small", "growing": 0.7, "adaptive": 100, "accumulation": 2, "n_critic": 2},
        slowly({"recipe": "small", "schedule": "StepLR", "schedule_options": {"step_size": 1}, "optimizer": "AdamW"}),
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
    used, original = [], Trainer._real

    def record(self, number, part, stage):
        real, labels, indices = original(self, number, part, stage)
        if number not in numbers:  # a generator's step looks at the same images again
            numbers.add(number)
            used.extend(image.numpy().tobytes() for image in real.contiguous())
        return real, labels, indices

    numbers = set()
    monkeypatch.setattr(Trainer, "_real", record)
    options = {**tiny_recipe, "batch_size": 8, "steps": 10, "resize_mode": "pad", "held_out": 0.0}
    fit(labelled, "small", progress=False, **options)
    epochs = [used[start : start + 20] for start in range(0, 80, 20)]
    assert all(len(set(epoch)) == 20 for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_budget_stops_the_run(labelled, tiny_recipe):
    started = time.monotonic()
    with pytest.warns(UserWarning, match="The budget ran out after"):
        result = fit(labelled, budget="1s", progress=False, **{**tiny_recipe, "steps": 10**6})
    assert time.monotonic() - started < 20
    assert 1 <= result.steps < 10**6
    assert result.seconds >= 1
    assert set(result.losses) == {"reconstruction"}


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
    with pytest.raises(ValueError, match="item 0 has no label; put the images into one folder for each class"):
        fit([image for image, _ in labelled], "conditional", progress=False, **tiny_recipe)


def test_divergence_is_an_error_or_does_not_happen(labelled, tiny_recipe):
    options = {**tiny_recipe, "steps": 15, "discriminator_spectral_norm": False, "loss": "nonsaturating"}
    try:
        result = fit(labelled, "small", generator_lr=1.0, discriminator_lr=1.0, progress=False, **options)
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
    monkeypatch.setattr(_loop, "LOG_EVERY", 2)
    poison(monkeypatch, 2, last=True)
    with pytest.raises(RuntimeError, match="Training diverged"):
        fit(labelled, budget="1h", progress=False, **{**tiny_recipe, "evaluations": 0})


def test_the_last_checkpoint_of_a_diverged_run_is_whole(labelled, tiny_recipe, tmp_path, monkeypatch):
    poison(monkeypatch, 3)
    with pytest.raises(RuntimeError, match="the last checkpoint is intact"):
        fit(labelled, out=tmp_path / "run", progress=False, checkpoint_every=0.0, **{**tiny_recipe, "evaluations": 0})
    state = Checkpoints(tmp_path / "run" / "checkpoints").load_newest()
    assert state["step_number"] == 2
    assert all(bool(torch.isfinite(value).all()) for value in state["generator"].values())


def test_unlabelled_images_are_fitted_without_classes(labelled, tiny_recipe):
    result = fit(torch.stack([image for image, _ in labelled]), "tiny", progress=False, **tiny_recipe)
    assert result.generator.num_classes == 0
    assert result.generator.card.training["images_per_class"] == []


def test_labels_are_not_looked_at_without_classes(labelled, tiny_recipe):
    names = [(image, "a cat") for image, _ in labelled]
    assert fit(names, "tiny", progress=False, **tiny_recipe).generator.num_classes == 0


@pytest.mark.parametrize(("count", "warns"), [(99, True), (100, False)])
def test_under_100_images_are_warned_of(tiny_recipe, count, warns):
    images = torch.randint(0, 256, (count, 1, 16, 16), dtype=torch.uint8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(images, "tiny", progress=False, **{**tiny_recipe, "steps": 1, "evaluations": 0})
    few = [str(warning.message) for warning in caught if "fewer than 100" in str(warning.message)]
    assert [text[:25] for text in few] == (["There are only 99 images."] if warns else [])


def test_too_few_held_out_images_are_warned_of(labelled, tiny_recipe):
    with pytest.warns(UserWarning, match="4 held-out images are too few to choose"):
        result = fit(labelled, "small", progress=False, **tiny_recipe, held_out=0.2)
    assert (result.kid, result.kept_step) == (None, 6)


def test_a_warning_points_at_the_line_of_the_user(labelled, tiny_recipe):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(labelled, "tiny", progress=False, **{**tiny_recipe, "steps": 1, "evaluations": 0})
    assert [warning.filename for warning in caught if "fewer than 100" in str(warning.message)] == [__file__]


def test_a_warning_at_the_end_points_at_the_line_of_the_user(labelled, tiny_recipe):
    with pytest.warns(UserWarning, match="The budget ran out") as caught:
        fit(labelled, "small", budget=1e-9, progress=False, held_out=0.0, **tiny_recipe)
    assert [w.filename for w in caught if "The budget ran out" in str(w.message)] == [__file__]


def test_validation_images_choose_the_generator(labelled, tiny_recipe, tmp_path):
    rng = torch.Generator().manual_seed(1)
    validation = [(torch.randint(0, 256, (3, 15, 13), generator=rng, dtype=torch.uint8), i % 3) for i in range(60)]
    result = fit(labelled, "conditional", validation=validation, out=tmp_path / "run", progress=False, **tiny_recipe)
    assert result.kid is not None
    assert result.generator.card.training["images"] == 20  # held_out of the recipe does not apply
    assert json.loads((tmp_path / "run" / "config.json").read_text())["held_out"]["count"] == 60


class Named(list):
    """A data set with the names of its classes."""

    classes = ("cat", "dog", "owl")


def test_validation_images_have_the_classes_in_the_order_of_the_others(labelled, tiny_recipe, tmp_path):
    others = [(255 - image, label) for image, label in labelled]
    training, same, swapped = Named(labelled), Named(others), Named(others)
    swapped.classes = ("cat", "owl", "dog")
    message = "validation must have the classes of dataset in the same order, but class 1 is 'owl' instead of 'dog'"
    with pytest.raises(ValueError, match=message):
        fit(training, "conditional", validation=swapped, out=tmp_path / "run", progress=False, **tiny_recipe)
    assert not (tmp_path / "run").exists()
    tiny_recipe |= {"steps": 1, "evaluations": 0}
    for validation in (same, others):  # names that nobody gave are not compared
        fit(training, "conditional", validation=validation, progress=False, **tiny_recipe)
    fit(training, "small", validation=swapped, progress=False, **tiny_recipe)  # nor those that nobody reads


def test_validation_images_are_not_among_the_others(labelled, tiny_recipe, tmp_path):
    images = [image for image, _ in labelled]
    rgb = [image.repeat(3, 1, 1) for image in images[:2]]
    mixed = [*rgb, images[7], *(255 - image for image in images)]
    with pytest.raises(ValueError, match=r"validation must hold .* 3 of its 23 are in dataset too; leave them out"):
        fit(images, "small", validation=mixed, out=tmp_path / "run", progress=False, **tiny_recipe)
    assert not (tmp_path / "run").exists()
    tiny_recipe |= {"steps": 1, "evaluations": 0}
    fit(images, "small", validation=mixed[3:], progress=False, **tiny_recipe)
    with pytest.warns(UserWarning, match="1 of validation's 21 images are in dataset too, and are left out"):
        fit(images, "small", validation=mixed[2:], progress=False, **tiny_recipe)


def test_validation_images_have_the_classes_of_the_others(labelled, tiny_recipe, tmp_path):
    for validation in (
        labelled[:2],
        [(image, label + 1) for image, label in labelled],
        [*labelled, (labelled[0][0], 3)],
    ):
        with pytest.raises(ValueError, match=r"validation must have the 3 classes|Labels must be"):
            fit(labelled, "conditional", validation=validation, out=tmp_path / "run", progress=False, **tiny_recipe)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoint_every": -1.0}, "checkpoint_every must be"),
        ({"checkpoint_every": float("nan")}, "checkpoint_every must be"),
        ({"log_with": "csv"}, "log_with must be one or more of"),
        ({"log_with": ["tensorboard", "csv"]}, "but got 'csv' instead"),
        ({"log_with": "tensorboard", "out": None}, "out must be given with log_with"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_read(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        fit(None, **{"out": tmp_path / "run", "progress": False, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoint_every": "60"}, "checkpoint_every must be a number, but got <class 'str'>"),
        ({"checkpoint_every": None}, "checkpoint_every must be a number"),
        ({"on_step": 5}, "on_step must be a callable or None, but got <class 'int'>"),
        ({"recipe": 5}, "recipe must be a name or a Recipe, but got <class 'int'>"),
    ],
)
def test_options_of_another_type_are_refused_before_anything_is_read(tmp_path, options, message):
    with pytest.raises(TypeError, match=message):
        fit(None, **{"out": tmp_path / "run", "progress": False, **options})


@pytest.mark.parametrize("out", ["run", "deep/er/run"])
def test_a_folder_may_be_a_name(labelled, tiny_recipe, tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    result = fit(labelled, "tiny", out=out, progress=False, **{**tiny_recipe, "steps": 1, "evaluations": 0})
    assert (result.folder / "generator" / "config.json").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"growing": 0.6, "held_out": 0.2},
        {"mapping_layers": 2},
        {"dropout": 0.3, "discriminator_normalization": "instance", "minibatch_stddev": 4},
        {"image_size": 28, "kernel_size": 5, "generator_stem_width": 8, "normalize_units": True},
        {"epochs": 1, "steps": None, "n_critic": 2, "accumulation": 2},
        {"recipe": "tiny", "precision": "fp16"},
        {"recipe": "tiny", "coverage": 0.5, "precision": "bf16", "lecam": 0.1, "adaptive": 50},
        {"conditional": True, "class_fade": (0.2, 0.8)},
    ],
    ids=str,
)
def test_options_go_together(labelled, tiny_recipe, options):
    given = {"recipe": "small", "held_out": 0.0, **tiny_recipe, **options}
    result = fit(labelled, **{key: value for key, value in given.items() if value is not None}, progress=False)
    images = result.generator.sample(4, seed=0)
    assert images.shape == (4, 1, *[options.get("image_size", 16)] * 2)
    assert all(value == value for value in result.losses.values())
