"""Whether tensors are of this project's own generator."""

from __future__ import annotations

import re

from torch import Tensor

_BLOCK = re.compile(r"blocks\.(\d+)\.(conv|norm|attention)\.")
_OTHERS = re.compile(r"to_image\.|mapping\.|variations\.|anchors$|anchor_labels$")


def is_ours(tensors: dict[str, Tensor]) -> bool:
    """Whether every tensor has a name of ours, blocks are numbered without a gap and the first makes a latent a map.

    Others call their blocks so, too, but hardly all of the rest.
    """
    found = [(_BLOCK.match(name), bool(_OTHERS.match(name))) for name in tensors]
    if not all(block or other for block, other in found):
        return False
    numbers = {int(block[1]) for block, _ in found if block}
    convs = {int(block[1]) for block, _ in found if block and block[2] == "conv"}
    image = any(name.startswith("to_image.") for name in tensors)
    return image and bool(numbers) and numbers == convs == set(range(len(numbers)))
