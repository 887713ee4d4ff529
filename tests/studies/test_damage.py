"""Studies that are stopped, on full disks, and with damaged files."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from gan_augment import SyntheticPool
from gan_augment._core import LOCK, aside_path, lock_folder
from gan_augment.cli import main
from gan_augment.studies import _jobs, study
from gan_augment.training import unpack

from ..core.disks import enlarge, small_disk
from .conftest import PLAIN, SIDE, gratings

SMALL = {
    **PLAIN,
    "augment": "none",
    "ratios": 0.5,
    "steps": 3,
    "seeds": 2,
    "splits": 2,
    "progress": False,
    "pool_size": 60,
}
NAMED = r"is damaged \(.*\); the study creates it again\.$"


def linear(channels, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * SIDE * SIDE, num_classes))


@pytest.fixture(scope="module")
def pool():
    return SyntheticPool(*gratings(90, 5))


@pytest.fixture
def run(few, test_images, pool, tmp_path):
    """Runs the same small study again and again, in one folder; returns its accuracies."""

    def again(out=tmp_path / "study", **changes):
        result = study(few, pool, test=test_images, out=out, **{**SMALL, "classifier": linear, **changes})
        return [arm.accuracy for arm in result.arms]

    return again


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place * len(data) // 100] ^= 4
    path.write_bytes(data)


def test_flipped_bits_are_found_named_and_mended(run, tmp_path):
    whole = run()
    for number, path in enumerate(sorted((tmp_path / "study" / "runs").iterdir())):
        flip(path, 10 + 15 * number)  # in the header, in the logits, at the end
    flip(tmp_path / "study" / "pools" / "unfiltered-0" / "images.npy", 50)
    flip(tmp_path / "study" / "pools" / "unfiltered-1.record", 30)
    with pytest.warns(UserWarning, match=NAMED) as told:
        assert run() == whole
    assert len([each for each in told if "is damaged" in str(each.message)]) == 8
    assert run() == whole


def test_an_outcome_of_another_training_is_not_taken_for_its_own(run, tmp_path):
    whole = run()
    first, second, *_ = sorted((tmp_path / "study" / "runs").iterdir())
    first.write_bytes(second.read_bytes())
    with pytest.warns(UserWarning, match="belongs to another training"):
        assert run() == whole


@pytest.mark.parametrize("content", [b"", b"0.1", None])
def test_no_record_of_a_pool_stops_a_study_for_ever(run, tmp_path, content):
    whole = run()
    record = tmp_path / "study" / "pools" / "unfiltered-0.record"
    record.unlink()
    if content is None:  # killed before it was written
        assert run() == whole
        return
    record.write_bytes(content)
    with pytest.warns(UserWarning, match=NAMED):
        assert run() == whole


def test_a_second_process_is_refused(run, tmp_path):
    (tmp_path / "study").mkdir()
    with lock_folder(tmp_path / "study"):
        with pytest.raises(ValueError, match=rf"in use by process {os.getpid()} on \S+; wait until it ends"):
            run()
        assert os.listdir(tmp_path / "study") == [LOCK]


def test_a_full_disk_ends_in_a_sentence_and_the_study_goes_on_when_there_is_room(run, tmp_path):
    whole = run()
    with small_disk(tmp_path / "disk", "300k") as disk:
        with pytest.raises(OSError, match=r"needs .+, but there is not enough space [^\n]*\.$"):
            run(disk / "study")
        assert not [path for path in disk.rglob("*") if path.name.startswith(".")]
        enlarge(disk, "16m")
        assert run(disk / "study") == whole


def test_what_killed_processes_left_is_removed(run, tmp_path):
    whole = run()
    folders = [tmp_path / "study", tmp_path / "study" / "runs", tmp_path / "study" / "pools"]
    left = [aside_path(folder / "x") for folder in folders]
    for path in left[:2]:
        path.write_bytes(b"half")
    left[2].mkdir()
    (tmp_path / "study" / LOCK).write_text("process 1 on a machine that was switched off")
    assert run() == whole
    assert not any(path.exists() for path in left)


def test_ctrl_c_ends_the_command_in_one_sentence_and_the_same_command_goes_on(tmp_path, pool, monkeypatch, capsys):
    images, labels = gratings(120, 0)
    np.savez(tmp_path / "data.npz", images=images.numpy(), labels=labels.numpy())
    pool.save(tmp_path / "pool")
    settings = {"data": "data.npz", "source": "pool", "out": "study", "augment": "none", "ratios": 0.5, "processes": 1}
    settings |= {"steps": 2, "seeds": 2, "pool-size": 60}
    arguments = ["study", "--quiet", *(f"--{name}={value}" for name, value in settings.items())]
    monkeypatch.chdir(tmp_path)
    original = _jobs.run_job

    def run_job(job, on_step):
        if len(list((tmp_path / "study").glob("runs/*"))) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return original(job, on_step)

    with monkeypatch.context() as patch:
        patch.setattr(_jobs, "run_job", run_job)
        assert main(arguments) == 130
    said = capsys.readouterr().err
    assert said.splitlines()[-1] == ("gan-augment: Stopped; run the same command again to continue the study in study.")
    assert "Traceback" not in said
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "study" / "runs").iterdir()}
    assert len(kept) == 2
    assert main(arguments) == 0
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


SCRIPT = """
import sys
import torch
from torch import nn
from torch.utils.data import TensorDataset
from gan_augment import SyntheticPool
from gan_augment.studies import study

