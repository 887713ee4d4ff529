"""What every room uses, and which uses none of them: writing files so that a kill or a full disk leaves no half one."""

from ._checks import check_count, check_dense, check_range, check_share, check_tensor, check_types
from ._class_names import as_names, class_map_by_name, differing_class, names_kept_by, names_say_more
from ._images import (
    Fit,
    as_uint8,
    channels_last,
    fit_image,
    from_array,
    quantize,
    to_channels,
    to_signed,
    to_uint8,
    unfit_images,
)
from ._locking import LOCK, lock_folder
from ._progress import progress_bar
from ._seeds import MAX_SEED, check_seed, draw_seed, mix_seed
from ._signals import end_by, on_ending
from ._space import ROW_BYTES, check_space
from ._words import first_line, one_line, plain, short
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
    "MAX_SEED",
    "ROW_BYTES",
    "Fit",
    "NoRoomError",
    "as_names",
    "as_uint8",
    "aside_path",
    "channels_last",
    "check_count",
    "check_dense",
    "check_range",
    "check_seed",
    "check_share",
    "check_space",
    "check_tensor",
    "check_types",
    "class_map_by_name",
    "differing_class",
    "draw_seed",
    "end_by",
    "explain_full_disk",
    "first_line",
    "fit_image",
    "from_array",
    "holds_something",
    "lock_folder",
    "make_folder",
    "mix_seed",
    "names_kept_by",
    "names_say_more",
    "on_ending",
    "one_line",
    "plain",
    "progress_bar",
    "quantize",
    "remove_asides",
    "short",
    "to_channels",
    "to_signed",
    "to_uint8",
    "unfit_images",
    "write_aside",
    "write_folder_aside",
    "write_whole",
]
