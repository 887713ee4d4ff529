"""Sources of synthetic images, and their conversion to the kind of real images. To add a source, add a file here."""

import lazy_loader as _lazy

from .pool import _pool as _pool  # so that as_source knows the folders of pools

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)  # names: __init__.pyi
