"""Mixes synthetic images from pretrained GANs into any image data set, at a given ratio.

>>> from gan_augment import SyntheticMix
>>> mix = SyntheticMix("dcgan-mnist-32", ratio=0.25)

Importing the package loads nothing else. Each name that ``__init__.pyi`` lists is loaded when it is first used.
"""

import lazy_loader as _lazy

__getattr__, __dir__, _names = _lazy.attach_stub(__name__, __file__)
_rooms = {"data", "evaluation", "hub", "importing", "metrics", "mixing", "models", "studies", "synthesis", "training"}
__all__ = [name for name in _names if name not in _rooms]  # star imports bring classes and functions only
