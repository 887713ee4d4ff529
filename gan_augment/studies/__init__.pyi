from ._intervals import Interval, crossed_difference, paired_difference
from ._power import sign_flip_test
from ._result import ArmResult, StudyResult, Trial
from ._settings import resolve_device
from ._study import study

__all__ = [
    "ArmResult",
    "Interval",
    "StudyResult",
    "Trial",
    "crossed_difference",
    "paired_difference",
    "resolve_device",
    "sign_flip_test",
    "study",
]
