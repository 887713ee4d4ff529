"""The guard: nobody judges a source by images that it was trained on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..mixing import LabelPolicy, check_class_names, check_classes
from ..synthesis import Source, as_source, parts_of

__all__ = ["Exposure", "OnSeen", "check_same_classes", "check_unseen"]

OnSeen = Literal["refuse", "warn"]


@dataclass(frozen=True)
class Exposure:
    """How many test images a source was trained on.

    Attributes:
        seen (int): Test images that it was certainly trained on.
        of (int): Test images.
        known (bool): Whether all that it was trained on is known; if not, it may have seen more.
    """

    seen: int
    of: int
    known: bool

    @property
    def sentence(self) -> str:
        """What it says, for people."""
        if self.seen:
            least = "" if self.known else "at least "
            return (
                f"The source was trained on {least}{self.seen:,} of the {self.of:,} test images, "
                "so that what is measured on them is too good."
            )
        if not self.known:
            return (
                f"Whether the source was trained on some of the {self.of:,} test images cannot be told, "
                "since not all of it says what it was trained on."
            )
        return f"The source was trained on none of the {self.of:,} test images."


def check_same_classes(
    policy: LabelPolicy, source: Source, count: int, names: Sequence[str] | None, remedy: str
) -> None:
    """Refuses a source whose classes are not those of the data, with a remedy that the caller has.

    Raises:
        ValueError: If a class of the source, or its name, differs.
    """
    try:
        check_classes(policy, source, count)
        check_class_names(policy, source, names)
    except ValueError as error:  # whose own remedy is for mixing
        wrong = str(error).partition(";")[0].replace(" for labels='same'", "")
        raise ValueError(f"{wrong}; {remedy}.") from error


def check_unseen(source: Any, hashes: Tensor, *, on_seen: OnSeen = "refuse") -> Exposure:
    """Refuses to judge a source by images that it was trained on.

    It looks at the fingerprints of generators (their cards), of pools, and of all parts of a source that is made of
    several. Only exact images are found: one that was resized, or stored with loss, before it was hashed is another.

    Args:
        source: A zoo name, a folder, or any :class:`Source`.
        hashes (Tensor): Fingerprints of the test images before any resizing, int64 ``(n,)``; see
            :func:`gan_augment.data.fingerprint`.
        on_seen (str): ``"refuse"``, or ``"warn"`` where a report says it by :attr:`Exposure.sentence`.

    Returns:
        Exposure: Whether it is ``known`` at all is for the caller to judge.

    Raises:
        TypeError: If the source or the hashes are none.
        ValueError: If the source has seen some of the images, or the hashes are no such ones.

    Example:
        >>> from gan_augment.data import fingerprint
        >>> image = torch.zeros(1, 28, 28, dtype=torch.uint8)
        >>> check_unseen("dcgan-mnist-32", torch.tensor([fingerprint(image)])).sentence
        'The source was trained on none of the 1 test images.'
    """
    if on_seen not in get_args(OnSeen):
        raise ValueError(f"on_seen must be one of {get_args(OnSeen)}, but got {on_seen!r} instead.")
    if not isinstance(hashes, Tensor):
        raise TypeError(f"hashes must be a tensor, but got {type(hashes)} instead.")
    if hashes.dtype != torch.int64 or hashes.ndim != 1 or not len(hashes):
        raise ValueError(
            f"hashes must be int64 (n,) with n above 0, but got {hashes.dtype} of shape {tuple(hashes.shape)} instead; "
            "make them by gan_augment.data.fingerprint, one of each test image."
        )
    if not hasattr(source, "fingerprints") and not hasattr(source, "card"):
        source = as_source(source)
    parts = parts_of(source)
    known = [part for part in parts if part is not None]
    seen = int(torch.isin(hashes.cpu(), torch.cat(known)).sum()) if known else 0
    exposure = Exposure(seen=seen, of=len(hashes), known=len(known) == len(parts))
    if seen and on_seen == "refuse":
        raise ValueError(
            f"The test images must be unseen, but the source was trained on {seen:,} of {len(hashes):,} of them; "
            "leave those out of the test, or out of its training."
        )
    if seen:
        warnings.warn(exposure.sentence, stacklevel=2)
    return exposure
