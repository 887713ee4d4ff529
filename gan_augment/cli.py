"""The command ``gan-augment``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import sys
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._core import end_by, on_ending
from ._version import __version__


def _demo(arguments: argparse.Namespace) -> None:
    from .demo import SNIPPET, run_demo, table

    result = run_demo(
        arguments.out, ratio=arguments.ratio, seeds=arguments.seeds, steps=arguments.steps, count=arguments.count
    )
    rows = table(result)
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    print()
    for number, row in enumerate(rows):
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))
    for sentence in result.sentences:
        print("\n" + textwrap.fill(sentence, 96))
    print(f"\nPictures and page: {arguments.out / 'index.html'}\n\nThe same in your script:\n")
    print(textwrap.indent(SNIPPET.format(ratio=result.ratio), "    "))


def _list(arguments: argparse.Namespace) -> None:
    from .hub import REGISTRY, list_upscalers

    for name, entry in sorted(REGISTRY.items()):
        print(f"{name}\n    {entry.description}\n    licence: {entry.license}; data: {entry.data_terms}")
    for name in list_upscalers():
        print(f"{name}\n    enlarges images: `gan-augment sample --upscale {name}`, Upscaler.load({name!r})")


def _setting(text: str) -> tuple[str, Any]:
    """``key=value`` with a value in JSON, or a plain word."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"a setting must be key=value, but got {text!r}")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value
    return key, tuple(parsed) if isinstance(parsed, list) else parsed


def _train(arguments: argparse.Namespace) -> None:
    from .training import Recipe, fit, is_first, resume

    common = {
        "budget": arguments.budget,
        "validation": arguments.validation,
        "checkpoint_every": arguments.checkpoint_every,
        "log_with": arguments.log_with,
        "progress": not arguments.quiet,
    }
    if arguments.resume is not None:
        new = {"--out": arguments.out, "--init": arguments.init, "--set": arguments.set, "--recipe": arguments.recipe}
        given = [name for name, value in {**new, "--seed": arguments.seed}.items() if value not in (None, [])]
        if given:
            raise ValueError(f"--resume goes on as the run was started; leave out {', '.join(given)}.")
        result = resume(arguments.resume, arguments.data, **common)
    else:
        if arguments.data is None or arguments.out is None:
            raise ValueError("train needs --data and --out, or --resume.")
        known = {field.name for field in dataclasses.fields(Recipe)}
        for key, _ in arguments.set:
            if key not in known:
                raise ValueError(
                    f"--set must name a field of a recipe, but {key!r} is none; see `gan-augment recipes`."
                )
        result = fit(
            arguments.data,
            arguments.recipe or "tiny",
            init=arguments.init,
            out=arguments.out,
            seed=arguments.seed or 0,
            **common,
            **dict(arguments.set),
        )
    if not is_first():
        return
    print(f"{result.steps} steps in {result.seconds:.0f} s; kept the generator of step {result.kept_step}.")
    for finding in result.findings:
        print(textwrap.fill(finding, 96, initial_indent="- ", subsequent_indent="  "))
    print(f"Generator: {result.folder / 'generator' if result.folder else ''}")


def _recipes(arguments: argparse.Namespace) -> None:
    from .training import RECIPES, get_recipe

    if arguments.name is not None:
        print(json.dumps(get_recipe(arguments.name).to_dict(), indent=2))
        return
    width = max(map(len, RECIPES))
    for name, recipe in RECIPES.items():
        print(f"{name.ljust(width)}  {recipe.description}")


def _sample(arguments: argparse.Namespace) -> None:
    from .synthesis import UpscaledSource, as_source, export_images

    source = arguments.source
    if arguments.upscale is not None:
        source = UpscaledSource(as_source(source), arguments.upscale)
    files = export_images(source, arguments.out, arguments.n, labels=arguments.label, seed=arguments.seed)
    print(f"{len(files)} images in {arguments.out}, each marked as synthetic.")


def _study(arguments: argparse.Namespace) -> None:
    from .study import study

    ignored = ("run", "data", "set", "quiet", "command_line")
    given = {key: value for key, value in vars(arguments).items() if key not in ignored and value is not None}
    command = shlex.join(["gan-augment", *arguments.command_line])
    result = study(
        arguments.data,
        **given,
        fit_options=dict(arguments.set) or None,
        progress=not arguments.quiet,
        command=command,
    )
    print(f"\n{result}\n\nReport: {arguments.out / 'report.html'}")


def _evaluate(arguments: argparse.Namespace) -> None:
    from .study import evaluate

    found = evaluate(
        arguments.source,
        arguments.data,
        train=arguments.train,
        features=arguments.features,
        n=arguments.n,
        seed=arguments.seed,
        on_seen=arguments.on_seen,
        progress=not arguments.quiet,
    )
    print(json.dumps(found.to_dict(), indent=2) if arguments.json else found)


