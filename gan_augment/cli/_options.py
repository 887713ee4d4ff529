"""The options of each command, in groups; those that most people need come first."""

from __future__ import annotations

from pathlib import Path

from . import _types
from ._help import OUTPUT, Options

SOURCE = "name in the zoo, org/name on the Hub, or folder of a generator or pool"
DATA = "folder, zip, tar, .npz file, or torchvision:<Name>"
INIT = "generator to start from: name in the zoo, org/name on the Hub, or folder"
FILTERS = (
    "filters to try on the synthetic images: agreement, confidence, density, copies, discriminator (default: none)"
)
SEEDS = "number of repeats; in each, all variants share one random seed (default: 5)"
LABELS = (
    "how to label synthetic images: same (like the real image that each replaces), conditional (the class that the "
    "generator was asked for), uniform (the same probability for every class); several are compared (default: same)"
)
RATIOS = "ratios to try in addition to 0 (default: 0.1,0.25,0.5,0.75; quick: 0.25,0.5; demo: 0.5)"
AUGMENT = (
    "ordinary augmentations to try: none, affine, flip-affine, affine-mix, trivial, trivial-mix, rand, rand-mix "
    "(default: depends on --preset)"
)
CLASSIFIERS = (
    "classifiers to choose from: small-cnn, efficientnet-lite0, torchvision:NAME, timm:NAME, module:function (default: "
    "small-cnn,efficientnet-lite0)"
)
CONTROLS = (
    "real images to try in place of synthetic ones: varied, elastic, smote, repeated (default: all; quick and "
    "demo: varied,repeated)"
)


def add_demo(add: Options) -> None:
    add.group("study")
    add("--ratio", type=float, default=0.5, help="synthetic share of each batch (default: 0.5)")
    add("--seeds", type=int, default=5, metavar="N", help=SEEDS)
    add("--steps", type=int, metavar="N", help="training steps of each classifier (default: 250)")
    add("--count", type=int, default=365, metavar="N", help="number of real training digits (default: 365)")
    add.group(OUTPUT)
    add("--out", type=Path, default=Path("gan-augment-demo"), help="folder of the report (default: gan-augment-demo)")


def add_train(add: Options) -> None:
    add.group("data")
    add("--data", help=f"images to train on: {DATA}")
    add(
        "--validation",
        metavar="DATA",
        help="images for choosing the best generator, not for training; same formats as --data",
    )
    add("--allow-synthetic", action="store_true", help="also train on images that are marked as synthetic")
    add.group("training")
    add("--recipe", help="name from `gan-augment recipes` (default: tiny)")
    add("--budget", help="wall-clock time such as 90s, 20m or 2h (default: no limit)")
    add("--init", help=INIT)
    add("--seed", type=int, help="seed of the run (default: 0)")
    _add_settings(add, "--set", "FIELD=VALUE", "override a field of the recipe")
    add.group("run")
    add("--out", help="new folder for the run")
    add("--resume", metavar="RUN", help="continue the run in this folder")
    add(
        "--checkpoint-every", type=float, default=60.0, metavar="SECONDS", help="time between checkpoints (default: 60)"
    )
    about = "experiment trackers that also get the metrics: tensorboard, wandb, mlflow (default: none)"
    add("--log-with", type=_types.names, metavar="TRACKER,...", help=about)
    _add_quiet(add)


def add_recipes(add: Options) -> None:
    add.group("recipe")
    add("name", nargs="?", metavar="recipe", help="recipe to show in full (default: list all)")


def add_sample(add: Options) -> None:
    add.group("images")
    add("source", help=SOURCE)
    add("--n", type=int, help="number of images (default: 100, or every image of a pool)")
    add("--label", type=int, help="class of all images (default: the classes in turn)")
    add("--seed", type=int, default=0, help="seed of the samples (default: 0)")
    add("--upscale", metavar="UPSCALER", help="name from `gan-augment list`, or a folder or checkpoint")
    add.group("files")
    add("--out", required=True, help="new folder: PNG files in one folder for each class, and metadata.jsonl")
    add("--shards", type=int, metavar="IMAGES", help="write WebDataset shards of at most IMAGES images each instead")


