"""The studies of docs/evidence.md: whether mixing helps on public data sets.

    GAN_AUGMENT_DATA=DATA python -m benchmarks.evidence mnist-100 --out OUT
    GAN_AUGMENT_DATA=DATA python -m benchmarks.evidence tuned-mnist-100 --classifier efficientnet-lite0 --out OUT
    python -m benchmarks.evidence --table OUT

DATA holds the folders that ``benchmarks/data.py`` reads. Each case is one call of :func:`gan_augment.study`: its report
is in ``OUT/<case>``. If you stop a case, run the same command to continue it. The last command prints a table of all
reports in OUT. ``--keep OUT`` copies finished reports to ``benchmarks/results/evidence``, whose table is in the docs.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.utils.data import TensorDataset

from gan_augment.studies import study

from .data import (
    FACES_HELD_OUT,
    Data,
    blood_cells,
    celeba,
    cifar10,
    fashion_mnist,
    hymenoptera,
    long_tailed,
    mnist,
    pneumonia,
)
from .options import add_set

ORDINARY = ("none", "affine", "flip-affine", "affine-mix", "trivial-mix")
DIGITS = ("none", "affine", "affine-mix", "trivial-mix")
# The first studies had one classifier, which was not tuned, and one control.
PLAIN: dict[str, Any] = {"classifier": "small-cnn", "lr": 2e-3, "controls": "repeated"}
COMMON: dict[str, Any] = {**PLAIN, "steps": 400, "augment": ORDINARY, "ratios": (0.25, 0.5)}
FITTED: dict[str, Any] = {"recipe": "tiny-conditional", "budget": "2m"}
FILTERED: dict[str, Any] = {"filters": (None, "agreement")}
CLASSIFIERS = ("small-cnn", "efficientnet-lite0")
TESTED = 2000  # test images of the tuned studies
MIRRORED = ("none", "flip-affine", "affine-mix", "trivial-mix")  # for images that may be mirrored
KEPT = Path(__file__).with_name("results") / "evidence"
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


def tuned(data: Data, **options: Any) -> dict[str, Any]:
    """A row of the table: a quick study with a tuned baseline; five splits, or ten if a generator is fitted to each."""
    made = {"seeds": 5} if "source" in options else {"seeds": 10, "recipe": "tiny-conditional-light"}
    return {**sets(data, TESTED), **made, "preset": "quick", **options}


def known(data: Data, source: str, count: int, **options: Any) -> dict[str, Any]:
    """A row with a generator of the zoo, and with real images that it learned from in place of its samples."""
    return tuned(data, source=source, count=count, reference=data.dataset(), **options)


def xrays(count: int) -> dict[str, Any]:
    """Chest X-rays that the generator of the zoo has not seen."""
    arguments = known(pneumonia(), "dcgan-pneumonia-28", count, mode="balance")
    return {**arguments, "dataset": pneumonia("val").dataset()}


def photos(data: Data, **options: Any) -> dict[str, Any]:
    """The same for images that may be mirrored."""
    return tuned(data, fit_options={"flip": True}, augment=MIRRORED, **options)


def tuned_cells(**options: Any) -> dict[str, Any]:
    """Blood cells at their own 64 px."""
    data, groups = blood_cells()
    arguments = photos(data, **options)
    return {**arguments, "dataset": TensorDataset(data.train, data.labels), "test": 0.25, "groups": groups}


def faces(count: int) -> dict[str, Any]:
    """Faces that the generator of the zoo has not seen: men and women, smiling or not."""
    data = celeba(FACES_HELD_OUT, attributes=("Male", "Smiling"))
    arguments = known(data, "dcgan-celeba-attributes-64", count, augment=MIRRORED)
    return {**arguments, "dataset": TensorDataset(data.held_out, data.held_out_labels), "test": 0.5}


def sets(data: Data, tested: int | None = None) -> dict[str, Any]:
    """Training images and the first test images as the study takes them."""
    test = [each[:tested] for each in (data.held_out, data.held_out_labels) if each is not None]
    return {"dataset": TensorDataset(data.train, data.labels), "test": TensorDataset(*test)}


ROWS: dict[str, Callable[[], dict[str, Any]]] = {
    **{f"mnist-{n}-zoo": lambda n=n: known(mnist(), "dcgan-mnist-32", n) for n in (100, 365)},
    **{f"fashion-{n}-zoo": lambda n=n: known(fashion_mnist(), "dcgan-fashion-mnist-32", n) for n in (100, 365)},
    **{f"celeba-{n}-zoo": lambda n=n: faces(n) for n in (100, 365)},
    **{f"pneumonia-{n}-zoo": lambda n=n: xrays(n) for n in (100, 365)},
    **{f"mnist-{n}": lambda n=n: tuned(mnist(), count=n) for n in (100, 365)},
    **{f"fashion-{n}": lambda n=n: tuned(fashion_mnist(), count=n) for n in (100, 365)},
    **{f"cifar-{n}": lambda n=n: photos(cifar10(), count=n) for n in (500, 1000)},
    "cells-100": lambda: tuned_cells(count=100),
    "cells": tuned_cells,
    "hymenoptera": lambda: photos(hymenoptera()),
    "pneumonia": lambda: tuned(pneumonia(), mode="balance"),
    "fashion-tailed": lambda: tuned(long_tailed(fashion_mnist(), 500, 5), mode="balance"),
    "cifar-tailed": lambda: photos(long_tailed(cifar10(), 500, 50), mode="balance"),
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
    "pneumonia": lambda: balanced(pneumonia(), DIGITS),
    "fashion-tailed": lambda: balanced(long_tailed(fashion_mnist(), 500, 5), ORDINARY),
    **{f"tuned-{name}": row for name, row in ROWS.items()},
}


def table(folder: Path) -> None:
    """A row for each data set, with a column for each classifier."""
    found: dict[str, dict[str, str]] = {}
    for path in [*folder.glob("*/report.json"), *folder.glob("*.json")]:
        report = json.loads(path.read_text())
        data, source = report["data"], report["source"]
        row = found.setdefault(data["name"].removeprefix("tuned-"), {})
        row["generator"] = "fitted" if source["fitted"] else source["name"]
        row["training + validation"] = f"{data['train']:,} + {data['validation']:,}"
        row["test"] = f"{data['test']:,}"
        row[", ".join(report["settings"]["classifiers"])] = cell(report)
    columns = ("generator", "training + validation", "test", *CLASSIFIERS)
    print(f"| study | {' | '.join(columns)} |")
    print(f"| {' | '.join(['---'] * (1 + len(columns)))} |")
    for name in [*ROWS, *sorted(found.keys() - ROWS)]:
        if name in found:
            print(f"| `{name}` | {' | '.join(found[name].get(column, 'not run') for column in columns)} |")


def cell(report: dict[str, Any]) -> str:
    """The verdict and what the choice changed, the two arms, the best control, and a reference."""
    arms, key = {arm["name"]: arm for arm in report["arms"]}, report["metric"].replace(" ", "_")
    baseline, choice, control = (report[name] for name in ("baseline", "choice", "control"))
    lines = [f"**{report['verdict']}**: {points(arms[choice]['difference'])}"]
    for role, name in {"baseline": baseline, "choice": choice}.items():
        lines.append(f"{role}: {name}, {100 * statistics.fmean(arms[name][key]):.1f}%")
    if control is not None:
        found = report["comparisons"][control]
        disputed = report["generator_adds"] == "no effect shown" and not found["low"] <= 0 <= found["high"]
        lines.append(f"over {control}: {points(found)}{', but the sign-flip test disagrees' if disputed else ''}")
    references = [name for name, arm in arms.items() if arm["kind"] == "reference"]
    lines += [f"{name}: {points(arms[name]['difference'])}" for name in references]
    return "<br>".join(lines)


def keep(folder: Path) -> None:
    """Copies the reports of tuned cases to where they are committed, without the folder of their machine."""
    for path in folder.glob("tuned-*/report.json"):
        report = json.loads(path.read_text())
        report["source"]["load"] = None
        name = path.parent.name.removeprefix("tuned-")
        (KEPT / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")


def points(found: dict[str, float]) -> str:
    low, mean, high = (100 * found[key] for key in ("low", "mean", "high"))
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", choices=CASES)
    parser.add_argument("--out", type=Path, help="folder of all reports")
    parser.add_argument(
        "--classifier",
        choices=CLASSIFIERS,
        help="use only this classifier in a tuned case (default: choose the better one)",
    )
    parser.add_argument("--processes", type=int, default=1)
    add_set(parser, "an argument of study")
    parser.add_argument("--name", help="of the report's folder (default: the case)")
    parser.add_argument("--table", type=Path, metavar="OUT", help="print the reports of this folder")
    parser.add_argument("--keep", type=Path, metavar="OUT", help="copy the tuned reports of this folder to results")
    options = parser.parse_args()
    if options.keep:
        keep(options.keep)
        return
    if options.table:
        table(options.table)
        return
    if options.case is None or options.out is None:
        parser.error("name a case and --out, or --table")
    arguments, name, command = CASES[options.case](), options.case, f"python -m benchmarks.evidence {options.case}"
    if options.classifier:
        arguments["classifier"] = options.classifier
        name, command = f"{name}-{options.classifier}", f"{command} --classifier {options.classifier}"
    arguments |= dict(options.set)
    command += "".join(f" --set '{key}={json.dumps(value)}'" for key, value in options.set)
    out = options.out / (options.name or name)
    print(study(**arguments, out=out, processes=options.processes, name=options.case, command=command))


if __name__ == "__main__":
    main()
