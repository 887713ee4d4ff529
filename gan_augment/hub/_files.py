"""A generator, perhaps with its discriminator, as files in a folder; strict, and with limits."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from .._core import holds_something, make_folder, one_line, remove_asides, short, write_aside, write_folder_aside
from .._version import __version__
from ..models import (
    Discriminator,
    DiscriminatorConfig,
    Generator,
    GeneratorConfig,
    LayeredConfig,
    LayeredGenerator,
    check_forward,
    check_images,
)
from ._card import Card
from ._grid import card_grid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

FORMAT = 1
CONFIG, WEIGHTS, CARD, FINGERPRINTS, DISCRIMINATOR, GRID = (
    "config.json",
    "generator.safetensors",
    "README.md",
    "fingerprints.safetensors",
    "discriminator.safetensors",
    "grid.png",
)
_Config = TypeVar("_Config", GeneratorConfig, DiscriminatorConfig)
OPTIONAL = {FINGERPRINTS, DISCRIMINATOR, GRID}
MAX_WEIGHTS = 2**30
MAX_BYTES = {
    CONFIG: 2**20,
    CARD: 2**20,
    WEIGHTS: MAX_WEIGHTS,
    FINGERPRINTS: 2**27,
    DISCRIMINATOR: MAX_WEIGHTS,
    GRID: 2**25,
}


def save_pretrained(
    generator: Generator,
    folder: str | os.PathLike[str],
    *,
    discriminator: Discriminator | None = None,
    half_precision: bool = False,
) -> None:
    """Writes a generator to a folder that :func:`from_pretrained` reads.

    Args:
        generator (Generator): With its card, if it has one.
        folder (str or Path): Made if missing; files of an earlier generator in it are replaced.
        discriminator (Discriminator, optional): What it was trained against, for those who train on; see
            :func:`load_discriminator`.
        half_precision (bool): Whether to store the weights as float16: half the size.

    Raises:
        ValueError: If a weight is not finite, or not in half precision, if the discriminator is one of other
            images, or if the card is too long.

    Example:
        >>> import tempfile
        >>> from gan_augment import from_pretrained
        >>> generator = Generator(GeneratorConfig(image_size=16))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     generator.save_pretrained(folder)
        ...     again = from_pretrained(folder)
        >>> bool((again.sample(2, seed=0) == generator.sample(2, seed=0)).all())
        True
    """
    from safetensors.torch import save

    card = generator.card or Card(name="generator")
    contents = {WEIGHTS: save(network_tensors(generator, half_precision))}
    networks = {"generator": generator.config.to_dict()}
    if discriminator is not None:
        _check_alike(generator.config, discriminator.config)
        contents[DISCRIMINATOR] = save(network_tensors(discriminator, half_precision))
        networks["discriminator"] = discriminator.config.to_dict()
    if card.fingerprints is not None:
        contents[FINGERPRINTS] = save({"fingerprints": card.fingerprints})
    stored = copy.deepcopy(generator).half().float() if half_precision else generator
    contents[GRID] = card_grid(stored)  # of the weights as they will be loaded
    files = {name: digest(data) for name, data in contents.items()}
    config = {"format": FORMAT, "gan_augment": __version__, **networks, "files": files}
    contents[CARD] = card.to_readme(generator.config, GRID).encode()
    contents[CONFIG] = (json.dumps(config, indent=2) + "\n").encode()
    _write(Path(folder), contents)


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    """Writes the files of a new folder all at once, and those of one that holds others file by file."""
    if not holds_something(folder):
        with write_folder_aside(folder, sum(map(len, contents.values()))) as aside:
            for name, data in contents.items():
                (aside / name).write_bytes(data)
        return
    make_folder(folder)  # refuses a file in its place
    remove_asides(folder)
    with contextlib.ExitStack() as stack:  # all are written before any is renamed, and config.json comes last
        for name, data in reversed(contents.items()):
            stack.enter_context(write_aside(folder / name, len(data))).write_bytes(data)
    for name in OPTIONAL - set(contents):
        (folder / name).unlink(missing_ok=True)


def load_generator(folder: Path, *, pinned: bool = False) -> Generator:
    """Reads what :func:`save_pretrained` wrote; in eval mode, on the CPU, in float32.

    Args:
        folder (Path): Of the files.
        pinned (bool): Whether its hashes are those of the registry; then no image is tried.

    Raises:
        FileNotFoundError: If the folder or a file but the card is missing.
        ValueError: If a file is not what its configuration says, naming the file and the culprit.

    Warns:
        UserWarning: If the card is missing, or not as it was written.
    """
    config_file = _parse_config(read_file(folder, CONFIG), folder)
    given = config_file["generator"]
    kind = LayeredConfig if isinstance(given, dict) and "layers" in given else GeneratorConfig
    config = _network_config(kind, given, folder)
    with torch.device("meta"):  # shapes alone: nothing is allocated or drawn before the files were looked at
        generator = LayeredGenerator(config) if isinstance(config, LayeredConfig) else Generator(config)
    tensors = read_tensors(folder, WEIGHTS, config_file["files"], generator.state_dict())
    generator.load_state_dict(tensors, assign=True)
    generator.to(memory_format=torch.channels_last).eval()
    if not pinned:
        try:
            check_images(generator)
        except ValueError as error:
            raise ValueError(f"{folder / WEIGHTS} is not usable: {error}") from error
    known = None
    if FINGERPRINTS in config_file["files"]:
        known = read_tensors(folder, FINGERPRINTS, config_file["files"], None).get("fingerprints")
        if known is None:
            raise ValueError(f"{folder / FINGERPRINTS} must hold a tensor 'fingerprints', but does not.")
    generator.card = _read_card(folder, known)
    return generator


def _read_card(folder: Path, fingerprints: Tensor | None) -> Card:
    """The card, as far as it can be read: people edit it, and the weights do not depend on it."""
    path, text = folder / CARD, ""
    if not path.is_file():
        problem: str | None = "it is missing"
    elif path.stat().st_size > MAX_BYTES[CARD]:
        problem = f"it is larger than {MAX_BYTES[CARD]:,} bytes"
    else:
        text, problem = read_file(folder, CARD).decode("utf-8", errors="replace"), None
    card, wrong = Card.from_edited_readme(text, folder.name.encode(errors="replace").decode(), fingerprints)
    if problem or wrong:
        warnings.warn(
            f"{path} is not a whole card: {one_line(problem or wrong).rstrip('.')}. What can be read of it is kept; it "
            "may lack the terms of the training data.",
            UserWarning,
            stacklevel=4,
        )
    return card


def load_discriminator(folder: str | os.PathLike[str]) -> Discriminator | None:
    """Reads the discriminator that :func:`save_pretrained` wrote; in training mode, on the CPU, in float32.

    Args:
        folder (str or Path): A generator's folder.

    Returns:
        Discriminator, optional: None if the generator was saved without one.

    Raises:
        FileNotFoundError: If the folder or a file is missing.
        ValueError: If a file is not what its configuration says, naming the file and the culprit.

    Example:
        >>> import tempfile
        >>> generator, discriminator = Generator(GeneratorConfig(16)), Discriminator(DiscriminatorConfig(16))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_pretrained(generator, folder, discriminator=discriminator)
        ...     again = load_discriminator(folder)
        >>> again.config == discriminator.config
        True
    """
    folder = Path(folder)
    config_file = _parse_config(read_file(folder, CONFIG), folder)
    if DISCRIMINATOR not in config_file["files"]:
        return None
    config = _network_config(DiscriminatorConfig, config_file["discriminator"], folder)
    with torch.device("meta"):
        discriminator = Discriminator(config)
    tensors = read_tensors(folder, DISCRIMINATOR, config_file["files"], discriminator.state_dict())
    discriminator.load_state_dict(tensors, assign=True)
    image = torch.ones(1, config.channels, config.image_size, config.image_size)
    try:
        check_forward(discriminator, image, torch.zeros(1, dtype=torch.int64) if config.num_classes else None)
    except ValueError as error:
        raise ValueError(f"{folder / DISCRIMINATOR} is not usable: {error}") from error
    return discriminator.to(memory_format=torch.channels_last)


def listed_files(folder: Path) -> list[str]:
    """Names of the files that a folder's ``config.json`` lists, with their hashes.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it is not what it should be.
    """
    return list(_parse_config(read_file(folder, CONFIG), folder)["files"])


def config_sha256(folder: Path) -> str:
    """The hash of a folder's ``config.json``, which has those of all other files but the card.

    Raises:
        FileNotFoundError: If it is missing.
    """
    return hashlib.sha256(read_file(folder, CONFIG)).hexdigest()


def check_pinned(folder: Path, sha256: str) -> None:
    """Refuses a folder that ships with the package and whose ``config.json`` is not the one of the registry."""
    if config_sha256(folder) != sha256:
        raise ValueError(
            f"{folder / CONFIG} must have the SHA-256 {sha256} of the registry, but has another; reinstall gan-augment."
        )


def network_tensors(network: nn.Module, half_precision: bool) -> dict[str, Tensor]:
    """A network's weights and buffers as they are stored."""
    tensors = {}
    for name, tensor in network.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()  # safetensors takes no channels-last tensor
        if tensor.is_floating_point():
            tensor = tensor.half() if half_precision else tensor
            if not bool(torch.isfinite(tensor).all()):
                raise ValueError(f"Weights must be finite, but {name} is not; it cannot be saved.")
        tensors[name] = tensor.clone()
    return tensors


