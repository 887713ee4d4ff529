from ._import import import_checkpoint
from ._modules import find_networks
from ._read import read_checkpoint

__all__ = [
    "find_networks",
    "import_checkpoint",
    "read_checkpoint",
]
