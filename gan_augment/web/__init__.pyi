from ._limits import Limits
from ._server import serve

__all__ = ["Limits", "serve"]
