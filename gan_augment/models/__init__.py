"""The networks: DCGAN generator and discriminator, one frozen configuration each."""

from ._anchors import ANCHOR_DRAWS, AnchorWalk, disturb, to_sphere
from ._blocks import ClassConditionalNorm2d, initialized
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
from ._finite import check_forward, check_images
from ._generator import Generator
from ._layered import LAYERS, LayeredConfig, LayeredGenerator, build_layer, conv_side
from ._sampling import check_labels, draw_latents, eval_mode
from ._srgan import SRGAN, SRGANConfig
from ._variations import CONTROLS, KNOTS, Variations, warp

__all__ = [
    "ANCHOR_DRAWS",
    "CONTROLS",
    "KNOTS",
    "LAYERS",
    "MAX_ANCHORS",
    "MAX_CLASSES",
    "SRGAN",
    "AnchorWalk",
    "ClassConditionalNorm2d",
    "Discriminator",
    "DiscriminatorBlock",
    "DiscriminatorConfig",
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
    "check_forward",
    "check_images",
    "check_labels",
    "conv_side",
    "disturb",
    "draw_latents",
    "eval_mode",
    "initialized",
    "to_sphere",
    "warp",
]
