"""The functions that the commands run; each imports what it needs, so that the others start fast."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import os
import shlex
import sys
import textwrap


def run_demo(arguments: argparse.Namespace) -> None:
    from ..demo import SNIPPET, run_demo

    given = {name: getattr(arguments, name) for name in ("ratio", "seeds", "steps", "count")}
    processes = min(os.cpu_count() or 1, arguments.seeds)
    result = run_demo(arguments.out, **given, processes=processes, command=_command(arguments))
    print(f"\n{result}\n\nReport: {arguments.out / 'report.html'}\n\nTo mix in your script:\n")
    print(textwrap.indent(SNIPPET.format(ratio=arguments.ratio), "    "))


def run_list(arguments: argparse.Namespace) -> None:
    """Prints the generators and upscalers of the zoo, and how to install those that are missing."""
    from ..hub import UpscalerEntry, zoo_entries

    for name, entry in zoo_entries().items():
        print(f"{name}\n    {entry.description}\n    licence: {entry.license}; data: {entry.data_terms}")
        if isinstance(entry, UpscalerEntry):
            print(f"    enlarges images: `gan-augment sample --upscale {name}`, Upscaler.load({name!r})")
        if entry.folder is not None:
            print(f"    installed with {entry.distribution}")
        elif entry.hub is not None:
            print(f"    downloaded from {entry.hub.repo_id} on first use; to install it: {entry.install}")
        else:
            print(f"    not installed: {entry.install}")


def run_train(arguments: argparse.Namespace) -> None:
    from ..training import fit, is_first, resume

    common = {name: getattr(arguments, name) for name in ("budget", "validation", "checkpoint_every", "log_with")}
    common["progress"] = not arguments.quiet
    if arguments.resume is not None:
        fixed = ("out", "init", "set", "recipe", "seed")
        given = [f"--{name}" for name in fixed if getattr(arguments, name) not in (None, [])]
        if given:
            raise ValueError(f"--resume continues a run with its own settings; leave out {', '.join(given)}.")
        result = resume(arguments.resume, arguments.data, **common)
    else:
        if arguments.data is None or arguments.out is None:
            raise ValueError("train needs --data and --out, or --resume.")
        _check_set(arguments)
        options = {"init": arguments.init, "out": arguments.out, "seed": arguments.seed or 0, **common}
        result = fit(arguments.data, arguments.recipe or "tiny", **options, **dict(arguments.set))
    if not is_first():
        return
    print(f"{result.steps} steps in {result.seconds:.0f} s; kept the generator from step {result.kept_step}.")
    for finding in result.findings:
        print(textwrap.fill(finding, 96, initial_indent="- ", subsequent_indent="  "))
    print(f"Generator: {result.folder / 'generator' if result.folder else ''}")


def _check_set(arguments: argparse.Namespace) -> None:
    from ..training import Recipe

    known = {field.name for field in dataclasses.fields(Recipe)}
    for name, _ in arguments.set:
        if name not in known:
            raise ValueError(f"--set must name a field of a recipe, but got {name!r}; see `gan-augment recipes tiny`.")


def run_recipes(arguments: argparse.Namespace) -> None:
    from .. import training

    if arguments.name is not None:
        print(json.dumps(training.get_recipe(arguments.name).to_dict(), indent=2))
        return
    width = max(map(len, training.TABLE))
    for name, fields in training.TABLE.items():
        print(f"{name.ljust(width)}  {fields['description']}")


def run_sample(arguments: argparse.Namespace) -> None:
    from ..synthesis import UpscaledSource, as_source, export_images, export_shards

    source, given = as_source(arguments.source), {"labels": arguments.label, "seed": arguments.seed}
    if arguments.upscale is not None:
        source = UpscaledSource(source, arguments.upscale)
    if arguments.shards is None:
        files = export_images(source, arguments.out, 100 if arguments.n is None else arguments.n, **given)
        print(f"{len(files)} images in {arguments.out}, each marked as synthetic.")
        return
    files = export_shards(source, arguments.out, arguments.n, images_per_shard=arguments.shards, **given)
    print(f"{len(files)} shards in {arguments.out}, with images that are marked as synthetic.")


def run_study(arguments: argparse.Namespace) -> None:
    from ..studies import resolve_device, study

    ignored = ("run", "data", "set", "quiet", "command_name", "command_line", "traceback")
    _check_set(arguments)
    if arguments.source is not None and (arguments.set or arguments.init or arguments.budget):
        raise ValueError("--set, --init and --budget belong to --recipe; leave them out with --source.")
    if (arguments.source is None) == (arguments.recipe is None):
        raise ValueError("Pass either --source, for images to mix in, or --recipe, to fit a generator.")
    given = {key: value for key, value in vars(arguments).items() if key not in ignored and value is not None}
    if arguments.processes is None:
        given["processes"] = 1 if resolve_device(arguments.device or "auto") != "cpu" else os.cpu_count() or 1
    given |= {"fit_options": dict(arguments.set) or None, "progress": not arguments.quiet}
    if any(":" in name and not name.startswith(("torchvision:", "timm:")) for name in arguments.classifier or ()):
        sys.path.append(os.getcwd())  # where the user's module:function is; last, so that it hides no package
    result = study(arguments.data, **given, command=_command(arguments))
    print(f"\n{result}\n\nReport: {arguments.out / 'report.html'}")


def _command(arguments: argparse.Namespace) -> str:
    """Returns the command line of the user, for a report."""
    return shlex.join(["gan-augment", *arguments.command_line])


def run_ui(arguments: argparse.Namespace) -> None:
    from ..web import serve

    serve(arguments.generators, host=arguments.host, port=arguments.port, folder=arguments.folder)


def run_evaluate(arguments: argparse.Namespace) -> None:
    from ..evaluation import evaluate

    given = {name: getattr(arguments, name) for name in ("train", "features", "n", "seed", "on_seen")}
    found = evaluate(arguments.data, arguments.source, **given, progress=not arguments.quiet)
    print(json.dumps(found.to_dict(), indent=2) if arguments.json else found)


def run_import(arguments: argparse.Namespace) -> None:
    from ..importing import import_checkpoint

    known = list(inspect.signature(import_checkpoint).parameters)[1:]
    for name, _ in arguments.hint:
        if name not in known:
            raise ValueError(f"--hint must name one of {', '.join(known)}, but got {name!r}.")
    generator = import_checkpoint(arguments.file, **dict(arguments.hint))
    generator.save_pretrained(arguments.out)
    assumed = generator.card.training["assumed"] if generator.card else {}
    print(f"{type(generator).__name__} of {generator.config.image_size} px in {arguments.out}; look at its grid.png.")
    print("Assumed: " + ", ".join(f"{name} {value}" for name, value in assumed.items()))


def run_download(arguments: argparse.Namespace) -> None:
    from ..hub import download

    print(download(arguments.name, revision=arguments.revision, force_download=arguments.force))


def run_push(arguments: argparse.Namespace) -> None:
    from ..hub import download, from_pretrained, push_to_hub, push_zoo
    from ..models import load_discriminator

    if arguments.zoo == (arguments.generator is not None):
        raise ValueError("push needs a generator and org/name, or --zoo and an organisation for the whole zoo.")
    if arguments.zoo:
        if arguments.license is not None or arguments.half_precision:
            raise ValueError("push --zoo publishes the files as they are; leave out --license and --half-precision.")
        print(*push_zoo(arguments.repo, private=not arguments.public).values(), sep="\n")
        return
    if arguments.license is None:
        raise ValueError("push needs --license, because only you know what the training data allow.")
    generator = from_pretrained(arguments.generator)
    options = {"license": arguments.license, "half_precision": arguments.half_precision}
    options["discriminator"] = load_discriminator(download(arguments.generator))
    print(push_to_hub(generator, arguments.repo, private=not arguments.public, **options))
