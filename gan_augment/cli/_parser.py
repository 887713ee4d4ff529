"""The options of each command."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._version import __version__
from . import _commands
from ._values import filters, names, numbers, setting, share_or_name

SOURCE = "name in the zoo, org/name on the Hub, or folder of a generator or pool"
DATA = "folder or zip of images, .npz file, or torchvision:<Name>"
TRACEBACK = "show the traceback of an error"


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; what it parses has ``run``, the function of the command."""
    parser = argparse.ArgumentParser(
        prog="gan-augment", description="Mix synthetic images of pretrained GANs into image data sets."
    )
    parser.add_argument("--version", action="version", version=f"gan-augment {__version__}")
    parser.add_argument("--traceback", action="store_true", help=TRACEBACK)
    commands = parser.add_subparsers(required=True, dest="command_name", metavar="command")
    for name, (about, run, example, add_options) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=f"example:\n  gan-augment {name} {example}".rstrip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_options(command)
        command.add_argument("--traceback", action="store_true", default=argparse.SUPPRESS, help=TRACEBACK)
        command.set_defaults(run=run)
    return parser


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("gan-augment-demo"), help="folder of the report (default: gan-augment-demo)"
    )
    parser.add_argument("--ratio", type=float, default=0.5, help="synthetic share of each batch (default: 0.5)")
    parser.add_argument("--seeds", type=int, default=5, help="number of paired seeds (default: 5)")
    parser.add_argument("--steps", type=int, help="training steps of each classifier (default: 250)")
    parser.add_argument("--count", type=int, default=365, help="number of real training digits (default: 365)")


def _train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", help="name from `gan-augment recipes` (default: tiny)")
    parser.add_argument("--data", help=DATA)
    parser.add_argument("--validation", help="images to choose the generator by and not to train on, as for --data")
    parser.add_argument("--init", help="generator to start from: name in the zoo, org/name on the Hub, or folder")
    parser.add_argument("--budget", help="wall-clock time such as 90s, 20m or 2h (default: no limit)")
    parser.add_argument("--out", help="new folder of the run")
    parser.add_argument("--resume", metavar="RUN", help="continue the run in this folder")
    parser.add_argument("--seed", type=int, help="seed of the run (default: 0)")
    parser.add_argument(
        "--set", type=setting, action="append", default=[], metavar="FIELD=VALUE", help="override a field of the recipe"
    )
    parser.add_argument(
        "--checkpoint-every", type=float, default=60.0, metavar="SECONDS", help="time between checkpoints (default: 60)"
    )
    parser.add_argument("--log-with", choices=["tensorboard"], help="write the metrics for TensorBoard too")
    _add_quiet(parser)


def _recipes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="recipe to show in full")


def _sample(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help=SOURCE)
    parser.add_argument("--out", required=True, help="new folder, with one folder for each class")
    parser.add_argument("--n", type=int, default=100, help="number of images (default: 100)")
    parser.add_argument("--label", type=int, help="class of all images (default: the classes in turn)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the samples (default: 0)")
    parser.add_argument("--upscale", metavar="UPSCALER", help="name from `gan-augment list`, or a folder or checkpoint")


