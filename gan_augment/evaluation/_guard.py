"""Checks before a source is measured: it must not have seen the test images, and must have the same classes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..mixing import LabelPolicy
from ..synthesis import Source, as_source

OnSeen = Literal["refuse", "warn"]


@dataclass(frozen=True)
class Exposure:
    """The number of test images that a source was trained on."""

    seen: int  # known to be training images
    of: int  # all test images
    known: bool  # whether the source lists all its training images; if not, it may have seen more

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        if self.seen:
            at_least = "" if self.known else "at least "
            return (
                f"The source was trained on {at_least}{self.seen:,} of the {self.of:,} test images, so the scores on "
                "them are too good."
            )
        if not self.known:
            return (
                f"The source does not list all its training images, so nobody can tell whether it was trained on some "
                f"of the {self.of:,} test images."
            )
        return f"The source was trained on none of the {self.of:,} test images."


def check_same_classes(
    policy: LabelPolicy, source: Source, num_classes: int, names: Sequence[str] | None, remedy: str
) -> None:
    """Checks that a source has the classes of the data.

    Args:
        policy (LabelPolicy): Policy that assigns the classes.
        source (Source): Source of synthetic images.
        num_classes (int): Number of classes of the data.
        names (sequence of str, optional): Class names of the data.
        remedy (str): Instruction that ends the error message.

    Raises:
        ValueError: If a class of the source, or its name, differs.
    """
    try:
        policy.check_classes(source, num_classes)
        policy.check_names(source, names)
    except ValueError as error:
        # Replace its remedy, which is about mixing.
        problem = str(error).partition(";")[0].replace(" for labels='same'", "")
        raise ValueError(f"{problem}; {remedy}.") from None


def check_unseen(source: Any, hashes: Tensor, *, on_seen: OnSeen = "refuse") -> Exposure:
    """Checks that a source was not trained on the test images.

    It compares the test images with the fingerprints on the cards of generators and in pools, for every part of a
    combined source. It finds exact matches only: an image that has been resized or compressed does not match.

    Args:
        source: A zoo name, a folder, or any :class:`Source`.
        hashes (Tensor): Fingerprints of the test images before any resizing, int64 ``(n,)``; see
            :func:`gan_augment.data.fingerprint`.
        on_seen (str): ``"refuse"`` raises an error if the source has seen a test image; ``"warn"`` only warns.
            Default: ``"refuse"``.

    Returns:
        Exposure: The number of test images that the source has seen (``seen``), the number of test images (``of``),
            and whether the source lists all its training images (``known``).

    Raises:
        TypeError: If ``source`` is not a source or ``hashes`` is not a tensor.
        ValueError: If the source has seen test images, or ``hashes`` does not hold fingerprints.

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
            f"hashes must be int64 (n,) with n above 0, but got {hashes.dtype} of shape {tuple(hashes.shape)} instead. "
            "Compute one for each test image with gan_augment.data.fingerprint."
        )
    parts = [part.fingerprints for part in as_source(source).parts()]
    known = [part for part in parts if part is not None]
    seen = int(torch.isin(hashes.cpu(), torch.cat(known)).sum()) if known else 0
    exposure = Exposure(seen=seen, of=len(hashes), known=len(known) == len(parts))
    if seen and on_seen == "refuse":
        raise ValueError(
            f"The test images must be unseen, but the source was trained on {seen:,} of {len(hashes):,} of them; "
            "remove those from the test images, or train the source without them."
        )
    if seen:
        warnings.warn(exposure.sentence, stacklevel=2)
    return exposure
