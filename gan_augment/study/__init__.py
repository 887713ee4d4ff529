"""Does it help? A small classifier, and paired differences with intervals."""

from ._classifier import SmallCNN, accuracy, predict, random_affine, train_classifier
from ._paired import Interval, paired_difference

__all__ = ["Interval", "SmallCNN", "accuracy", "paired_difference", "predict", "random_affine", "train_classifier"]
