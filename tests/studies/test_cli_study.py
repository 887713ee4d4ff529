"""The study and the evaluation from a shell."""

import json

import numpy as np
import pytest

from gan_augment import SyntheticPool
from gan_augment.cli import main

from .conftest import gratings


@pytest.fixture
def files(tmp_path):
    for name, seed, count in (("train", 0, 60), ("test", 1, 90)):
        images, labels = gratings(count, seed)
        np.savez(tmp_path / f"{name}.npz", images=images.numpy(), labels=labels.numpy())
    SyntheticPool(*gratings(90, 2)).save(tmp_path / "pool")
    return tmp_path


def study(files, *more):
    arguments = ["study", "--data", str(files / "train.npz"), "--test", str(files / "test.npz"), "--preset", "quick"]
    arguments += ["--source", str(files / "pool"), "--augment", "none", "--filters", "none", "--ratios", "0.5"]
    arguments += ["--steps", "2", "--seeds", "2", "--pool-size", "60", "--processes", "1", "--quiet"]
    arguments += ["--classifier", "small-cnn", "--lr", "0.002", "--controls", "repeated"]
    return main([*arguments, "--out", str(files / "study"), *more])


def test_a_study_prints_its_verdict_and_writes_its_report(files, capsys):
    assert study(files) == 0
    out = capsys.readouterr().out
    assert "Use ratio" in out
    assert "report.html" in out
    report = json.loads((files / "study" / "report.json").read_text())
    assert report["settings"]["command"].startswith("gan-augment study --data ")
    assert [arm["name"] for arm in report["arms"]] == ["no augmentation", "synthetic 0.5", "oversampled 0.5"]


def test_bad_input_is_one_sentence(files, capsys):
    assert study(files, "--ratios", "1.5") == 2
    assert capsys.readouterr().err.startswith("gan-augment: ratios must be")
    assert study(files, "--filters", "good+bad") == 2
    assert "filters must be one or more of" in capsys.readouterr().err
    assert not (files / "study").exists()


def test_an_evaluation_as_a_table_and_as_json(files, capsys):
    np.savez(files / "unlabelled.npz", images=gratings(90, 1)[0].numpy())  # with labels it trains classifiers
    arguments = ["evaluate", str(files / "pool"), "--data", str(files / "unlabelled.npz"), "--n", "60", "--quiet"]
    assert main([*arguments, "--features", "random-convolutions"]) == 0
    assert "kid" in capsys.readouterr().out
    assert main([*arguments, "--features", "random-convolutions", "--json"]) == 0
    names = [each["name"] for each in json.loads(capsys.readouterr().out)["measurements"]]
    assert {"kid", "recall"} <= set(names)
