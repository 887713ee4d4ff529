from ._dataset import GANAugmentedDataset
from ._loader import BatchLoader
from ._mix import SyntheticMix
from ._positions import missing_images, oversampled_rows
from ._sampler import FixedRatioBatchSampler
from ._variation import ClassVariation
from .policies._builtin import Conditional, Fixed, Same, Teacher, Uniform
from .policies._policy import LabelPolicy
from .policies._registry import POLICIES, resolve_policy

__all__ = [
    "POLICIES",
    "BatchLoader",
    "ClassVariation",
    "Conditional",
    "Fixed",
    "FixedRatioBatchSampler",
    "GANAugmentedDataset",
    "LabelPolicy",
    "Same",
    "SyntheticMix",
    "Teacher",
    "Uniform",
    "missing_images",
    "oversampled_rows",
    "resolve_policy",
]