def add_study(add: Options) -> None:
    add.group("data")
    add("--data", required=True, help=f"labelled images: {DATA}")
    add(
        "--test",
        type=_types.share_or_name,
        default=0.25,
        metavar="DATA",
        help="test images, or the share to hold out (default: 0.25)",
    )
    add(
        "--image-size",
        type=int,
        metavar="PIXELS",
        help="side to resize the images to, in pixels (default: their own size)",
    )
    add("--count", type=int, metavar="N", help="number of training images to draw for each split (default: all)")
    add(
        "--validation",
        rare=True,
        type=float,
        metavar="SHARE",
        help="share of images to hold out for choosing the best settings (default: 0.2)",
    )
    add(
        "--groups",
        metavar="REGEX",
        help="regular expression, matched against each path; its first capture group is the image's group",
    )
    add.group("synthetic images: --source or --recipe")
    add("--source", help=SOURCE)
    add("--recipe", help="recipe to fit a generator to the training images; excludes --source")
    add("--budget", help="time to fit each generator, such as 10m (default: a number of steps)")
    add("--init", help=INIT)
    _add_settings(add, "--set", "FIELD=VALUE", "override a field of the recipe")
    _add_on_seen(add, None, rare=True)
    add.group("size of the study")
    add(
        "--preset",
        choices=["full", "quick", "demo"],
        help="size of the study, from largest to smallest (default: full)",
    )
    add("--seeds", type=int, metavar="N", help=SEEDS)
    add(
        "--splits",
        rare=True,
        type=int,
        metavar="N",
        help="number of splits, from 2 to the number of seeds (default: one for each seed)",
    )
    add(
        "--steps",
        type=int,
        metavar="N",
        help="training steps of each classifier (default: 1000; quick: 400; demo: 250)",
    )
    add(
        "--pool-size",
        rare=True,
        type=int,
        metavar="N",
        help="number of synthetic images for each split (default: 10000; quick and demo: 4000)",
    )
    add.group("what to compare")
    add(
        "--mode",
        choices=["replace", "balance"],
        help="replace real images, or balance uneven classes (default: replace)",
    )
    add("--ratios", type=_types.numbers, metavar="R,R,...", help=RATIOS)
    add("--labels", rare=True, type=_types.names, metavar="POLICY,...", help=LABELS)
    add("--filters", rare=True, type=_types.filters, metavar="F,F+F,none", help=FILTERS)
    add("--augment", type=_types.names, metavar="A,A,...", help=AUGMENT)
    add("--classifier", type=_types.names, metavar="C,C,...", help=CLASSIFIERS)
    add("--lr", rare=True, type=float, help="learning rate of all classifiers (default: chosen on validation images)")
    add(
        "--metric",
        rare=True,
        choices=["accuracy", "balanced accuracy"],
        help="score to compare (default: accuracy; with --mode balance: balanced accuracy)",
    )
    add("--controls", rare=True, type=_types.names, metavar="C,C,...", help=CONTROLS)
    about = "additional real images, such as the training images of --source; one more variant mixes them in instead of"
    add("--reference", rare=True, metavar="DATA", help=f"{about} synthetic images; same formats as --data")
    add.group("run")
    add("--out", type=Path, required=True, help="folder for the report; repeat the command to continue a study")
    add("--seed", type=int, help="seed of the study (default: 0)")
    add(
        "--processes",
        rare=True,
        type=int,
        metavar="N",
        help="number of processes (default: one for each core; one with a GPU)",
    )
    add("--device", rare=True, help="cpu, cuda or auto, which is a GPU if there is one (default: auto)")
    _add_quiet(add)


def add_evaluate(add: Options) -> None:
    add.group("images")
    add("source", help=SOURCE)
    add("--data", required=True, help=f"real images that the generator was not trained on: {DATA}")
    add(
        "--train",
        metavar="DATA",
        help="training images of the generator, to find near copies and to show the scores of real images (the floor)",
    )
    add("--n", type=int, default=1000, help="number of samples (default: 1000)")
    add("--seed", type=int, default=0, help="seed of the samples (default: 0)")
    _add_on_seen(add, "refuse")
    add.group("measurements")
    add(
        "--features",
        default="efficientnet-lite0",
        help="feature network: efficientnet-lite0, inception or random-convolutions (default: efficientnet-lite0)",
    )
    _add_quiet(add)


def add_import(add: Options) -> None:
    add.group("generator")
    add("file", help="PyTorch checkpoint or safetensors file")
    add("--out", required=True, help="new folder for the generator")
    about = "a setting that the file does not show, such as latent=uniform; NAME is an argument of import_checkpoint"
    _add_settings(add, "--hint", "NAME=VALUE", about)


def add_export(add: Options) -> None:
    add.group("generator")
    add("generator", help="name in the zoo, org/name on the Hub, or folder of a generator")
    add("--out", required=True, metavar="FILE", help="ONNX file to write; an existing file is replaced")


def add_ui(add: Options) -> None:
    add.group("page")
    add("generators", nargs="*", metavar="GENERATOR", help="more generators to offer: org/name on the Hub, or folder")
    add("--port", type=int, default=7860, help="port of the page (default: 7860)")
    add(
        "--folder",
        type=Path,
        help="folder for the files of the page, emptied at start and end (default: a temporary folder)",
    )
    about = "address to listen on; the page asks for no password, so everyone who can reach this address can use it"
    add("--host", default="127.0.0.1", help=f"{about} (default: 127.0.0.1, this machine only)")
    add(
        "--hostname",
        action="append",
        default=[],
        help="another name under which browsers reach the page, such as that of a proxy; repeat it for several names",
    )


def add_download(add: Options) -> None:
    add.group("generator")
    add("name", help="org/name[@revision]")
    add("--revision", help="branch, tag or commit (default: main)")
    add("--force", action="store_true", help="download the files again, even if they are in the cache")


def add_push(add: Options) -> None:
    add.group("generator")
    add("generator", nargs="?", help="folder of a generator, or name in the zoo")
    add("repo", help="repository org/name; with --zoo, only the organisation")
    add("--license", help="licence of the weights in the Hub's spelling, such as mit")
    add("--public", action="store_true", help="make the repository public (default: private)")
    add("--half-precision", action="store_true", help="store the weights as float16, at half the size")
    add("--zoo", action="store_true", help="publish all generators that gan-augment and gan-augment-faces contain")


def _add_settings(add: Options, option: str, metavar: str, about: str) -> None:
    add(option, type=_types.setting, action="append", default=[], metavar=metavar, help=about)


def _add_on_seen(add: Options, default: str | None, *, rare: bool = False) -> None:
    about = "what to do if the source has seen test images (default: refuse)"
    add("--on-seen", choices=["refuse", "warn"], default=default, rare=rare, help=about)


def _add_quiet(add: Options) -> None:
    add.group(OUTPUT)
    add("--quiet", action="store_true", help="show no progress bar")
