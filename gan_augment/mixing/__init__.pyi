from ._dataset import GANAugmentedDataset
from ._labels import Conditional, Fixed, Same, Teacher, Uniform, resolve_policy
from ._layout import missing_images, oversampled_rows
from ._mix import SyntheticMix
from ._policy import LabelPolicy
from ._sampler import FixedRatioBatchSampler

__all__ = [
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
