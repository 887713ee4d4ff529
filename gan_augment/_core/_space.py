"""Checks that there is enough memory or disk space, before any work is done."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MAX_ITEMS = 10**8  # images in a pool, an export or a draw
ROW_BYTES = 64  # bytes per image beside its pixels: label, position and order
UNQUESTIONED = 2**26  # bytes that need no check
UNKNOWN_MEMORY = 2**36  # bytes, assumed if the system does not tell


def check_space(
    what: str, count: int, each: int, *, folder: Path | None = None, remedy: str = "Ask for fewer."
) -> None:
    """Checks that images fit into memory, or on the disk of a folder.

    Args:
        what (str): Argument and value as the subject of the error message, such as ``"n=1000"``.
        count (int): Number of images.
        each (int): Bytes per image.
        folder (Path, optional): Folder for the images, which may not exist yet. Default: None, memory.
        remedy (str): Last sentence of the error message.

    Raises:
        ValueError: If there is not enough space, or there are more than ``MAX_ITEMS``.

    Example:
        >>> check_space("n=1000", 1000, 784)
    """
    needed = count * each
    if needed <= UNQUESTIONED and count <= MAX_ITEMS:
        return
    if count > MAX_ITEMS:
        most = f"there may be at most {MAX_ITEMS:,} images"
    elif needed > (free := free_memory() if folder is None else free_disk(folder)):
        place = "of memory" if folder is None else f"on the disk of {str(folder)!r}"
        most = f"only {free:,} bytes {place} are free"
    else:
        return
    raise ValueError(f"{what} takes {needed:,} bytes for {count:,} images, but {most}. {remedy}")


def free_memory() -> int:
    """Returns the bytes of available memory, or of all memory if the system does not tell what is in use."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return UNKNOWN_MEMORY


def free_disk(folder: Path) -> int:
    """Returns the free bytes on the disk where a folder is, or will be."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free
