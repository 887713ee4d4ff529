"""Downloads a generator's files from the Hub, and turns every failure into a sentence with its remedy."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from .._core import CONFIG, HubName, check_pinned, explain_full_disk, first_line, one_line
from .._version import __version__
from ..models import CARD, DISCRIMINATOR, FILE_LIMITS, GRID, listed_files
from ._entries import GeneratorEntry, not_installed
from ._names import Target, resolve_name


class Access(NamedTuple):
    """How to reach the Hub and its cache; see :func:`from_pretrained`."""

    token: str | bool | None = None
    cache_dir: str | os.PathLike[str] | None = None
    local_files_only: bool = False
    force_download: bool = False


def download(
    name_or_path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> Path:
    """Downloads all files of a generator in advance, with its discriminator, and returns their folder.

    Several processes may call it at the same time, because the Hub's client locks each file. Afterwards
    ``from_pretrained(..., local_files_only=True)`` needs no network. Without ``local_files_only``, it also needs
    none if ``revision`` is a full commit hash. For an installed generator of the zoo, there is nothing to download.

    Args:
        name_or_path (str or Path): A zoo name, ``org/name[@revision]`` on the Hugging Face Hub, or a folder.
        revision (str, optional): A branch, tag or commit of a repository on the Hub. Default: its main branch.
        token (str or bool, optional): See :func:`from_pretrained`.
        cache_dir (str or Path, optional): See :func:`from_pretrained`.
        local_files_only (bool): See :func:`from_pretrained`. Default: False.
        force_download (bool): See :func:`from_pretrained`. Default: False.

    Returns:
        Path: A folder for :func:`from_pretrained`.

    Raises:
        FileNotFoundError, PermissionError, ConnectionError, ModuleNotFoundError: See :func:`from_pretrained`.
        OSError: If the disk is full.
        ValueError: If the name or revision does not exist, the repository holds no generator, or a file is too large.

    Example:
        >>> download("dcgan-mnist-32").name
        'dcgan-mnist-32'
    """
    access = Access(token, cache_dir, local_files_only, force_download)
    folder = local_folder(resolve_revision(name_or_path, revision), access, everything=True)
    listed_files(folder)  # refuses a folder without a generator
    return folder


def resolve_revision(name_or_path: str | os.PathLike[str], revision: str | None) -> Target:
    """Resolves the name of a generator, with a revision that is part of the name or passed separately."""
    target = resolve_name(name_or_path)
    if revision is None:
        return target
    if not isinstance(target, HubName):
        what = "a name of the zoo, which is pinned" if isinstance(target, GeneratorEntry) else "a folder"
        raise ValueError(f"revision must be None for {str(name_or_path)!r}, {what}, but got {revision!r} instead.")
    if target.revision not in (None, revision):
        raise ValueError(f"revision must be {target.revision!r}, as in {name_or_path!r}, but got {revision!r} instead.")
    return resolve_revision(f"{target.repo_id}@{revision}", None)


def local_folder(target: Target, access: Access, everything: bool = False) -> Path:
    """Returns the folder of a generator's files on this machine, after downloading those that are missing.

    The ``config.json`` of a zoo entry is verified against the registry, wherever it comes from. The discriminator and
    the picture, which a generator does not need, are only downloaded if ``everything`` is True.
    """
    if isinstance(target, Path):
        return target
    if isinstance(target, HubName):
        return _fetch(target, None, access, everything)
    if target.folder is not None:
        check_pinned(target.folder, target.sha256, f"reinstall {target.distribution}")
        return target.folder
    if target.hub is not None:
        return _fetch(target.hub, target.sha256, access, everything)
    raise not_installed(target)


def _fetch(target: HubName, sha256: str | None, access: Access, everything: bool) -> Path:
    """Downloads the files that ``config.json`` lists, all of one commit."""
    from huggingface_hub import constants, hf_hub_download

    cache = Path(constants.HF_HUB_CACHE if access.cache_dir is None else access.cache_dir)
    access = access._replace(cache_dir=cache)
    offline = access.local_files_only or bool(constants.HF_HUB_OFFLINE)
    if offline and access.force_download:
        raise ValueError("force_download must be False if downloading is not allowed, but got True instead.")

    def get(name: str, of: HubName) -> Path:
        size = None if offline else _size_to_download(name, of, access.token, cache)
        if size is not None and size > FILE_LIMITS[name]:
            raise ValueError(f"{name} of {str(of)!r} must be at most {FILE_LIMITS[name]:,} bytes, but has {size:,}.")
        try:
            with explain_full_disk(cache / of.repo_id / name, size):
                path = hf_hub_download(
                    of.repo_id,
                    name,
                    revision=of.revision,
                    **access._asdict(),
                    library_name="gan-augment",
                    library_version=__version__,
                )
            return Path(path)
        except Exception as error:  # the client and its transport raise other types in each version
            raise explain_error(error, of, f"read {name}", offline) from None

    folder = get(CONFIG, target).parent
    if sha256 is not None:
        check_pinned(folder, sha256, f"delete {str(folder.parents[1])!r} to download it again")
    if not offline:
        _remove_incomplete(folder)
    pinned = replace(target, revision=folder.name)  # so that all files come from this commit
    with contextlib.suppress(FileNotFoundError, ValueError):  # the card may be missing or too long
        get(CARD, pinned)
    for name in listed_files(folder):
        if everything or name not in (DISCRIMINATOR, GRID):
            get(name, pinned)
    return folder


def _remove_incomplete(folder: Path) -> None:
    """Removes what killed downloads left in the cache, because the client does not resume them."""
    from filelock import FileLock, Timeout

    repository = folder.parents[1]  # folder is cache/repository/snapshots/commit
    for path in (repository / "blobs").glob("*.*.incomplete"):
        lock = repository.parent / ".locks" / repository.name / f"{path.name.partition('.')[0]}.lock"
        with contextlib.suppress(Timeout, OSError), FileLock(lock, timeout=0):  # a download holds it while it runs
            path.unlink(missing_ok=True)


def _size_to_download(name: str, of: HubName, token: str | bool | None, cache: Path) -> int | None:
    """Returns the bytes of a file on the Hub, or None if the cache has it at this commit or the Hub does not say."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

    cached = try_to_load_from_cache(of.repo_id, name, cache, of.revision)
    if isinstance(cached, str) and Path(cached).parent.name == of.revision:
        return None
    try:
        url = hf_hub_url(of.repo_id, name, revision=of.revision)
        return get_hf_file_metadata(url, token=token, timeout=constants.HF_HUB_ETAG_TIMEOUT).size
    except Exception:  # the download fails too, unless it finds the file in the cache, and its error is explained
        return None


