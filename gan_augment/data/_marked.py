"""Finds the items of a data set that are marked as synthetic."""

from __future__ import annotations

import bisect
import os
import struct
from typing import Any

import PIL.Image
from torch.utils.data import ConcatDataset, Subset

from .._core import is_marked
from ._items import split_item
from ._layout import image_formats

_UNREADABLE = (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError)


def find_marked(dataset: Any) -> list[int]:
    """Returns the indices of the items that are marked as synthetic.

    An item is marked if its data set or the metadata of its image or file say so. The data set may have a method
    ``is_synthetic(index)``, or an attribute ``is_synthetic`` with a bool for each item or for all. The metadata may
    hold the mark of :func:`gan_augment.synthesis.export_images`, or ``trainedAlgorithmicMedia``, IPTC's digital source
    type for images from a trained model. If the data set lists its files, like torchvision's ``ImageFolder``, only the
    files are read. Tensors and arrays have no metadata, so their items count as real.

    Args:
        dataset (Dataset): Map-style data set. It may be wrapped in ``Subset`` or ``ConcatDataset``.

    Example:
        >>> import torch
        >>> from gan_augment import SyntheticPool
        >>> find_marked(SyntheticPool(torch.zeros(2, 1, 8, 8, dtype=torch.uint8)))
        [0, 1]
    """
    return [index for index in range(len(dataset)) if _is_marked_unread(dataset, index)]


def is_marked_item(dataset: Any, index: int, image: Any) -> bool:
    """Returns whether an item is marked as synthetic, given its image, which the caller has already read."""
    info = image.info if isinstance(image, PIL.Image.Image) else {}
    said = is_marked(info) or _says_so(dataset, index)
    return bool(said or (not info and _is_marked_file(dataset, index)))


def name_of_item(dataset: Any, index: int) -> str:
    """Returns the file of an item for an error message, or its index if the file is not known."""
    inner, place = _locate(dataset, index)
    names = getattr(inner, "names", None)  # of the data sets that `open_images` opens
    if isinstance(names, list) and len(names) == len(inner):
        return repr(str(names[place]))
    file = _file_of(inner, place)
    return f"item {index}" if file is None else repr(file)


def _is_marked_unread(dataset: Any, index: int) -> bool:
    says, file = _says_so(dataset, index), _is_marked_file(dataset, index)
    if says is not None or file is not None:
        return bool(says or file)
    image, _ = split_item(dataset[index])
    return isinstance(image, PIL.Image.Image) and is_marked(image.info)


def _says_so(dataset: Any, index: int) -> bool | None:
    """Returns what the data set says about an item, or None if it says nothing."""
    inner, place = _locate(dataset, index)
    said: Any = getattr(inner, "is_synthetic", None)
    if callable(said):
        said = said(place)
    elif hasattr(said, "__getitem__"):  # a list or tensor with an entry for each item
        said = said[place]
    return None if said is None else bool(said)


def _is_marked_file(dataset: Any, index: int) -> bool | None:
    """Returns whether the file of an item is marked, or None if the file is not known or not an image."""
    file = _file_of(*_locate(dataset, index))
    if file is None:
        return None
    try:
        with PIL.Image.open(file, formats=image_formats()) as image:
            if image.format == "PNG" and _has_text_behind_pixels(file):
                image.load()  # decodes the pixels, and then reads the rest
            return is_marked(image.info)
    except _UNREADABLE:
        return None


def _has_text_behind_pixels(file: str) -> bool:
    """Returns whether a PNG file has text after its pixels. Some programs write metadata there.

    It reads only the length and the name of each chunk, because decoding an image takes much longer.
    """
    behind = False
    with open(file, "rb") as stream:
        stream.seek(8)  # the signature
        while len(head := stream.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            if behind and name in (b"tEXt", b"zTXt", b"iTXt"):
                return True
            behind = behind or name == b"IDAT"
            stream.seek(length + 4, os.SEEK_CUR)  # its data and checksum
    return False


def _file_of(dataset: Any, index: int) -> str | None:
    """Returns the file of an item in a data set like torchvision's ImageFolder, or None if it is not known."""
    samples = getattr(dataset, "samples", None)
    if not isinstance(samples, (list, tuple)) or len(samples) != len(dataset):
        return None
    sample = samples[index]
    file = sample[0] if isinstance(sample, (list, tuple)) and sample else sample
    return os.fspath(file) if isinstance(file, (str, os.PathLike)) else None


def _locate(dataset: Any, index: int) -> tuple[Any, int]:
    """Returns the innermost data set that holds an item, and the index of the item in it."""
    while True:
        if type(dataset) is Subset:  # a subclass may change its items
            dataset, index = dataset.dataset, int(dataset.indices[index])
        elif type(dataset) is ConcatDataset:
            part = bisect.bisect_right(dataset.cumulative_sizes, index)
            dataset, index = dataset.datasets[part], index - (dataset.cumulative_sizes[part - 1] if part else 0)
        else:
            return dataset, index
