"""A real process, killed for real."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

SETTINGS = {
    "image_size": 16,
    "latent_dim": 8,
    "generator_width": 4,
    "discriminator_width": 4,
    "batch_size": 8,
    "held_out": 0.5,
    "evaluations": 4,
    "conditional": True,
    "augment": {"color": 0.5, "translation": 0.5, "cutout": 0.5},
}


def command(*arguments, **settings):
    given = [f"--set={key}={json.dumps(value)}" for key, value in settings.items()]
    return [sys.executable, "-m", "gan_augment", "train", "--quiet", *map(str, arguments), *given]


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """An .npz of 120 labelled images."""
    path = tmp_path_factory.mktemp("data") / "images.npz"
    rng = np.random.default_rng(0)
    np.savez(path, images=rng.integers(0, 256, (120, 16, 16), dtype=np.uint8), labels=np.arange(120) % 3)
    return path


def run(*arguments, **settings):
    subprocess.run(command(*arguments, **settings), env=environment(), check=True, timeout=600)


def start(arguments):
    """A process in a session of its own, so that nothing of it outlives a kill."""
    return subprocess.Popen(arguments, env=environment(), start_new_session=True)


def progress(folder):
    """The step of the newest checkpoint, -1 for none."""
    steps = [int(path.stem.removeprefix("step-")) for path in (folder / "checkpoints").glob("step-*.safetensors")]
    return max(steps, default=-1)


def assert_same_run(one, other):
    names = [
        path.name for path in (one / "generator").glob("*or.safetensors")
    ]  # with a discriminator, if one took part
    assert "generator.safetensors" in names
    for name in names:
        ours, theirs = (load_file(folder / "generator" / name) for folder in (one, other))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)

    def logged(folder):
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return {(line["step"], key): value for line in lines for key, value in line.items() if "second" not in key}

    ours, theirs = logged(one), logged(other)
    shared = ours.keys() & theirs.keys()  # restarts log at other steps too
    assert shared
    assert {key: ours[key] for key in shared} == {key: theirs[key] for key in shared}


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "wanted"), [("small", 7), ("tiny", 5)])
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bits(data, tmp_path, recipe, wanted):
    settings = {**SETTINGS, "steps": 600}
    if recipe == "tiny":  # whose runs have no discriminator
        settings = {key: value for key, value in SETTINGS.items() if key not in ("discriminator_width", "augment")}
        settings["steps"] = 2000
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run("--data", data, "--recipe", recipe, "--out", whole, **settings)
    arguments = command("--data", data, "--recipe", recipe, "--out", killed, "--checkpoint-every", 0, **settings)
    rng = random.Random(0)
    kills, before = 0, -1
    while kills < wanted:
        process = start(arguments)
        deadline = time.monotonic() + 120
        while progress(killed) <= before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.25))  # anywhere in a step, an evaluation or a write
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        kills, before = kills + 1, progress(killed)
        arguments = command("--resume", killed, "--checkpoint-every", 0)
    assert kills == wanted, f"the run ended after {kills} kills; make it longer"
    run("--resume", killed)
    assert_same_run(whole, killed)


@pytest.mark.slow
def test_sigterm_writes_a_checkpoint_and_ends(data, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run("--data", data, "--recipe", "small", "--out", whole, **SETTINGS, steps=150)
    process = start(
        command(
            "--data", data, "--recipe", "small", "--out", stopped, "--checkpoint-every", 3600, **SETTINGS, steps=150
        )
    )
    while not list((stopped / "samples").glob("*.png")):
        time.sleep(0.01)
    process.terminate()
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert 0 < progress(stopped) < 150
    run("--resume", stopped)
    assert_same_run(whole, stopped)


@pytest.mark.slow
def test_sigterm_to_one_of_two_processes_ends_both_after_the_same_step(data, tmp_path):
    script = tmp_path / "ranks.py"
    script.write_text(
        "import os, signal, sys\n"
        "from gan_augment.training import fit\n"
        "from gan_augment.training._trainer import Trainer\n"
        "original = Trainer.step\n"
        "def step(self, progress):\n"
        "    original(self, progress)\n"
        "    print(self.step_number, flush=True)\n"
        "    if self.step_number == 5 and os.environ['RANK'] == '1':\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "Trainer.step = step\n"
        f"fit({str(data)!r}, 'small', out=sys.argv[1], progress=False, checkpoint_every=3600, "
        f"**{ {**SETTINGS, 'steps': 20}!r})\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {**environment(), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, script, tmp_path / "run"],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [128 + signal.SIGTERM] * 2
    assert said[0].split() == said[1].split() == ["1", "2", "3", "4", "5"]
    assert progress(tmp_path / "run") == 5


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "simultaneous"), [("torchrun", False), ("torchrun", True), ("accelerate", False)])
def test_two_processes_train_as_one_batch_and_end_with_the_same_weights(data, tmp_path, launcher, simultaneous):
    settings = {**SETTINGS, "steps": 20, "simultaneous": simultaneous}
    script = tmp_path / "ranks.py"
    script.write_text(
        "import sys, torch\n"
        "from accelerate import PartialState\n"
        "from gan_augment.training import _plan, fit\n"
        "class Kept(_plan.Trainer):\n"
        "    def losses(self):\n"
        "        Kept.last = self\n"
        "        return super().losses()\n"
        "_plan.Trainer = Kept\n"
        "kids = iter([0.3, 0.1] + 9 * [0.2])\n"
        "_plan.Monitor.measure = lambda self, generator: {'kid': next(kids), 'kid_spread': 0.0}\n"
        f"result = fit({str(data)!r}, 'small', out=sys.argv[1], progress=False, **{settings!r})\n"
        "rank, trainer = PartialState().process_index, Kept.last\n"
        "weights = {name: value for name, value in trainer.generator.named_parameters()}\n"
        "judge = {'d.' + name: value for name, value in trainer.discriminator.named_parameters()}\n"
        "extra = {'part': trainer.part, 'seen': trainer.accelerator.num_processes * trainer.part}\n"
        "extra |= {'kid': result.kid, 'kept_step': result.kept_step}\n"
        "kept = {'kept.' + name: value for name, value in result.generator.state_dict().items()}\n"
        "torch.save({**weights, **judge, **kept, **extra}, sys.argv[2] + str(rank))\n"
    )
    if launcher == "torchrun":
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    elif shutil.which("mpirun") is None:
        pytest.skip("accelerate's launcher starts several processes on CPUs by MPI, and there is no mpirun")
    else:
        (tmp_path / "hosts").write_text("localhost slots=2\n")
        launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
        launch += ["--num_machines", "1", "--mpirun_hostfile", tmp_path / "hosts"]
        launch += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    arguments = [*launch, script, tmp_path / "run", tmp_path / "rank"]
    subprocess.run(arguments, env={**environment(), **root}, check=True, timeout=600)
    first, second = (torch.load(tmp_path / f"rank{rank}", weights_only=True) for rank in (0, 1))
    assert first["part"] == 4
    assert first["seen"] == SETTINGS["batch_size"]
    assert [(rank["kid"], rank["kept_step"]) for rank in (first, second)] == [(0.1, 10)] * 2
    assert all(torch.equal(first[key], second[key]) for key in first if torch.is_tensor(first[key]))
    assert (tmp_path / "run" / "generator" / "config.json").exists()
