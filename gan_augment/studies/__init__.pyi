from ._intervals import Interval, crossed_difference, paired_difference
from ._result import ArmResult, StudyResult
from ._study import study

__all__ = [
    "ArmResult",
    "Interval",
    "StudyResult",
    "crossed_difference",
    "paired_difference",
    "study",
]
