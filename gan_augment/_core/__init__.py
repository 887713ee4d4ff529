"""What every room uses, and which uses none of them: writing files so that a kill or a full disk leaves no half one."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)  # names: __init__.pyi
