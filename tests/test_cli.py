"""The command as a process among others: pipes, signals and errors."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gan_augment.cli import main
from gan_augment.cli._parser import COMMANDS
from gan_augment.mixing import POLICIES
from gan_augment.synthesis import FILTERS

COMMAND = [sys.executable, "-m", "gan_augment"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}


@pytest.mark.parametrize("arguments", [["recipes"], ["recipes", "tiny"], ["list"], ["study", "--help"]], ids=str)
def test_a_reader_that_goes_away_ends_a_command_quietly(arguments, monkeypatch, capsys):
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as closed, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", closed)
        assert main(arguments) == 141
    assert capsys.readouterr().err == ""


def test_a_closed_output_is_none(monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        assert main(["list"]) == 0
        assert main(["recipes", "huge"]) == 2
    assert capsys.readouterr().err.startswith("gan-augment: recipe must be")


def test_an_output_that_cannot_show_a_name_shows_it_escaped(tmp_path, monkeypatch):
    written = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
        assert main(["sample", "dcgan-mnist-32", "--n", "1", "--out", str(tmp_path / "caf\u00e9\udce9")]) == 0
        assert b"caf\\xe9\\udce9, each marked as synthetic" in written.getvalue()


@pytest.mark.parametrize("names", [FILTERS, POLICIES])
def test_the_full_help_of_a_study_names_all_filters_and_policies(names, capsys):
    with pytest.raises(SystemExit):
        main(["study", "--help-all"])
    said = capsys.readouterr().out
    assert all(name in said for name in names)


@pytest.mark.slow
def test_it_does_so_as_a_process():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*COMMAND, "recipes"], stdout=write, stderr=subprocess.PIPE, env=ENVIRONMENT, timeout=300)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def raising(error):
    def run(arguments):
        raise error

    return run


def indexing(arguments):
    return [][arguments.traceback]


def calling(arguments):
    return len(arguments.traceback)


def in_another_library(arguments):
    np.zeros((2, 2)).reshape(3)


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs a command that does what it is given; returns its status and lines on stderr."""

    def run(work, *arguments):
        monkeypatch.setitem(COMMANDS, "list", ("", work, "", lambda parser: None))
        return main([*arguments, "list"]), capsys.readouterr().err.splitlines()

    return run


@pytest.mark.parametrize("work", [indexing, calling, in_another_library, raising(KeyError("x"))])
def test_a_bug_shows_its_traceback_and_is_called_one(command, work):
    status, lines = command(work)
    assert status == 1
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith("gan-augment: This is a bug in gan-augment")


def test_a_refusal_is_a_sentence_and_with_traceback_shows_both(capsys):
    assert main(["recipes", "huge"]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    for arguments in (["recipes", "huge", "--traceback"], ["--traceback", "recipes", "huge"]):
        assert main(arguments) == 2
        lines = capsys.readouterr().err.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[-1] == sentence


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ConnectionError("no route")], ids=str)
def test_an_error_of_the_system_is_a_sentence(command, error):
    status, lines = command(raising(error))
    assert (status, len(lines)) == (2, 1)
    assert str(error) in lines[0]
    assert "--traceback" in lines[0]


def test_an_interrupted_command_says_so(command):
    assert command(raising(KeyboardInterrupt())) == (
        130,
        ["gan-augment: Stopped; run the same command again."],
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sample", "dcgan-mnist-32", "--n", "1", "--out", "FILE/x"], "must be a folder, but 'FILE' is a file"),
        (
            ["study", "--data", "DATA", "--recipe", "tiny-conditional", "--out", "FILE"],
            "must be a folder, but 'FILE' is a file",
        ),
        (["demo", "--out", "FILE"], "must be a folder, but 'FILE' is a file"),
        (
            ["study", "--data", "DATA", "--recipe", "tiny-conditional", "--out", "OUT", "--image-size", "99999"],
            "image_size=99999",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_a_sentence(tmp_path, capsys, arguments, sentence):
    file, data = tmp_path / "file.txt", tmp_path / "data.npz"
    file.write_text("x")
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8)
    np.savez(data, images=images, labels=np.arange(40) % 2)
    places = {"FILE": str(file), "DATA": str(data), "OUT": str(tmp_path / "out")}
    for name, place in places.items():
        arguments = [each.replace(name, place) for each in arguments]
        sentence = sentence.replace(name, place)
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()  # on a busy machine, a progress bar too
    (said,) = [line for line in lines if "gan-augment: " in line]
    assert sentence in said