def _import(arguments: argparse.Namespace) -> None:
    from .hub import import_checkpoint

    generator = import_checkpoint(arguments.file, **dict(arguments.hint))
    generator.save_pretrained(arguments.out)
    assumed = generator.card.training["assumed"] if generator.card else {}
    print(f"{type(generator).__name__} of {generator.config.image_size} px in {arguments.out}; look at its grid.png.")
    print("Assumed: " + ", ".join(f"{name} {value}" for name, value in assumed.items()))


def _download(arguments: argparse.Namespace) -> None:
    from .hub import download

    print(download(arguments.name, revision=arguments.revision, force_download=arguments.force))


def _push(arguments: argparse.Namespace) -> None:
    from .hub import REGISTRY, download, from_pretrained, load_discriminator, push_to_hub

    if arguments.zoo == (arguments.generator is not None):
        raise ValueError("push needs a generator and org/name, or --zoo and the organisation that gets all of it.")
    if not arguments.zoo and arguments.license is None:
        raise ValueError("push needs --license: nobody else can say what the training data allow.")
    sources = sorted(REGISTRY) if arguments.zoo else [arguments.generator]
    for source in sources:
        target = f"{arguments.repo}/{source}" if arguments.zoo else arguments.repo
        url = push_to_hub(
            from_pretrained(source),
            target,
            license=arguments.license or REGISTRY[source].license,
            private=not arguments.public,
            discriminator=load_discriminator(download(source)),
            half_precision=arguments.half_precision or arguments.zoo,
        )
        print(url)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gan-augment", description="Synthetic images of pretrained GANs, mixed into image data sets."
    )
    parser.add_argument("--version", action="version", version=f"gan-augment {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser("demo", help="mix synthetic digits into 365 real ones and measure what it does")
    demo.add_argument("--out", type=Path, default=Path("gan-augment-demo"), help="folder of the pictures")
    demo.add_argument("--ratio", type=float, default=0.5, help="synthetic share of each batch (default: 0.5)")
    demo.add_argument("--seeds", type=int, default=5, help="paired seeds (default: 5)")
    demo.add_argument("--steps", type=int, default=600, help="training steps of each run (default: 600)")
    demo.add_argument("--count", type=int, default=365, help="real training digits (default: 365)")
    demo.set_defaults(run=_demo)
    train = commands.add_parser("train", help="fit a generator to images")
    train.add_argument("--recipe", help="a name of `gan-augment recipes` (default: tiny)")
    train.add_argument("--data", help="a folder or zip of images, an .npz, or torchvision:<Name>")
    train.add_argument("--validation", help="the same, not trained on, to choose the kept generator by")
    train.add_argument("--init", help="a zoo name, org/name on the Hub, or folder of a generator to go on from")
    train.add_argument("--budget", help="wall-clock time such as 90s, 20m or 2h")
    train.add_argument("--out", help="new folder of the run")
    train.add_argument("--resume", metavar="RUN", help="go on with the run in this folder")
    train.add_argument("--seed", type=int, help="default: 0")
    train.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="override a field of the recipe",
    )
    train.add_argument("--checkpoint-every", type=float, default=60.0, metavar="SECONDS")
    train.add_argument("--log-with", choices=["tensorboard"])
    train.add_argument("--quiet", action="store_true", help="no progress bar")
    train.set_defaults(run=_train)
    recipes = commands.add_parser("recipes", help="the training recipes; with a name, all fields of one")
    recipes.add_argument("name", nargs="?")
    recipes.set_defaults(run=_recipes)
    sample = commands.add_parser("sample", help="write samples as marked PNG files")
    sample.add_argument("source", help="a zoo name, org/name on the Hub, or folder of a generator or pool")
    sample.add_argument("--out", required=True, help="new folder; one in it for each class")
    sample.add_argument("--n", type=int, default=100, help="number of images (default: 100)")
    sample.add_argument("--label", type=int, help="class of all of them (default: the classes in turn)")
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument("--upscale", metavar="UPSCALER", help="a name of `gan-augment list`, or a folder or checkpoint")
    sample.set_defaults(run=_sample)
    _add_study(commands)
    evaluated = commands.add_parser("evaluate", help="measure samples against real images that were not trained on")
    evaluated.add_argument("source", help="a zoo name, org/name on the Hub, or folder of a generator or pool")
    evaluated.add_argument("--data", required=True, help="real images, as of train")
    evaluated.add_argument("--train", help="the training images, to look for copies and to print the floor")
    evaluated.add_argument("--features", default="efficientnet-lite0", help="the feature network")
    evaluated.add_argument("--n", type=int, default=1000, help="samples (default: 1000)")
    evaluated.add_argument("--seed", type=int, default=0)
    evaluated.add_argument("--on-seen", choices=["refuse", "warn"], default="refuse")
    evaluated.add_argument("--json", action="store_true", help="print everything as JSON")
    evaluated.add_argument("--quiet", action="store_true", help="no progress bar")
    evaluated.set_defaults(run=_evaluate)
    imported = commands.add_parser("import", help="make a generator out of a DCGAN's checkpoint by others")
    imported.add_argument("file", help="a PyTorch checkpoint or safetensors file; nothing in it is executed")
    imported.add_argument("--out", required=True, help="folder of the generator")
    imported.add_argument(
        "--hint", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="of import_checkpoint"
    )
    imported.set_defaults(run=_import)
    downloaded = commands.add_parser("download", help="bring a generator of the Hub here ahead of time")
    downloaded.add_argument("name", help="org/name[@revision]")
    downloaded.add_argument("--revision")
    downloaded.add_argument("--force", action="store_true", help="download again what is in the cache")
    downloaded.set_defaults(run=_download)
    push = commands.add_parser("push", help="publish a generator on the Hub")
    push.add_argument("generator", nargs="?", help="a folder or zoo name")
    push.add_argument("repo", help="org/name; with --zoo, org")
    push.add_argument("--license", help="of the weights, as the Hub spells it")
    push.add_argument("--public", action="store_true", help="for all to see; else private")
    push.add_argument("--half-precision", action="store_true", help="as float16: half the size")
    push.add_argument("--zoo", action="store_true", help="every generator that ships with the package")
    push.set_defaults(run=_push)
    listed = commands.add_parser("list", help="the generators and upscalers that ship with the package")
    listed.set_defaults(run=_list)
    return parser


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(each) for each in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _filters(text: str) -> tuple[tuple[str, ...], ...]:
    """``a,b+c,none``: filters, several by a plus, and none for none."""
    return tuple(() if each == "none" else tuple(each.split("+")) for each in text.split(","))


