"""Light studies: the command that runs, its progress, and who may start one."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gan_augment
from gan_augment.cli._parser import build_parser
from gan_augment.studies import Interval
from gan_augment.studies._estimate import estimate_sentence
from gan_augment.studies._power import power_sentence
from gan_augment.web import Limits, _studies
from gan_augment.web._studies import Request, Study, StudyDesk
from gan_augment.web._uploads import Upload, read_upload

from .conftest import photos, wait_for, write_zip


@pytest.fixture
def upload(tmp_path, limits):
    (tmp_path / "upload").mkdir()
    return read_upload(write_zip(tmp_path / "upload" / "mine.zip", photos(tuple("0123456789"), 2)), limits)


@pytest.fixture
def desk(limits):
    desk = StudyDesk(limits)
    yield desk
    desk.close()


@pytest.mark.parametrize("source", ["dcgan-mnist-32", ""], ids=["named", "fitted"])
def test_the_command_parses_and_names_no_folder(upload, limits, source):
    arguments = Request(source=source).arguments(upload, limits)
    parsed = build_parser().parse_args(arguments)
    assert (parsed.data, str(parsed.out)) == ("mine.zip", "study")
    assert (parsed.source is None) == (parsed.recipe is not None) == (source == "")
    assert parsed.classifier == ("small-cnn",)


def test_large_uploads_are_made_smaller(limits, tmp_path):
    images, labels = torch.zeros(2000, 1, 8, 8, dtype=torch.uint8), torch.arange(2000) % 2
    large = Upload(tmp_path / "a.zip", images, labels, ("a", "b"), True)
    arguments = Request(source="dcgan-mnist-32").arguments(large, limits)
    assert arguments[arguments.index("--image-size") + 1] == "64"
    assert arguments[arguments.index("--count") + 1] == "1000"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"seeds": 6}, "seeds must be between 2 and 5"),
        ({"steps": 10**9}, "steps must be between"),
        ({"ratio": 0}, "ratio must be between"),
        ({"preset": "full"}, "preset must be one of"),
        ({"labels": "--out=/"}, "labels must be one of"),
    ],
    ids=str,
)
def test_a_request_out_of_range_is_refused(upload, desk, wrong, words):
    with pytest.raises(ValueError, match=words):
        desk.start("a", upload, Request(source="dcgan-mnist-32", **wrong))
    assert desk.of("a") is None


def test_progress_is_read_from_the_bar():
    study = Study("a", None, "", None, 0)
    study.note("Study:   0%|          | 00:02, ? left")
    assert (study.percent, study.text) == (0, "00:02 spent")
    study.note("Study:  40%|####      | 00:19, 00:06 left, affine-mix")
    assert (study.percent, study.text) == (40, "00:19 spent, about 00:06 left. Last arm: affine-mix")
    study.note("Reading images:  10%|#         | 6/60")
    study.note("The study trains up to 10 classifiers, which takes about 10 seconds.")
    assert study.percent == 40
    assert study.sentences == ["The study trains up to 10 classifiers, which takes about 10 seconds."]


def test_the_page_shows_how_long_a_study_takes_and_how_small_an_effect_it_can_show(program, upload, desk):
    texts = pytest.importorskip("gan_augment.web.page._texts", reason="gradio is in the extra web")
    told = [power_sentence(Interval(0.0, -0.02, 0.02, 5, 0.95), 150, 5), estimate_sentence(10, 0, 9.0)]
    program("import time\ntime.sleep(100)")
    study = desk.start("a", upload, Request(source="dcgan-mnist-32"))
    for sentence in told:
        study.note(sentence)
    assert all(sentence in texts.study_status(study) for sentence in told)


@pytest.fixture
def program(monkeypatch, tmp_path):
    """Runs a program in place of a study; the process, its pipes and its end are real."""

    def replace(code):
        path = tmp_path / "program.py"
        path.write_text(code)
        monkeypatch.setattr(_studies, "program", lambda arguments: [sys.executable, str(path)])

    return replace


def test_one_study_runs_at_a_time_and_can_be_stopped(upload, desk, program):
    program("import time\nprint(1, flush=True)\ntime.sleep(100)")
    study = desk.start("a", upload, Request(source="dcgan-mnist-32"))
    for key, words in (("a", "Your study is running"), ("b", "A study of another visitor is running")):
        with pytest.raises(ValueError, match=words):
            desk.start(key, upload, Request(source="dcgan-mnist-32"))
    desk.stop("b")
    assert study.running
    desk.stop("a")
    assert not study.running
    assert study.error == "You stopped the study. It has no result."
    desk.start("b", upload, Request(source="dcgan-mnist-32"))
    desk.forget("b")
    assert desk.of("b") is None


def test_a_study_imports_nothing_from_its_folder_on_a_python_that_ignores_safe_paths(tmp_path):
    for name in ("torch", "numpy", "gan_augment", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    environment["PYTHONPATH"] = str(Path(gan_augment.__file__).parents[1])
    command = _studies.program(["recipes", "tiny"])
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_study_that_takes_too_long_is_stopped(upload, program):
    program("import time\ntime.sleep(100)")
    desk = StudyDesk(Limits(study_seconds=0.0))
    study = desk.start("a", upload, Request(source="dcgan-mnist-32"))
    desk.tidy()
    assert not study.running
    assert "took longer than 0 minutes" in study.error


def test_the_sentence_of_a_refusal_is_shown(upload, desk, program):
    program(
        r"import sys; sys.stderr.write('\rStudy: 10%|# | 00:01, 00:09 left\ngan-augment: A reason.\n'); sys.exit(2)"
    )
    study = desk.start("a", upload, Request(source="dcgan-mnist-32"))
    wait_for(lambda: not study.running and study.sentences)
    assert study.error == "A reason."
    assert study.percent == 10
    assert study.report is None


def test_a_refusal_of_a_real_study_reaches_its_visitor_without_the_folder_of_the_generator(upload, desk, saved):
    study = desk.start("a", upload, Request(source="my cats", folder=str(saved), seeds=2, steps=10))
    wait_for(lambda: not study.running and study.sentences, 120)
    assert study.error.startswith("Every class must have images on both sides of a split")
    command = ["gan-augment", "study", "--data", "mine.zip", "--source", "generators/my cats"]
    assert shlex.split(study.command)[:6] == command
    assert str(saved) not in "".join(study.sentences)
