"""Does it help? The fair comparison, its statistics, its report."""

from ._augment import AUGMENTATIONS, Augmentation
from ._classifier import (
    SmallCNN,
    accuracy,
    predict,
    predict_logits,
    random_affine,
    train_classifier,
)
from ._evaluate import evaluate, gan_test, gan_train
from ._evaluation import Evaluation
from ._guard import Exposure, check_unseen, fingerprints_of
from ._paired import Interval, crossed_difference, paired_difference
from ._result import ArmResult, StudyResult
from ._study import study

__all__ = [
    "AUGMENTATIONS",
    "ArmResult",
    "Augmentation",
    "Evaluation",
    "Exposure",
    "Interval",
    "SmallCNN",
    "StudyResult",
    "accuracy",
    "check_unseen",
    "crossed_difference",
    "evaluate",
    "fingerprints_of",
    "gan_test",
    "gan_train",
    "paired_difference",
    "predict",
    "predict_logits",
    "random_affine",
    "study",
    "train_classifier",
]
