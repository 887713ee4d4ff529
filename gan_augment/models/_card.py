"""The card of a generator: its training data, training, measurements, terms and limits."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from .._core import check_types, hub_name, one_line, plain
from ._config import GeneratorConfig

MAX_METADATA = 2**15
REAL = "real images"  # the "of" of a measurement of the floor
MAX_DEPTH = 20  # levels of nested mappings and lists
_FIELDS = ("name", "data", "training", "measured")  # in the metadata under "gan_augment"
_STORED = ("license", "datasets", *_FIELDS)


@dataclass(frozen=True)
class Card:
    """Describes the weights of a generator.

    All fields except the fingerprints are stored in a README, as JSON stores them: tuples become lists, and keys
    become text.

    Args:
        name (str): Name of the generator.
        license (str, optional): License of the weights, by its name on the Hub. Default: None, not chosen.
        datasets (tuple of str): Hub ids of the training data.
        data (dict): Description of the training data: ``description``, ``terms``, ``left_out``, ...
        training (dict): Counts, steps, seed, losses and recipe.
        measured (list of dict): Measurements, with ``metric``, ``value``, ``on`` (which images and how many),
            ``features`` and ``command``. Values with ``of="real images"`` are not reported to the Hub. Those with
            ``benchmark`` (a Hub id) and ``task`` are added to the leaderboard of that benchmark.
        fingerprints (Tensor, optional): Content hashes of the training images, int64, sorted; see
            :func:`gan_augment.data.fingerprint`.

    Raises:
        ValueError: If a field has the wrong type, or a value that JSON cannot store, such as a tensor, a path or NaN.
    """

    name: str
    license: str | None = None
    datasets: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    measured: list[dict[str, Any]] = field(default_factory=list)
    fingerprints: Tensor | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in _STORED:
            object.__setattr__(self, name, _as_json(name, getattr(self, name)))
        if isinstance(self.datasets, list):
            object.__setattr__(self, "datasets", tuple(self.datasets))
        try:
            check_types(self)
        except ValueError as error:
            raise ValueError(f"A card's {error}") from None
        if self.fingerprints is not None and (self.fingerprints.dtype != torch.int64 or self.fingerprints.ndim != 1):
            raise ValueError("A card's fingerprints must be an int64 vector.")

    @property
    def forbids_commercial_use(self) -> bool:
        """Returns whether the data terms forbid commercial use: ``commercial_use`` is given, and not true or yes."""
        given = self.data.get("commercial_use")
        return given is not None and str(given).strip().casefold() not in ("true", "yes")

    def to_readme(self, config: GeneratorConfig, grid: str | None = None) -> str:
        """Writes the card as the README.md of a Hub repository: metadata first, then text.

        Args:
            config (GeneratorConfig): Configuration of the generator.
            grid (str, optional): Name of a picture of samples to show.

        Raises:
            ValueError: If values that were added to its mappings are invalid, or the metadata are too long.
        """
        import yaml

        card = replace(self)  # checks values that were added to its mappings
        metadata = {**_hub_metadata(card), "gan_augment": {name: getattr(card, name) for name in _FIELDS}}
        copied = json.loads(json.dumps(metadata))  # YAML would write an alias for a repeated object
        text = f"---\n{yaml.safe_dump(copied, sort_keys=False)}---\n\n{card._body(config, grid)}"
        Card.from_readme(text)  # what is written must be readable
        return text

    @classmethod
    def from_readme(cls, text: str, fingerprints: Tensor | None = None) -> Card:
        """Reads a card that :meth:`to_readme` wrote, from its metadata.

        Raises:
            ValueError: If there are no metadata, or they are not those of a card.
        """
        metadata = _read_front(text)
        try:
            json.dumps(metadata)  # refuses dates and other types that a card cannot hold
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"A card's metadata must be valid JSON, but reading it failed: {one_line(error)}."
            ) from None
        own = metadata.get("gan_augment") if isinstance(metadata, dict) else None
        if not isinstance(own, dict) or set(own) != set(_FIELDS):
            raise ValueError(f"A card's metadata must have a 'gan_augment' with {_FIELDS}.")
        datasets = metadata.get("datasets", [])
        return cls(
            license=metadata.get("license"),
            datasets=tuple(datasets) if isinstance(datasets, list) else (datasets,),
            fingerprints=fingerprints,
            **own,
        )

    @classmethod
    def from_edited_readme(cls, text: str, name: str, fingerprints: Tensor | None = None) -> tuple[Card, str | None]:
        """Reads as much as possible of a README that people may have edited.

        Returns the card and the README's first error, if any. The card gets ``name`` if the README gives no name.
        """
        try:
            return cls.from_readme(text, fingerprints), None
        except ValueError as error:
            problem = str(error)
        try:
            metadata = json.loads(json.dumps(_read_front(text, strict=False), default=str))
        except (ValueError, TypeError, RecursionError):
            metadata = None
        metadata = metadata if isinstance(metadata, dict) else {}
        own = metadata.get("gan_augment")
        kept: dict[str, Any] = {}
        for key, value in {**metadata, **(own if isinstance(own, dict) else {})}.items():
            if key in _STORED:
                with contextlib.suppress(ValueError):
                    kept[key] = getattr(cls(**{"name": name, key: value}), key)
        return cls(**{"name": name, **kept}, fingerprints=fingerprints), problem

    def _body(self, config: GeneratorConfig, grid: str | None) -> str:
        classes = f"class-conditional, {config.num_classes} classes" if config.num_classes else "unconditional"
        kind = "grey" if config.channels == 1 else "RGB"
        hashes = ""
        if self.fingerprints is not None:
            seen = "the generator" + (", or the one that it started from," if "init" in self.training else "")
            hashes = (
                f"## Fingerprints\n\n`fingerprints.safetensors` holds content hashes of {len(self.fingerprints):,} "
                "training images (the first 8 bytes of the SHA-256 of size and pixels). `evaluate` and `study` use "
                f"them to refuse test images that {seen} has seen.\n"
            )
        sections = [
            f"# {one_line(self.name)}\n\nA DCGAN generator of {config.image_size} px {kind} images, {classes}, "
            "for `gan_augment.from_pretrained`.\n",
            f"![Samples]({grid})\n\nUnselected samples with seed 0.\n" if grid else "",
            _section("Training data", self.data),
            _section("Training", {k: v for k, v in self.training.items() if k != "recipe"}),
            _measured(self.measured),
            hashes,
            "## Use and limits\n\n"
            "This generator adds synthetic images to the training set of an image classifier. It knows only its "
            "training images, so it can add only what those images show, including their biases. Do not use it for "
            "identification, biometrics or clinical decisions. It gives no guarantee of privacy. It may not help on "
            "your data: measure that with `gan-augment study`.\n",
            "## Marks\n\nEvery image from this generator is synthetic. Say so when you publish or share one.\n",
        ]
        return "\n".join(section for section in sections if section)


def eval_results(card: Card) -> list[dict[str, Any]]:
    """Returns the values on benchmarks in the form that the Hub reads: https://huggingface.co/docs/hub/eval-results."""
    return [
        {
            "dataset": {"id": figure["benchmark"], "task_id": figure["task"]},
            "value": figure["value"],
            "notes": one_line(", ".join(str(figure[key]) for key in ("metric", "on") if key in figure)),
        }
        for figure in _values_of_samples(card)
        if isinstance(figure.get("benchmark"), str) and isinstance(figure.get("task"), str)
    ]


