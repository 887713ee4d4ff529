"""The filters that a study and the command line know by name."""

from __future__ import annotations

from ._filter import Filter
from ._real import NotACopy, RealDensity
from ._rejection import DiscriminatorRejection
from ._teachers import TeacherAgreement, TeacherConfidence

FILTERS: dict[str, type[Filter]] = {
    "agreement": TeacherAgreement,
    "confidence": TeacherConfidence,
    "density": RealDensity,
    "copies": NotACopy,
    "discriminator": DiscriminatorRejection,
}
