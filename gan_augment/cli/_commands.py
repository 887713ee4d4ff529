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
from pathlib import Path
from typing import Any, NamedTuple


class Result(NamedTuple):
    """What a command prints: a text for people, or with ``--json`` a dictionary for scripts.

    docs/reference/command-line.md lists the keys, which do not change.
    """

    text: str
    data: dict[str, Any]


def run_demo(arguments: argparse.Namespace) -> Result:
    from ..demo import SNIPPET, run_demo

    given = {name: getattr(arguments, name) for name in ("ratio", "seeds", "steps", "count")}
    processes = min(os.cpu_count() or 1, arguments.seeds)
    result = run_demo(arguments.out, **given, processes=processes, command=_command(arguments))
    report = arguments.out / "report.html"
    snippet = textwrap.indent(SNIPPET.format(ratio=arguments.ratio), "    ")
    text = f"\n{result}\n\nReport: {report}\n\nTo mix in your script:\n\n{snippet}"
    return Result(text, {"report": report, **result.to_dict()})


def run_list(arguments: argparse.Namespace) -> Result:
    """Lists the generators and upscalers of the zoo, and how to install those that are missing."""
    from ..hub import UpscalerEntry, zoo_entries

    lines, found = [], []
    for name, entry in zoo_entries().items():
        lines.append(f"{name}\n    {entry.description}\n    licence: {entry.license}; data: {entry.data_terms}")
        if isinstance(entry, UpscalerEntry):
            lines.append(f"    enlarges images: `gan-augment sample --upscale {name}`, Upscaler.load({name!r})")
        if entry.folder is not None:
            lines.append(f"    installed with {entry.distribution}")
        elif entry.hub is not None:
            lines.append(f"    downloaded from {entry.hub.repo_id} on first use; to install it: {entry.install}")
        else:
            lines.append(f"    not installed: {entry.install}")
        kind = "upscaler" if isinstance(entry, UpscalerEntry) else "generator"
        told = ("name", "description", "license", "data_terms", "commercial_use", "distribution", "install")
        installed = {"kind": kind, "installed": entry.folder is not None}
        found.append({**{key: getattr(entry, key) for key in told}, **installed})
    return Result("\n".join(lines), {"zoo": found})


def run_train(arguments: argparse.Namespace) -> Result | None:
    from ..training import fit, is_first, resume

    names = ("budget", "validation", "allow_synthetic", "checkpoint_every", "log_with")
    common = {name: getattr(arguments, name) for name in names}
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
        return None
    generator = None if result.folder is None else result.folder / "generator"
    text = [f"{result.steps} steps in {result.seconds:.0f} s; kept the generator from step {result.kept_step}."]
    notes, card = result.findings, result.generator.card
    if arguments.init is not None and card is not None:
        notes = [*_changed_by_init(arguments, card.training["recipe"]), *notes]
    text += [textwrap.fill(each, 96, initial_indent="- ", subsequent_indent="  ") for each in notes]
    told = ("steps", "seconds", "kept_step", "kid", "findings", "folder")
    data = {**{name: getattr(result, name) for name in told}, "generator": generator}
    return Result("\n".join([*text, f"Generator: {generator or ''}"]), data)


def _changed_by_init(arguments: argparse.Namespace, used: dict[str, Any]) -> list[str]:
    """Returns a sentence on the fields to which --init gave other values than the recipe, or none."""
    from ..training import get_recipe

    asked = get_recipe(arguments.recipe or "tiny", **dict(arguments.set)).to_dict()
    changed = [f"{name} {used[name]} (recipe: {value})" for name, value in asked.items() if used[name] != value]
    return [f"The networks have the layers of {arguments.init}: {', '.join(changed)}."] if changed else []


def _check_set(arguments: argparse.Namespace) -> None:
    from ..training import Recipe

    known = {field.name for field in dataclasses.fields(Recipe)}
    for name, _ in arguments.set:
        if name not in known:
            raise ValueError(f"--set must name a field of a recipe, but got {name!r}; see `gan-augment recipes tiny`.")


def run_recipes(arguments: argparse.Namespace) -> Result:
    from .. import training

    if arguments.name is not None:
        fields = training.get_recipe(arguments.name).to_dict()
        return Result(json.dumps(fields, indent=2), {"name": arguments.name, "fields": fields})
    width = max(map(len, training.TABLE))
    found = {name: str(fields["description"]) for name, fields in training.TABLE.items()}
    rows = [("recipe", "images that it is for, and settings"), *found.items()]
    text = "\n".join(f"{name.ljust(width)}  {about}" for name, about in rows)
    return Result(text, {"recipes": [{"name": name, "description": about} for name, about in found.items()]})


