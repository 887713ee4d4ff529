"""The order of the rooms, and what an import of one loads."""

import ast
import subprocess
import sys

import pytest

from . import architecture
from .architecture import Import, violations


def test_no_import_breaks_the_order():
    assert violations(architecture.imports()) == []


@pytest.mark.parametrize(
    ("importer", "imported", "private", "message"),
    [
        ("models._generator", "synthesis._source", False, "models stands before synthesis"),
        ("mixing._mix", "training._fit", False, "mixing stands before training, or beside it"),
        ("training._fit", "data._open", True, "by their public names only"),
        ("studies.report._page", "studies._result", False, "is a leaf"),
        ("elsewhere._x", "models._config", False, "has no place in the order"),
    ],
)
def test_an_import_that_breaks_the_order_is_named(importer, imported, private, message):
    path = architecture.ROOT / "gan_augment" / "x.py"
    wrong = violations([Import(f"gan_augment.{importer}", f"gan_augment.{imported}", path, 7, private)])
    assert len(wrong) == 1
    assert "gan_augment/x.py:7 imports" in wrong[0]
    assert message in wrong[0]


def test_files_in_a_circle_are_named():
    path = architecture.ROOT / "x.py"
    ring = [Import(f"gan_augment.data._{a}", f"gan_augment.data._{b}", path, 1, True) for a, b in ("ab", "bc", "ca")]
    assert violations(ring) == [
        "Files import each other in a circle: gan_augment.data._a -> gan_augment.data._b -> gan_augment.data._c -> "
        "gan_augment.data._a."
    ]


def test_imports_for_type_checkers_do_not_count():
    tree = ast.parse("if TYPE_CHECKING:\n    from .a import b\ndef f():\n    from .c import d")
    assert [node.module for node in architecture._run_imports(tree)] == ["c"]


def loaded(code):
    """Names of modules that a process has loaded after running code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def rooms(names):
    return {architecture.room(name) for name in names if name.startswith("gan_augment.")}


def test_importing_the_package_loads_nothing_else():
    names = loaded("import gan_augment")
    assert rooms(names) == set()
    assert not {"torch", "numpy", "PIL"} & names


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("SyntheticMix", {"importing", "training", "evaluation", "studies", "demo", "cli", "metrics"}),
        ("from_pretrained", {"importing", "synthesis", "mixing", "training", "evaluation", "studies", "metrics"}),
        ("import_checkpoint", {"hub", "synthesis", "mixing", "training", "evaluation", "studies", "metrics"}),
        ("fit", {"importing", "mixing", "evaluation", "studies"}),
        ("study", {"importing", "demo", "cli"}),
    ],
)
def test_a_name_loads_no_room_that_it_does_not_need(name, without):
    names = loaded(f"from gan_augment import {name}")
    assert not without & rooms(names)
    assert not {"huggingface_hub", "matplotlib", "scipy", "accelerate", "yaml"} & names


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["list"], ["recipes"]])
def test_commands_that_need_no_network_of_ours_do_not_load_torch(arguments):
    code = "import contextlib, io, gan_augment.cli\nwith contextlib.redirect_stdout(io.StringIO()), \\\n"
    code += f"    contextlib.suppress(SystemExit):\n    gan_augment.cli.main({arguments})"
    assert not {"torch", "torchvision", "numpy"} & loaded(code)
