from ._convert import (
    ImageKind,
    as_channels_first,
    as_kind,
    call_transform,
    check_unit_range,
    match_batch,
    match_image,
    match_shape,
)
from ._export import export_images
from ._filters import Filter, TeacherAgreement, TeacherConfidence, apply_filters, check_threshold, teacher_probabilities
from ._filters_real import NotACopy, RealDensity
from ._filters_rejection import DiscriminatorRejection
from ._pool import SyntheticPool
from ._pool_fill import draw_candidates
from ._source import ClassSources, Geometry, Source, SourceLike, as_source, draw, fingerprints_of
from ._upscale import UpscaledSource, Upscaler

__all__ = [
    "ClassSources",
    "DiscriminatorRejection",
    "Filter",
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
    "as_kind",
    "as_source",
    "call_transform",
    "check_threshold",
    "check_unit_range",
    "draw",
    "draw_candidates",
    "export_images",
    "fingerprints_of",
    "match_batch",
    "match_image",
    "match_shape",
    "teacher_probabilities",
]
