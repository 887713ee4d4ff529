"""Runs one light study at a time: the command ``gan-augment study``, in a process of its own."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ._limits import Limits
from ._uploads import SIDE, Upload

PRESETS = ("demo", "quick")
RECIPE = "tiny-conditional-light"  # fits a generator to the uploaded images
OUT, SOURCES = "study", "generators"  # folders beside the upload
FIT_STEPS = 200
LEARNING_RATE = 0.002  # tuning would multiply the time
LEAST_STEPS, LEAST_SEEDS = 10, 2
SHORT_STEPS = 50
END_SECONDS = 10.0  # after which a study that was asked to stop is killed
_PERCENT = re.compile(r"Study: +(\d+)%.*?\| *([\d:]+), *([\d:?]+) left(?:, *(.*))?")
_PROGRAM = "gan-augment: "
# Python 3.10 ignores PYTHONSAFEPATH, and has an empty name of the current folder in sys.path.
_START = "import sys; sys.path[:] = filter(None, sys.path); from gan_augment.cli import main; sys.exit(main())"


@dataclass(frozen=True, kw_only=True)
class Request:
    """The study that a visitor asks for.

    Attributes:
        source (str): Name of the generator; empty to fit one to the uploaded images.
        folder (str): Folder of the generator; the study and its report show only its last part. Empty for a generator
            of the zoo or the Hub.
        labels (str): Label policy, ``"same"`` or ``"uniform"``.
        preset (str): ``"demo"`` or ``"quick"``.
        ratio (float): Ratio to try, 0.05..1.
        seeds (int): Number of paired seeds.
        steps (int): Training steps of each classifier.
    """

    source: str
    folder: str = ""
    labels: str = "same"
    preset: str = "demo"
    ratio: float = 0.5
    seeds: int = 3
    steps: int = 150

    def check(self, limits: Limits) -> None:
        """Raises a ValueError if a value is out of range. Only a changed page can send such a value."""
        for name, value, low, high in (
            ("seeds", self.seeds, LEAST_SEEDS, limits.study_seeds),
            ("steps", self.steps, LEAST_STEPS, limits.study_steps),
            ("ratio", self.ratio, 0.05, 1),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} must be between {low} and {high}, but got {value} instead.")
        for name, text, known in (("labels", self.labels, ("same", "uniform")), ("preset", self.preset, PRESETS)):
            if text not in known:
                raise ValueError(f"{name} must be one of {known}, but got {text!r} instead.")

    def arguments(self, upload: Upload, limits: Limits) -> list[str]:
        """Returns the arguments of ``gan-augment`` in the folder of the upload."""
        fitted = ["--recipe", RECIPE, "--set", f"steps={FIT_STEPS}"]
        count = len(upload.images)
        chosen = {
            "preset": self.preset, "ratios": f"{self.ratio:g}", "labels": self.labels, "classifier": "small-cnn",
            "lr": LEARNING_RATE, "steps": self.steps, "seeds": self.seeds, "pool-size": min(10 * count, 4_000),
            "out": OUT,
        }  # fmt: skip
        size = ["--image-size", str(SIDE)] if upload.resized else []
        most = ["--count", str(limits.study_images)] if count * 0.6 > limits.study_images else []
        given = [text for name, value in chosen.items() for text in (f"--{name}", str(value))]
        source = ["--source", f"{SOURCES}/{self.source}" if self.folder else self.source] if self.source else fitted
        return ["study", "--data", upload.path.name, *source, *size, *most, *given]


@dataclass
class Study:
    """A running or finished study of one visitor.

    Attributes:
        owner (str): Token of the visitor.
        folder (Path): Folder of the upload; the study writes to ``study`` in it.
        command (str): The command that runs.
    """

    owner: str
    folder: Path
    command: str
    process: subprocess.Popen[bytes]
    end: float
    percent: int | None = None
    text: str = "Reading the images"
    sentences: list[str] = field(default_factory=list)
    ending: str = ""  # why it was stopped

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def report(self) -> dict[str, Any] | None:
        """The result, or None if the study has not ended or has ended without a result."""
        path = self.folder / OUT / "report.json"
        return json.loads(path.read_text(encoding="utf-8")) if not self.running and path.is_file() else None

    @property
    def error(self) -> str:
        """The sentence that ended the study without a result; empty otherwise."""
        if self.running or self.process.returncode == 0:
            return ""
        if self.ending:
            return self.ending
        last = [line for line in self.sentences if line.startswith(_PROGRAM)]
        return last[-1].removeprefix(_PROGRAM) if last else "The study ended without a result."

    def follow(self) -> None:
        """Reads what the process prints until it ends."""
        for line in _lines(self.process):
            self.note(line)

    def note(self, line: str) -> None:
        """Takes one line of the process: its progress, or a sentence."""
        if found := _PERCENT.search(line):
            percent, spent, left, about = found.groups()
            self.percent = int(percent)
            self.text = f"{spent} spent" + ("" if "?" in left else f", about {left} left")
            self.text += f". Last arm: {about.strip()}" if about else ""
        elif "|" not in line and line.strip():
            self.sentences.append(line.strip())

    def stop(self, why: str) -> None:
        """Ends the process, and waits for it."""
        if not self.running:
            return
        self.ending = why
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yields the lines on stderr. A progress bar writes over its own line with a carriage return."""
    rest, stream = "", cast(io.BufferedReader, process.stderr)
    while data := stream.read1(4096):
        *whole, rest = re.split(r"[\r\n]", rest + data.decode("utf-8", "replace"))
        yield from whole
    if rest:
        yield rest


