"""Publishing a generator on the Hugging Face Hub."""

from __future__ import annotations

import copy
import re
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

from ._card import Card
from ._download import explained
from ._files import save_pretrained
from ._names import hub_name

if TYPE_CHECKING:
    from ..models import Discriminator, Generator


def push_to_hub(
    generator: Generator,
    repo_id: str,
    *,
    license: str,  # noqa: A002  # the Hub's own word for it
    private: bool = True,
    token: str | bool | None = None,
    revision: str | None = None,
    commit_message: str = "Upload a generator of gan-augment",
    discriminator: Discriminator | None = None,
    half_precision: bool = False,
) -> str:
    """Publishes a generator with its card and a picture of samples, in one commit.

    Look at the picture and at what the card says of near copies first: what is published shows, in part, the
    images that it was trained on.

    Args:
        generator (Generator): With its card, if it has one.
        repo_id (str): ``org/name``; made if there is no such repository.
        license (str): Of the weights, as the Hub spells it: ``"mit"``, ``"cc-by-nc-4.0"``, ``"other"``. Nobody else
            can say what the training data allow.
        private (bool): Whether a new repository can be seen by its owner only.
        token (str or bool, optional): One that may write. Default: the one that ``hf auth login`` kept.
        revision (str, optional): A branch. Default: the main one.
        commit_message (str): Its first line.
        discriminator (Discriminator, optional): What it was trained against, for those who train on.
        half_precision (bool): Whether to store the weights as float16: half the size.

    Returns:
        str: Address of the commit.

    Raises:
        PermissionError: If the token does not do.
        ConnectionError: If the Hub cannot be reached, or does not serve.
        ValueError: If the name or the licence is none, or the weights cannot be saved.

    Example:
        >>> from gan_augment import Generator, push_to_hub
        >>> push_to_hub(Generator(), "someone/faces", license="As you like")
        Traceback (most recent call last):
            ...
        ValueError: license must be spelt as the Hub does, such as 'mit' or 'other', but got 'As you like' instead.
    """
    from huggingface_hub import HfApi

    target = hub_name(repo_id)
    if target is None or target.revision is not None:
        raise ValueError(f"repo_id must be 'org/name', but got {repo_id!r} instead.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]{1,63}", license):
        raise ValueError(
            f"license must be spelt as the Hub does, such as 'mit' or 'other', but got {license!r} instead."
        )
    published = copy.copy(generator)  # the weights are shared; the card is its own
    name = repo_id.partition("/")[2]
    published.card = replace(generator.card or Card(name), name=name, license=license)
    hub = HfApi(token=token, library_name="gan-augment")
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(published, folder, discriminator=discriminator, half_precision=half_precision)
        try:
            hub.create_repo(repo_id, private=private, exist_ok=True)
            commit = hub.upload_folder(
                repo_id=repo_id, folder_path=folder, revision=revision, commit_message=commit_message
            )
        except Exception as error:  # as in downloading, of any version's transport
            raise explained(error, target, "write") from error
    return str(commit.commit_url)
