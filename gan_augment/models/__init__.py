"""The networks: DCGAN generator and discriminator, one frozen configuration each."""

from ._config import DiscriminatorConfig, GeneratorConfig
from ._discriminator import Discriminator
from ._generator import Generator

__all__ = ["Discriminator", "DiscriminatorConfig", "Generator", "GeneratorConfig"]
