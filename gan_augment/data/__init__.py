"""Opens data sets, and reads the images, labels and class names of their items."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)  # names: __init__.pyi
