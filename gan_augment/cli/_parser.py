"""The options of each command."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._version import __version__
from . import _commands

AddOption = Callable[..., argparse.Action]

SOURCE = "name in the zoo, org/name on the Hub, or folder of a generator or pool"
DATA = "folder, zip or tar of images, .npz file, or torchvision:<Name>"
FILTERS = (
    "filters to try on the synthetic images: agreement, confidence, density, copies, discriminator (default: none)"
)
CLASSIFIERS = (
    "classifiers to choose from: small-cnn, efficientnet-lite0, torchvision:NAME, timm:NAME, module:function (default: "
    "small-cnn,efficientnet-lite0)"
)
CONTROLS = (
    "real images to try in place of synthetic ones: varied, elastic, smote, repeated (default: all; quick and "
    "demo: varied,repeated)"
)
QUIET = "show no progress bar"
TRACEBACK = "show the traceback of an error"


def build_parser() -> argparse.ArgumentParser:
    """Builds the parser of all commands; it sets ``run`` to the function of the command."""
    parser = argparse.ArgumentParser(
        prog="gan-augment", description="Mix synthetic images from pretrained GANs into image data sets."
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
        add_options(command.add_argument)
        command.add_argument("--traceback", action="store_true", default=argparse.SUPPRESS, help=TRACEBACK)
        command.set_defaults(run=run)
    return parser


def _demo(add: AddOption) -> None:
    add("--out", type=Path, default=Path("gan-augment-demo"), help="folder of the report (default: gan-augment-demo)")
    add("--ratio", type=float, default=0.5, help="synthetic share of each batch (default: 0.5)")
    add("--seeds", type=int, default=5, help="number of paired seeds (default: 5)")
    add("--steps", type=int, help="training steps of each classifier (default: 250)")
    add("--count", type=int, default=365, help="number of real training digits (default: 365)")


def _train(add: AddOption) -> None:
    add("--recipe", help="name from `gan-augment recipes` (default: tiny)")
    add("--data", help=DATA)
    add("--validation", help="images for choosing the best generator, not for training; same formats as --data")
    add("--init", help="generator to start from: name in the zoo, org/name on the Hub, or folder")
    add("--budget", help="wall-clock time such as 90s, 20m or 2h (default: no limit)")
    add("--out", help="new folder for the run")
    add("--resume", metavar="RUN", help="continue the run in this folder")
    add("--seed", type=int, help="seed of the run (default: 0)")
    _add_settings(add, "--set", "FIELD=VALUE", "override a field of the recipe")
    add(
        "--checkpoint-every", type=float, default=60.0, metavar="SECONDS", help="time between checkpoints (default: 60)"
    )
    add("--log-with", choices=["tensorboard"], help="also write the metrics for TensorBoard")
    add("--quiet", action="store_true", help=QUIET)


def _recipes(add: AddOption) -> None:
    add("name", nargs="?", help="recipe to show in full")


def _sample(add: AddOption) -> None:
    add("source", help=SOURCE)
    add("--out", required=True, help="new folder, with one folder for each class")
    add("--n", type=int, help="number of images (default: 100, or with --shards every image of a pool)")
    add("--label", type=int, help="class of all images (default: the classes in turn)")
    add("--seed", type=int, default=0, help="seed of the samples (default: 0)")
    add("--upscale", metavar="UPSCALER", help="name from `gan-augment list`, or a folder or checkpoint")
    add("--shards", type=int, metavar="IMAGES", help="write WebDataset shards of at most IMAGES images each")


def _study(add: AddOption) -> None:
    add("--data", required=True, help=f"labelled images: {DATA}")
    add("--test", type=_share_or_name, default=0.25, help="test images, or the share to hold out (default: 0.25)")
    add("--source", help=SOURCE)
    add("--recipe", help="fit a generator to the training images with this recipe, instead of --source")
    add("--init", help="generator to start from: name in the zoo, org/name on the Hub, or folder")
    add("--budget", help="time to fit each generator, such as 10m (default: a number of steps)")
    _add_settings(add, "--set", "FIELD=VALUE", "override a field of the recipe")
    add("--out", type=Path, required=True, help="folder for the report; repeat the command to continue a study")
    add(
        "--preset",
        choices=["full", "quick", "demo"],
        help="full is the largest study, quick a smaller one, and demo the smallest (default: full)",
    )
    add("--count", type=int, help="number of training images to draw for each split (default: all)")
    add("--validation", type=float, help="share of images to hold out for choosing the best arms (default: 0.2)")
    add(
        "--groups",
        metavar="REGEX",
        help="regular expression, matched against each path; its first capture group is the image's group",
    )
    add("--image-size", type=int, help="side to resize the images to, in pixels (default: their own size)")
    add(
        "--mode",
        choices=["replace", "balance"],
        help="replace real images, or balance uneven classes (default: replace)",
    )
    add("--ratios", type=_numbers, metavar="R,R,...", help="ratios to try (ratio 0 is always tried)")
    about = "label policies to try: same, conditional, uniform (default: same)"
    add("--labels", type=_names, metavar="POLICY,...", help=about)
    add("--filters", type=_filters, metavar="F,F+F,none", help=FILTERS)
    add("--augment", type=_names, metavar="A,A,...", help="ordinary augmentations to try")
    add("--classifier", type=_names, metavar="C,C,...", help=CLASSIFIERS)
    add("--controls", type=_names, metavar="C,C,...", help=CONTROLS)
    about = "real images to try in place of synthetic ones, such as those that --source was trained on"
    add("--reference", help=f"{about}; same formats as --data")
    add("--lr", type=float, help="learning rate of all classifiers, instead of tuning them")
    add(
        "--metric",
        choices=["accuracy", "balanced accuracy"],
        help="score to compare (default: accuracy; with --mode balance: balanced accuracy)",
    )
    add("--seeds", type=int, help="number of paired seeds (default: 5)")
    add("--splits", type=int, help="number of splits, from 2 to the number of seeds (default: one for each seed)")
    add("--steps", type=int, help="training steps of each classifier (default: 1000; quick: 400; demo: 250)")
    add(
        "--pool-size", type=int, help="number of synthetic images for each split (default: 10000; quick and demo: 4000)"
    )
    _add_on_seen(add, None)
    add("--seed", type=int, help="seed of the study (default: 0)")
    add("--processes", type=int, help="number of processes (default: one for each core; one with a GPU)")
    add("--device", help="cpu, cuda or auto, which is a GPU if there is one (default: auto)")
    add("--quiet", action="store_true", help=QUIET)


def _evaluate(add: AddOption) -> None:
    add("source", help=SOURCE)
    add("--data", required=True, help=f"real images that the generator was not trained on: {DATA}")
    add("--train", help="training images, to look for copies and to compute the floor")
    add(
        "--features",
        default="efficientnet-lite0",
        help="feature network: efficientnet-lite0, inception or random-convolutions (default: efficientnet-lite0)",
    )
    add("--n", type=int, default=1000, help="number of samples (default: 1000)")
    add("--seed", type=int, default=0, help="seed of the samples (default: 0)")
    _add_on_seen(add, "refuse")
    add("--json", action="store_true", help="print everything as JSON")
    add("--quiet", action="store_true", help=QUIET)


def _import(add: AddOption) -> None:
    add("file", help="PyTorch checkpoint or safetensors file")
    add("--out", required=True, help="new folder for the generator")
    about = "a setting that the file does not show, such as latent=uniform; NAME is an argument of import_checkpoint"
    _add_settings(add, "--hint", "NAME=VALUE", about)


def _download(add: AddOption) -> None:
    add("name", help="org/name[@revision]")
    add("--revision", help="branch, tag or commit (default: main)")
    add("--force", action="store_true", help="download the files again, even if they are in the cache")


def _push(add: AddOption) -> None:
    add("generator", nargs="?", help="folder of a generator, or name in the zoo")
    add("repo", help="repository org/name; with --zoo, only the organisation")
    add("--license", help="licence of the weights, as the Hub spells it")
    add("--public", action="store_true", help="make the repository public (default: private)")
    add("--half-precision", action="store_true", help="store the weights as float16, at half the size")
    add("--zoo", action="store_true", help="publish the zoo: gan-augment and gan-augment-faces")


def _ui(add: AddOption) -> None:
    add("generators", nargs="*", metavar="GENERATOR", help="more generators to offer: org/name on the Hub, or folder")
    add("--port", type=int, default=7860, help="port of the page (default: 7860)")
    add("--folder", type=Path, help="folder that the page writes to, and empties (default: a temporary folder)")
    about = "address to listen on; with any other than the default, everyone who reaches it can use the page, because"
    add("--host", default="127.0.0.1", help=f"{about} it asks no password (default: 127.0.0.1, this machine only)")


def _add_settings(add: AddOption, option: str, metavar: str, about: str) -> None:
    add(option, type=_setting, action="append", default=[], metavar=metavar, help=about)


def _add_on_seen(add: AddOption, default: str | None) -> None:
    about = "what to do if the source has seen test images (default: refuse)"
    add("--on-seen", choices=["refuse", "warn"], default=default, help=about)


def _setting(text: str) -> tuple[str, Any]:
    """Parses ``key=value``, with a value in JSON or a plain word."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"a setting must be key=value, but got {text!r}")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value
    return key, tuple(parsed) if isinstance(parsed, list) else parsed


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be numbers separated by commas, but got {text!r}") from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _filters(text: str) -> tuple[tuple[str, ...], ...]:
    """Parses ``a,b+c,none``: filters to try, joined by a plus if they are used together."""
    return tuple(() if each == "none" else tuple(each.split("+")) for each in text.split(","))


def _share_or_name(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


COMMANDS: dict[str, tuple[str, Callable[[argparse.Namespace], None], str, Callable[[AddOption], None]]] = {
    "demo": ("Mix synthetic digits into real ones and measure the effect", _commands.run_demo, "--steps 100", _demo),
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
        "--data photos/ --recipe tiny-conditional-light --preset quick --out studies/photos",
        _study,
    ),
    "evaluate": (
        "Compare samples with real images that the generator was not trained on",
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
    "ui": ("Open a page in the browser to look, mix, study and download", _commands.run_ui, "--port 7860", _ui),
    "list": ("List the generators and upscalers of the zoo and their terms", _commands.run_list, "", lambda add: None),
}
