"""The table of studies: the committed reports and the page that shows them."""

import contextlib
import io
import json
import os
import re
import statistics
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


def reported():
    """The intervals of all committed reports in points, without signs, and the mean accuracies in percent."""
    intervals, accuracies = set(), set()
    for report in map(json.loads, (path.read_text() for path in REPORTS)):
        arms = report["arms"]
        for found in [*report["comparisons"].values(), *(arm["difference"] for arm in arms if arm["difference"])]:
            ends = (f"{abs(100 * found[end]):.1f}" for end in ("low", "high"))
            intervals.add(tuple(sorted(ends, key=float)))
        scores = report["metric"].replace(" ", "_")
        accuracies |= {f"{100 * statistics.fmean(arm[scores]):.1f}" for arm in arms}
    return intervals, accuracies


def test_the_numbers_in_the_text_are_those_of_the_reports():
    text = PAGE.read_text(encoding="utf-8").partition("## What the results show")[2]
    intervals, accuracies = reported()
    said = re.findall(r"\([+-]?(\d+\.\d),? to [+-]?(\d+\.\d)", text)
    assert len(said) > 5
    assert {tuple(sorted(ends, key=float)) for ends in said} <= intervals
    percent = re.findall(r"(\d\d\.\d)(?:%|\s+against)", text)
    assert len(percent) > 5
    assert set(percent) <= accuracies


@pytest.mark.skipif("GAN_AUGMENT_DATA" not in os.environ, reason="needs the images of GAN_AUGMENT_DATA")
@pytest.mark.parametrize("name", ["mnist-100", "fashion-tailed", "cifar-500", "hymenoptera", "pneumonia"])
def test_the_test_images_of_a_row_have_all_classes_of_its_training_images(name):
    arguments = evidence.ROWS[name]()
    trained, tested = (torch.unique(arguments[each].tensors[1]) for each in ("dataset", "test"))
    assert torch.equal(trained, tested)
