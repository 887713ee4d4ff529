import json
import os
import shutil
import signal
import warnings

import pytest
import torch

from gan_augment import fit, from_pretrained, resume
from gan_augment.training import _loop
from gan_augment.training._trainer import Trainer
from gan_augment.training.runs._checkpoints import Checkpoints

from .conftest import KilledError, run_until, same_weights

pytestmark = pytest.mark.usefixtures("no_plot")


@pytest.fixture
def often(monkeypatch):
    """Every step in the metrics."""
    monkeypatch.setattr(_loop, "LOG_EVERY", 1)


def logged(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    times = ("seconds", "images_per_second")
    return [{key: value for key, value in line.items() if key not in times} for line in lines]


def steps_of(out):
    """The steps whose losses were logged."""
    return [line["step"] for line in logged(out) if "phase" in line]


@pytest.mark.parametrize(
    "options",
    [
        {"recipe": "conditional"},
        {"augment": {"color": 0.7, "translation": 0.7, "cutout": 0.7}, "cooldown": 0.8, "flip": True},
        {"generator_spectral_norm": True, "discriminator_normalization": "batch", "attention_resolution": 8},
        {"growing": 0.6, "adaptive": 64, "lecam": 0.1, "n_critic": 2},
        {"simultaneous": True, "n_critic": 2, "accumulation": 2},
        {
            "schedule": "OneCycleLR",
            "schedule_options": {"max_lr": 1.0, "total_steps": 9},
            "optimizer": "RMSprop",
            "optimizer_options": {},
        },
        {"schedule": "MultiStepLR", "schedule_options": {"milestones": [2, 5]}, "precision": "fp16"},
        {"optimizer": "SGD", "optimizer_options": {"momentum": 0.9}, "accumulation": 2, "minibatch_stddev": 2},
        {
            "recipe": "conditional",
            "class_fade": (0.2, 0.9),
            "balance_classes": True,
            "label_smoothing": 0.1,
            "loss": "nonsaturating",
        },
    ],
)
def test_a_killed_run_goes_on_to_the_same_bits(labelled, tiny_recipe, tmp_path, often, options):
    defaults = {"recipe": "small", "held_out": 0.0, "evaluations": 3, "steps": 7}
    options = {**tiny_recipe, **defaults, **options}
    whole = fit(labelled, out=tmp_path / "whole", progress=False, **options)
    run_until(4, labelled, tmp_path / "killed", **options)
    torch.manual_seed(99)  # another process has another state
    result = resume(tmp_path / "killed", labelled, progress=False)
    assert result.steps == 7
    assert same_weights(result.generator, whole.generator)
    assert same_weights(from_pretrained(tmp_path / "killed" / "generator"), whole.generator)
    assert result.losses == whole.losses
    assert logged(tmp_path / "killed") == logged(tmp_path / "whole")


def test_a_run_from_before_a_field_of_the_recipe_existed_goes_on_to_the_same_bits(labelled, tiny_recipe, tmp_path):
    options = {**tiny_recipe, "recipe": "small", "simultaneous": False}
    whole = fit(labelled, progress=False, **options)
    run_until(3, labelled, tmp_path / "run", **options)
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    del config["recipe"]["simultaneous"]
    path.write_text(json.dumps(config))
    assert same_weights(resume(tmp_path / "run", labelled, progress=False).generator, whole.generator)


def test_a_run_may_be_killed_many_times(labelled, tiny_recipe, tmp_path, often, monkeypatch):
    whole = fit(labelled, progress=False, **tiny_recipe)
    run_until(1, labelled, tmp_path / "run", **tiny_recipe)
    original = Trainer.step
    for stop in (2, 4):

        def step(self, progress, stop=stop):
            if self.step_number == stop:
                raise KilledError
            original(self, progress)

        monkeypatch.setattr(Trainer, "step", step)
        with pytest.raises(KilledError):
            resume(tmp_path / "run", labelled, progress=False, checkpoint_every=0.0)
    monkeypatch.setattr(Trainer, "step", original)
    assert same_weights(resume(tmp_path / "run", labelled, progress=False).generator, whole.generator)


def test_sample_grids_on_the_way_do_not_change_the_result(labelled, tiny_recipe, tmp_path):
    tiny_recipe |= {"generator_spectral_norm": True, "steps": 5}
    whole = fit(labelled, progress=False, **{**tiny_recipe, "evaluations": 0})
    with_grids = fit(labelled, out=tmp_path / "run", progress=False, **{**tiny_recipe, "evaluations": 5})
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 5
    assert same_weights(with_grids.generator, whole.generator)


def test_a_run_that_is_killed_at_once_can_go_on(labelled, tiny_recipe, tmp_path, often):
    whole = fit(labelled, progress=False, **tiny_recipe)
    run_until(3, labelled, tmp_path / "run", checkpoint_every=60.0, **tiny_recipe)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-0000000.safetensors"]
    result = resume(tmp_path / "run", labelled, progress=False)
    assert same_weights(result.generator, whole.generator)
    assert steps_of(tmp_path / "run") == [1, 2, 3, 4, 5, 6]


def test_a_damaged_checkpoint_gives_way_to_the_one_before(labelled, tiny_recipe, tmp_path, often):
    whole = fit(labelled, progress=False, **tiny_recipe)
    run_until(4, labelled, tmp_path / "run", **tiny_recipe)
    newest = max((tmp_path / "run" / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-9])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = resume(tmp_path / "run", labelled, progress=False)
    assert same_weights(result.generator, whole.generator)
    assert steps_of(tmp_path / "run") == [1, 2, 3, 4, 5, 6]


def test_sigterm_writes_a_checkpoint_from_which_the_run_goes_on(labelled, tiny_recipe, tmp_path, monkeypatch):
    whole = fit(labelled, progress=False, **tiny_recipe)
    original = Trainer.step

    def step(self, progress):
        original(self, progress)
        if self.step_number == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", step)
        with pytest.raises(SystemExit) as ended:
            fit(labelled, out=tmp_path / "run", progress=False, checkpoint_every=3600.0, **tiny_recipe)
    assert ended.value.code == 128 + signal.SIGTERM
    assert max(Checkpoints(tmp_path / "run" / "checkpoints").steps()) == 3
    assert same_weights(resume(tmp_path / "run", labelled, progress=False).generator, whole.generator)


def test_a_checkpoint_of_another_run_is_refused_in_a_sentence(labelled, tiny_recipe, tmp_path, often):
    run_until(3, labelled, tmp_path / "run", **tiny_recipe)
    run_until(3, labelled, tmp_path / "other", **{**tiny_recipe, "generator_width": 8})
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    shutil.copytree(tmp_path / "other" / "checkpoints", tmp_path / "run" / "checkpoints")
    with pytest.raises(ValueError, match=r"^The checkpoint must be of the run that config\.json describes[^\n]*$"):
        resume(tmp_path / "run", labelled, progress=False)


@pytest.mark.parametrize("change", [{"step_number": "3"}, {"step_number": -1}, {"seconds": None}, {"ema": []}])
def test_a_checkpoint_with_something_else_in_it_is_refused(labelled, tiny_recipe, tmp_path, often, change):
    run_until(3, labelled, tmp_path / "run", **tiny_recipe)
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints")
    checkpoints.save({**checkpoints.load_newest(), **change}, 4)
    with pytest.raises(ValueError, match="The checkpoint must be of the run"):
        resume(tmp_path / "run", labelled, progress=False)


def test_a_half_written_line_of_metrics_is_dropped(labelled, tiny_recipe, tmp_path, often):
    run_until(3, labelled, tmp_path / "run", **tiny_recipe)
    with open(tmp_path / "run" / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "gener')
    resume(tmp_path / "run", labelled, progress=False)
    assert steps_of(tmp_path / "run") == [1, 2, 3, 4, 5, 6]


def test_a_finished_run_can_be_resumed_and_stays_as_it_was(labelled, tiny_recipe, tmp_path):
    whole = fit(labelled, out=tmp_path / "run", progress=False, **tiny_recipe)
    again = resume(tmp_path / "run", labelled, progress=False)
    assert again.steps == whole.steps
    assert same_weights(again.generator, whole.generator)
    assert again.generator.card.training["final_losses"] == whole.generator.card.training["final_losses"]


def test_resuming_leaves_the_random_state_of_the_caller_alone(labelled, tiny_recipe, tmp_path, often):
    run_until(3, labelled, tmp_path / "run", **tiny_recipe)
    before = torch.get_rng_state()
    resume(tmp_path / "run", labelled, progress=False)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_budget_counts_what_was_used_before(labelled, tiny_recipe, tmp_path, often):
    run_until(3, labelled, tmp_path / "run", **tiny_recipe)
    result = resume(tmp_path / "run", labelled, budget=1e-9, progress=False)
    assert result.steps == 3


def test_another_data_set_is_refused(labelled, tiny_recipe, tmp_path, often):
    run_until(3, labelled, tmp_path / "run", **tiny_recipe)
    with pytest.raises(ValueError, match="must hold the images of the run"):
        resume(tmp_path / "run", labelled[:19], progress=False)


def test_a_folder_without_a_run_is_refused(tmp_path, labelled):
    with pytest.raises(ValueError, match=r"A run is a folder with a config\.json"):
        resume(tmp_path, labelled)


def test_held_out_images_are_the_same_after_a_restart(labelled, tiny_recipe, tmp_path, often):
    options = {"recipe": "small", "held_out": 0.2, **tiny_recipe}
    run_until(3, labelled, tmp_path / "run", **options)
    assert resume(tmp_path / "run", labelled, progress=False).generator.card.training["images"] == 16


def test_validation_images_must_be_given_again_and_be_the_same(labelled, tiny_recipe, tmp_path, often):
    training, held_out = labelled[10:], labelled[:10]
    run_until(3, training, tmp_path / "run", recipe="small", validation=held_out, **tiny_recipe)
    for other in (None, held_out[:9]):
        with pytest.raises(ValueError, match=r"must hold the images of the run"):
            resume(tmp_path / "run", training, validation=other, progress=False)
    assert resume(tmp_path / "run", training, validation=held_out, progress=False).steps == 6


def test_a_data_set_without_a_name_must_be_given_again(labelled, tiny_recipe, tmp_path, often):
    run_until(3, labelled, tmp_path / "run", **tiny_recipe)
    with pytest.raises(ValueError, match="dataset must be given again"):
        resume(tmp_path / "run", progress=False)


def test_a_larger_budget_is_evaluated_and_kept_for_the_next_time(labelled, tiny_recipe, tmp_path):
    options = {**tiny_recipe, "steps": 10**6, "evaluations": 4, "deform": 0.0, "tone": 0.0}
    first = fit(labelled, budget=1.0, out=tmp_path / "run", progress=False, **options)
    second = resume(tmp_path / "run", labelled, budget=3.0, progress=False)
    assert second.steps > first.steps
    evaluated = [line["step"] for line in logged(tmp_path / "run") if "copies" in line]
    assert evaluated[-1] == second.steps
    assert json.loads((tmp_path / "run" / "config.json").read_text())["budget"] == 3.0


def test_a_finished_run_keeps_its_findings_when_it_is_resumed(labelled, tiny_recipe, tmp_path):
    whole = fit(labelled, out=tmp_path / "run", progress=False, **tiny_recipe)
    assert whole.findings
    assert resume(tmp_path / "run", labelled, progress=False).findings == whole.findings
