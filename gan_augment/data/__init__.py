"""Items, labels and class names of data sets: one reading of them for fitting and for mixing."""

from ._class_names import as_names, class_map_by_name, differing_class, names_kept_by, names_say_more
from ._facts import PROBES, find_class_names, find_labels, labels_hold, spread
from ._items import Places, describe, find_images, find_label, get, put, split_item, walk
from ._targets import MAX_LABELS, TargetKind, check_label_range, is_target, one_hot, read_target

__all__ = [
    "MAX_LABELS",
    "PROBES",
    "Places",
    "TargetKind",
    "as_names",
    "check_label_range",
    "class_map_by_name",
    "describe",
    "differing_class",
    "find_class_names",
    "find_images",
    "find_label",
    "find_labels",
    "get",
    "is_target",
    "labels_hold",
    "names_kept_by",
    "names_say_more",
    "one_hot",
    "put",
    "read_target",
    "split_item",
    "spread",
    "walk",
]
