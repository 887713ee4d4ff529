"""The networks: DCGAN generator and discriminator, one frozen configuration each."""

from ._anchors import ANCHOR_DRAWS, AnchorWalk, disturb, to_sphere
from ._blocks import ClassConditionalNorm2d
from ._config import (
    MAX_ANCHORS,
    MAX_CLASSES,
    DiscriminatorConfig,
    Fit,
    GeneratorConfig,
    Initialization,
    Latent,
    Normalization,
    Upsampling,
    check_types,
)
from ._discriminator import Discriminator
from ._finite import check_forward, check_images
from ._generator import Generator
from ._layered import LAYERS, LayeredConfig, LayeredGenerator, build_layer, conv_side
from ._sampling import MAX_SEED, check_count, check_labels, check_seed, draw_latents, draw_seed, eval_mode, mix_seed
from ._srgan import SRGAN, SRGANConfig
from ._variations import CONTROLS, KNOTS, Variations, warp

__all__ = [
    "ANCHOR_DRAWS",
    "CONTROLS",
    "KNOTS",
    "LAYERS",
    "MAX_ANCHORS",
    "MAX_CLASSES",
    "MAX_SEED",
    "SRGAN",
    "AnchorWalk",
    "ClassConditionalNorm2d",
    "Discriminator",
    "DiscriminatorConfig",
    "Fit",
    "Generator",
    "GeneratorConfig",
    "Initialization",
    "Latent",
    "LayeredConfig",
    "LayeredGenerator",
    "Normalization",
    "SRGANConfig",
    "Upsampling",
    "Variations",
    "build_layer",
    "check_count",
    "check_forward",
    "check_images",
    "check_labels",
    "check_seed",
    "check_types",
    "conv_side",
    "disturb",
    "draw_latents",
    "draw_seed",
    "eval_mode",
    "mix_seed",
    "to_sphere",
    "warp",
]
