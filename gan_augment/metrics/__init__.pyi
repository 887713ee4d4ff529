from ._agreement import ClassAgreement, class_agreement, class_share
from ._copies import ClosestPairs, Copies, closest_pairs, copy_report, nearest_training_image, pairs_picture
from ._distances import DensityCoverage, PrecisionRecall, density_coverage, frechet_distance, kid, precision_recall
from ._diversity import Diversity, diversity_report
from ._feature_networks import (
    EfficientNetFeatures,
    FeaturesLike,
    InceptionFeatures,
    RandomConvolutions,
    load_features,
)
from ._features import CallableFeatures, ClassifierFeatures, FeatureNetwork
from ._inputs import check_images
from ._leakage import Leakage, leaked_augmentation
from ._measurement import check_counts, measure, measure_features, measure_floor, warn_if_few
from ._memorization import authenticity, ct_score
from ._metric import Estimate, FeatureSets, Measurement, Metric
from ._registry import METRICS, register_metric

__all__ = [
    "METRICS",
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
    "FeatureSets",
    "FeaturesLike",
    "InceptionFeatures",
    "Leakage",
    "Measurement",
    "Metric",
    "PrecisionRecall",
    "RandomConvolutions",
    "authenticity",
    "check_counts",
    "check_images",
    "class_agreement",
    "class_share",
    "closest_pairs",
    "copy_report",
    "ct_score",
    "density_coverage",
    "diversity_report",
    "frechet_distance",
    "kid",
    "leaked_augmentation",
    "load_features",
    "measure",
    "measure_features",
    "measure_floor",
    "nearest_training_image",
    "pairs_picture",
    "precision_recall",
    "register_metric",
    "warn_if_few",
]