class Slow(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.layer = nn.Linear(256 * channels, classes)
    def forward(self, images):
        return self.layer(images.flatten(1))

if __name__ == "__main__":
    labels = torch.arange(200) % 2
    images = (torch.rand(200, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 255).byte()
    data, fit_steps = TensorDataset(images[:100], labels[:100]), int(sys.argv[4])
    fast = {"steps": fit_steps, "generator_width": 8, "deform": 0.0, "tone": 0.0, "evaluations": 0}
    made = {"recipe": "tiny-conditional", "fit_options": fast}
    given = {"source": SyntheticPool(images[100:], labels[100:])}
    study(data, **(made if fit_steps else given), ratios=0.5, augment="none", steps=int(sys.argv[2]), seeds=3,
          processes=int(sys.argv[3]), classifier=Slow, progress=False, out=sys.argv[1], pool_size=200)
"""


def group(number):
    """The processes of a process group that run."""
    found = subprocess.run(["ps", "-ewwo", "pgid,stat,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in found.splitlines()[1:]]
    return [row[2] for row in rows if int(row[0]) == number and not row[1].startswith("Z")]


@pytest.mark.slow
@pytest.mark.parametrize("fit_steps", [0, 10**6])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_study_that_started_it(tmp_path, number, fit_steps):
    (tmp_path / "script.py").write_text(SCRIPT)
    steps = 3 if fit_steps else 10**6
    arguments = [sys.executable, tmp_path / "script.py", tmp_path / "out", str(steps), "2", str(fit_steps)]
    process = subprocess.Popen(arguments, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while sum("spawn_main" in line for line in group(process.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert sum("spawn_main" in line for line in group(process.pid)) == 2
        time.sleep(5)  # anywhere from their start to their training
        while fit_steps and not list((tmp_path / "out").glob("generators/*/checkpoints/step-*")):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(number)
        process.wait(timeout=60)
        deadline = time.monotonic() + 60
        while group(process.pid) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert group(process.pid) == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_worker_ends_when_nobody_holds_the_other_end():
    """What ends it is a pipe, as for the study's processes; a fork has it at once."""
    context = torch.multiprocessing.get_context("fork")
    watched, alive = context.Pipe(duplex=False)
    child = os.fork()
    if child == 0:
        alive.close()
        _jobs.start_worker(watched, None)
        time.sleep(60)
        os._exit(0)
    time.sleep(0.1)
    alive.close()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_a_worker_ends_when_its_fitting_does(monkeypatch):
    """An executor would keep a SystemExit as a result, and wait for the next job."""

    def ended(job, on_step):
        raise SystemExit(128 + signal.SIGTERM)

    monkeypatch.setattr(_jobs, "run", ended)
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            _jobs.run_counted(None, 0.0)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGTERM


RACES = """
import sys
from functools import partial
import torch
from torch.utils.data import TensorDataset
from gan_augment import SyntheticPool
from gan_augment.evaluation import Classifier, Hyperparameters, SmallCNN
from gan_augment.studies import study

TRIALS = tuple(Hyperparameters(lr=lr) for lr in (1e-3, 3e-3, 1e-2))

if __name__ == "__main__":
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(240) % 3
    images = (torch.rand(240, 1, 16, 16, generator=rng) * 128 + 50 * labels[:, None, None, None]).byte()
    data, pool = TensorDataset(images[:120], labels[:120]), SyntheticPool(images[120:], labels[120:])
    study(data, pool, ratios=(0.25, 0.5), augment=("none", "affine", "affine-mix"), filters=(None, "copies"), steps=30,
          seeds=3, pool_size=60, controls=("varied", "smote", "repeated"), processes=int(sys.argv[2]),
          classifier=Classifier("tiny", partial(SmallCNN, width=4), TRIALS), progress=False, out=sys.argv[1])
"""


def outcomes(out):
    return {path.name: unpack(path.read_bytes()) for path in (out / "runs").glob("*.safetensors")}


def conclusions(out):
    """What a report says, without times and the number of processes."""
    report = json.loads((out / "report.json").read_text())
    arms = [{name: value for name, value in arm.items() if name != "seconds"} for arm in report["arms"]]
    return arms, [report[name] for name in ("headline", "generator_sentence", "trials", "comparisons", "notes")]


def start(script, out, *arguments):
    return subprocess.Popen([sys.executable, script, out, *map(str, arguments)])


def check_same_results(killed, whole):
    found, expected = outcomes(killed), outcomes(whole)
    assert found.keys() == expected.keys()
    for name, outcome in expected.items():
        assert torch.equal(found[name]["validation"], outcome["validation"])
        assert torch.equal(found[name]["test"], outcome["test"])
    assert conclusions(killed) == conclusions(whole)
    assert not [path for path in killed.rglob("*") if path.name.startswith(".")]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A script of a study with races, and the folder of a run of it that nothing stopped."""
    folder = tmp_path_factory.mktemp("races")
    (folder / "script.py").write_text(RACES)
    assert start(folder / "script.py", folder / "whole", 1).wait(timeout=600) == 0
    return folder / "script.py", folder / "whole"


@pytest.mark.parametrize("processes", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_a_study_that_is_killed_again_and_again_ends_in_the_same_outcomes(uninterrupted, tmp_path, processes):
    (script, whole), out, rng = uninterrupted, tmp_path / "killed", random.Random(processes)
    number = len(outcomes(whole))
    # Before the first training, and within two of the stages: tuning, augmentations, synthetic arms and controls.
    for least in (0, *sorted(rng.sample(range(1, number), 2))):
        process = start(script, out, processes)
        while len(outcomes(out)) < least or not (out / "config.json").exists():
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))  # anywhere in a training, a pool or a write
        process.kill()
        process.wait()
        assert len(outcomes(out)) < number
    assert start(script, out, processes).wait(timeout=600) == 0
    check_same_results(out, whole)


@pytest.mark.slow
def test_a_study_whose_fittings_are_killed_in_its_workers_ends_in_the_same_outcomes(tmp_path):
    script, whole, killed, fit_steps = tmp_path / "script.py", tmp_path / "whole", tmp_path / "killed", 1500
    script.write_text(SCRIPT)
    assert start(script, whole, 3, 1, fit_steps).wait(timeout=600) == 0
    rng = random.Random(0)
    for number in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM):
        began = time.time()
        process = start(script, killed, 3, 2, fit_steps)
        while process.poll() is None:
            metrics = killed.glob("generators/*/metrics.jsonl")
            if any(path.stat().st_mtime > began for path in metrics):
                break
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.5))  # anywhere in a fitting or a write
        process.send_signal(number)
        assert process.wait(timeout=60) != 0
    assert start(script, killed, 3, 2, fit_steps).wait(timeout=600) == 0
    check_same_results(killed, whole)
