from ._download import download
from ._names import resolve_name
from ._pretrained import from_pretrained
from ._publish import push_to_hub
from ._registry import REGISTRY, ZooEntry, list_pretrained
from ._upscalers import list_upscalers, load_upscaler, save_upscaler

__all__ = [
    "REGISTRY",
    "ZooEntry",
    "download",
    "from_pretrained",
    "list_pretrained",
    "list_upscalers",
    "load_upscaler",
    "push_to_hub",
    "resolve_name",
    "save_upscaler",
]
