from ._download import download
from ._entries import GeneratorEntry, UpscalerEntry, ZooEntry, find_entry, list_pretrained, list_upscalers, zoo_entries
from ._names import resolve_name
from ._pretrained import from_pretrained
from ._publish import push_to_hub, push_zoo
from ._upscalers import load_upscaler, save_upscaler

__all__ = [
    "GeneratorEntry",
    "UpscalerEntry",
    "ZooEntry",
    "download",
    "find_entry",
    "from_pretrained",
    "list_pretrained",
    "list_upscalers",
    "load_upscaler",
    "push_to_hub",
    "push_zoo",
    "resolve_name",
    "save_upscaler",
    "zoo_entries",
]
