from ._classifiers import (
    AUGMENTATIONS,
    BatchTransform,
    BuildClassifier,
    SmallCNN,
    accuracy,
    calibration_error,
    class_recall,
    is_correct,
    predict,
    predict_logits,
    random_affine,
    tempered_brier,
    train_classifier,
)
from ._evaluate import evaluate
from ._guard import OnSeen, check_same_classes, check_unseen
from ._result import Evaluation

__all__ = [
    "AUGMENTATIONS",
    "BatchTransform",
    "BuildClassifier",
    "Evaluation",
    "OnSeen",
    "SmallCNN",
    "accuracy",
    "calibration_error",
    "check_same_classes",
    "check_unseen",
    "class_recall",
    "evaluate",
    "is_correct",
    "predict",
    "predict_logits",
    "random_affine",
    "tempered_brier",
    "train_classifier",
]