def _share_or_name(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _add_study(commands: Any) -> None:
    parser = commands.add_parser("study", help="say whether mixing helps: a fair comparison with a report")
    parser.add_argument("--data", required=True, help="a folder or zip of classes, an .npz, or torchvision:<Name>")
    parser.add_argument("--test", type=_share_or_name, default=0.25, help="test images, or the share to hold out")
    parser.add_argument("--source", help="a zoo name, org/name on the Hub, or folder of a generator or pool")
    parser.add_argument("--recipe", help="instead: the recipe to fit a generator by, to the training images")
    parser.add_argument("--init", help="the generator that the fitting goes on from")
    parser.add_argument("--budget", help="of one fitting, such as 90s or 5m")
    parser.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="FIELD=VALUE", help="of the recipe"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the report; goes on with what is in it")
    parser.add_argument("--light", action="store_true", help="smaller defaults: minutes instead of an hour")
    parser.add_argument("--count", type=int, help="images to train on, drawn anew for each split (default: all)")
    parser.add_argument("--validation", type=float, help="share of the images to choose by (default: 0.2)")
    parser.add_argument("--groups", metavar="REGEX", help="its first parenthesis finds an image's group in its path")
    parser.add_argument("--image-size", type=int, help="side to bring the images to (default: theirs)")
    parser.add_argument("--mode", choices=["replace", "balance"], help="balance: for uneven classes (default: replace)")
    parser.add_argument("--ratios", type=_numbers, metavar="R,R,...", help="to try besides 0")
    parser.add_argument("--labels", type=_names, metavar="POLICY,...", help="same, conditional or uniform")
    parser.add_argument(
        "--filters", type=_filters, metavar="F,F+F,none", help="to try on the synthetic images (default: none)"
    )
    parser.add_argument("--augment", type=_names, metavar="A,A,...", help="ordinary augmentations to try")
    parser.add_argument("--metric", choices=["accuracy", "balanced accuracy"])
    parser.add_argument("--seeds", type=int, help="paired seeds (default: 5)")
    parser.add_argument("--splits", type=int, help="different training images and fittings, at most as many as seeds")
    parser.add_argument("--steps", type=int, help="training steps of every classifier")
    parser.add_argument("--pool-size", type=int, help="synthetic images of a split")
    parser.add_argument("--on-seen", choices=["refuse", "warn"], help="a source that has seen test images")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="default: one for each core")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=_study)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """As a sentence, without the line of code that warned."""
    print(f"gan-augment: {message}", file=sys.stderr)


def _way_on(parsed: argparse.Namespace) -> str:
    """What to do after a stop."""
    if parsed.run is _study:
        return f"give the same command again to go on with what is in {parsed.out}"
    if parsed.run is _train:
        folder = Path(parsed.resume or parsed.out)
        if any((folder / "checkpoints").glob("step-*.safetensors")):
            return f"go on with `gan-augment train --resume {shlex.quote(str(folder))}`"
    return "give the same command again"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status.

    It is 2 with a sentence on stderr for bad input, and 128 and the signal's number (130 for Ctrl-C) after a signal.
    """
    parsed = _parser().parse_args(arguments)
    parsed.command_line = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with warnings.catch_warnings(), on_ending(end_by):
            warnings.showwarning = _show_warning
            parsed.run(parsed)
    except (KeyboardInterrupt, SystemExit) as ended:
        print(f"gan-augment: Stopped; {_way_on(parsed)}.", file=sys.stderr)
        return ended.code if isinstance(ended, SystemExit) and isinstance(ended.code, int) else 130
    except (ValueError, TypeError, OSError, ModuleNotFoundError, RuntimeError) as error:
        print(f"gan-augment: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