def _values_of_samples(card: Card) -> list[dict[str, Any]]:
    """Returns the measurements of the generator's samples, without those of real images."""
    return [
        figure
        for figure in card.measured
        if figure.get("of") != REAL
        and not re.search(r"\bfloor\b", str(figure.get("on", "")))  # in older cards
        and type(figure.get("value")) in (int, float)
    ]


def _hub_metadata(card: Card) -> dict[str, Any]:
    """Returns the metadata that the Hub shows and searches: https://huggingface.co/docs/hub/model-cards."""
    from huggingface_hub import EvalResult, ModelCardData

    task = "unconditional-image-generation"
    start = hub_name(str(card.training.get("init", "")))
    images = card.datasets[0] if card.datasets else "images"
    results = [
        EvalResult(
            task_type=task,
            dataset_type=images,
            dataset_name=images,
            metric_type=_slug(str(figure.get("metric", "figure")).partition("[")[0], "figure"),
            metric_name=str(figure.get("metric", "figure")),
            metric_value=figure["value"],
        )
        for figure in _values_of_samples(card)
    ]
    other = card.license == "other"  # the Hub requires a name for it; a link would need a file LICENSE or a URL
    known = ModelCardData(
        library_name="gan-augment",
        pipeline_tag=task,
        tags=["gan", "dcgan", "data-augmentation", "synthetic"],
        license=card.license,
        license_name=_slug(str(card.data.get("terms", "")), "see-card") if other else None,
        datasets=list(card.datasets) or None,
        base_model=start.repo_id if start else None,
        model_name=card.name,
        eval_results=results or None,
    )
    return dict(known.to_dict())  # type: ignore[no-untyped-call]


