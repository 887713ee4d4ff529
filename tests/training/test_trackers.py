"""Metrics in experiment trackers, read back from what these wrote."""

import json
import struct
import sys
from importlib.util import find_spec

import pytest

from gan_augment import fit, resume
from gan_augment.training import _loop
from gan_augment.training.runs import _trackers
from gan_augment.training.runs._trackers import IDS

from .conftest import run_until

pytestmark = pytest.mark.usefixtures("no_plot")


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Every step in the metrics, and no trackers but those of this process."""
    monkeypatch.setattr(_loop, "LOG_EVERY", 1)
    for name in ("WANDB_MODE", "WANDB_DIR", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


def losses(out):
    """The loss at each step, from metrics.jsonl."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["reconstruction"] for line in lines if "reconstruction" in line}


def stop_and_resume(labelled, tiny_recipe, out, log_with):
    """Trains four of six steps until a kill, and then the rest. Returns the losses of the whole run."""
    run_until(4, labelled, out, log_with=log_with, **tiny_recipe)
    assert set(losses(out)) == {1, 2, 3, 4}
    resume(out, labelled, log_with=log_with, progress=False)
    return losses(out)


def test_tensorboard_goes_on_after_a_kill(labelled, tiny_recipe, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    known = stop_and_resume(labelled, tiny_recipe, tmp_path / "run", "tensorboard")
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    found = {event.step: event.value for event in events.Scalars("reconstruction")}
    assert found == pytest.approx(known)
    assert set(found) == {1, 2, 3, 4, 5, 6}
    assert not (tmp_path / "run" / IDS).exists()


def test_mlflow_goes_on_with_the_same_run_after_a_kill(labelled, tiny_recipe, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not in dev, as it holds back other packages")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(tmp_path))
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(store(tmp_path))
    known = stop_and_resume(labelled, tiny_recipe, tmp_path / "run", ["mlflow", "mlflow"])
    assert mlflow.active_run() is None
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("gan-augment")
    (run,) = client.search_runs([experiment.experiment_id])
    assert json.loads((tmp_path / "run" / IDS).read_text()) == {"mlflow": run.info.run_id}
    assert (run.info.run_name, run.info.status) == ("run", "FINISHED")
    assert {
        metric.step: metric.value for metric in client.get_metric_history(run.info.run_id, "reconstruction")
    } == known
    assert run.data.params["seed"] == "0"
    assert run.data.params["image_size"] == "16"


def store(folder):
    """A store for MLflow: a database if its package is installed, otherwise files."""
    return f"sqlite:///{folder}/mlflow.db" if find_spec("sqlalchemy") else (folder / "mlruns").as_uri()


def test_wandb_goes_on_with_the_same_run_after_a_kill(labelled, tiny_recipe, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not in dev, as other packages use it unasked if it is there")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    known = stop_and_resume(labelled, tiny_recipe, tmp_path / "run", ("wandb", "tensorboard"))
    (identity,) = json.loads((tmp_path / "run" / IDS).read_text()).values()
    files = sorted((tmp_path / "run" / "wandb").glob(f"offline-run-*-{identity}/run-{identity}.wandb"))
    assert len(files) == 2  # `wandb sync` joins both parts, which have one id
    assert [set(history(file)) for file in files] == [{1, 2, 3, 4}, {5, 6}]
    assert {step: loss for file in files for step, loss in history(file).items()} == pytest.approx(known)
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def history(file):
    """The loss at each step, from a file of Weights & Biases."""
    from wandb.proto.wandb_internal_pb2 import Record

    found = {}
    for data in records(file.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        values = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
        if "reconstruction" in values:
            found[int(values["_step"])] = json.loads(values["reconstruction"])
    return found


def records(data, block=2**15, header=7):
    """Yields the records of a log in the format of LevelDB, after the header of its file."""
    place, parts = header, b""
    while place + header <= len(data):
        left = block - place % block
        length, kind = struct.unpack_from("<HB", data, place + 4)
        if left < header or not kind:  # the end of a block is filled with zeros
            place += left
            continue
        parts += data[place + header : place + header + length]
        place += header + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield parts
            parts = b""


def test_a_tracker_that_does_not_start_is_a_sentence_and_ends_the_others(tmp_path, monkeypatch):
    ended = []

    def refuse(name, *_):
        if name == "wandb":
            raise OSError("no key\nwas given")
        return type("Running", (), {"finish": lambda self: ended.append(name)})()

    monkeypatch.setattr(_trackers, "_start", refuse)
    with pytest.raises(RuntimeError, match=r"^The tracker wandb did not start: no key was given$"):
        _trackers.Trackers(["mlflow", "wandb"], tmp_path, {}, 0)
    assert ended == ["mlflow"]


class Failing:
    """A tracker whose network is gone when it is asked to do ``what``."""

    def __init__(self, what):
        self.what, self.logged, self.finished = what, 0, 0

    def log(self, numbers, step):
        self.logged += 1
        self._fail("log")

    def finish(self):
        self.finished += 1
        self._fail("finish")

    def _fail(self, what):
        if what == self.what:
            raise OSError("no\nroute")


@pytest.mark.parametrize("what", ["log", "finish"])
def test_a_tracker_that_fails_costs_nothing_of_the_run(what, labelled, tiny_recipe, tmp_path, monkeypatch):
    trackers = {"wandb": Failing(what), "mlflow": Failing(None)}
    monkeypatch.setattr(_trackers, "_is_installed", lambda package: True)
    monkeypatch.setattr(_trackers, "_start", lambda name, *_: trackers[name])
    words = r"The tracker wandb failed .* metrics\.jsonl has all of them: no route$"
    with pytest.warns(UserWarning, match=words) as said:
        result = fit(labelled, out=tmp_path / "run", log_with=["wandb", "mlflow"], progress=False, **tiny_recipe)
    assert len([each for each in said if "tracker" in str(each.message)]) == 1
    assert result.steps == len(losses(tmp_path / "run")) == 6
    assert (tmp_path / "run" / "generator" / "config.json").exists()
    assert [each.finished for each in trackers.values()] == [1, 1]
    assert trackers["wandb"].logged == (1 if what == "log" else trackers["mlflow"].logged)
    assert trackers["mlflow"].logged >= 6


def test_a_tracker_that_fails_at_the_end_does_not_hide_why_a_run_failed(labelled, tiny_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(_trackers, "_is_installed", lambda package: True)
    monkeypatch.setattr(_trackers, "_start", lambda *_: Failing("finish"))

    def stop():
        raise RuntimeError("why")

    with pytest.warns(UserWarning, match="The tracker wandb failed"), pytest.raises(RuntimeError, match=r"^why$"):
        fit(labelled, out=tmp_path / "run", log_with="wandb", on_step=stop, progress=False, **tiny_recipe)


@pytest.mark.parametrize(
    ("log_with", "error"),
    [
        (5, TypeError),
        (0, TypeError),
        ({"wandb": 1}, TypeError),
        ([5], ValueError),
        ([[1]], ValueError),
        ("x", ValueError),
    ],
    ids=str,
)
def test_what_is_no_tracker_is_refused(log_with, error, tmp_path):
    with pytest.raises(error, match=r"^log_with must be one or more of .* but got .* instead\.$"):
        fit("missing", out=tmp_path / "run", log_with=log_with)


def test_a_damaged_file_of_ids_starts_a_new_entry(tmp_path):
    for text in ("", "[1]", "{", '{"wandb": 3}'):
        (tmp_path / IDS).write_text(text)
        assert _trackers._read_ids(tmp_path) == {}


@pytest.mark.parametrize("name", _trackers.PACKAGES)
def test_a_missing_package_is_named_before_any_work(name, tmp_path, monkeypatch):
    for package in _trackers.PACKAGES[name]:
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=f"log_with='{name}' requires a package: run pip install {name}\\."):
        fit("missing", out=tmp_path / "run", log_with=[name], progress=False)
    assert not (tmp_path / "run").exists()
