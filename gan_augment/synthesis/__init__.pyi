from ._as_source import ClassSources, Geometry, Source, SourceLike, as_source, class_labels, draw, fingerprints_of
from ._convert import (
    ImageKind,
    as_channels_first,
    call_transform,
    check_unit_range,
    match_batch,
    match_each,
    match_image,
    match_shape,
    of_image,
    to_container,
)
from ._diffusers import DiffusersSource
from ._export import MANIFEST, as_png, export_images, make_marks
from ._shards import export_shards
from ._upscale import UpscaledSource, Upscaler
from .filters._filter import Filter, FilterInputs, FilterLike, apply_filters
from .filters._real import NotACopy, RealDensity
from .filters._registry import FILTERS
from .filters._rejection import DiscriminatorRejection
from .filters._teachers import TeacherAgreement, TeacherConfidence, teacher_probabilities
from .pool._fill import draw_candidates
from .pool._pool import SyntheticPool

__all__ = [
    "FILTERS",
    "MANIFEST",
    "ClassSources",
    "DiffusersSource",
    "DiscriminatorRejection",
    "Filter",
    "FilterInputs",
    "FilterLike",
    "Geometry",
    "ImageKind",
    "NotACopy",
    "RealDensity",
    "Source",
    "SourceLike",
    "SyntheticPool",
    "TeacherAgreement",
    "TeacherConfidence",
    "UpscaledSource",
    "Upscaler",
    "apply_filters",
    "as_channels_first",
    "as_png",
    "as_source",
    "call_transform",
    "check_unit_range",
    "class_labels",
    "draw",
    "draw_candidates",
    "export_images",
    "export_shards",
    "fingerprints_of",
    "make_marks",
    "match_batch",
    "match_each",
    "match_image",
    "match_shape",
    "of_image",
    "teacher_probabilities",
    "to_container",
]
