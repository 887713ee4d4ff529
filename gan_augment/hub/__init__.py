"""Generators as files and names."""

from ._card import Card
from ._files import load_discriminator, load_generator, save_pretrained, weights_sha256, write_aside
from ._names import HubName, resolve_name
from ._pretrained import from_pretrained
from ._registry import REGISTRY, ZooEntry, list_pretrained

__all__ = [
    "REGISTRY",
    "Card",
    "HubName",
    "ZooEntry",
    "from_pretrained",
    "list_pretrained",
    "load_discriminator",
    "load_generator",
    "resolve_name",
    "save_pretrained",
    "weights_sha256",
    "write_aside",
]
