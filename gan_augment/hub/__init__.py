"""Generators as files and names."""

from ._card import REAL, Card
from ._download import download
from ._files import config_sha256, load_discriminator, load_generator, save_pretrained
from ._grid import sample_grid
from ._names import HubName, resolve_name
from ._pretrained import from_pretrained
from ._publish import push_to_hub
from ._registry import REGISTRY, ZooEntry, list_pretrained
from ._upscalers import list_upscalers, load_upscaler, save_upscaler

__all__ = [
    "REAL",
    "REGISTRY",
    "Card",
    "HubName",
    "ZooEntry",
    "config_sha256",
    "download",
    "from_pretrained",
    "list_pretrained",
    "list_upscalers",
    "load_discriminator",
    "load_generator",
    "load_upscaler",
    "push_to_hub",
    "resolve_name",
    "sample_grid",
    "save_pretrained",
    "save_upscaler",
]
