"""The table of studies: the committed reports and the page that shows them."""

import contextlib
import io
import json
import os
from pathlib import Path

import pytest
import torch

from benchmarks import evidence

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"
REPORTS = sorted(evidence.KEPT.glob("*.json"))


def test_the_page_shows_the_committed_reports():
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        evidence.table(evidence.KEPT)
    assert printed.getvalue().count("\n") > 2
    assert printed.getvalue() in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_report_is_named_after_the_command_that_made_it(path):
    settings = json.loads(path.read_text())["settings"]
    classifier = next(each for each in evidence.CLASSIFIERS if path.stem.endswith(each))
    name = path.stem.removesuffix(f"-{classifier}")
    assert settings["command"] == f"python -m benchmarks.evidence tuned-{name} --classifier {classifier}"
    assert settings["splits"] == (5 if name.endswith("-zoo") else 10)
    assert name in evidence.ROWS


@pytest.mark.skipif("GAN_AUGMENT_DATA" not in os.environ, reason="needs the images of GAN_AUGMENT_DATA")
@pytest.mark.parametrize("name", ["mnist-100", "fashion-tailed", "cifar-500", "hymenoptera", "pneumonia"])
def test_the_test_images_of_a_row_have_all_classes_of_its_training_images(name):
    arguments = evidence.ROWS[name]()
    trained, tested = (torch.unique(arguments[each].tensors[1]) for each in ("dataset", "test"))
    assert torch.equal(trained, tested)
