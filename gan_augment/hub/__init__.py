"""Generators as files and names."""

from ._card import Card
from ._files import load_generator, save_pretrained, write_aside

__all__ = ["Card", "load_generator", "save_pretrained", "write_aside"]
