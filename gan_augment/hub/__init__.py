"""Names of generators and what they stand for: the zoo, folders, and repositories on the Hugging Face Hub."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)  # names: __init__.pyi
