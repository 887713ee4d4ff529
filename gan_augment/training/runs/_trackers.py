"""Experiment trackers, through Accelerate: TensorBoard, Weights & Biases and MLflow."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..._core import one_line, write_whole

PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",), "mlflow": ("mlflow",)}
PROJECT = "gan-augment"
IDS = "trackers.json"  # in the folder of a run, so that a resumed run continues the same entry


def check_trackers(log_with: str | Sequence[str] | None) -> tuple[str, ...]:
    """Returns the names of the trackers, each once.

    Raises:
        TypeError: If it is neither a name nor a sequence.
        ValueError: If a name is unknown.
        ModuleNotFoundError: If a package is not installed.
    """
    if log_with is None:
        return ()
    if not isinstance(log_with, Sequence):
        raise TypeError(f"log_with must be one or more of {tuple(PACKAGES)}, but got {log_with!r} instead.")
    names = (log_with,) if isinstance(log_with, str) else log_with
    for name in names:
        if name not in tuple(PACKAGES):
            raise ValueError(f"log_with must be one or more of {tuple(PACKAGES)}, but got {name!r} instead.")
        if not any(map(_is_installed, PACKAGES[name])):
            raise ModuleNotFoundError(f"log_with={name!r} requires a package: run pip install {name}.")
    return tuple(dict.fromkeys(names))


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # raised for a stand-in of a package
        return False


class Trackers:
    """Sends the metrics of a run to trackers.

    If a tracker fails after it has started, it gets no more metrics, and the run goes on.

    Args:
        names (sequence of str): Names from ``PACKAGES``.
        folder (Path): Folder of the run.
        settings (dict): The recipe and the seed, which a new entry shows.
        step (int): Step at which the run starts or continues.

    Raises:
        RuntimeError: If a tracker does not start, for example because its user is not logged in.
    """

    def __init__(self, names: Sequence[str], folder: Path, settings: Mapping[str, Any], step: int) -> None:
        self._running: dict[str, Any] = {}
        known = _read_ids(folder)
        for name in names:
            try:
                self._running[name] = _start(name, folder, settings, step, known)
            except Exception as error:  # each package has errors of its own
                self.finish()
                raise RuntimeError(f"The tracker {name} did not start: {one_line(error)}") from error
        if known:
            write_whole(folder / IDS, (json.dumps(known) + "\n").encode())

    def log(self, figures: Mapping[str, Any], step: int) -> None:
        """Sends those figures that are numbers."""
        numbers = {name: value for name, value in figures.items() if isinstance(value, (int, float))}
        for name in tuple(self._running):
            try:
                self._running[name].log(numbers, step=step)
            except Exception as error:  # each package has errors of its own
                _warn_failed(name, error)
                self._end(name)

    def finish(self) -> None:
        """Ends the entries that have not ended yet."""
        for name in reversed(tuple(self._running)):
            self._end(name)

    def _end(self, name: str) -> None:
        try:
            self._running.pop(name).finish()
        except Exception as error:  # the run is worth more than its entry
            _warn_failed(name, error)


def _warn_failed(name: str, error: Exception) -> None:
    about = f"The tracker {name} failed and may lack metrics, but metrics.jsonl has all of them: {one_line(error)}"
    warnings.warn(about, UserWarning, stacklevel=4)


def _start(name: str, folder: Path, settings: Mapping[str, Any], step: int, known: dict[str, str]) -> Any:
    """Starts a tracker, and adds the id of its entry to ``known``."""
    from accelerate.tracking import MLflowTracker, TensorBoardTracker, WandBTracker

    if name == "tensorboard":  # hides what an earlier process wrote after the checkpoint
        return _started(TensorBoardTracker(name, str(folder), purge_step=step + 1))
    resumed = name in known
    if name == "wandb":
        options = {"id": known.get(name), "resume": "allow", "name": folder.name, "dir": str(folder)}
        tracker = _started(WandBTracker(PROJECT, **options))
        known[name] = str(tracker.run.id)
    else:
        run = known.get(name)
        tracker = _started(MLflowTracker(PROJECT, run_id=run, run_name=folder.name, nested_run=True))
        known[name] = str(tracker.active_run.info.run_id)
    if not resumed:
        tracker.store_init_configuration(dict(settings))
    return tracker


def _started(tracker: Any) -> Any:
    getattr(tracker, "start", lambda: None)()  # older versions start when they are made
    return tracker


def _read_ids(folder: Path) -> dict[str, str]:
    """Returns the ids of the entries of a run. If the file cannot be read, a resumed run gets new entries."""
    try:
        ids = json.loads((folder / IDS).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: each for name, each in ids.items() if isinstance(each, str)} if isinstance(ids, dict) else {}
