"""What is measured of images and generators."""

from ._classes import ClassAgreement, class_agreement, class_share
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
from ._features import CallableFeatures, ClassifierFeatures, FeatureNetwork, RandomConvolutions
from ._fingerprint import fingerprint, fingerprints, seen
from ._leakage import Leakage, leaked_augmentation
from ._load_features import FeaturesLike, load_features
from ._measurement import Measurement, measure
from ._memorization import authenticity, ct_score
from ._pairs import ClosestPairs, closest_pairs, pairs_picture
from ._pretrained import EfficientNetFeatures, InceptionFeatures

__all__ = [
    "CallableFeatures",
    "ClassAgreement",
    "ClassifierFeatures",
    "ClosestPairs",
    "Copies",
    "DensityCoverage",
    "Diversity",
    "EfficientNetFeatures",
    "Estimate",
    "FeatureNetwork",
    "FeaturesLike",
    "InceptionFeatures",
    "Leakage",
    "Measurement",
    "PrecisionRecall",
    "RandomConvolutions",
    "authenticity",
    "class_agreement",
    "class_share",
    "closest_pairs",
    "copy_report",
    "ct_score",
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
    "pairs_picture",
    "precision_recall",
    "relative_diversity",
    "seen",
]
