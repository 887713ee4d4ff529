"""What messages advise must exist: options of the command, and arguments of the functions."""

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import gan_augment
from gan_augment.cli import main
from gan_augment.cli._parser import build_parser

PACKAGE = Path(gan_augment.__file__).parent


def messages():
    """Every text that the package raises or warns with, with its place."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            warns = isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn"
            if warns or (isinstance(node, ast.Raise) and node.exc is not None):
                parts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", " ".join(p for p in parts if isinstance(p, str))


def arguments():
    """Names of all arguments of functions and fields of classes in the package."""
    names = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.arg):
                names.add(node.arg)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.add(node.target.id)
    return names


def options(command):
    """The long options of a command, and whether it takes fields of a recipe by --set."""
    commands = next(action for action in build_parser()._actions if isinstance(action.choices, dict))
    return {text for action in commands.choices[command]._actions for text in action.option_strings}


def test_arguments_that_messages_name_exist():
    known = arguments() | {"transforms"}  # of torchvision's data sets
    for place, text in messages():
        for name in re.findall(r"(?<![\w.-])([a-z_]+)=", text):
            assert name in known, f"{place} names {name}=, which nothing takes"


def test_options_that_messages_name_exist():
    known = {
        text
        for command in ("train", "study", "evaluate", "sample", "import", "push", "ui")
        for text in options(command)
    }
    for place, text in messages():
        for name in re.findall(r"(?<!\S)(--[a-z][a-z-]*)", text):
            assert name in known, f"{place} names {name}, which no command has"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Grey images of classes that no digit has: 40 of two classes, with names, and 30 that carry no label."""
    folder = tmp_path_factory.mktemp("digits")
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez(folder / "two.npz", images=images, labels=np.arange(40) % 2)
    np.savez(folder / "none.npz", images=images)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "dcgan-mnist-32", "--data", "TWO", "--features", "random-convolutions"],
        ["evaluate", "dcgan-mnist-32", "--data", "TWO", "--features", "best"],
        ["evaluate", "dcgan-mnist-32", "--data", "TWO", "--n", "0"],
        ["study", "--data", "TWO", "--source", "dcgan-mnist-32", "--out", "OUT"],
        ["study", "--data", "NONE", "--source", "dcgan-mnist-32", "--out", "OUT"],
        ["study", "--data", "TWO", "--out", "OUT"],
        ["study", "--data", "TWO", "--source", "dcgan-mnist-32", "--set", "steps=3", "--out", "OUT"],
        ["study", "--data", "TWO", "--recipe", "tiny", "--set", "learning=3", "--out", "OUT"],
        ["train", "--data", "NONE", "--recipe", "conditional", "--out", "OUT"],
        ["train", "--data", "TWO", "--recipe", "tiny", "--set", "tune=norms", "--out", "OUT"],
        ["train", "--data", "TWO", "--out", "TWO"],
        ["sample", "dcgan-mnist-32", "--label", "11", "--out", "OUT"],
    ],
    ids=" ".join,
)
def test_what_a_command_advises_can_be_done_by_it(digits, tmp_path, capsys, arguments):
    places = {"TWO": str(digits / "two.npz"), "NONE": str(digits / "none.npz"), "OUT": str(tmp_path / "out")}
    assert main([places.get(each, each) for each in arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "<class" not in said
    known = options(arguments[0])
    for name in re.findall(r"(?<!\S)(--[a-z][a-z-]*)", said):
        assert name in known or "gan-augment train" in said
    for name in re.findall(r"(?<![\w.(])([a-z_]+)=", said.replace("Conditional(class_map=", "")):
        assert f"--{name.replace('_', '-')}" in known or (_is_field(name) and "--set" in known), said


def _is_field(name):
    return name in inspect.signature(gan_augment.Recipe).parameters
