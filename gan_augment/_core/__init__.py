"""What every room uses, and which uses none of them: writing files so that a kill or a full disk leaves no half one."""

from ._locking import LOCK, lock_folder
from ._writing import (
    NoRoomError,
    aside_path,
    explain_full_disk,
    holds_something,
    make_folder,
    remove_asides,
    write_aside,
    write_folder_aside,
    write_whole,
)

__all__ = [
    "LOCK",
    "NoRoomError",
    "aside_path",
    "explain_full_disk",
    "holds_something",
    "lock_folder",
    "make_folder",
    "remove_asides",
    "write_aside",
    "write_folder_aside",
    "write_whole",
]
