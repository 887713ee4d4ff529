"""Runs that are stopped: by Ctrl-C, by another process, by a full disk."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from gan_augment import fit
from gan_augment._core import LOCK, lock_folder
from gan_augment.cli import main
from gan_augment.training import resume
from gan_augment.training._trainer import Trainer
from gan_augment.training.runs._checkpoints import Checkpoints

from ..core.disks import enlarge, small_disk

pytestmark = pytest.mark.usefixtures("no_plot")
SETTINGS = ["image_size=16", "latent_dim=8", "generator_width=4", "batch_size=8", "steps=6", "evaluations=0"]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (20, 16, 16), dtype=np.uint8))
    return path


@pytest.fixture
def signalled(monkeypatch):
    """Lets runs get signals in their third step."""
    original, sent = Trainer.step, []

    def step(self, progress):
        original(self, progress)
        if self.step_number == 3:
            for number in sent:
                os.kill(os.getpid(), number)
            sent.clear()

    monkeypatch.setattr(Trainer, "step", step)
    return sent


def command(data, out):
    settings = [f"--set={setting}" for setting in SETTINGS]
    return ["train", "--quiet", "--data", str(data), "--out", str(out), "--checkpoint-every=3600", *settings]


def test_a_terminal_that_is_closed_ends_the_command_too(data, tmp_path, signalled):
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and so would the command
    signalled.append(signal.SIGHUP)
    try:
        assert main(command(data, tmp_path / "run")) == 128 + signal.SIGHUP
    finally:
        signal.signal(signal.SIGHUP, before)
    assert max(Checkpoints(tmp_path / "run" / "checkpoints").steps()) == 3


def test_ctrl_c_ends_the_command_with_a_checkpoint_and_one_sentence(data, tmp_path, signalled, capsys):
    signalled.append(signal.SIGINT)
    assert main(command(data, tmp_path / "my run")) == 130
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == f"gan-augment: Stopped; resume with `gan-augment train --resume '{tmp_path / 'my run'}'`."
    assert not [line for line in said if "Traceback" in line]
    assert max(Checkpoints(tmp_path / "my run" / "checkpoints").steps()) == 3
    assert not (tmp_path / "my run" / LOCK).exists()
    assert main(["train", "--quiet", "--resume", str(tmp_path / "my run")]) == 0
    assert main(command(data, tmp_path / "whole")) == 0
    weights = [(tmp_path / run / "generator" / "generator.safetensors").read_bytes() for run in ("my run", "whole")]
    assert weights[0] == weights[1]


def test_a_second_interrupt_does_not_wait(labelled, tiny_recipe, tmp_path, signalled):
    signalled += [signal.SIGINT, signal.SIGINT]
    with pytest.raises(KeyboardInterrupt):
        fit(labelled, out=tmp_path / "run", progress=False, checkpoint_every=3600.0, **tiny_recipe)
    assert max(Checkpoints(tmp_path / "run" / "checkpoints").steps()) == 0


def test_a_signal_that_is_ignored_stays_so_and_handlers_are_given_back(labelled, tiny_recipe, signalled):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signalled.append(signal.SIGHUP)
    try:
        assert fit(labelled, progress=False, **tiny_recipe).steps == 6
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_a_run_in_another_thread_trains_as_ever(labelled, tiny_recipe):
    results = []
    thread = threading.Thread(target=lambda: results.append(fit(labelled, progress=False, **tiny_recipe)))
    thread.start()
    thread.join()
    assert results[0].steps == 6


def test_two_processes_do_not_go_on_with_one_run(labelled, tiny_recipe, tmp_path):
    fit(labelled, out=tmp_path / "run", progress=False, **tiny_recipe)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    with lock_folder(tmp_path / "run"):
        with pytest.raises(ValueError, match=rf"in use by process {os.getpid()} on"):
            resume(tmp_path / "run", labelled, progress=False)
        (tmp_path / "new").mkdir()
        with lock_folder(tmp_path / "new"), pytest.raises(ValueError, match="in use by process"):
            fit(labelled, out=tmp_path / "new", progress=False, **tiny_recipe)
    after = {path: path.stat().st_mtime_ns for path in before}
    del before[tmp_path / "run" / "generator"], after[tmp_path / "run" / "generator"]
    assert before == after
    assert list((tmp_path / "new").iterdir()) == []


def test_a_run_on_a_full_disk_ends_in_a_sentence_and_goes_on_when_there_is_room(labelled, tiny_recipe, tmp_path):
    with small_disk(tmp_path / "disk", "128k") as disk:
        with pytest.raises(OSError, match=r"needs [\d,]+ bytes, but there is not enough space [^\n]*\.$"):
            fit(labelled, out=disk / "run", progress=False, checkpoint_every=0.0, **tiny_recipe)
        assert not [path for path in disk.rglob("*") if path.name.startswith(".")]
        enlarge(disk, "16m")
        assert resume(disk / "run", labelled, progress=False).steps == 6


def test_a_run_that_was_stopped_before_its_first_checkpoint_can_be_given_again(
    labelled, tiny_recipe, tmp_path, monkeypatch
):
    def prepare(trainer, seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("gan_augment.training._plan.prepare", prepare)
        with pytest.raises(KeyboardInterrupt):
            fit(labelled, out=tmp_path / "run", progress=False, **tiny_recipe)
    assert fit(labelled, out=tmp_path / "run", progress=False, **tiny_recipe).steps == 6
    with pytest.raises(ValueError, match="is not empty"):
        fit(labelled, out=tmp_path / "run", progress=False, **tiny_recipe)


@pytest.mark.slow
def test_ctrl_c_to_a_real_process_ends_it_without_a_traceback(data, tmp_path):
    arguments = [sys.executable, "-m", "gan_augment", *command(data, tmp_path / "run"), "--set=steps=100000"]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    while not list((tmp_path / "run").glob("checkpoints/step-*")):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("gan-augment: Stopped; resume with")
    assert "Traceback" not in said
