from ._classes import PROBES, find_class_names, find_labels, labels_match
from ._hashes import content_hashes, fingerprint, fingerprints, seen
from ._items import ItemPaths, describe_item, find_images, find_label, get_at, replace_at, split_item, walk_leaves
from ._marked import find_marked
from ._open import open_images
from ._targets import MAX_LABELS, TargetKind, check_label_range, is_target, one_hot, read_target
from ._training_images import TrainingImages

__all__ = [
    "MAX_LABELS",
    "PROBES",
    "ItemPaths",
    "TargetKind",
    "TrainingImages",
    "check_label_range",
    "content_hashes",
    "describe_item",
    "find_class_names",
    "find_images",
    "find_label",
    "find_labels",
    "find_marked",
    "fingerprint",
    "fingerprints",
    "get_at",
    "is_target",
    "labels_match",
    "one_hot",
    "open_images",
    "read_target",
    "replace_at",
    "seen",
    "split_item",
    "walk_leaves",
]