def _study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, help=f"labelled images: {DATA}")
    parser.add_argument(
        "--test", type=share_or_name, default=0.25, help="test images, or the share to hold out (default: 0.25)"
    )
    parser.add_argument("--source", help=SOURCE)
    parser.add_argument("--recipe", help="instead of --source: fit a generator to the training images by this recipe")
    parser.add_argument("--init", help="generator that the fitting starts from")
    parser.add_argument("--budget", help="time of each fitting (default: 10m, or 60s with other presets)")
    parser.add_argument(
        "--set", type=setting, action="append", default=[], metavar="FIELD=VALUE", help="override a field of the recipe"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the report; the same study continues what is in it"
    )
    parser.add_argument(
        "--preset",
        choices=["full", "quick", "demo"],
        help="defaults for about an hour (full), for minutes (quick), or the smallest (demo) (default: full)",
    )
    parser.add_argument("--count", type=int, help="training images, drawn for each split (default: all)")
    parser.add_argument("--validation", type=float, help="share of the images to choose by (default: 0.2)")
    parser.add_argument(
        "--groups",
        metavar="REGEX",
        help="regular expression on paths whose first capture group is an image's group",
    )
    parser.add_argument("--image-size", type=int, help="side to resize the images to, in pixels (default: their own)")
    parser.add_argument("--mode", choices=["replace", "balance"], help="balance: for uneven classes (default: replace)")
    parser.add_argument("--ratios", type=numbers, metavar="R,R,...", help="ratios to try (ratio 0 is always tried)")
    parser.add_argument("--labels", type=names, metavar="POLICY,...", help="same, conditional, uniform (default: same)")
    parser.add_argument(
        "--filters", type=filters, metavar="F,F+F,none", help="filters of the synthetic images to try (default: none)"
    )
    parser.add_argument("--augment", type=names, metavar="A,A,...", help="ordinary augmentations to try")
    parser.add_argument("--metric", choices=["accuracy", "balanced accuracy"], help="score (default: by --mode)")
    parser.add_argument("--seeds", type=int, help="number of paired seeds (default: 5)")
    parser.add_argument("--splits", type=int, help="number of splits, 2 to --seeds (default: as many as --seeds)")
    parser.add_argument(
        "--steps", type=int, help="training steps of each classifier (default: 1000; quick: 400; demo: 250)"
    )
    parser.add_argument(
        "--pool-size", type=int, help="synthetic images of a split (default: 10000; quick and demo: 4000)"
    )
    _add_on_seen(parser, None)
    parser.add_argument("--seed", type=int, help="seed of the study (default: 0)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="default: one for each core")
    _add_quiet(parser)


def _evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help=SOURCE)
    parser.add_argument("--data", required=True, help=f"real images that were not trained on: {DATA}")
    parser.add_argument("--train", help="training images, to look for copies and to compute the floor")
    parser.add_argument(
        "--features",
        default="efficientnet-lite0",
        help="feature network: efficientnet-lite0, inception or random-convolutions (default: efficientnet-lite0)",
    )
    parser.add_argument("--n", type=int, default=1000, help="number of samples (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the samples (default: 0)")
    _add_on_seen(parser, "refuse")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    _add_quiet(parser)


def _import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="PyTorch checkpoint or safetensors file")
    parser.add_argument("--out", required=True, help="folder of the generator")
    parser.add_argument(
        "--hint",
        type=setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the file does not say, such as latent=uniform; an argument of import_checkpoint",
    )


def _download(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="org/name[@revision]")
    parser.add_argument("--revision", help="branch, tag or commit (default: main)")
    parser.add_argument("--force", action="store_true", help="download again what is in the cache")


def _push(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("generator", nargs="?", help="folder of a generator, or name in the zoo")
    parser.add_argument("repo", help="org/name; with --zoo, org")
    parser.add_argument("--license", help="licence of the weights, as the Hub spells it")
    parser.add_argument("--public", action="store_true", help="make the repository public (default: private)")
    parser.add_argument("--half-precision", action="store_true", help="store float16, at half the size")
    parser.add_argument("--zoo", action="store_true", help="publish the zoo: gan-augment and gan-augment-faces")


def _list(parser: argparse.ArgumentParser) -> None:
    """It has no options."""


def _add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")


def _add_on_seen(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--on-seen",
        choices=["refuse", "warn"],
        default=default,
        help="what to do if the source has seen test images (default: refuse)",
    )


COMMANDS: dict[str, tuple[str, Callable[[argparse.Namespace], None], str, Callable[[Any], None]]] = {
    "demo": (
        "Mix synthetic digits into real ones and measure the effect",
        _commands.run_demo,
        "--steps 100",
        _demo,
    ),
    "train": (
        "Train a generator on your images",
        _commands.run_train,
        "--data photos/ --recipe tiny-conditional --budget 20m --out runs/photos",
        _train,
    ),
    "recipes": ("List the training recipes, or show one in full", _commands.run_recipes, "tiny", _recipes),
    "sample": (
        "Write samples as PNG files that are marked as synthetic",
        _commands.run_sample,
        "dcgan-mnist-32 --n 50 --out digits/",
        _sample,
    ),
    "study": (
        "Measure whether mixing helps on your data, and write a report",
        _commands.run_study,
        "--data photos/ --recipe tiny-conditional --preset quick --out studies/photos",
        _study,
    ),
    "evaluate": (
        "Measure samples against real images that were not trained on",
        _commands.run_evaluate,
        "runs/photos/generator --data held-out/ --train photos/",
        _evaluate,
    ),
    "import": (
        "Import a DCGAN checkpoint from another project",
        _commands.run_import,
        "netG.pth --out generators/theirs",
        _import,
    ),
    "download": ("Download a generator from the Hub in advance", _commands.run_download, "org/name", _download),
    "push": (
        "Publish a generator on the Hub",
        _commands.run_push,
        "runs/photos/generator org/name --license mit",
        _push,
    ),
    "list": ("List the generators and upscalers that ship with the package", _commands.run_list, "", _list),
}
