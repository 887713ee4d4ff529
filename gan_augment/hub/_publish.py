"""Publishes generators on the Hugging Face Hub."""

from __future__ import annotations

import copy
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .._core import CONFIG, HubName, hub_name, short
from ..models import (
    CARD,
    OPTIONAL_FILES,
    Card,
    Generator,
    eval_results,
    listed_files,
    load_generator,
    save_pretrained,
)
from ._download import Access, explain_error, local_folder
from ._entries import GeneratorEntry, not_installed, zoo_entries

EVAL_RESULTS = ".eval_results/gan-augment.yaml"
COMMIT_MESSAGE = "Upload a generator of gan-augment"

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from ..models import Discriminator


def push_to_hub(
    generator: Generator,
    repo_id: str,
    *,
    license: str,  # noqa: A002  # the Hub's own word for it
    private: bool = True,
    token: str | bool | None = None,
    revision: str | None = None,
    commit_message: str = COMMIT_MESSAGE,
    discriminator: Discriminator | None = None,
    half_precision: bool = False,
) -> str:
    """Publishes a generator with its card and a picture of samples, in one commit.

    First look at the picture, and at what the card says about near copies: the samples may show parts of the training
    images. If the repository holds an earlier generator, all of its files are replaced or deleted. A README.md that is
    not the card of a generator is never overwritten.

    Args:
        generator (Generator): The generator, with its card if it has one.
        repo_id (str): Name of the repository, ``org/name``. It is created if it does not exist.
        license (str): Licence of the weights, spelled as on the Hub: ``"mit"``, ``"cc-by-nc-4.0"``, ``"other"``. Check
            that the terms of the training data allow it.
        private (bool): Whether only its owner can see a new repository. Default: ``True``.
        token (str or bool, optional): An access token that may write. Default: the one that ``hf auth login`` saved.
        revision (str, optional): A branch, created from the main branch if it does not exist. Default: the main branch.
        commit_message (str): First line of the commit's message.
        discriminator (Discriminator, optional): The discriminator, which is needed to train the generator further.
        half_precision (bool): Whether to store the weights as float16, at half the size. Default: ``False``.

    Returns:
        str: URL of the commit.

    Raises:
        PermissionError: If the token does not allow the upload.
        ConnectionError: If the Hub cannot be reached, fails, or must not be used (``HF_HUB_OFFLINE=1``).
        TypeError: If an argument has the wrong type.
        ValueError: If the name, the revision, the licence or the message is invalid, the weights cannot be saved, or
            the repository has a README.md that is not the card of a generator.

    Example:
        >>> from gan_augment import Generator, push_to_hub
        >>> push_to_hub(Generator(), "someone/faces", license="My own")
        Traceback (most recent call last):
            ...
        ValueError: license must be a licence name from the Hub, such as 'mit' or 'other', but got 'My own' instead.
    """
    target = _check_arguments(generator, repo_id, revision, license, commit_message, private)
    published = copy.copy(generator)  # with the same weights and its own card
    name = repo_id.partition("/")[2]
    published.card = replace(generator.card or Card(name), name=name, license=license)
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(published, folder, discriminator=discriminator, half_precision=half_precision)
        return _upload(Path(folder), published.card, target, private, token, commit_message)


def push_zoo(organisation: str, *, private: bool = True, token: str | bool | None = None) -> dict[str, str]:
    """Publishes the installed files of the generators in gan-augment's own registry.

    Args:
        organisation (str): The user or organisation that gets a repository with the name of each generator.
        private (bool): Whether only their owner can see new repositories. Default: ``True``.
        token (str or bool, optional): See :func:`push_to_hub`.

    Returns:
        dict of str to str: URL of the commit of each generator.

    Raises:
        ModuleNotFoundError: If one of them is not installed.
        PermissionError, ConnectionError, ValueError: See :func:`push_to_hub`.
    """
    found = [entry for entry in zoo_entries().values() if isinstance(entry, GeneratorEntry) and entry.vouched]
    work = []
    for entry in found:
        if entry.folder is None:
            raise not_installed(entry)
        generator = load_generator(local_folder(entry, Access(token)), pinned=True)
        repo_id = f"{organisation}/{entry.name}"
        target = _check_arguments(generator, repo_id, None, entry.license, COMMIT_MESSAGE, private)
        work.append((entry.folder, generator.card or Card(entry.name), target))
    addresses = {}
    for source, card, target in work:
        with tempfile.TemporaryDirectory() as folder:
            for name in (CONFIG, CARD, *listed_files(source)):
                shutil.copyfile(source / name, Path(folder) / name)
            addresses[source.name] = _upload(Path(folder), card, target, private, token, COMMIT_MESSAGE)
    return addresses


