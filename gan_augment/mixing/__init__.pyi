from ._dataset import GANAugmentedDataset
from ._labels import (
    Conditional,
    Fixed,
    LabelPolicy,
    Same,
    Teacher,
    Uniform,
    as_policy,
    check_class_names,
    check_classes,
)
from ._mix import SyntheticMix
from ._plan import even_rows, present, top_up
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
    "as_policy",
    "check_class_names",
    "check_classes",
    "even_rows",
    "present",
    "top_up",
]