def _as_json(name: str, value: Any) -> Any:
    """Returns the value of a field as JSON gives it back."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()  # refuses lone surrogates
        value = json.loads(text)
        if _depth(value) <= MAX_DEPTH:
            return value
    except (TypeError, ValueError) as error:
        raise ValueError(f"A card's {name} must be valid JSON, but reading it failed: {one_line(error)}.") from None
    except RecursionError:
        pass
    raise ValueError(f"A card's {name} must be nested at most {MAX_DEPTH} deep, but is deeper.")


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _slug(text: str, otherwise: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:64].strip("-") or otherwise


def _read_front(text: str, strict: bool = True) -> Any:
    """Returns the metadata at the start of a README; unless strict, the last of two equal keys counts."""
    import yaml

    front = re.match(r"\s*^---\r?$(.*?)^---\r?$", text.removeprefix("\ufeff"), re.DOTALL | re.MULTILINE)
    if front is None:
        raise ValueError("A card must begin with metadata between two lines of '---'.")
    if len(front[1]) > MAX_METADATA:
        raise ValueError(
            f"A card's metadata must be at most {MAX_METADATA:,} characters, but are {len(front[1]):,}; "
            "shorten its data, training or measured."
        )
    try:
        return yaml.load(front[1], Loader=_plain_loader(strict))
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"A card's metadata must be YAML, but reading it failed: {one_line(error)}") from None
    except RecursionError:
        raise ValueError("A card's metadata must be YAML, but is nested too deeply.") from None


def _plain_loader(strict: bool) -> Any:
    """Returns a safe YAML loader that refuses aliases, which expand without bound, and equal keys if it is strict."""
    import yaml

    class PlainLoader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("it uses an alias")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if strict and len(set(keys)) < len(keys):
                raise yaml.YAMLError(f"it gives {max(keys, key=keys.count)!r} twice")
            return super().construct_mapping(node, deep)

    return PlainLoader


def _section(title: str, values: dict[str, Any]) -> str:
    if not values:
        return ""
    lines = [f"- {_line(key.replace('_', ' '))}: {_line(value)}" for key, value in values.items()]
    return f"## {title}\n\n" + "\n".join(lines) + "\n"


def _measured(figures: list[dict[str, Any]]) -> str:
    if not figures:
        return ""
    shown = ("metric", "of", "value", "on", "features")
    columns = [name for name in shown if any(name in figure for figure in figures)]
    rows = [columns, ["---"] * len(columns), *([figure.get(name, "") for name in columns] for figure in figures)]
    table = "\n".join("".join(f"| {_cell(value)} " for value in row) + "|" for row in rows)
    commands = sorted({_line(figure["command"]) for figure in figures if "command" in figure})
    return f"## Measured\n\n{table}\n" + "".join(f"\nMeasured with `{command}`.\n" for command in commands)


def _line(value: Any) -> str:
    """Returns a value as text without line breaks."""
    return plain(value if isinstance(value, str) else json.dumps(value))


def _cell(value: Any) -> str:
    return _line(value).replace("\\", "\\\\").replace("|", "\\|")
