"""The studies of docs/evidence.md: whether mixing helps, on images of others.

    GAN_AUGMENT_DATA=DATA python -m benchmarks.evidence mnist-100 --out OUT
    GAN_AUGMENT_DATA=DATA python -m benchmarks.evidence --table OUT

DATA holds the folders that ``benchmarks/data.py`` reads. Each case is one call of :func:`gan_augment.study`: its report
is in ``OUT/<case>``, and which goes on where it was stopped. The second command prints a table of all reports in OUT.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.utils.data import TensorDataset

from gan_augment.studies import study

from .data import Data, blood_cells, cifar10, fashion_mnist, hymenoptera, long_tailed, mnist, pneumonia
from .options import add_set

ORDINARY = ("none", "affine", "flip-affine", "affine-mix", "trivial-mix")
DIGITS = ("none", "affine", "affine-mix", "trivial-mix")
# The first studies had one classifier, which was not tuned, and one control.
PLAIN: dict[str, Any] = {"classifier": "small-cnn", "lr": 2e-3, "controls": "repeated"}
COMMON: dict[str, Any] = {**PLAIN, "steps": 400, "augment": ORDINARY, "ratios": (0.25, 0.5)}
FITTED: dict[str, Any] = {"recipe": "tiny-conditional", "budget": "2m"}
FILTERED: dict[str, Any] = {"filters": (None, "agreement")}
# Ten splits, since the effect is small; other images to train on than those by which `deform` was chosen.
FRESH: dict[str, Any] = {"seeds": 10, "seed": 1}


def pretrained(load: Callable[[], Data], name: str, count: int, augment: tuple[str, ...] = ORDINARY) -> dict[str, Any]:
    """(a): a generator of the zoo whose classes match."""
    options = {"count": count, "augment": augment, "ratios": (0.25, 0.5, 0.75)}
    return {**sets(load()), **COMMON, **FILTERED, "source": name, **options}


def fitted(load: Callable[[], Data], count: int, augment: tuple[str, ...] = ORDINARY, **options: Any) -> dict[str, Any]:
    """(b) and (c): a generator that is fitted to the same few images."""
    return {**sets(load()), **COMMON, **FITTED, "count": count, "augment": augment, **options}


def cells() -> dict[str, Any]:
    """(b): blood cells, of which no photo is on two sides."""
    data, photos = blood_cells()
    whole = TensorDataset(data.train, data.labels)
    options = {"dataset": whole, "groups": photos, "image_size": 32, "fit_options": {"flip": True}}
    return {**COMMON, **FITTED, **options}


def balanced(data: Data, augment: tuple[str, ...], **options: Any) -> dict[str, Any]:
    """(d): uneven classes."""
    common = {**COMMON, **FITTED, "ratios": (0.25, 0.5, 0.75)}
    return {**common, **sets(data), "mode": "balance", "augment": augment, **options}


def tuned(load: Callable[[], Data], count: int | None = None, **options: Any) -> dict[str, Any]:
    """(e): tuned baselines with both classifiers, and every control. A generator is fitted to each split."""
    return {**sets(load()), "recipe": "tiny-conditional", "preset": "quick", "count": count, **options}


def sets(data: Data) -> dict[str, Any]:
    """Training and test images as the study takes them."""
    return {
        "dataset": TensorDataset(data.train, data.labels),
        "test": TensorDataset(data.held_out, data.held_out_labels),
    }


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    **{f"mnist-{n}": lambda n=n: pretrained(mnist, "dcgan-mnist-32", n, DIGITS) for n in (100, 365, 1000)},
    **{f"fashion-{n}": lambda n=n: pretrained(fashion_mnist, "dcgan-fashion-mnist-32", n) for n in (100, 365, 1000)},
    "fashion-100-fitted": lambda: fitted(fashion_mnist, 100, **FRESH),
    "fashion-365-fitted": lambda: fitted(fashion_mnist, 365),
    "mnist-100-fitted": lambda: fitted(mnist, 100, DIGITS, **FRESH),
    "cells-fitted": cells,
    "cifar-1000-fitted": lambda: fitted(cifar10, 1000, fit_options={"flip": True}),
    "fashion-365-tuned": lambda: fitted(
        fashion_mnist, 365, init="dcgan-mnist-32", fit_options={"image_size": 32, "resize_mode": "pad"}
    ),
    "mnist-100-tuned": lambda: tuned(mnist, 100),
    "fashion-100-tuned": lambda: tuned(fashion_mnist, 100),
    "cifar-1000-tuned": lambda: tuned(cifar10, 1000, fit_options={"flip": True}),
    "hymenoptera-tuned": lambda: tuned(hymenoptera, fit_options={"flip": True}),
    "pneumonia": lambda: balanced(pneumonia(), DIGITS),
    "fashion-tailed": lambda: balanced(long_tailed(fashion_mnist(), 500, 5), ORDINARY),
}


def table(folder: Path) -> None:
    """A row for each report in a folder."""
    for path in sorted(folder.glob("*/report.json")):
        report = json.loads(path.read_text())
        arms = {arm["name"]: arm for arm in report["arms"]}
        scores = "balanced_accuracy" if report["metric"] == "balanced accuracy" else "accuracy"

        def mean(name: str, arms: Any = arms, scores: str = scores) -> float:
            return 100 * sum(arms[name][scores]) / len(arms[name][scores])

        found = arms[report["choice"]]["difference"]
        low, middle, high = (100 * found[key] for key in ("low", "mean", "high"))
        print(
            f"{path.parent.name:22} {report['baseline']:16} {mean(report['baseline']):6.2f}  {report['choice']:26} "
            f"{mean(report['choice']):6.2f}  {middle:+6.2f} ({low:+.2f} to {high:+.2f})  {report['verdict']}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", choices=CASES)
    parser.add_argument("--out", type=Path, help="folder of all reports")
    parser.add_argument("--processes", type=int, default=1)
    add_set(parser, "an argument of study")
    parser.add_argument("--name", help="of the report's folder (default: the case)")
    parser.add_argument("--table", type=Path, metavar="OUT", help="print the reports of this folder")
    options = parser.parse_args()
    if options.table:
        table(options.table)
        return
    if options.case is None or options.out is None:
        parser.error("name a case and --out, or --table")
    arguments = {**CASES[options.case](), **dict(options.set)}
    command = f"python -m benchmarks.evidence {options.case}"
    command += "".join(f" --set '{key}={json.dumps(value)}'" for key, value in options.set)
    out = options.out / (options.name or options.case)
    print(study(**arguments, out=out, processes=options.processes, name=options.case, command=command))


if __name__ == "__main__":
    main()
