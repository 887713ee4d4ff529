"""The page of ``gan-augment ui``: look at generators, mix batches, run a light study and download pools."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)  # names: __init__.pyi
