"""The command line for scripts and shells: its help, its JSON, its exit statuses and its completion."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_augment import SyntheticPool
from gan_augment.cli import main
from gan_augment.cli._help import EXIT_STATUSES, GROUPS
from gan_augment.cli._parser import COMMANDS, NO_RESULT, build_parser

from .importing.layouts import Wrapped, as_trained, plain
from .test_cli import COMMAND, ENVIRONMENT

PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
SMALL = ["--set=image_size=16", "--set=steps=2", "--set=generator_width=4", "--set=latent_dim=8"]


def rows(title):
    """The cells of the table of the page under a heading."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] == "| `"]


def documented(command):
    """The keys that the page lists for a command."""
    (cell,) = (keys for commands, keys in rows("JSON for scripts") if f"`{command}`" in commands)
    return set(re.findall(r"`(\w+)`", cell.partition(": a list of")[0]))


def help_of(capsys, monkeypatch, *arguments, option="--help", columns=80):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as ended:
        main([*arguments, option])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_groups_and_one_example_at_80_columns(name, capsys, monkeypatch):
    text = help_of(capsys, monkeypatch, name)
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith(f"usage: gan-augment {name}")
    assert len(text.split("\n\n")[0].splitlines()) == 1  # the usage does not list thirty options
    assert "positional arguments" not in text
    assert text.count("\nexample:\n  gan-augment ") == 1
    example = text.partition("\nexample:\n")[2].replace("\\\n", " ").split()
    build_parser().parse_args(example[1:])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_fits_a_screen_and_names_every_option(name, capsys, monkeypatch):
    text = help_of(capsys, monkeypatch, name, columns=100)
    assert len(text.splitlines()) <= 52
    (commands,) = (action.choices for action in build_parser()._actions if isinstance(action.choices, dict))
    options = [option for action in commands[name]._actions for option in action.option_strings]
    assert [option for option in options if not re.search(rf"{option}\b", text)] == []


def test_the_full_help_explains_the_options_that_the_short_one_only_names(capsys, monkeypatch):
    short = help_of(capsys, monkeypatch, "study", columns=100)
    full = help_of(capsys, monkeypatch, "study", option="--help-all", columns=100)
    assert set(re.findall(r"^  (--\S+)", short, re.MULTILINE)) < set(re.findall(r"^  (--\S+)", full, re.MULTILINE))
    assert re.search(r"^  --splits N ", full, re.MULTILINE)
    assert not re.search(r"^  --splits N ", short, re.MULTILINE)
    assert full.count("\nexample:\n") == short.count("\nexample:\n") == 1


def test_the_first_page_fits_a_screen_and_names_every_command_once(capsys, monkeypatch):
    text = help_of(capsys, monkeypatch)
    lines = text.splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 80
    for name, (about, *_) in COMMANDS.items():
        assert lines.count(f"  {name:10}  {about}") == 1
    for code, about in EXIT_STATUSES.items():
        assert f"  {code:<4} {about}" in lines
    build_parser().parse_args(re.search(r"^example:\n  gan-augment (.*)$", text, re.MULTILINE)[1].split())


def test_a_command_without_a_group_is_shown_too(capsys, monkeypatch):
    monkeypatch.setitem(COMMANDS, "dance", ("Dance", lambda arguments: None, "", lambda add: add("--slowly")))
    assert "\nmore:\n  dance       Dance\n" in help_of(capsys, monkeypatch)
    assert all(len(names) == len(set(names)) for names in GROUPS.values())


def test_the_page_lists_the_exit_statuses_of_the_help():
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)] == list(EXIT_STATUSES)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Images, a pool and a checkpoint of another project."""
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    labels = np.arange(60) % 2
    images = rng.integers(0, 100, (60, 16, 16), dtype=np.uint8) + 100 * labels[:, None, None].astype(np.uint8)
    np.savez(folder / "data.npz", images=images, labels=labels)
    np.savez(folder / "bare.npz", images=images)
    SyntheticPool(torch.from_numpy(images[:, None] // 2), torch.from_numpy(labels)).save(folder / "pool")
    torch.save(as_trained(Wrapped("main", *plain(32))).state_dict(), folder / "G.pth")
    return folder


QUICK = ["--preset", "demo", "--classifier", "small-cnn", "--lr", "0.002", "--steps", "2", "--seeds", "2"]
QUICK += ["--augment", "none", "--pool-size", "40", "--processes", "1", "--controls", "repeated"]
RUNS = {
    "recipes": ["recipes"],
    "recipes NAME": ["recipes", "tiny"],
    "list": ["list"],
    "download": ["download", "dcgan-mnist-32"],
    "export": ["export", "dcgan-mnist-32", "--out", "OUT"],
    "sample": ["sample", "dcgan-mnist-32", "--n", "3", "--out", "OUT"],
    "import": ["import", "IN/G.pth", "--out", "OUT"],
    "train": ["train", "--data", "IN/data.npz", "--out", "OUT", *SMALL, "--set=evaluations=0"],
    "evaluate": ["evaluate", "IN/pool", "--data", "IN/bare.npz", "--n", "60", "--features", "random-convolutions"],
    "study": ["study", "--data", "IN/data.npz", "--source", "IN/pool", "--out", "OUT", *QUICK],
}


def run(arguments, files, out):
    return main([each.replace("IN", str(files)).replace("OUT", str(out)) for each in arguments])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("command", RUNS)
def test_a_command_prints_one_json_document_with_the_documented_keys(command, files, tmp_path, capfd):
    assert run([*RUNS[command], "--json"], files, tmp_path / "out") == 0
    document = json.loads(capfd.readouterr().out, parse_constant=pytest.fail)  # one document, and no NaN
    assert set(document) == documented(command)
    for key in ("report", "generator", "folder", "manifest"):
        assert document.get(key) is None or Path(document[key]).exists()


def test_every_command_that_has_a_result_has_a_documented_document():
    told = {name for commands, _ in rows("JSON for scripts") for name in re.findall(r"`(\w+)[ `]", commands)}
    assert told == set(COMMANDS) - NO_RESULT


def test_entries_of_lists_have_the_documented_keys(files, tmp_path, capsys):
    for command, key in (("recipes", "recipes"), ("list", "zoo")):
        assert run([command, "--json"], files, tmp_path) == 0
        (cell,) = (keys for commands, keys in rows("JSON for scripts") if commands == f"`{command}`")
        expected = set(re.findall(r"`(\w+)`", cell.partition(": a list of")[2]))
        assert all(set(entry) == expected for entry in json.loads(capsys.readouterr().out)[key])


def test_what_a_library_prints_goes_to_stderr(monkeypatch, capsys):
    from gan_augment.cli._commands import Result

    def work(arguments):
        print("a remark")
        return Result("done", {"value": float("inf"), "path": Path("caf\u00e9")})

    monkeypatch.setitem(COMMANDS, "list", ("", work, "", lambda add: None))
    assert main(["list", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"value": None, "path": "caf\u00e9"}
    assert (said.out.isascii(), said.err) == (True, "a remark\n")
    assert main(["list"]) == 0
    assert capsys.readouterr().out == "a remark\ndone\n"


@pytest.mark.slow
def test_what_workers_print_goes_to_stderr(files, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import torch.nn as nn\n\nprint('imported')\n\n\ndef build(channels, num_classes):\n    print('built')\n"
        "    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, num_classes))\n"
    )
    arguments = [each.replace("IN", str(files)).replace("OUT", "out") for each in RUNS["study"]]
    more = ["--classifier", "mine:build", "--processes", "2", "--json"]
    done = subprocess.run([*COMMAND, *arguments, *more], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "verdict" in json.loads(done.stdout)
    assert done.stderr.count("imported") >= 2  # also in a worker


@pytest.mark.parametrize(
    "arguments", [["recipes", "huge"], ["sample", "no-such", "--out", "x"], ["train"], ["sample"]], ids=str
)
def test_an_error_with_json_is_a_sentence_on_stderr_and_stdout_is_empty(arguments, capsys):
    try:
        status = main([*arguments, "--json"])
    except SystemExit as ended:  # raised by argparse
        status = ended.code
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert said.err.strip()


def test_shards_and_whole_pools_are_counted(files, tmp_path, capsys):
    assert run(["sample", "IN/pool", "--out", "OUT", "--shards", "25", "--json"], files, tmp_path / "a") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["images"], document["manifest"], len(document["shards"])) == (60, None, 3)
    assert run(["sample", "IN/pool", "--out", "OUT", "--json"], files, tmp_path / "b") == 0
    assert json.loads(capsys.readouterr().out)["images"] == 60 == len(list((tmp_path / "b").rglob("*.png")))
    assert run(["sample", "IN/pool", "--out", "OUT", "--label", "1", "--json"], files, tmp_path / "c") == 0
    assert json.loads(capsys.readouterr().out)["images"] == 100 == len(list((tmp_path / "c" / "1").iterdir()))


@pytest.mark.filterwarnings("ignore:Skipped 1 entry:UserWarning")  # the manifest
def test_training_on_marked_images_needs_an_option(files, tmp_path, capsys):
    assert run(["sample", "IN/pool", "--out", "OUT"], files, tmp_path / "made") == 0
    arguments = ["train", "--quiet", "--data", str(tmp_path / "made"), "--out", str(tmp_path / "run"), *SMALL]
    assert main(arguments) == 2
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if "Skipped" not in line]
    assert "60 of its 60 images are marked as synthetic (the first is " in sentence
    assert not (tmp_path / "run").exists()
    assert main([*arguments, "--allow-synthetic"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing_half_written_and_the_last_line_says_how_to_go_on(number, status, tmp_path):
    arguments = ["sample", "dcgan-mnist-32", "--n", "1000000", "--out", "out", "--json"]
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.rglob("*.png")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(tmp_path.rglob("*.png"))
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (status, "")
    assert err.splitlines()[-1] == "gan-augment: Stopped; run the same command again."
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """A file with the script for bash."""
    pytest.importorskip("shtab")
    done = subprocess.run([*COMMAND, "--print-completion", "bash"], capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, "")
    path = tmp_path_factory.mktemp("completion") / "gan-augment.bash"
    path.write_text(done.stdout)
    return path


ASK = """
source "$1"; shift
compopt() { [ "$1" = +o ] || echo "(compopt $*)"; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
$(complete -p gan-augment | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(script, *words, cwd=None):
    """What bash offers for the last word of a command line."""
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", str(script), *words], capture_output=True, text=True, cwd=cwd, timeout=60
    )
    return set(filter(None, done.stdout.splitlines()))


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is missing")
def test_bash_completes_commands_options_recipes_generators_and_files(script, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos.zip").touch()
    assert complete(script, "gan-augment", "") == set(COMMANDS)
    assert complete(script, "gan-augment", "tr") == {"train"}
    assert complete(script, "gan-augment", "--vers") == {"--version"}
    assert complete(script, "gan-augment", "train", "--allow") == {"--allow-synthetic"}
    assert complete(script, "gan-augment", "recipes", "small-l") == {"small-light"}
    assert complete(script, "gan-augment", "study", "--recipe", "tiny-cond") == {
        "tiny-conditional",
        "tiny-conditional-light",
    }
    assert complete(script, "gan-augment", "sample", "dcgan-mn") >= {"dcgan-mnist-32"}
    assert complete(script, "gan-augment", "study", "--preset", "q") == {"quick"}
    offered = complete(script, "gan-augment", "train", "--data", "pho", cwd=tmp_path)
    assert offered == {"photos", "photos.zip", "(compopt -o filenames)"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is missing")
@pytest.mark.parametrize("word", [r"my\ ph", "'my ph", '"my ph'])
@pytest.mark.parametrize("arguments", [["train", "--data"], ["train", "--out"], ["sample"]], ids=" ".join)
def test_bash_completes_names_with_spaces_and_quotes_them(script, tmp_path, arguments, word):
    (tmp_path / "my photos" / "run 1").mkdir(parents=True)
    (tmp_path / "my").mkdir()
    quoting = "(compopt -o filenames)"  # bash then quotes what is offered, and ends a folder with a slash
    assert complete(script, "gan-augment", *arguments, word, cwd=tmp_path) == {"my photos", quoting}
    deeper = word.replace("ph", "photos/r")
    assert complete(script, "gan-augment", *arguments, deeper, cwd=tmp_path) == {"my photos/run 1", quoting}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is missing")
def test_zsh_reads_its_script(tmp_path):
    pytest.importorskip("shtab")
    done = subprocess.run([*COMMAND, "--print-completion", "zsh"], capture_output=True, text=True, env=ENVIRONMENT)
    (tmp_path / "_gan-augment").write_text(done.stdout)
    assert subprocess.run(["zsh", "-n", str(tmp_path / "_gan-augment")]).returncode == 0


def test_completion_without_its_package_is_a_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "bash"])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert (
        said.err
        == "gan-augment: Shell completion requires the package shtab: run pip install 'gan-augment[completion]'.\n"
    )
