from ._anchors import ANCHOR_DRAWS, AnchorWalk, add_noise, to_sphere
from ._blocks import ClassConditionalNorm2d, initialized
from ._card import REAL, Card, eval_results
from ._config import (
    MAX_ANCHORS,
    MAX_CLASSES,
    DiscriminatorConfig,
    GeneratorConfig,
    Initialization,
    Latent,
    Normalization,
    Upsampling,
)
from ._discriminator import Discriminator, DiscriminatorBlock
from ._efficientnet import load_efficientnet, read_verified
from ._generator import Generator
from ._layered import LAYERS, LayeredConfig, LayeredGenerator, build_layer, conv_side
from ._learn_variations import (
    DEFORMATIONS,
    MAX_PAIRS,
    REGISTRATION_SIDE,
    TONES,
    class_components,
    learn_variations,
    scaled,
)
from ._loading import check_finite, listed_files, load_discriminator, load_generator
from ._projected import (
    FEATURE_MAPS,
    LEAST_SIDE,
    FeatureMaps,
    ProjectedConfig,
    ProjectedDiscriminator,
    build_discriminator,
    feature_maps,
    load_feature_maps,
)
from ._sampling import check_labels, draw_latents, eval_mode, sample_grid
from ._saving import CARD, DISCRIMINATOR, FILE_LIMITS, GRID, OPTIONAL_FILES, save_pretrained
from ._source import Geometry, Source, computed
from ._srgan import SRGAN, SRGANConfig
from ._variations import CONTROLS, KNOTS, Variations, displace, enlarge, tone, warp

__all__ = [
    "ANCHOR_DRAWS",
    "CARD",
    "CONTROLS",
    "DEFORMATIONS",
    "DISCRIMINATOR",
    "FEATURE_MAPS",
    "FILE_LIMITS",
    "GRID",
    "KNOTS",
    "LAYERS",
    "LEAST_SIDE",
    "MAX_ANCHORS",
    "MAX_CLASSES",
    "MAX_PAIRS",
    "OPTIONAL_FILES",
    "REAL",
    "REGISTRATION_SIDE",
    "SRGAN",
    "TONES",
    "AnchorWalk",
    "Card",
    "ClassConditionalNorm2d",
    "Discriminator",
    "DiscriminatorBlock",
    "DiscriminatorConfig",
    "FeatureMaps",
    "Generator",
    "GeneratorConfig",
    "Geometry",
    "Initialization",
    "Latent",
    "LayeredConfig",
    "LayeredGenerator",
    "Normalization",
    "ProjectedConfig",
    "ProjectedDiscriminator",
    "SRGANConfig",
    "Source",
    "Upsampling",
    "Variations",
    "add_noise",
    "build_discriminator",
    "build_layer",
    "check_finite",
    "check_labels",
    "class_components",
    "computed",
    "conv_side",
    "displace",
    "draw_latents",
    "enlarge",
    "eval_mode",
    "eval_results",
    "feature_maps",
    "initialized",
    "learn_variations",
    "listed_files",
    "load_discriminator",
    "load_efficientnet",
    "load_feature_maps",
    "load_generator",
    "read_verified",
    "sample_grid",
    "save_pretrained",
    "scaled",
    "to_sphere",
    "tone",
    "warp",
]
