"""The demo: a small study of 365 real digits, with and without synthetic ones."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from torch import Tensor
from torch.utils.data import TensorDataset

from ..data import fingerprints
from ..evaluation import check_unseen
from ..hub import from_pretrained
from ..studies import StudyResult, study
from ._digits import load_digits

GENERATOR = "dcgan-mnist-32"
TEST_SHARE = 0.6  # 3,000 digits to test on; the training and validation digits are drawn from the other 2,000
SNIPPET = f'''\
from gan_augment import SyntheticMix

# Or pass the folder of a generator that gan_augment.fit() made from your images.
mix = SyntheticMix("{GENERATOR}", ratio={{ratio:g}})
for images, labels in loader:
    images, labels = mix(images, labels)
    loss = criterion(model(images), labels)'''


def run_demo(
    out: str | os.PathLike[str],
    *,
    ratio: float = 0.5,
    seeds: int = 5,
    steps: int | None = None,
    count: int = 365,
    processes: int = 1,
    progress: bool = True,
    command: str | None = None,
) -> StudyResult:
    """Runs :func:`study` with the preset ``"demo"`` on real digits, and writes its report with pictures to a folder.

    If it stops, call it again with the same arguments to continue.

    Args:
        out (str or Path): Folder of the report; it is created if it does not exist.
        ratio (float): Synthetic share of each batch. Default: 0.5.
        seeds (int): Number of paired seeds, at least 2; each draws its own training digits. Default: 5.
        steps (int, optional): Training steps of each classifier. Default: 250.
        count (int): Number of real training digits, 10 to 1,600. Default: 365.
        processes (int): Number of processes; see :func:`study`. Default: 1.
        progress (bool): Whether to show progress bars.
        command (str, optional): Shell command that started the demo, for the report.

    Raises:
        ValueError: If an argument is out of range, or ``out`` holds anything other than this demo.
        ModuleNotFoundError: If the extra ``demo`` is not installed.
    """
    images, labels = load_digits()
    generator = from_pretrained(GENERATOR)
    check_digits_unseen(generator, images)
    result = study(
        TensorDataset(images, labels),
        GENERATOR,
        test=TEST_SHARE,
        preset="demo",
        classifier="small-cnn",
        lr=2e-3,  # without tuning, the demo takes half of the time
        ratios=ratio,
        seeds=seeds,
        steps=steps,
        count=count,
        processes=processes,
        progress=progress,
        out=out,
        name="MNIST digits",
        command=command,
    )
    trained_on = int(generator.card.training["images"]) if generator.card else 0
    notes = (
        f"The generator was trained on {trained_on:,} other digits. Any gain comes from those digits; it is not free. "
        f"If you had these {trained_on:,} labelled digits, you would train on them directly.",
        "A generator that you fit to your own few images learns only what they show. Measure before you mix: "
        "the answer may be ratio 0.",
    )
    result = dataclasses.replace(result, notes=(*notes, *result.notes))
    result.save(out)
    return result


def check_digits_unseen(source: Any, images: Tensor) -> None:
    """Checks that a generator lists its training images, and that none of the digits is among them.

    Raises:
        ValueError: If it has seen some of the digits, or its card does not list its training images.
    """
    if not check_unseen(source, fingerprints(images)).known:
        raise ValueError(
            "The generator must have a card with the fingerprints of its training images, but has none; without them "
            "the demo cannot tell whether it has seen the test digits."
        )
