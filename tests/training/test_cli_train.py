import json
import os
import re
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from gan_augment import Recipe, from_pretrained
from gan_augment.cli import main
from gan_augment.training import RECIPES, get_recipe
from gan_augment.training._trainer import Trainer

from .conftest import TINY, KilledError, same_weights

pytestmark = pytest.mark.usefixtures("no_plot")


def settings(**fields):
    return [f"--set={name}={json.dumps(value)}" for name, value in {**TINY, **fields}.items()]


def train(*arguments, **fields):
    return ["train", "--quiet", *map(str, arguments), *settings(**fields)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """An .npz of 24 labelled images."""
    path = tmp_path_factory.mktemp("data") / "images.npz"
    rng = np.random.default_rng(0)
    np.savez(path, images=rng.integers(0, 256, (24, 16, 16), dtype=np.uint8), labels=np.arange(24) % 3)
    return path


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "run"
    assert main(train("--data", data, "--out", out, "--seed", 3, "--recipe", "conditional", held_out=0.0)) == 0
    return out


def test_a_command_fits_a_generator(run):
    config = json.loads((run / "config.json").read_text())
    assert (config["seed"], config["recipe_name"]) == (3, "conditional")
    recipe = Recipe.from_dict(config["recipe"])
    assert (recipe.steps, recipe.held_out, recipe.conditional) == (6, 0.0, True)
    generator = from_pretrained(run / "generator")
    assert (generator.num_classes, generator.config.image_size) == (3, 16)


def test_it_says_what_it_did_and_found(data, tmp_path, capsys):
    assert main(train("--data", data, "--out", tmp_path / "run")) == 0
    said = capsys.readouterr()
    assert said.out.startswith("6 steps in ")
    assert "kept the generator from step 6" in said.out
    assert "near copies of training" in " ".join(said.out.split())
    assert said.out.endswith(f"Generator: {tmp_path / 'run' / 'generator'}\n")
    assert max(map(len, said.out.splitlines()[:-1])) <= 96


def test_settings_are_json_or_words(data, tmp_path):
    fields = {"augment": {"color": 0.25}, "class_fade": [0.1, 0.5], "optimizer_options": {"betas": [0.5, 0.9]}}
    arguments = train("--data", data, "--out", tmp_path / "run", "--recipe", "small", **fields)
    assert main([*arguments, "--set", "resize_mode=pad", "--set", "flip=true", "--set", "optimizer=AdamW"]) == 0
    recipe = Recipe.from_dict(json.loads((tmp_path / "run" / "config.json").read_text())["recipe"])
    assert (recipe.augment, recipe.class_fade) == ({"color": 0.25}, (0.1, 0.5))
    assert (recipe.resize_mode, recipe.flip, recipe.optimizer) == ("pad", True, "AdamW")


def test_a_killed_run_goes_on_by_its_folder_alone(data, run, tmp_path, monkeypatch):
    original = Trainer.step

    def step(self, progress):
        if self.step_number == 3:
            raise KilledError
        original(self, progress)

    arguments = ["--data", data, "--seed", 3, "--recipe", "conditional", "--checkpoint-every", 0]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", step)
        assert main(train("--out", tmp_path / "run", *arguments, held_out=0.0)) == 1  # an error that is no refusal
    assert main(["train", "--quiet", "--resume", str(tmp_path / "run")]) == 0
    one, other = (from_pretrained(folder / "generator") for folder in (tmp_path / "run", run))
    assert same_weights(one, other)


def test_a_run_starts_from_another_and_says_which_layers_it_takes_over(data, run, tmp_path, capsys):
    start = ["--data", data, "--out", tmp_path / "run", "--init", run / "generator", "--recipe", "conditional"]
    sets = ["--set=steps=2", "--set=batch_size=8", "--set=held_out=0.0", "--set=evaluations=1"]
    assert main(["train", "--quiet", *map(str, start), *sets]) == 0
    assert from_pretrained(tmp_path / "run" / "generator").card.training["init"] == "generator"
    said = " ".join(capsys.readouterr().out.split())
    assert "- The networks have the layers of " in said
    assert re.search(r"generator_width \d+ \(recipe: 64\)", said)


def test_folders_of_images_are_data_and_validation(tmp_path):
    rng = np.random.default_rng(0)
    for name, count in (("training", 8), ("validation", 51)):
        (tmp_path / name).mkdir()
        for index in range(count):
            pixels = rng.integers(0, 256, (16, 16), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    folders = ["--data", tmp_path / "training", "--validation", tmp_path / "validation", "--out", tmp_path / "run"]
    assert main(train(*folders)) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["images"]["count"], config["held_out"]["count"]) == (8, 51)


@pytest.mark.filterwarnings("always:The budget ran out:UserWarning")
def test_a_budget_ends_the_run_and_a_sentence_says_so(data, tmp_path, capsys):
    assert main(train("--data", data, "--out", tmp_path / "run", "--budget", "1s", steps=10**6)) == 0
    assert "\ngan-augment: The budget ran out after" in "\n" + capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--out", "OUT"], "train needs --data and --out"),
        (["--data", "DATA"], "train needs --data and --out"),
        (["--data", "DATA", "--out", "OUT", "--recipe", "huge"], "recipe must be one of"),
        (["--data", "no-such", "--out", "OUT"], "no-such"),
        (["--data", "DATA", "--out", "OUT", "--budget", "soon"], "budget must be"),
        (["--data", "DATA", "--out", "OUT", "--seed", "-1"], "seed must be"),
        (["--data", "DATA", "--out", "OUT", "--init", "no-such"], "no-such"),
        (["--data", "DATA", "--out", "OUT", "--set", "learning_rate=1"], "learning_rate"),
        (["--data", "DATA", "--out", "OUT", "--set", "steps=0"], "steps must be"),
        (["--data", "DATA", "--out", "OUT", "--set", "steps=many"], "steps must be"),
        (["--data", "DATA", "--out", "OUT", "--set", "optimizer=Best"], "optimizer must be"),
        (["--data", "DATA", "--out", "OUT", "--set", "generator_lr=NaN"], "generator_lr must be"),
        (["--data", "DATA", "--out", "RUN"], "is not empty"),
        (["--resume", "OUT"], "A run is a folder"),
        (["--resume", "RUN", "--data", "no-such"], "no-such"),
        (["--data", "DATA", "--out", "OUT", "--checkpoint-every", "-1"], "checkpoint_every must be"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_a_sentence_and_status_2(data, run, tmp_path, capsys, arguments, sentence):
    places = {"DATA": str(data), "OUT": str(tmp_path / "out"), "RUN": str(run)}
    assert main(["train", "--quiet", *(places.get(argument, argument) for argument in arguments)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.strip().splitlines()
    assert line.startswith("gan-augment: ")
    assert sentence in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [["train", "--set", "steps"], ["train", "--seed", "x"], ["train", "--nope"], []],
    ids=str,
)
def test_a_command_that_is_none_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: gan-augment" in capsys.readouterr().err


def test_a_diverged_run_is_a_sentence(data, tmp_path, monkeypatch, capsys):
    def diverge(self, progress):
        raise RuntimeError("Training diverged: lower its learning rate.")

    monkeypatch.setattr(Trainer, "step", diverge)
    assert main(train("--data", data, "--out", tmp_path / "run")) != 0
    assert "Training diverged" in capsys.readouterr().err


@pytest.mark.parametrize("ignored", [["--set", "steps=9"], ["--out", "elsewhere"], ["--init", "dcgan-mnist-32"]])
def test_what_resuming_cannot_change_is_refused(run, capsys, ignored):
    assert main(["train", "--quiet", "--resume", str(run), *ignored]) == 2


def test_recipes_are_listed(capsys):
    assert main(["recipes"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["recipe", "images", "that", "it", "is", "for,", "and", "settings"]
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert all(recipe.description in line for line, recipe in zip(lines, RECIPES.values()))


def test_a_recipe_is_shown_as_it_can_be_read_again(capsys):
    assert main(["recipes", "tiny"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(get_recipe("tiny").to_dict()))


def test_an_unknown_recipe_is_a_sentence(capsys):
    assert main(["recipes", "huge"]) == 2
    assert "recipe must be one of" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_runs_as_a_process(data, tmp_path):
    command = [sys.executable, "-m", "gan_augment"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = train("--data", data, "--out", tmp_path / "run")
    done = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "run" / "generator" / "config.json").exists()
    again = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, timeout=300)
    assert again.returncode == 2
    assert again.stderr.startswith("gan-augment: out must be a new or empty folder")
