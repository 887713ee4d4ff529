"""Where synthetic images come from, and how they take the kind of real ones."""

from ._convert import ImageKind, check_unit_range, match_batch, match_image, match_shape
from ._export import export_images
from ._filters import Filter, TeacherConfidence, check_threshold, teacher_probabilities
from ._pool import SyntheticPool
from ._source import (
    ClassSources,
    Geometry,
    Source,
    SourceLike,
    as_source,
    class_indices,
    draw,
    geometry,
    num_classes,
)
from ._upscale import UpscaledSource, Upscaler

__all__ = [
    "ClassSources",
    "Filter",
    "Geometry",
    "ImageKind",
    "Source",
    "SourceLike",
    "SyntheticPool",
    "TeacherConfidence",
    "UpscaledSource",
    "Upscaler",
    "as_source",
    "check_threshold",
    "check_unit_range",
    "class_indices",
    "draw",
    "export_images",
    "geometry",
    "match_batch",
    "match_image",
    "match_shape",
    "num_classes",
    "teacher_probabilities",
]
