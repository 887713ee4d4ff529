"""Whether there is space for what is asked for, before any of it is made."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MAX_ITEMS = 10**8  # images of a pool, an export or a draw, however small they are
ROW_BYTES = 64  # of an image's label, place and order, beside its pixels
UNQUESTIONED = 2**26  # bytes for which the system is not asked
UNKNOWN_MEMORY = 2**36  # bytes, where the system does not say


def check_space(
    what: str, count: int, each: int, *, folder: Path | None = None, remedy: str = "Ask for fewer."
) -> None:
    """Refuses what takes more than the memory, or a folder's disk, has left.

    Args:
        what (str): The argument and its value, as the subject of a sentence.
        count (int): Number of images.
        each (int): Bytes of one.
        folder (Path, optional): Where they will be written; need not exist. Default: they are kept in memory.
        remedy (str): What to do, as a sentence.

    Raises:
        ValueError: If there is no room, or there are more than ``MAX_ITEMS``.

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
    """Bytes of memory that programs can still take; all of it, where the system does not say what is taken."""
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
    """Bytes that are free where a folder is, or will be."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free
