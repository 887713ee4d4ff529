"""The notebooks of examples/: the cells of the scripts beside them, with outputs. They run from top to bottom."""

import re
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("ipykernel", reason="ipykernel is in the extra dev")
nbformat = pytest.importorskip("nbformat", reason="nbformat comes with nbclient, in the extra dev")
make = pytest.importorskip("tools.make_notebooks", reason="jupytext and nbclient are in the extra dev")

SCRIPTS = sorted(make.FOLDER.glob("*.py"))
NOTEBOOK = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def committed(script):
    return nbformat.read(script.with_suffix(".ipynb"), as_version=4)


def outputs(notebook):
    """Returns each output's cell number and format."""
    return [
        (index, "text" if output.output_type == "stream" else min(output.data))
        for index, cell in enumerate(notebook.cells)
        for output in cell.get("outputs", [])
    ]


def printed(notebook):
    return "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))


def test_there_are_two_notebooks():
    assert [path.stem for path in SCRIPTS] == ["does_it_help", "start_here"]
    assert sorted(path.stem for path in make.FOLDER.glob("*.ipynb")) == ["does_it_help", "start_here"]


@NOTEBOOK
def test_a_notebook_has_the_cells_of_its_script(script):
    notebook, expected = committed(script), make.read_script(script)
    nbformat.validate(notebook)
    cells = [[(cell.cell_type, cell.source) for cell in each.cells] for each in (notebook, expected)]
    assert cells[0] == cells[1], "run: python -m tools.make_notebooks"
    assert (notebook.metadata.kernelspec.name, notebook.nbformat) == ("python3", 4)


@NOTEBOOK
def test_a_notebook_installs_first_and_has_few_and_small_outputs(script):
    notebook = committed(script)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert re.fullmatch(r'%pip install --quiet "gan-augment\[[a-z,]+\]"', code[0].source)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))  # one run from top to bottom
    assert script.with_suffix(".ipynb").stat().st_size < 200_000
    assert all(len(line) <= 100 for cell in code for line in cell.source.splitlines())
    here = (script.parents[2], Path.home(), Path(tempfile.gettempdir()))  # folders of the machine that ran it
    assert not any(f"{folder}/" in printed(notebook) for folder in here)
    assert not re.search(r"/(root|home|tmp)/", printed(notebook))
    assert "image/png" in dict(outputs(notebook)).values()


@pytest.mark.slow
@NOTEBOOK
def test_a_notebook_runs_from_top_to_bottom(script):
    for package in ("mlxtend", "matplotlib"):
        pytest.importorskip(package, reason=f"{package} is in the extras demo and plot")
    notebook = make.read_script(script)
    make.execute(notebook)
    if script.stem == "start_here":
        assert "5 of 20 images are synthetic\nthe classes are the same: True" in printed(notebook)
        assert "after: 100 items, 25 of them synthetic" in printed(notebook)
        accuracies = re.findall(r"^ +\d +([\d.]+)% +([\d.]+)% +[+-]", printed(notebook), re.MULTILINE)
        assert len(accuracies) == 3
        assert all(float(share) > 40 for row in accuracies for share in row)
    else:
        assert re.search(r"^verdict: (helps|no effect shown|hurts); use ratio", printed(notebook), re.MULTILINE)
        assert "was trained on none of the 1,000 test images" in printed(notebook)
    assert outputs(notebook) == outputs(committed(script)), "run: python -m tools.make_notebooks"
