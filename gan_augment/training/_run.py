"""A run as a folder that a person can read, of which every file is whole or absent."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torchvision.utils import make_grid

from ..hub import write_aside
from ..models import Generator

GRID_SIDE = 10


def sample_grid(generator: Generator, seed: int = 0) -> Image.Image:
    """A picture of fixed samples in rows of ten; with classes, a row for each of the first ten."""
    rows = min(generator.num_classes, GRID_SIDE) or GRID_SIDE
    labels = torch.arange(rows).repeat_interleave(GRID_SIDE) if generator.num_classes else None
    samples = generator.sample(rows * GRID_SIDE, labels, seed=seed).cpu()
    grid = make_grid(samples, nrow=GRID_SIDE, padding=2, pad_value=255)
    picture = Image.fromarray(grid.permute(1, 2, 0).numpy())
    zoom = max(1, 480 // picture.width)  # small pixels are seen better as squares
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)


class RunFolder:
    """The folder of one run: config.json, metrics.jsonl, samples/, checkpoint.pt and generator/.

    Args:
        path (Path): The folder; made if missing.

    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def check_new(self) -> None:
        """Refuses a folder that holds something.

        Raises:
            ValueError: If it does.
        """
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise ValueError(
                f"out must be a new or empty folder, but {str(self.path)!r} already holds something; "
                "if that is a run, go on with gan_augment.resume()."
            )

    def create(self, config: dict[str, Any]) -> None:
        """Starts a new run here."""
        self.path.mkdir(parents=True, exist_ok=True)
        with write_aside(self.path / "config.json") as file:
            file.write_text(json.dumps(config, indent=2) + "\n")

    def read_config(self) -> dict[str, Any]:
        """The configuration of the run."""
        try:
            config = json.loads((self.path / "config.json").read_text())
        except FileNotFoundError as error:
            raise ValueError(f"A run is a folder with a config.json, but {str(self.path)!r} is none.") from error
        return dict(config)

    def log(self, metrics: dict[str, float]) -> None:
        """Adds a line to metrics.jsonl."""
        line = {key: value if math.isfinite(value) else None for key, value in metrics.items()}
        with open(self.path / "metrics.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")

    def truncate_metrics(self, step: int) -> None:
        """Drops what was logged after a step, which a resumed run will log again."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return
        lines = [line for line in path.read_text().splitlines() if line.endswith("}")]
        with write_aside(path) as file:
            file.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["step"] <= step))

    def save_grid(self, generator: Generator, step: int) -> None:
        """Writes the sample grid of a step."""
        (self.path / "samples").mkdir(exist_ok=True)
        with write_aside(self.path / "samples" / f"step-{step:07d}.png") as file:
            sample_grid(generator).save(file, format="png")

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Replaces the checkpoint."""
        with write_aside(self.path / "checkpoint.pt") as file:
            torch.save(state, file)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last checkpoint, if there is one; read without unpickling objects."""
        path = self.path / "checkpoint.pt"
        if not path.exists():
            return None
        return dict(torch.load(path, map_location="cpu", weights_only=True))

    @property
    def generator(self) -> Path:
        """Where the final generator goes."""
        return self.path / "generator"
