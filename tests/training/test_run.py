import json

import pytest
import torch

from gan_augment._core import aside_path
from gan_augment.training.runs._folder import RunFolder


@pytest.fixture
def run(tmp_path):
    """A run that was started."""
    folder = RunFolder(tmp_path / "run")
    folder.create({"gan_augment": "1.0", "seed": 7})
    return folder


def test_a_run_is_read_as_it_was_created(run):
    assert run.read_config("seed") == {"gan_augment": "1.0", "seed": 7, "format": 2}
    with pytest.raises(ValueError, match=r"\['budget'\] is missing"):
        run.read_config("seed", "budget")


def test_only_a_new_or_empty_folder_is_new(run, tmp_path):
    RunFolder(tmp_path / "other").check_new()
    (tmp_path / "other").mkdir()
    RunFolder(tmp_path / "other").check_new()
    with pytest.raises(ValueError, match="is not empty"):
        run.check_new()
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is not empty"):
        RunFolder(tmp_path / "file").check_new()


def test_a_run_that_was_killed_while_it_was_created_can_be_started_again(tmp_path):
    aside_path(tmp_path / "config.json").write_text("{")
    folder = RunFolder(tmp_path)
    folder.check_new()
    folder.create({})
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must be JSON"),
        (b"{", "must be JSON"),
        (b"\xff\xfe\xfd", "must be JSON"),
        (b"[" * 100_000, "must be JSON"),
        (b"[]", "must be the configuration of a run"),
        (b"{}", "must be the configuration of a run"),
        (b'{"format": 1, "gan_augment": "0.9"}', "of format 2, but is of 1; .*'0.9'"),
        (b" " * (2**20 + 1), "at most 1,048,576 bytes"),
    ],
)
def test_a_config_that_is_none_is_refused(run, data, message):
    (run.path / "config.json").write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        run.read_config()
    assert "config.json" in str(caught.value)


def test_a_folder_without_a_config_is_no_run(tmp_path):
    with pytest.raises(ValueError, match=r"A run is a folder with a config\.json"):
        RunFolder(tmp_path).read_config()


def test_metrics_are_read_as_they_were_logged(run):
    assert run.metrics() == []
    run.log({"step": 1, "generator": 0.1, "phase": "warm-up", "kid": None})
    run.log({"step": 2, "generator": float("nan"), "discriminator": float("-inf")})
    assert run.metrics() == [
        {"step": 1, "generator": 0.1, "phase": "warm-up", "kid": None},
        {"step": 2, "generator": None, "discriminator": None},
    ]
    text = (run.path / "metrics.jsonl").read_text()
    assert [json.loads(line)["step"] for line in text.splitlines()] == [1, 2]


@pytest.mark.parametrize("metrics", [{}, {"step": -1}, {"step": 1.5}, {"step": True}, {"step": "1"}])
def test_metrics_without_a_step_are_refused(run, metrics):
    with pytest.raises(ValueError, match="metrics must have a 'step'"):
        run.log(metrics)
    assert not (run.path / "metrics.jsonl").exists()


def test_a_last_line_that_is_torn_anywhere_is_dropped(run):
    path = run.path / "metrics.jsonl"
    run.log({"step": 1, "generator": 0.5})
    whole = path.read_bytes()
    run.log({"step": 2, "generator": 0.25})
    both = path.read_bytes()
    for end in range(len(whole), len(both)):
        path.write_bytes(both[:end])
        assert [line["step"] for line in run.metrics()] == [1]
        run.rewind(9)
        assert path.read_bytes() == whole
        run.log({"step": 2, "generator": 0.25})
        assert path.read_bytes() == both


def test_damaged_lines_between_others_are_named(run):
    (run.path / "metrics.jsonl").write_bytes(b'{"step": 1}\n\x00\x00\n{"step": 3}\n[]\n{"step": 5}\n')
    with pytest.warns(UserWarning, match=r"metrics\.jsonl is damaged: lines \[2, 4\]"):
        assert [line["step"] for line in run.metrics()] == [1, 3, 5]


def test_metrics_beyond_the_limit_are_not_read(run, monkeypatch):
    run.log({"step": 1})
    monkeypatch.setattr("gan_augment.training.runs._folder.MAX_METRICS_BYTES", 5)
    with pytest.raises(ValueError, match="at most 5 bytes"):
        run.metrics()


def test_rewinding_drops_what_comes_later_and_what_is_half_written(run, tiny):
    for step in (10, 20, 12_345_678):
        run.log({"step": step})
        run.save_grid(tiny, step)
    for stale in map(aside_path, (run.path / "losses.png", run.path / "samples" / "step-0000030.png")):
        stale.write_bytes(b"half")
    (run.path / "samples" / "mine.png").write_bytes(b"")
    run.rewind(20)
    assert [line["step"] for line in run.metrics()] == [10, 20]
    assert [path.name for path in run.grids().values()] == ["step-0000010.png", "step-0000020.png"]
    assert {path.name for path in run.path.iterdir()} == {"config.json", "metrics.jsonl", "samples"}
    assert (run.path / "samples" / "mine.png").exists()
    run.rewind(0)
    assert (run.metrics(), run.grids()) == ([], {})


def test_a_new_run_can_be_rewound(run):
    run.rewind(0)
    assert run.checkpoints.load_newest() is None
    assert (run.metrics(), run.grids()) == ([], {})


def test_pictures_are_made_out_of_what_was_written(run, tiny):
    pytest.importorskip("matplotlib")
    for step in (1, 2):
        run.log({"step": step, "generator": 0.5 * step})
        run.save_grid(tiny, step)
    assert run.save_animation() == run.path / "progress.webp"
    assert run.save_plot() == run.path / "losses.png"
    assert {path.name for path in run.path.iterdir()} == {
        *("config.json", "metrics.jsonl", "samples"),
        *("progress.webp", "losses.png"),
    }


def test_checkpoints_are_in_the_folder(run):
    run.checkpoints.save({"weight": torch.ones(2)}, 5)
    assert (run.path / "checkpoints" / "step-0000005.safetensors").is_file()
    assert torch.equal(RunFolder(run.path).checkpoints.load_newest()["weight"], torch.ones(2))
