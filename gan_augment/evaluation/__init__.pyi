from ._augmentations import AUGMENTATIONS, BatchTransform, random_affine
from ._classifiers import (
    BuildClassifier,
    Classifier,
    ClassifierLike,
    Hyperparameters,
    SmallCNN,
    default_classifiers,
    load_classifier,
    with_lr,
)
from ._evaluate import evaluate
from ._guard import OnSeen, check_same_classes, check_unseen
from ._pretrained import PretrainedClassifier
from ._result import Evaluation
from ._scores import calibration_error, class_recall, is_correct, tempered_brier
from ._training import accuracy, predict, predict_logits, train_classifier

__all__ = [
    "AUGMENTATIONS",
    "BatchTransform",
    "BuildClassifier",
    "Classifier",
    "ClassifierLike",
    "Evaluation",
    "Hyperparameters",
    "OnSeen",
    "PretrainedClassifier",
    "SmallCNN",
    "accuracy",
    "calibration_error",
    "check_same_classes",
    "check_unseen",
    "class_recall",
    "default_classifiers",
    "evaluate",
    "is_correct",
    "load_classifier",
    "predict",
    "predict_logits",
    "random_affine",
    "tempered_brier",
    "train_classifier",
    "with_lr",
]
