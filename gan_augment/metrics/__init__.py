"""What is measured of images and generators."""

from ._copies import Copies, copy_report, nearest_training_image
from ._distances import (
    DensityCoverage,
    Estimate,
    PrecisionRecall,
    density_coverage,
    frechet_distance,
    kid,
    precision_recall,
)
from ._diversity import Diversity, diversity, diversity_report, relative_diversity
from ._features import ClassifierFeatures, EfficientNetFeatures, FeatureNetwork, RandomConvolutions, load_features
from ._fingerprint import fingerprint, fingerprints, seen
from ._leakage import Leakage, leaked_augmentation
from ._measurement import Measurement, measure

__all__ = [
    "ClassifierFeatures",
    "Copies",
    "DensityCoverage",
    "Diversity",
    "EfficientNetFeatures",
    "Estimate",
    "FeatureNetwork",
    "Leakage",
    "Measurement",
    "PrecisionRecall",
    "RandomConvolutions",
    "copy_report",
    "density_coverage",
    "diversity",
    "diversity_report",
    "fingerprint",
    "fingerprints",
    "frechet_distance",
    "kid",
    "leaked_augmentation",
    "load_features",
    "measure",
    "nearest_training_image",
    "precision_recall",
    "relative_diversity",
    "seen",
]
