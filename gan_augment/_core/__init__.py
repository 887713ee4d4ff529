"""What every room uses, and which uses none of them: writing files so that a kill or a full disk leaves no half one."""

from ._locking import LOCK, lock_folder
from ._progress import progress_bar
from ._signals import end_by, on_ending
from ._space import ROW_BYTES, check_space
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
    "ROW_BYTES",
    "NoRoomError",
    "aside_path",
    "check_space",
    "end_by",
    "explain_full_disk",
    "holds_something",
    "lock_folder",
    "make_folder",
    "on_ending",
    "progress_bar",
    "remove_asides",
    "write_aside",
    "write_folder_aside",
    "write_whole",
]
