"""Synthetic images of pretrained GANs, mixed into any image data set at a set ratio.

>>> from gan_augment import SyntheticMix
>>> mix = SyntheticMix("dcgan-mnist-32", ratio=0.25)
"""

from ._version import __version__
from .hub import (
    Card,
    download,
    from_pretrained,
    import_checkpoint,
    list_pretrained,
    push_to_hub,
    save_pretrained,
)
from .mixing import (
    Conditional,
    Fixed,
    FixedRatioBatchSampler,
    GANAugmentedDataset,
    LabelPolicy,
    Same,
    SyntheticMix,
    Teacher,
    Uniform,
)
from .models import Discriminator, DiscriminatorConfig, Generator, GeneratorConfig
from .synthesis import Geometry, Source, SyntheticPool, TeacherConfidence, Upscaler
from .training import FitResult, Recipe, fit, resume

__all__ = [
    "Card",
    "Conditional",
    "Discriminator",
    "DiscriminatorConfig",
    "FitResult",
    "Fixed",
    "FixedRatioBatchSampler",
    "GANAugmentedDataset",
    "Generator",
    "GeneratorConfig",
    "Geometry",
    "LabelPolicy",
    "Recipe",
    "Same",
    "Source",
    "SyntheticMix",
    "SyntheticPool",
    "Teacher",
    "TeacherConfidence",
    "Uniform",
    "Upscaler",
    "__version__",
    "download",
    "fit",
    "from_pretrained",
    "import_checkpoint",
    "list_pretrained",
    "push_to_hub",
    "resume",
    "save_pretrained",
]
