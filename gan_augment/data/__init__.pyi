from ._facts import PROBES, find_class_names, find_labels, labels_hold, spread
from ._hashes import fingerprint, fingerprints, seen
from ._items import Places, describe, find_images, find_label, get, put, split_item, walk
from ._open import open_images
from ._targets import MAX_LABELS, TargetKind, check_label_range, is_target, one_hot, read_target

__all__ = [
    "MAX_LABELS",
    "PROBES",
    "Places",
    "TargetKind",
    "check_label_range",
    "describe",
    "find_class_names",
    "find_images",
    "find_label",
    "find_labels",
    "fingerprint",
    "fingerprints",
    "get",
    "is_target",
    "labels_hold",
    "one_hot",
    "open_images",
    "put",
    "read_target",
    "seen",
    "split_item",
    "spread",
    "walk",
]
