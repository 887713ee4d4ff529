"""Imports generators from checkpoints of other projects.

A checkpoint goes through these steps: ``_read`` reads its tensors safely, ``_modules`` groups them into modules,
``_orders`` sorts the modules and refuses other kinds of networks, ``_search`` finds what the tensors do not show, and
``_build`` makes a generator.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)  # names: __init__.pyi
