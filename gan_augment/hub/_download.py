"""Downloads a generator's files from the Hub, and turns every failure into a sentence with its remedy."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

from .._core import CONFIG, HubName, check_pinned, explain_full_disk, first_line, one_line
from .._version import __version__
from ..models import CARD, DISCRIMINATOR, FILE_LIMITS, GRID, listed_files
from ._names import Target, resolve_name
from ._registry import GeneratorEntry, not_installed


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
    ``from_pretrained(..., local_files_only=True)`` needs no network. The same is true if ``revision`` is a full commit
    hash. For an installed generator of the zoo, there is nothing to download.

    Args:
        name_or_path (str or Path): A zoo name, ``org/name[@revision]`` on the Hugging Face Hub, or a folder.
        revision (str, optional): A branch, tag or commit of a repository on the Hub. Default: its main branch.
        token (str or bool, optional): An access token of the Hub; ``True`` for the one that ``hf auth login`` saved,
            ``False`` for none. Default: the saved one, if there is one.
        cache_dir (str or Path, optional): The folder that keeps downloaded files. Default: the Hub's own cache.
        local_files_only (bool): Whether to look only in the cache, like ``HF_HUB_OFFLINE=1``. Default: ``False``.
        force_download (bool): Whether to download files again that are in the cache. Default: ``False``.

    Returns:
        Path: A folder for :func:`from_pretrained`.

    Raises:
        FileNotFoundError: If a folder is missing or holds no generator, or a file is not in the cache and downloading
            is not allowed.
        PermissionError: If the repository is gated, or the token does not allow the download.
        ConnectionError: If the Hub cannot be reached, or fails.
        ModuleNotFoundError: If the zoo has the name, but its package is not installed and the Hub has no copy.
        OSError: If the disk is full.
        ValueError: If the name or revision does not exist, the repository holds no generator, or a file is too large.

    Example:
        >>> download("dcgan-mnist-32").name
        'dcgan-mnist-32'
    """
    target = resolve_revision(name_or_path, revision)
    folder = local_folder(target, True, token, cache_dir, local_files_only, force_download)
    listed_files(folder)  # refuses a folder without a generator
    return folder


def resolve_revision(name_or_path: str | os.PathLike[str], revision: str | None) -> Target:
    """Returns what a name stands for (see :func:`resolve_name`), at a revision that may be in the name or separate.

    Raises:
        ValueError: If the two revisions differ, or the name is of something that has no revisions.
    """
    target = resolve_name(name_or_path)
    if revision is None:
        return target
    if not isinstance(target, HubName):
        what = "a name of the zoo, which is pinned" if isinstance(target, GeneratorEntry) else "a folder"
        raise ValueError(f"revision must be None for {str(name_or_path)!r}, {what}, but got {revision!r} instead.")
    if target.revision not in (None, revision):
        raise ValueError(f"revision must be {target.revision!r}, as in {name_or_path!r}, but got {revision!r} instead.")
    return resolve_revision(f"{target.repo_id}@{revision}", None)


def local_folder(
    target: Target,
    everything: bool,
    token: str | bool | None,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
    force_download: bool,
) -> Path:
    """Returns the folder of a generator's files on this machine, after downloading those that are missing.

    The ``config.json`` of a zoo entry is verified against the registry, wherever it comes from.

    Args:
        target (GeneratorEntry, HubName or Path): What the generator's name stands for.
        everything (bool): Whether to download the discriminator and the picture, which a generator does not need.
        token (str or bool, optional): See :func:`download`, for the others too.
        cache_dir (str or Path, optional): The folder that keeps downloaded files.
        local_files_only (bool): Whether to look there only.
        force_download (bool): Whether to download again.

    Raises:
        FileNotFoundError, PermissionError, ConnectionError, ModuleNotFoundError, ValueError: See :func:`download`.
    """
    if isinstance(target, Path):
        return target
    if isinstance(target, HubName):
        return _fetch(target, None, everything, token, cache_dir, local_files_only, force_download)
    if target.folder is not None:
        check_pinned(target.folder, target.sha256, f"reinstall {target.distribution}")
        return target.folder
    if target.hub is not None:
        return _fetch(target.hub, target.sha256, everything, token, cache_dir, local_files_only, force_download)
    raise not_installed(target)


