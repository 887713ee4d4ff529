from ._version import __version__
from .evaluation import Evaluation, evaluate
from .hub import download, from_pretrained, list_pretrained, push_to_hub
from .importing import import_checkpoint
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
from .models import (
    Card,
    Discriminator,
    DiscriminatorConfig,
    Generator,
    GeneratorConfig,
    Geometry,
    Source,
    save_pretrained,
)
from .studies import StudyResult, study
from .synthesis import (
    DiscriminatorRejection,
    NotACopy,
    RealDensity,
    SyntheticPool,
    TeacherAgreement,
    TeacherConfidence,
    UpscaledSource,
    Upscaler,
)
from .training import FitResult, Recipe, fit, resume

__all__ = [
    "Card",
    "Conditional",
    "Discriminator",
    "DiscriminatorConfig",
    "DiscriminatorRejection",
    "Evaluation",
    "FitResult",
    "Fixed",
    "FixedRatioBatchSampler",
    "GANAugmentedDataset",
    "Generator",
    "GeneratorConfig",
    "Geometry",
    "LabelPolicy",
    "NotACopy",
    "RealDensity",
    "Recipe",
    "Same",
    "Source",
    "StudyResult",
    "SyntheticMix",
    "SyntheticPool",
    "Teacher",
    "TeacherAgreement",
    "TeacherConfidence",
    "Uniform",
    "UpscaledSource",
    "Upscaler",
    "__version__",
    "download",
    "evaluate",
    "fit",
    "from_pretrained",
    "import_checkpoint",
    "list_pretrained",
    "push_to_hub",
    "resume",
    "save_pretrained",
    "study",
]
