"""The folder of a run. People can read its files, and these are complete even if the process is killed at any time."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from ..._core import explain_full_disk, holds_something, lock_folder, make_folder, png_marks, remove_asides, write_whole
from ...models import Generator, sample_grid
from ._checkpoints import Checkpoints, numbered
from ._pictures import animate, plot_metrics

FORMAT = 2  # of the folder; in 1 the checkpoint was a file of torch.save
MAX_CONFIG_BYTES = 2**20
MAX_METRICS_BYTES = 2**28
GRID = re.compile(r"step-(\d+)\.png")


class RunFolder:
    """The folder of one run.

    ===================  ==========================================================
    config.json          recipe, seed, budget and data of the run
    metrics.jsonl        one JSON object per line, each with its ``step``
    samples/step-*.png   grids of samples, always of the same latents
    progress.webp        the grids as an animation
    losses.png           the metrics as a plot
    checkpoints/         the newest states; see :class:`Checkpoints`
    generator/           the final generator, for :func:`gan_augment.from_pretrained`
    trackers.json        the entries of the run in experiment trackers
    ===================  ==========================================================
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._config, self._metrics, self.generator = path / "config.json", path / "metrics.jsonl", path / "generator"
        self.checkpoints = Checkpoints(path / "checkpoints")

    def check_new(self) -> None:
        """Checks that the folder is empty, or holds a run that was stopped before its first checkpoint."""
        if holds_something(self.path) and not self._is_unbegun():
            raise ValueError(
                f"out must be a new or empty folder, but {str(self.path)!r} is not empty; "
                "if it is a run, resume it (in a shell: gan-augment train --resume), or choose another folder."
            )

    def _is_unbegun(self) -> bool:
        names = {name for name in os.listdir(self.path) if not name.startswith(".")} if self.path.is_dir() else set()
        if "config.json" not in names or names - {"config.json", "checkpoints"} or self.checkpoints.steps():
            return False
        try:
            return bool(self.read_config("recipe", "images"))
        except ValueError:
            return False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Locks the folder for this process. Creates it if it is missing, and removes it if it stays empty."""
        make_folder(self.path)
        try:
            with lock_folder(self.path):
                yield
        finally:
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def create(self, config: Mapping[str, Any]) -> None:
        """Starts a new run; its configuration gets the ``format`` of the folder."""
        data = (json.dumps({**config, "format": FORMAT}, indent=2) + "\n").encode()
        make_folder(self.path)
        remove_asides(self.path, locked=True)
        write_whole(self._config, data)

    def read_config(self, *required: str) -> dict[str, Any]:
        """Reads the configuration of the run, which must have the required keys."""
        path = self._config
        if not path.is_file():
            raise ValueError(f"A run is a folder with a config.json, but {str(self.path)!r} has none.")
        data = _read(path, MAX_CONFIG_BYTES)
        try:
            config = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} must be JSON, but: {error}") from None
        if not isinstance(config, dict) or "format" not in config:
            raise ValueError(f"{path} must be the configuration of a run, but is {config!r:.200}.")
        if config["format"] != FORMAT:
            raise ValueError(
                f"{path} must be of format {FORMAT}, but is of {config['format']!r:.100}; "
                f"resume the run with the version of gan-augment that started it, {config.get('gan_augment')!r:.100}."
            )
        missing = [key for key in required if key not in config]
        if missing:
            raise ValueError(f"{path} must have the keys {list(required)}, but {missing} is missing.")
        return config

    def log(self, metrics: Mapping[str, float | str | None]) -> None:
        """Adds a line with a ``step`` to metrics.jsonl; numbers that are not finite become null."""
        line = {key: None if _is_not_finite(value) else value for key, value in metrics.items()}
        if not _is_line(line):
            raise ValueError(f"metrics must have a 'step' of at least 0, but got {dict(metrics)} instead.")
        data = (json.dumps(line) + "\n").encode()
        with explain_full_disk(self._metrics, len(data)), open(self._metrics, "ab") as file:
            file.write(data)

    def metrics(self) -> list[dict[str, Any]]:
        """Reads the lines of metrics.jsonl. An incomplete last line is skipped; a warning names other damaged lines."""
        if not self._metrics.exists():
            return []
        *whole, _ = _read(self._metrics, MAX_METRICS_BYTES).split(b"\n")  # a complete line ends with a newline
        lines = [_parse_line(line) for line in whole]
        damaged = [number for number, line in enumerate(lines, 1) if line is None]
        if damaged:
            warnings.warn(f"{self._metrics} is damaged: lines {damaged[:10]} are left out.", UserWarning, stacklevel=2)
        return [line for line in lines if line is not None]

    def rewind(self, step: int) -> None:
        """Takes the folder back to the step of a checkpoint: drops later metrics and grids, and incomplete files."""
        if self._metrics.exists():
            lines = [json.dumps(line) + "\n" for line in self.metrics() if line["step"] <= step]
            write_whole(self._metrics, "".join(lines).encode())
        for number, grid in self.grids().items():
            if number > step:
                grid.unlink()
        for folder in (self.path, self.path / "samples", self.generator):
            remove_asides(folder, locked=True)

    def save_grid(self, generator: Generator, step: int) -> None:
        path, picture = self.path / "samples" / f"step-{step:07d}.png", BytesIO()
        sample_grid(generator).save(picture, format="png", pnginfo=png_marks())
        make_folder(path.parent)
        write_whole(path, picture.getvalue())

    def grids(self) -> dict[int, Path]:
        """Returns the sample grids by their steps, earliest first."""
        return numbered(self.path / "samples", GRID)

    def save_animation(self) -> Path:
        """Writes progress.webp from the grids."""
        animate(self.grids(), self.path / "progress.webp")
        return self.path / "progress.webp"

    def save_plot(self) -> Path:
        """Writes losses.png from the metrics; needs matplotlib."""
        plot_metrics(self.metrics(), self.path / "losses.png")
        return self.path / "losses.png"


def _read(path: Path, limit: int) -> bytes:
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{path} must be at most {limit:,} bytes, but is larger.")
    return data


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _is_line(value: Any) -> bool:
    return isinstance(value, dict) and type(value.get("step")) is int and value["step"] >= 0


def _parse_line(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if _is_line(value) else None