def _fetch(
    target: HubName,
    sha256: str | None,
    everything: bool,
    token: str | bool | None,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
    force_download: bool,
) -> Path:
    """Downloads the files that ``config.json`` lists, all of one commit; see :func:`local_folder`."""
    from huggingface_hub import constants, hf_hub_download

    offline = local_files_only or bool(constants.HF_HUB_OFFLINE)
    if offline and force_download:
        raise ValueError("force_download must be False if downloading is not allowed, but got True instead.")

    def get(name: str, of: HubName) -> Path:
        size = None if offline else _size_to_download(name, of, token, cache_dir)
        if size is not None and size > FILE_LIMITS[name]:
            raise ValueError(f"{name} of {str(of)!r} must be at most {FILE_LIMITS[name]:,} bytes, but has {size:,}.")
        cache = Path(constants.HF_HUB_CACHE if cache_dir is None else cache_dir)
        try:
            with explain_full_disk(cache / of.repo_id / name, size):
                path = hf_hub_download(
                    of.repo_id,
                    name,
                    revision=of.revision,
                    token=token,
                    cache_dir=cache,
                    local_files_only=local_files_only,
                    force_download=force_download,
                    library_name="gan-augment",
                    library_version=__version__,
                )
            return Path(path)
        except Exception as error:  # of the client or its transport, which differs between its versions
            raise explain_error(error, of, f"read {name}", offline) from error

    folder = get(CONFIG, target).parent
    if sha256 is not None:
        check_pinned(folder, sha256, f"delete {str(folder.parents[1])!r} to download it again")
    if not offline:
        _remove_incomplete(folder)
    pinned = replace(target, revision=folder.name)  # this commit, so that no file comes from another
    with contextlib.suppress(FileNotFoundError, ValueError):  # the weights also load if it is missing or too long
        get(CARD, pinned)
    for name in listed_files(folder):
        if everything or name not in (DISCRIMINATOR, GRID):
            get(name, pinned)
    return folder


def _remove_incomplete(folder: Path) -> None:
    """Removes what killed downloads left in the cache, because the client does not resume them.

    ``folder`` is that of a commit in the cache: ``cache/repository/snapshots/commit``.
    """
    from filelock import FileLock, Timeout

    repository = folder.parents[1]
    for path in (repository / "blobs").glob("*.*.incomplete"):
        lock = repository.parent / ".locks" / repository.name / f"{path.name.partition('.')[0]}.lock"
        with contextlib.suppress(Timeout, OSError), FileLock(lock, timeout=0):  # a download holds it while it runs
            path.unlink(missing_ok=True)


def _size_to_download(
    name: str, of: HubName, token: str | bool | None, cache_dir: str | os.PathLike[str] | None
) -> int | None:
    """Returns the bytes of a file on the Hub; None if this commit's is in the cache, or the Hub does not say."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

    cached = try_to_load_from_cache(of.repo_id, name, None if cache_dir is None else Path(cache_dir), of.revision)
    if isinstance(cached, str) and Path(cached).parent.name == of.revision:
        return None
    try:
        url = hf_hub_url(of.repo_id, name, revision=of.revision)
        return get_hf_file_metadata(url, token=token, timeout=constants.HF_HUB_ETAG_TIMEOUT).size
    except Exception:  # the download that follows fails too: it retries, looks in the cache, and its error is explained
        return None


def explain_error(error: Exception, target: HubName, task: str, offline: bool = False) -> Exception:
    """Returns an exception that says what an error of the Hub's client means to the user, to be raised from it.

    Args:
        error (Exception): The error that was raised.
        target (HubName): The repository that was asked for.
        task (str): The task that failed, such as ``"read config.json"``.
        offline (bool): Whether downloading is not allowed.
    """
    from huggingface_hub import errors

    if isinstance(error, errors.LocalTokenNotFoundError):
        return PermissionError("There is no access token of the Hub on this machine; log in with `hf auth login`.")
    if isinstance(error, (ValueError, TypeError)) and not isinstance(error, OSError):
        return ValueError(f"{str(target)!r} cannot be used to {task}: {one_line(error)}")
    repo, where, login = repr(target.repo_id), repr(str(target)), "log in with `hf auth login` or pass token="
    cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) and not offline else error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return PermissionError(f"{repo} is gated: accept its terms on its page on the Hub, then {login}.")
    if isinstance(error, errors.RepositoryNotFoundError):
        return ValueError(f"The Hub has no repository {repo} that you may see; check its name, or {login}.")
    if isinstance(error, errors.RevisionNotFoundError):
        return ValueError(f"{repo} must have the revision {target.revision!r}, but does not; see its page on the Hub.")
    if isinstance(error, errors.LocalEntryNotFoundError) and offline:
        return FileNotFoundError(
            f"The cache must hold {repo} at {target.revision or 'main'} to {task}, but does not, and downloading is "
            "not allowed; call gan_augment.download() with a network first."
        )
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return ValueError(
            f"{where} holds no generator of gan-augment: there is nothing to {task}; a checkpoint in it can be "
            "downloaded and imported with import_checkpoint."
        )
    if status in (401, 403):
        return PermissionError(f"The Hub does not let you {task} in {where}; {login} that has the permission.")
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
        return error  # the message of the operating system is clear
    reason = {429: "it got too many requests; wait a few minutes"}.get(
        status or 0, f"{first_line(cause or error)}; try again, and check HF_ENDPOINT and the network"
    )
    return ConnectionError(f"The Hub could not {task} in {where}: {reason}.")
