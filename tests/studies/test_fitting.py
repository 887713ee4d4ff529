"""Fittings inside a study: in any number of processes, continued, estimated, and shown by the progress bar."""

import json
import re

import pytest
import torch

from gan_augment import Generator, GeneratorConfig, from_pretrained
from gan_augment.studies import study
from gan_augment.studies._fitting import FitJob, Fitting
from gan_augment.studies._folder import SplitImages, read_split, write_images
from gan_augment.studies._jobs import Runner

from .conftest import CLASSES, PLAIN, SIDE, gratings

STEPS = 6
FAST = {"generator_width": 4, "deform": 0.0, "tone": 0.0, "evaluations": 0}  # without what takes longer than the steps
RECIPE = {"recipe": "tiny-conditional", "fit_options": {"steps": STEPS, **FAST}}
SMALL = {**PLAIN, "augment": "none", "ratios": 0.5, "steps": 3, "seeds": 2, "pool_size": 60, "progress": False}
pytestmark = pytest.mark.filterwarnings("ignore:There are only", "ignore:.*held-out images are too few")


def weights(out):
    """The weights of the generators of a study, by the names of their folders."""
    return {
        path.name: from_pretrained(path / "generator").state_dict() for path in sorted((out / "generators").iterdir())
    }


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[name][key], other[name][key]) for name in one for key in one[name]
    )


@pytest.fixture
def jobs(tmp_path):
    """The fittings of two splits, whose steps take a second by the estimate."""
    images, labels = gratings(60, 0)
    splits = [(torch.arange(20), torch.arange(20, 30)), (torch.arange(30), torch.arange(30, 40))]
    write_images(tmp_path, images, labels, torch.arange(40, 60), splits)
    fitting = Fitting(RECIPE["recipe"], options=RECIPE["fit_options"])
    return [FitJob(tmp_path, split, fitting, seed=1).timed(1.0, read_split(tmp_path, split)) for split in range(2)]


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_step_of_a_fitting_moves_the_bar(jobs, processes):
    assert [job.seconds for job in jobs] == [STEPS, STEPS]
    with Runner(processes, progress=True) as runner:
        runner.start({}, 2 * STEPS + 1)
        runner.queue(jobs)
        runner.finish(FitJob)
        assert runner.bar.n == pytest.approx(2 * STEPS)
        bar = runner.bar
    assert bar.n == bar.total
    assert len(weights(jobs[0].folder)) == 2


def test_the_estimate_of_a_fitting_counts_the_steps_that_are_left_and_ends_with_the_budget(jobs):
    job = jobs[0]
    split = read_split(job.folder, 0)
    checkpoint = job.path / "checkpoints" / "step-0000004.safetensors"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    assert job.timed(2.0, split).seconds == 2 * (STEPS - 4)
    limited = Fitting(RECIPE["recipe"], budget="3s", options=RECIPE["fit_options"])
    assert FitJob(job.folder, 1, limited, seed=1).timed(2.0, read_split(job.folder, 1)).seconds == 3.0


def test_the_estimate_works_with_more_classes_than_it_times_images(tmp_path):
    labels = torch.cat([torch.zeros(300), torch.arange(290).repeat(3)]).long()
    images = torch.randint(0, 256, (len(labels), 1, SIDE, SIDE), dtype=torch.uint8)
    split = SplitImages(images, labels, images[:0], labels[:0], images[:0], labels[:0])
    assert Fitting(RECIPE["recipe"], options=RECIPE["fit_options"]).seconds_per_step(split) > 0


def test_a_continued_study_counts_only_what_is_left(few, test_images, tmp_path, capsys):
    options = {**SMALL, **RECIPE, "test": test_images, "out": tmp_path / "study", "progress": True}

    def counts():
        result = study(few, **options)
        err = capsys.readouterr().err
        said = re.findall(r"The study (?:fits (\d+) generators? and )?trains up to (\d+) ", err)
        return result, [tuple(int(number or 0) for number in each) for each in said], "The rest takes about" in err

    whole, *said = counts()
    assert said == [[(2, 6)], True]
    kept = weights(tmp_path / "study")
    (tmp_path / "study" / "generators" / "split-1" / "generator" / "config.json").unlink()
    next((tmp_path / "study" / "runs").iterdir()).unlink()
    again, said, _ = counts()
    assert said == [(1, 1)]
    assert same(weights(tmp_path / "study"), kept)
    assert [arm.accuracy for arm in again.arms] == [arm.accuracy for arm in whole.arms]
    assert counts()[1:] == ([], False)


def test_the_bar_shows_the_interval_of_an_arm_as_soon_as_it_has_two_seeds(few, test_images, capsys, monkeypatch):
    monkeypatch.setattr("gan_augment._core._progress.DELAY", 0.01)
    study(few, test=test_images, **{**SMALL, **RECIPE, "progress": True})
    shown = re.findall(r"left, ([^\r\n]*?) *[\r\n]", capsys.readouterr().err)
    assert {"no augmentation", "generator of split 2", "samples for split 2", "synthetic 0.5"} <= set(shown)
    assert any(re.fullmatch(r"synthetic 0\.5: [+-][\d.]+ \([+-][\d.]+ to [+-][\d.]+\)", text) for text in shown)
    assert not any(text.startswith("no augmentation:") for text in shown)


def test_the_report_says_how_far_the_fittings_came(few, test_images, tmp_path):
    result = study(few, test=test_images, out=tmp_path / "study", **{**SMALL, **RECIPE})
    assert result.source["fit_steps"] == [STEPS, STEPS]
    assert "Fitting generators: 2, 6 steps each" in (tmp_path / "study" / "report.md").read_text()


def test_an_init_that_other_processes_cannot_get_is_refused(few, test_images, tmp_path):
    start = Generator(GeneratorConfig(SIDE, channels=1, latent_dim=8, width=16, num_classes=CLASSES))
    start.register_forward_hook(lambda *_: None)
    arguments = {**SMALL, "recipe": "conditional", "init": start, "test": test_images, "out": tmp_path / "study"}
    with pytest.raises(ValueError, match=r"init must be defined at the top level of a module.*or use one process"):
        study(few, processes=2, **arguments)
    assert not (tmp_path / "study").exists()


def test_with_a_budget_fittings_come_before_trainings(few, test_images, tmp_path):
    study(few, test=test_images, out=tmp_path / "study", budget="60s", **{**SMALL, **RECIPE})
    fitted = [path.stat().st_mtime_ns for path in (tmp_path / "study").glob("generators/*/generator/config.json")]
    trained = [path.stat().st_mtime_ns for path in (tmp_path / "study" / "runs").iterdir()]
    assert max(fitted) < min(trained)


@pytest.mark.slow
def test_any_number_of_processes_finds_the_same_bits(few, test_images, tmp_path):
    found = {}
    for processes in (1, 2, 4):
        out = tmp_path / str(processes)
        options = {**SMALL, **RECIPE, "seeds": 3, "augment": ("none", "affine"), "out": out}
        result = study(few, test=test_images, processes=processes, **options)
        scores = [(arm.name, arm.accuracy, arm.validation, arm.log_loss) for arm in result.arms]
        found[processes] = json.dumps(scores), weights(out)
    for processes in (2, 4):
        assert found[processes][0] == found[1][0]
        assert same(found[processes][1], found[1][1])