def _check_alike(generator: GeneratorConfig, discriminator: DiscriminatorConfig) -> None:
    for name in ("image_size", "channels"):
        ours, theirs = getattr(generator, name), getattr(discriminator, name)
        if ours != theirs:
            raise ValueError(f"The discriminator's {name} must be the generator's {ours}, but got {theirs} instead.")


def _network_config(kind: type[_Config], values: Any, folder: Path) -> _Config:
    try:
        return kind.from_dict(values)
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG} is not usable: {one_line(error)}") from error


def digest(data: bytes) -> dict[str, Any]:
    """Length and hash of a file's contents, as ``config.json`` lists them."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def read_file(folder: Path, name: str) -> bytes:
    """The bytes of a folder's file.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it is too large, or lies elsewhere.
    """
    path = folder / name
    if not path.is_file():
        inside = folder / "generator"
        hint = f"; did you mean {str(inside)!r}?" if inside.is_dir() else ""
        raise FileNotFoundError(f"A generator's folder must hold {name}, but {str(folder)!r} does not{hint}")
    if not any(path.resolve().is_relative_to(root) for root in _roots(folder.resolve())):
        raise ValueError(f"{path} must lie in its folder, but is a link to {str(path.resolve())!r}; copy the file.")
    limit = MAX_BYTES.get(name, MAX_WEIGHTS)
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{path} must be at most {limit:,} bytes, but is larger.")
    return data


def _roots(folder: Path) -> list[Path]:
    """Where a folder's files may lie: in it, and in the Hub's cache in the two places that its links lead to."""
    if folder.parent.name != "snapshots":
        return [folder]
    repository = folder.parents[1]  # cache/repository/snapshots/commit
    return [folder, repository / "blobs", repository.parent / "blobs"]  # the last one holds what repositories share


def _parse_config(data: bytes, folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be JSON, but: {one_line(error)}") from error
    expected = {"format", "gan_augment", "generator", "files"}
    inside = path.parent / "generator"
    hint = f"; did you mean {str(inside)!r}?" if inside.is_dir() else "."
    if not isinstance(config, dict) or set(config) - {"discriminator"} != expected:
        found = short(sorted(config)) if isinstance(config, dict) else type(config).__name__
        raise ValueError(f"{path} must have the keys {sorted(expected)}, but has {found}{hint}")
    if config["format"] != FORMAT:
        raise ValueError(
            f"{path} must be of format {FORMAT}, but is of {short(config['format'])}; upgrade gan-augment."
        )
    files = config["files"]
    if not isinstance(files, dict) or WEIGHTS not in files or not set(files) <= {WEIGHTS, *OPTIONAL}:
        raise ValueError(f"{path} must list {WEIGHTS} under 'files', but has {short(files)}.")
    if ("discriminator" in config) != (DISCRIMINATOR in files):
        raise ValueError(f"{path} must have both or neither of 'discriminator' and {DISCRIMINATOR} under 'files'.")
    for name, digest in files.items():
        if not isinstance(digest, dict) or set(digest) != {"bytes", "sha256"}:
            raise ValueError(f"{path} must give bytes and sha256 for {name}, but has {short(digest)}.")
    return config


def read_tensors(
    folder: Path, name: str, files: Mapping[str, Any], expected: Mapping[str, Tensor] | None
) -> dict[str, Tensor]:
    """The tensors of a file, after its size, hash, names, shapes and kinds of values were found to be right."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    path, known = folder / name, files[name]
    if path.is_file() and path.stat().st_size != known["bytes"]:
        raise ValueError(f"{path} must have {short(known['bytes'])} bytes, but has {path.stat().st_size}: truncated?")
    data = read_file(folder, name)
    if digest(data)["sha256"] != known["sha256"]:
        raise ValueError(f"{path} must have the SHA-256 {short(known['sha256'])}, but has {digest(data)['sha256']}.")
    try:
        tensors: dict[str, Tensor] = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{path} must be a safetensors file, but: {one_line(error)}") from error
    if expected is None:
        return tensors
    _check_names(path, tensors, expected)
    tensors = {key: tensor.to(expected[key].dtype) for key, tensor in tensors.items()}
    for key, tensor in tensors.items():
        if not bool(tensor.isfinite().all()) or (key.endswith("running_var") and bool((tensor < 0).any())):
            raise ValueError(f"{path} must hold usable weights, but {key} is not finite, or a negative variance.")
    return tensors


def _check_names(path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    both = sorted(set(tensors) & set(expected))
    for wrong, what in (
        (sorted(set(expected) - set(tensors)), "missing"),
        (sorted(set(tensors) - set(expected)), "unexpected"),
        ([key for key in both if tensors[key].shape != expected[key].shape], "misshapen"),
        ([key for key in both if _is_float(tensors[key]) != _is_float(expected[key])], "of another type"),
    ):
        if wrong:
            raise ValueError(f"{path} must hold the tensors of its configuration, but {what}: {short(wrong)}.")


def _is_float(tensor: Tensor) -> bool:
    return tensor.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
