"""The demo: 365 real digits, with and without synthetic ones, over paired seeds."""

from __future__ import annotations

import importlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .._core import check_count, make_folder, progress_bar, write_whole
from ..data import fingerprint
from ..evaluation import accuracy, check_unseen, train_classifier
from ..mixing import SyntheticMix
from ..studies import Interval, paired_difference
from ..synthesis import Source
from ._data import load_digits, split_digits
from ._page import write_page
from ._pictures import save_batch_picture, save_error_plot, save_sample_grid

GENERATOR = "dcgan-mnist-32"
MIN_TESTED = 1000  # fewer test digits would tell nothing
SNIPPET = f'''\
from gan_augment import SyntheticMix

# Or the folder of a generator that gan_augment.fit() made from images of yours.
mix = SyntheticMix("{GENERATOR}", ratio={{ratio:g}})
for images, labels in loader:
    images, labels = mix(images, labels)
    loss = criterion(model(images), labels)'''


@dataclass(frozen=True)
class DemoResult:
    """What the demo measured.

    Attributes:
        plain (tuple of float): Test accuracy of each seed, with ordinary augmentation alone.
        mixed (tuple of float): The same with synthetic digits.
        gain (Interval): Of the paired differences.
        ratio (float): Synthetic share of each batch.
        count (int): Real training digits.
        tested (int): Real test digits.
        steps (int): Training steps of each run.
        seen (int): Other digits that the generator was trained on.
        seconds (float): Wall-clock time of all runs.
    """

    plain: tuple[float, ...]
    mixed: tuple[float, ...]
    gain: Interval
    ratio: float
    count: int
    tested: int
    steps: int
    seen: int
    seconds: float

    @property
    def sentences(self) -> list[str]:
        """What came out and what it means, in plain words."""
        low, high = self.gain.low * 100, self.gain.high * 100
        return [
            f"Verdict: mixing {self.gain.verdict}. Over {self.gain.n} paired seeds the accuracy changed by "
            f"{self.gain.mean * 100:+.2f} points (95 % interval {low:+.2f} to {high:+.2f}).",
            f"Each seed draws its own {self.count} real digits, and both of its classifiers train on them for "
            f"{self.steps} steps; neither they nor the generator saw one of its {self.tested:,} test digits.",
            f"The generator has seen {self.seen:,} other digits. What it adds is what those digits taught it: "
            "this is what a generator pretrained on more data of the same kind is worth, not something out of "
            f"nothing. Whoever has those {self.seen:,} labelled digits should train on them.",
            "A generator fitted on the few images alone knows no more than they do: measure before you mix, "
            "and be ready for the answer to be ratio 0.",
        ]


def run_demo(
    out: Path, *, ratio: float = 0.5, seeds: int = 5, steps: int = 600, count: int = 365, progress: bool = True
) -> DemoResult:
    """Runs the demo and writes its pictures and page to a folder.

    Args:
        out (Path): Folder; made if missing.
        ratio (float): Synthetic share of each batch.
        seeds (int): Paired seeds, at least 2; each draws its own real digits.
        steps (int): Training steps of each classifier.
        count (int): Real training digits.
        progress (bool): Whether to show a bar.

    Raises:
        ValueError: If an argument is out of range.
        ModuleNotFoundError: If the extra ``demo`` is not installed.
    """
    check_count("steps", steps, 1)
    if seeds < 2:
        raise ValueError(f"seeds must be at least 2, but got {seeds} instead.")
    mix = SyntheticMix(GENERATOR, ratio=ratio, return_synthetic=True)
    images, labels = load_digits()
    if not 10 <= count <= len(images) - MIN_TESTED:
        raise ValueError(f"count must be between 10 and {len(images) - MIN_TESTED}, but got {count} instead.")
    refuse_seen(mix.source, images)
    try:
        importlib.import_module("matplotlib.figure")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "The demo's pictures need the package matplotlib: run pip install 'gan-augment[demo]'."
        ) from error
    make_folder(out)
    started = time.perf_counter()
    plain: list[float] = []
    mixed: list[float] = []
    with progress_bar(show=progress, total=2 * seeds * steps, desc="Training", unit="step") as bar:
        for seed in range(seeds):
            train, test = split_digits(images, labels, count, seed)
            for results, arm in ((plain, None), (mixed, mix)):
                results.append(_test_accuracy(images, labels, train, test, arm, steps, seed, bar))
    result = DemoResult(
        plain=tuple(plain),
        mixed=tuple(mixed),
        gain=paired_difference(mixed, plain),
        ratio=ratio,
        count=count,
        tested=len(images) - count,
        steps=steps,
        seen=_images_seen(mix),
        seconds=time.perf_counter() - started,
    )
    _write(out, result, mix, images, labels)
    return result


def _test_accuracy(
    images: Tensor,
    labels: Tensor,
    train: Tensor,
    test: Tensor,
    mix: SyntheticMix | None,
    steps: int,
    seed: int,
    bar: tqdm[Any],
) -> float:
    def mixed(batch: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if mix is None:
            return batch, targets
        batch, targets, _ = mix(batch, targets)
        return batch, targets

    model = train_classifier(images[train], labels[train], num_classes=10, steps=steps, seed=seed, mix=mixed)
    bar.update(steps)
    return accuracy(model, images[test], labels[test])


def refuse_seen(source: Source, images: Tensor) -> None:
    """Refuses to judge a generator by images that its card says it has seen.

    Raises:
        ValueError: If it has seen some of them, or its card does not say.
    """
    exposure = check_unseen(source, torch.tensor([fingerprint(image) for image in images]))
    if not exposure.known:
        raise ValueError("A generator must have a card with the fingerprints of its training images to be judged.")


def _images_seen(mix: SyntheticMix) -> int:
    card = mix.source.card
    return 0 if card is None else int(card.training["images"])


def _write(out: Path, result: DemoResult, mix: SyntheticMix, images: Tensor, labels: Tensor) -> None:
    save_sample_grid(out / "samples.png", mix.source)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        rows = torch.randperm(len(images))[:32]
        batch, targets, synthetic = mix(images[rows], labels[rows])
    save_batch_picture(out / "batch.png", batch, targets, synthetic)
    save_error_plot(out / "errors.png", result.plain, result.mixed, result.ratio, result.count)
    values = {**result.__dict__, "gain": result.gain.__dict__, "verdict": result.gain.verdict}
    write_whole(out / "results.json", (json.dumps(values, indent=2) + "\n").encode())
    write_page(out / "index.html", result.sentences, table(result), SNIPPET.format(ratio=result.ratio))


def table(result: DemoResult) -> list[tuple[str, ...]]:
    """The result as rows of arm, test accuracy and interval; the first row is the head."""
    rows: list[tuple[str, ...]] = [("trained on", "test accuracy", "95 % interval")]
    for name, values in (
        (f"{result.count} real digits, ordinary augmentation", result.plain),
        (f"the same, {result.ratio:.0%} of each batch synthetic", result.mixed),
    ):
        interval = Interval.of(values)
        rows.append((name, f"{interval.mean:.2%}", f"{interval.low:.2%} to {interval.high:.2%}"))
    gain = result.gain
    rows.append(
        ("difference, paired", f"{gain.mean * 100:+.2f} points", f"{gain.low * 100:+.2f} to {gain.high * 100:+.2f}")
    )
    return rows
