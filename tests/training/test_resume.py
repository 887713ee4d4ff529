import json

import pytest
import torch

from gan_augment import fit, from_pretrained, resume
from gan_augment.training import _fit
from gan_augment.training._trainer import Trainer


class KilledError(Exception):
    """What a kill looks like from inside."""


@pytest.fixture
def often(monkeypatch):
    """Checkpoints after every step, and every step in the metrics."""
    monkeypatch.setattr(_fit, "CHECKPOINT_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(_fit, "LOG_EVERY", 1)


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
            fit(dataset, out=out, progress=False, **options)


def same_weights(one, other):
    state = other.state_dict()
    return all(torch.equal(value, state[key]) for key, value in one.state_dict().items())


def logged(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


@pytest.mark.parametrize(
    "options",
    [
        {"recipe": "conditional"},
        {"augment": ("color", "translation", "cutout"), "cooldown": 0.8, "flip": True},
        {"generator_spectral_norm": True, "discriminator_normalization": "batch", "attention_resolution": 8},
    ],
)
def test_a_killed_run_goes_on_to_the_same_bits(labelled, tiny_recipe, tmp_path, often, options):
    options = {**tiny_recipe, "steps": 7, **options}
    whole = fit(labelled, out=tmp_path / "whole", progress=False, **options)
    run_until(4, labelled, tmp_path / "killed", **options)
    torch.manual_seed(99)  # another process has another state
    result = resume(tmp_path / "killed", labelled, progress=False)
    assert result.steps == 7
    assert same_weights(result.generator, whole.generator)
    assert same_weights(from_pretrained(tmp_path / "killed" / "generator"), whole.generator)
    assert result.losses == whole.losses
    assert logged(tmp_path / "killed") == logged(tmp_path / "whole")


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
            resume(tmp_path / "run", labelled, progress=False)
    monkeypatch.setattr(Trainer, "step", original)
    assert same_weights(resume(tmp_path / "run", labelled, progress=False).generator, whole.generator)


def test_sample_grids_on_the_way_do_not_change_the_result(labelled, tiny_recipe, tmp_path, monkeypatch):
    tiny_recipe |= {"generator_spectral_norm": True, "steps": 5}
    whole = fit(labelled, progress=False, **tiny_recipe)
    monkeypatch.setattr(_fit, "GRID_EVERY_SECONDS", -1.0)
    with_grids = fit(labelled, out=tmp_path / "run", progress=False, **tiny_recipe)
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 5
    assert same_weights(with_grids.generator, whole.generator)


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_again(labelled, tiny_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(_fit, "LOG_EVERY", 1)
    whole = fit(labelled, progress=False, **tiny_recipe)
    run_until(3, labelled, tmp_path / "run", **tiny_recipe)
    assert not (tmp_path / "run" / "checkpoint.pt").exists()
    result = resume(tmp_path / "run", labelled, progress=False)
    assert same_weights(result.generator, whole.generator)
    assert [line["step"] for line in logged(tmp_path / "run")] == [1, 2, 3, 4, 5, 6]


def test_a_half_written_line_of_metrics_is_dropped(labelled, tiny_recipe, tmp_path, often):
    run_until(3, labelled, tmp_path / "run", **tiny_recipe)
    with open(tmp_path / "run" / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "gener')
    resume(tmp_path / "run", labelled, progress=False)
    assert [line["step"] for line in logged(tmp_path / "run")] == [1, 2, 3, 4, 5, 6]


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
