"""What a budget buys: preparation that leaves time to train, on as many threads as are fast."""

import time

import pytest
import torch

from gan_augment import fit, resume
from gan_augment.models import Variations
from gan_augment.models._learn_variations import learn_variations
from gan_augment.training import _preparation
from gan_augment.training._trainer import Trainer
from gan_augment.training.runs._checkpoints import Checkpoints
from gan_augment.training.runs._processes import fastest_threads

from .conftest import TINY

FAST = {**TINY, "deform": 0.0, "tone": 0.0}  # without what images of a class differ by
SMALL = {"image_size": 64, "generator_width": 4, "steps": 10**6}


@pytest.fixture(scope="module")
def photos():
    """360 RGB images of six classes, of 64 px."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(360, 3, 8, 8, generator=rng)
    images = torch.nn.functional.interpolate(coarse, size=64, mode="bicubic").clamp(0, 1)
    return torch.utils.data.TensorDataset(images, torch.arange(360) % 6)


@pytest.fixture
def prepared(monkeypatch):
    """Seconds from the start of the test to the end of a run's preparation."""
    started, times = time.perf_counter(), []
    original = _preparation.prepare

    def prepare(trainer, seconds=None):
        original(trainer, seconds)
        times.append(time.perf_counter() - started)

    monkeypatch.setattr("gan_augment.training._plan.prepare", prepare)
    return times


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The budget ran out")
def test_a_short_budget_goes_into_steps(photos, prepared, full_registration):
    result = fit(photos, "tiny-conditional", budget=6.0, progress=False, **SMALL)
    assert prepared[0] < 4  # on a busy machine too; without a limit, half a minute
    assert result.steps > 3
    assert bool((result.generator.variations.fields != 0).any())


def test_variations_are_learned_until_the_deadline(photos, full_registration):
    images, labels = (photos.tensors[0] * 255).byte(), photos.tensors[1]
    layer = Variations(3, 12, 4)
    started = time.perf_counter()
    learn_variations(layer, images, labels, 1.0, 1.0, started + 0.3)
    assert time.perf_counter() - started < 2
    assert bool((layer.fields != 0).any())


def test_time_before_the_first_step_counts(labelled):
    class Slow(list):
        def __getitem__(self, index):
            time.sleep(0.02)
            return super().__getitem__(index)

    result = fit(Slow(labelled), budget="1h", progress=False, **FAST)
    assert result.seconds > 0.4


def test_the_faster_number_of_threads_is_found():
    def waiting():  # as threads do that wait for each other
        time.sleep(0.002 * torch.get_num_threads())

    def sharing():
        time.sleep(0.008 / torch.get_num_threads())

    torch.set_num_threads(2)
    assert fastest_threads(waiting, 5) == 1
    assert fastest_threads(sharing, 5) == 2
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    assert fastest_threads(sharing, 5) == 1


def test_a_run_records_its_threads_and_gives_torch_back_its_own(labelled, tmp_path):
    torch.set_num_threads(2)
    seen = []
    try:
        fit(labelled, budget="1h", out=tmp_path / "run", progress=False, **FAST)
        checkpoints = Checkpoints(tmp_path / "run" / "checkpoints")
        state = checkpoints.load_newest()
        assert state["threads"] in (1, 2)
        other = 3 - state["threads"]
        checkpoints.save({**state, "threads": other, "step_number": 3}, 3 + state["step_number"])
        original = Trainer.step
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Trainer, "step", lambda self, p: (seen.append(torch.get_num_threads()), original(self, p)))
            resume(tmp_path / "run", labelled, progress=False)
        assert set(seen) == {other}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_a_run_without_a_budget_keeps_the_number_of_threads(labelled, tmp_path):
    fit(labelled, out=tmp_path / "run", progress=False, **FAST)
    assert Checkpoints(tmp_path / "run" / "checkpoints").load_newest()["threads"] is None


def test_a_run_that_ends_early_says_so_first(labelled):
    with pytest.warns(UserWarning, match="The budget ran out after"):
        result = fit(labelled, budget=0.01, progress=False, **{**FAST, "steps": 10**6})
    assert result.findings[0].startswith(f"The budget ran out after {result.steps} steps")
    assert result.generator.card.training["findings"] == result.findings


def test_measuring_leaves_a_short_budget_to_training(labelled, monkeypatch):
    measured = []
    original = Trainer.averaged_generator
    monkeypatch.setattr(Trainer, "averaged_generator", lambda self: (measured.append(1), original(self))[1])
    with pytest.warns(UserWarning, match="The budget ran out after"):
        fit(labelled, budget=0.2, progress=False, **{**FAST, "steps": 10**6, "evaluations": 1000})
    assert len(measured) <= 4
