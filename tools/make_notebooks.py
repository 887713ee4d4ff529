"""Writes the notebooks of examples/notebooks/ from the scripts beside them, and runs them.

    python -m tools.make_notebooks

The scripts (jupytext's percent format) are the source. Each notebook runs from top to bottom in an empty folder.
"""

import argparse
import os
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parents[1] / "examples" / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def read_script(path: Path) -> NotebookNode:
    """Returns the notebook of a script, without outputs."""
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    for index, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{index}", NotebookNode()
    return notebook


def execute(notebook: NotebookNode) -> None:
    """Runs all cells, and keeps what a reader needs: no warnings of this machine, and nothing of pip."""
    environment = {**os.environ, "PIP_NO_INDEX": "1"}  # the installed package runs, not one that pip would fetch
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}})
        client.execute(env=environment)
    notebook.metadata = nbformat.from_dict(METADATA)  # without the version of this Python
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata = NotebookNode()  # the times of the run
            cell.outputs = [] if cell.source.startswith("%pip") else as_shown(cell.outputs)


def as_shown(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Returns the outputs with printed lines joined, each picture in one format, and no warnings."""
    shown: list[NotebookNode] = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if output.get("data", {}).get("image/png"):
            output.data.pop("image/jpeg", None)
        if shown and output.output_type == shown[-1].output_type == "stream":
            shown[-1].text += output.text
        else:
            shown.append(output)
    return shown


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    for script in sorted(FOLDER.glob("*.py")):
        notebook = read_script(script)
        execute(notebook)
        nbformat.write(notebook, script.with_suffix(".ipynb"))
        print(script.with_suffix(".ipynb"))


if __name__ == "__main__":
    main()