def explain_error(error: Exception, target: HubName, task: str, offline: bool = False) -> Exception:
    """Turns an error of the Hub's client into an exception that tells the user what happened and what to do.

    ``task`` is what failed, such as ``"read config.json"``.
    """
    from huggingface_hub import errors

    if isinstance(error, errors.LocalTokenNotFoundError):
        return PermissionError("There is no Hub access token on this machine; log in with `hf auth login`.")
    if isinstance(error, (ValueError, TypeError)) and not isinstance(error, OSError):
        return ValueError(f"Could not {task} in {str(target)!r}: {one_line(error)}")
    repo, where, login = repr(target.repo_id), repr(str(target)), "log in with `hf auth login` or pass token="
    cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) and not offline else error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return PermissionError(f"{repo} is gated: accept its terms on its page on the Hub, then {login}.")
    if isinstance(error, errors.RepositoryNotFoundError):
        return ValueError(f"The Hub has no repository {repo} that you have access to; check its name, or {login}.")
    if isinstance(error, errors.RevisionNotFoundError):
        return ValueError(f"{repo} must have the revision {target.revision!r}, but does not; see its page on the Hub.")
    if isinstance(error, errors.LocalEntryNotFoundError) and offline:
        return FileNotFoundError(
            f"The cache must hold {repo} at {target.revision or 'main'} to {task}, but does not, and downloading is "
            "not allowed; call gan_augment.download() first, while you have network access."
        )
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return ValueError(
            f"{where} holds no generator of gan-augment, so it is impossible to {task}; if it holds a checkpoint, "
            "download the checkpoint, and import it with import_checkpoint."
        )
    if status in (401, 403):
        return PermissionError(
            f"The Hub does not let you {task} in {where}; use a token with this permission: {login}."
        )
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
        return error  # the message of the operating system is clear
    reason = f"{first_line(cause or error)}; try again, and check HF_ENDPOINT and the network"
    if status == 429:
        reason = "it got too many requests; wait a few minutes"
    return ConnectionError(f"The Hub could not {task} in {where}: {reason}.")