def _upload(
    folder: Path, card: Card, target: HubName, private: bool, token: str | bool | None, commit_message: str
) -> str:
    """Adds the figures for the Hub's leaderboards to a folder, uploads it, and returns the URL of the commit."""
    import yaml
    from huggingface_hub import HfApi

    if results := eval_results(card):
        (folder / EVAL_RESULTS).parent.mkdir()
        (folder / EVAL_RESULTS).write_text(yaml.safe_dump(results, sort_keys=False), encoding="utf-8")
    hub, revision = HfApi(token=token, library_name="gan-augment"), target.revision
    try:
        hub.create_repo(target.repo_id, private=private, exist_ok=True)
        if revision is not None and not revision.startswith("refs/"):
            hub.create_branch(target.repo_id, branch=revision, exist_ok=True)
        _check_readme(hub, target)
        commit = hub.upload_folder(
            repo_id=target.repo_id,
            folder_path=folder,
            revision=revision,
            commit_message=commit_message,
            delete_patterns=[*sorted(OPTIONAL_FILES), EVAL_RESULTS],  # keeps those that are uploaded
        )
    except Exception as error:  # the client and its transport raise other types in each version
        raise explain_error(error, target, "write") from None
    return str(commit.commit_url)


def _check_arguments(
    generator: Generator,
    repo_id: str,
    revision: str | None,
    license: str,  # noqa: A002
    commit_message: str,
    private: bool,
) -> HubName:
    """Returns the repository and branch to publish to, if all arguments are usable."""
    from huggingface_hub import constants

    for argument, value, kind in (
        ("generator", generator, Generator),
        ("repo_id", repo_id, str),
        ("revision", "" if revision is None else revision, str),
        ("license", license, str),
        ("commit_message", commit_message, str),
        ("private", private, bool),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"{argument} must be a {kind.__name__}, but got {type(value)} instead.")
    target = hub_name(repo_id)
    if target is None or target.revision is not None:
        raise ValueError(f"repo_id must be 'org/name', but got {short(repo_id)} instead.")
    target = target if revision is None else hub_name(f"{repo_id}@{revision}")
    if target is None:
        raise ValueError(f"revision must be the name of a branch, but got {short(revision)} instead.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]{1,63}", license):
        raise ValueError(
            f"license must be a licence name from the Hub, such as 'mit' or 'other', but got {short(license)} instead."
        )
    if not commit_message.strip():
        raise ValueError(f"commit_message must not be empty, but got {short(commit_message)} instead.")
    if constants.HF_HUB_OFFLINE:
        raise ConnectionError("The Hub must not be used, because HF_HUB_OFFLINE is set; unset it to publish.")
    return target


def _check_readme(hub: HfApi, target: HubName) -> None:
    """Refuses to replace a README.md that is not a card, because its text would be lost."""
    if not hub.file_exists(target.repo_id, CARD, revision=target.revision):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = hub.hf_hub_download(target.repo_id, CARD, revision=target.revision, cache_dir=folder)
        data = Path(path).read_bytes()
    try:
        Card.from_readme(data.decode())
    except ValueError:
        raise ValueError(
            f"its {CARD} is not the card of a generator, and would be lost; delete it on the Hub, or push to another "
            "repository."
        ) from None
