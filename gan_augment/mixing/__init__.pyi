from ._dataset import GANAugmentedDataset
from ._labels import Conditional, Fixed, Same, Teacher, Uniform, resolve_policy
from ._mix import SyntheticMix
from ._plan import even_rows, present, top_up
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
    "even_rows",
    "present",
    "resolve_policy",
    "top_up",
]
