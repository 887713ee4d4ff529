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
from ._leakage import Leakage, leaked_augmentation
from ._load_features import FeaturesLike, load_features
from ._measurement import Measurement, check_counts, measure, measure_features, warn_if_few
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
    "check_counts",
    "class_agreement",
    "class_share",
    "closest_pairs",
    "copy_report",
    "ct_score",
    "density_coverage",
    "diversity",
    "diversity_report",
    "frechet_distance",
    "kid",
    "leaked_augmentation",
    "load_features",
    "measure",
    "measure_features",
    "nearest_training_image",
    "pairs_picture",
    "precision_recall",
    "relative_diversity",
    "warn_if_few",
]
