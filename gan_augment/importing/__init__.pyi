from ._import import import_checkpoint
from ._modules import networks
from ._read import read_checkpoint

__all__ = [
    "import_checkpoint",
    "networks",
    "read_checkpoint",
]