class StudyDesk:
    """Runs at most one study at a time, for all visitors of a page.

    Args:
        limits (Limits): The limits of a study.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._studies: dict[str, Study] = {}

    def start(self, owner: str, upload: Upload, request: Request) -> Study:
        """Starts a study in the folder of the upload.

        Raises:
            ValueError: If a study is running, or the request is out of range.
        """
        request.check(self.limits)
        arguments = request.arguments(upload, self.limits)
        with self._lock:
            for study in self._studies.values():
                if study.running:
                    whose = "Your study" if study.owner == owner else "A study of another visitor"
                    done = "" if study.percent is None else f" ({study.percent}% done)"
                    raise ValueError(f"{whose} is running{done}. Only one runs at a time; try again when it has ended.")
            folder = upload.path.parent
            shutil.rmtree(folder / OUT, ignore_errors=True)  # of the last study
            if request.folder:
                _link(folder / SOURCES / request.source, request.folder)
            process = subprocess.Popen(
                program([*arguments, "--processes", str(_processes(request))]), env=_environment(), cwd=folder,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
            end = time.monotonic() + self.limits.study_seconds
            study = Study(owner, folder, shlex.join(["gan-augment", *arguments]), process, end)
            self._studies[owner] = study
        threading.Thread(target=study.follow, daemon=True).start()
        return study

    def of(self, owner: str) -> Study | None:
        """Returns the running or last study of a visitor."""
        return self._studies.get(owner)

    def stop(self, owner: str, why: str = "You stopped the study. It has no result.") -> None:
        """Stops the study of a visitor, if one is running."""
        if study := self.of(owner):
            study.stop(why)

    def is_running(self, owner: str) -> bool:
        """Returns whether a study of a visitor is running."""
        study = self.of(owner)
        return study is not None and study.running

    def forget(self, owner: str) -> None:
        """Stops the study of a visitor who has left."""
        self.stop(owner)
        self._studies.pop(owner, None)

    def tidy(self) -> None:
        """Stops a study that takes too long."""
        for study in list(self._studies.values()):
            if time.monotonic() > study.end:
                study.stop(f"The study took longer than {self.limits.study_seconds / 60:g} minutes, and was stopped.")

    def close(self) -> None:
        """Stops all studies."""
        for owner in list(self._studies):
            self.forget(owner)


def program(arguments: list[str]) -> list[str]:
    """Returns the command line of a process, which imports nothing from the folder in which it runs."""
    return [sys.executable, "-c", _START, *arguments]


def _link(place: Path, folder: str) -> None:
    """Makes a folder available at another place, by a copy if the system allows no links."""
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        return
    try:
        place.symlink_to(folder, target_is_directory=True)
    except OSError:
        shutil.copytree(folder, place)


def _processes(request: Request) -> int:
    """Returns the number of processes of a study: one if training is short, because a second takes longer to start."""
    return 1 if request.steps < SHORT_STEPS else max(1, min((os.cpu_count() or 1), request.seeds, 4))


def _environment() -> dict[str, str]:
    """Returns the environment of the process; its own processes import nothing from the folder either."""
    return {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"}