def run_sample(arguments: argparse.Namespace) -> Result:
    from ..synthesis import MANIFEST, SyntheticPool, UpscaledSource, as_source, export_images, export_shards

    source, given = as_source(arguments.source), {"labels": arguments.label, "seed": arguments.seed}
    if arguments.upscale is not None:
        source = UpscaledSource(source, arguments.upscale)
    folder, n, whole = Path(arguments.out), arguments.n, None
    if isinstance(source, SyntheticPool) and arguments.label is None:
        whole = len(source)
    elif n is None:
        n = 100
    if arguments.shards is None:
        shards = None
        export_images(source, folder, n, **given)
    else:
        shards = export_shards(source, folder, n, images_per_shard=arguments.shards, **given)
    count = whole if n is None else n
    text = f"{count} images in {arguments.out}, each marked as synthetic."
    if shards is not None:
        text = f"{len(shards)} shards in {arguments.out}, with images that are marked as synthetic."
    manifest = folder / MANIFEST if shards is None else None
    return Result(text, {"folder": folder, "images": count, "manifest": manifest, "shards": shards})


def run_study(arguments: argparse.Namespace) -> Result:
    from ..studies import resolve_device, study

    ignored = ("run", "data", "set", "quiet", "command_name", "command_line", "traceback", "json")
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
    report = arguments.out / "report.html"
    return Result(f"\n{result}\n\nReport: {report}", {"report": report, **result.to_dict()})


def _command(arguments: argparse.Namespace) -> str:
    """Returns the command line of the user, for a report."""
    return shlex.join(["gan-augment", *arguments.command_line])


def run_ui(arguments: argparse.Namespace) -> None:
    from ..web import serve

    given = {name: getattr(arguments, name) for name in ("host", "port", "folder")}
    serve(arguments.generators, **given, hostnames=arguments.hostname)


def run_evaluate(arguments: argparse.Namespace) -> Result:
    from ..evaluation import evaluate

    given = {name: getattr(arguments, name) for name in ("train", "features", "n", "seed", "on_seen")}
    found = evaluate(arguments.data, arguments.source, **given, progress=not arguments.quiet)
    return Result(str(found), found.to_dict())


def run_import(arguments: argparse.Namespace) -> Result:
    from ..importing import import_checkpoint

    known = list(inspect.signature(import_checkpoint).parameters)[1:]
    for name, _ in arguments.hint:
        if name not in known:
            raise ValueError(f"--hint must name one of {', '.join(known)}, but got {name!r}.")
    generator = import_checkpoint(arguments.file, **dict(arguments.hint))
    generator.save_pretrained(arguments.out)
    assumed = generator.card.training["assumed"] if generator.card else {}
    kind, size = type(generator).__name__, generator.config.image_size
    text = f"{kind} of {size} px in {arguments.out}; look at its grid.png.\n"
    text += "Assumed: " + ", ".join(f"{name} {value}" for name, value in assumed.items())
    return Result(text, {"folder": arguments.out, "kind": kind, "image_size": size, "assumed": assumed})


def run_export(arguments: argparse.Namespace) -> Result:
    from ..hub import from_pretrained

    generator = from_pretrained(arguments.generator)
    generator.export_onnx(arguments.out)
    width, labels = generator.config.latent_dim + generator.config.variations, generator.num_classes > 0
    shape = ", ".join(map(str, generator.image_shape))
    text = f"{arguments.out}: latents (n, {width}){', labels (n,)' * labels} -> images (n, {shape}), 0..1"
    shapes = {"latent_dim": width, "num_classes": generator.num_classes, "image_shape": generator.image_shape}
    return Result(text, {"file": arguments.out, **shapes})


def run_download(arguments: argparse.Namespace) -> Result:
    from ..hub import download

    folder = download(arguments.name, revision=arguments.revision, force_download=arguments.force)
    return Result(str(folder), {"folder": folder})


def run_push(arguments: argparse.Namespace) -> Result:
    from ..hub import download, from_pretrained, push_to_hub, push_zoo
    from ..models import load_discriminator

    if arguments.zoo == (arguments.generator is not None):
        raise ValueError("push needs a generator and org/name, or --zoo and an organisation for the whole zoo.")
    if arguments.zoo:
        if arguments.license is not None or arguments.half_precision:
            raise ValueError("push --zoo publishes the files as they are; leave out --license and --half-precision.")
        addresses = push_zoo(arguments.repo, private=not arguments.public)
        return Result("\n".join(addresses.values()), {"urls": addresses})
    if arguments.license is None:
        raise ValueError("push needs --license, because only you know what the training data allow.")
    generator = from_pretrained(arguments.generator)
    options = {"license": arguments.license, "half_precision": arguments.half_precision}
    options["discriminator"] = load_discriminator(download(arguments.generator))
    address = push_to_hub(generator, arguments.repo, private=not arguments.public, **options)
    return Result(address, {"urls": {arguments.repo: address}})
