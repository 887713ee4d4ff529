"""Measures whether mixing synthetic images helps: a fair comparison, its statistics and its report."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)  # names: __init__.pyi
