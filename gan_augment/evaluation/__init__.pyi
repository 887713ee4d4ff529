from ._augmentations import AUGMENTATIONS
from ._classifiers import (
    BatchTransform,
    Build,
    SmallCNN,
    accuracy,
    predict,
    predict_logits,
    random_affine,
    train_classifier,
)
from ._evaluate import evaluate
from ._guard import OnSeen, check_same_classes, check_unseen
from ._result import Evaluation
from ._scores import calibration_error, class_recall, correct, tempered_brier

__all__ = [
    "AUGMENTATIONS",
    "BatchTransform",
    "Build",
    "Evaluation",
    "OnSeen",
    "SmallCNN",
    "accuracy",
    "calibration_error",
    "check_same_classes",
    "check_unseen",
    "class_recall",
    "correct",
    "evaluate",
    "predict",
    "predict_logits",
    "random_affine",
    "tempered_brier",
    "train_classifier",
]
