"""The networks: the generator and discriminator of DCGAN, each with a frozen configuration."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)  # names: __init__.pyi
