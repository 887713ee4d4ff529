"""Opens data sets by name: folders, archives, array files and torchvision's data sets."""

from __future__ import annotations

import math
import os
import struct
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL.Image
import torch
import torchvision
from PIL.Image import Transpose
from torch import Tensor
from torch.utils.data import Dataset

from .._core import MARK, is_marked
from ._containers import MAX_BYTES, MAX_FILE_BYTES, MAX_FILES, Container, open_container, reading
from ._layout import describe_skipped, find_layout, image_formats

MAX_PIXELS = 2**26
_ORIENTATION = 0x0112  # EXIF tag
_UPRIGHT = {  # the operation that turns an image upright, by the value of this tag
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_KINDS = "a folder, a .zip, .tar or .npz file, or torchvision:<Name>"
_IMAGE_NAMES = ("images", "train_images", "x_train", "x", "arr_0")
_LABEL_NAMES = ("labels", "train_labels", "y_train", "y")
_CLASS_NAMES = ("class_names", "classes", "label_names", "target_names")
_OTHER_SPLITS = ("test_", "val_", "valid_", "dev_", "x_test", "x_val", "y_test", "y_val")

# torchvision's classification data sets, by how they select a part: train=, split= (and its default), or none.
_BY_TRAIN = ("MNIST", "FashionMNIST", "KMNIST", "QMNIST", "CIFAR10", "CIFAR100", "USPS")
_BY_SPLIT = {
    **dict.fromkeys(("SVHN", "STL10", "GTSRB", "Food101", "Flowers102", "DTD", "Country211"), "train"),
    **dict.fromkeys(("FGVCAircraft", "OxfordIIITPet"), "trainval"),
    **dict.fromkeys(("PCAM", "RenderedSST2", "Imagenette"), "train"),
}
_WHOLE = ("EuroSAT", "SEMEION", "Caltech101", "Caltech256", "SUN397")


def open_images(
    data: Any,
    *,
    root: str | Path = "data",
    download: bool = True,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
) -> Dataset[Any]:
    """Opens images, and their labels if there are any, as a map-style data set.

    ========================== =====================================================================
    ``data``                   data set
    ========================== =====================================================================
    a data set, a tensor       returned unchanged
    a folder of folders        each folder is a class, numbered as in torchvision's ``ImageFolder``
    a folder of images         its images in the order of their names, without labels
    ``"file.zip"``, a tar      the same two layouts and rules, read without unpacking
    ``"photos:test"``          images in folders named ``test``, in a folder or an archive
    ``"file.npz"``             arrays ``images``, ``train_images``, ``x_train``, ``x`` or ``arr_0``, and
                               ``labels``, ``train_labels``, ``y_train`` or ``y``
    ``"file.npz:test"``        arrays ``test_images`` or ``x_test``, and ``test_labels`` or ``y_test``
    ``"torchvision:MNIST"``    training part of torchvision's MNIST; ``"torchvision:MNIST:test"``: its test part
    ========================== =====================================================================

    In folders and archives, a single outer folder is not a class, and each class folder must hold images. If the
    folders are splits (``train``, ``test``), or all hold the same folders (``fold1/cat``, ``fold2/cat``), an error asks
    you to name one. StyleGAN's ``dataset.json`` gives labels and must list every image. Hidden files and files that are
    not images are skipped, with one warning that counts them. Arrays with other names are skipped too. Links are
    followed in folders and skipped in archives.

    Arrays have shape ``(n, h, w)``, ``(n, h, w, c)`` or ``(n, c, h, w)`` with 1 or 3 channels, uint8 or float 0..1.
    Labels are integers ``(n,)`` or ``(n, 1)``. An array ``class_names``, ``classes``, ``label_names`` or
    ``target_names`` may hold the names of the classes.

    Image files are turned upright according to their EXIF data and converted to grey or RGB without alpha. Only the
    first frame of an animation is used. Grey images with more than 8 bits raise an error. The data sets can be
    pickled. If the classes have names, they are in the attribute ``classes``.

    Args:
        data (Dataset, Tensor, str or Path): One of the above.
        root (str or Path): Folder of torchvision's data sets. Default: ``"data"``.
        download (bool): Whether torchvision may download data sets that are not in ``root``. Default: True.
        max_bytes (int): Maximum size of a decompressed archive in bytes. Default: 8 GiB.
        max_files (int): Maximum number of files and folders in an archive. Default: 1,000,000.

    Raises:
        ValueError: If ``data`` does not exist, is damaged, exceeds a limit, or its classes are ambiguous.
        TypeError: If ``data`` is neither a name nor a map-style data set.

    Example:
        >>> len(open_images(torch.zeros(8, 1, 16, 16)))
        8
    """
    if not isinstance(data, (str, os.PathLike)):
        if isinstance(data, dict) or not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
            raise TypeError(f"data must be a path, a name or a map-style data set, but got {type(data)} instead.")
        return data  # type: ignore[no-any-return]
    name = os.fspath(data)
    if name.startswith("torchvision:"):
        return _open_torchvision(name, Path(root), download)
    path, split = Path(name), None
    if not path.exists() and ":" in name:
        whole, _, last = name.rpartition(":")
        if Path(whole).exists():
            path, split = Path(whole), last
    if not path.exists():
        raise ValueError(f"data must be {_KINDS}, but there is no {str(path)!r}.")
    container = open_container(path, max_bytes, max_files)
    if container is not None:
        return ImageFiles(container, split)
    if path.suffix.lower() == ".npz":
        return _open_npz(path, split, max_bytes)
    raise ValueError(f"data must be {_KINDS}, but got {str(path)!r} instead.")


class ImageFiles(Dataset[Any]):
    """Images in a folder or an archive, with classes if there is one folder per class."""

    def __init__(self, container: Container, split: str | None) -> None:
        self._container = container
        skipped: dict[tuple[str, ...], str] = {}
        layout = find_layout(container, split, skipped)
        self._images = layout.images
        self.names = ["/".join(image.parts) for image in layout.images]
        self.labels = self.targets = layout.labels  # None without classes; torchvision's name is targets
        self.classes = layout.classes  # None without names
        if skipped:
            warnings.warn(describe_skipped(container.path, skipped), UserWarning, stacklevel=3)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Any:
        entry = self._images[index]
        with reading(self._container.path / "/".join(entry.path or entry.parts), "an image"):
            if entry.size > MAX_FILE_BYTES:
                raise ValueError(f"it is larger than {MAX_FILE_BYTES:,} bytes")
            with self._container.open(entry) as file:
                image = _decode(file)
        return image if self.labels is None else (image, self.labels[index])


class ArrayImages(Dataset[Any]):
    """Data set of images ``(n, c, h, w)``, and their labels ``(n,)`` and class names, in memory."""

    def __init__(self, images: Tensor, labels: Tensor | None = None, classes: list[str] | None = None) -> None:
        self.images = images
        self.labels = labels
        self.classes = classes

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.images[index] if self.labels is None else (self.images[index], int(self.labels[index]))


def _decode(file: IO[bytes]) -> PIL.Image.Image:
    """Reads an upright grey or RGB image, or the first frame of an animation."""
    try:
        opened = PIL.Image.open(file, formats=image_formats())
    except PIL.UnidentifiedImageError as error:  # its message names a Python object, not the file
        raise ValueError("it is damaged, or has an unsupported format") from error
    with opened as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"it has {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"it has more than 8 bits per channel (mode {image.mode!r})")
        image.load()  # a damaged file fails here, and not in getexif
        # Pillow turns TIFF files itself, but before version 10 their EXIF data still ask for it.
        turn = None if image.format == "TIFF" else _UPRIGHT.get(_orientation(image))
        upright = image if turn is None else image.transpose(turn)
        if turn is not None:  # the copy must not ask for another turn
            upright.info = {key: value for key, value in image.info.items() if key == "transparency"}
            upright.info |= dict([MARK]) if is_marked(image.info) else {}
        if upright.mode == "P" and "transparency" in upright.info:
            upright = upright.convert("RGBA")  # avoids a warning of Pillow
        return upright.convert("L" if upright.mode in ("1", "L", "LA", "La") else "RGB")


def _orientation(image: PIL.Image.Image) -> Any:
    """Returns the orientation in the EXIF data, or None if they are damaged."""
    try:
        return image.getexif().get(_ORIENTATION)
    except (SyntaxError, ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error):
        return None


def _open_npz(path: Path, split: str | None, max_bytes: int) -> ArrayImages:
    with reading(path, "an .npz of images"), zipfile.ZipFile(path) as archive:
        found = {name.removesuffix(".npy"): name for name in archive.namelist()}

        def first(names: tuple[str, ...]) -> str | None:
            return next((name for name in names if name in found), None)

        wanted: tuple[str, ...] = _IMAGE_NAMES if split is None else (f"{split}_images", f"x_{split}")
        image_name = first(wanted)
        if image_name is None:
            raise ValueError(f"it has none of the arrays {wanted}, but {sorted(found)[:20]}")
        images = _as_images(_read_array(archive, found[image_name], max_bytes), image_name)
        label_name = first(_LABEL_NAMES if split is None else (f"{split}_labels", f"y_{split}"))
        if label_name is None:
            others = sorted(set(found) - {image_name})
            if split is None and others and not any(name.startswith(_OTHER_SPLITS) for name in others):
                warnings.warn(
                    f"Skipped arrays of {str(path)!r}: {others[:10]}. Labels must be named {_LABEL_NAMES}.",
                    UserWarning,
                    stacklevel=3,
                )
            return ArrayImages(images)
        labels = _read_array(archive, found[label_name], max_bytes)
        if labels.dtype.kind not in "iu" or labels.size != len(images) or labels.shape[1:] not in ((), (1,)):
            raise ValueError(f"{label_name} must be {len(images)} integers, but is {labels.dtype} {labels.shape}")
        names, names_name = None, first(_CLASS_NAMES)
        if names_name is not None:
            array = _read_array(archive, found[names_name], max_bytes, "USiu")
            array = np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array.astype(np.str_)
            names = array.tolist()
            if array.ndim != 1 or len(set(names)) != len(names) or len(names) <= labels.max():
                raise ValueError(f"{names_name} must name each class once, but is {names[:20]}")
        return ArrayImages(images, torch.from_numpy(labels.reshape(-1).astype(np.int64)), names)


def _read_array(archive: zipfile.ZipFile, name: str, max_bytes: int, kinds: str = "uif") -> np.ndarray[Any, Any]:
    """Reads an array of an .npz, after checking in its header that it has plain values and is within the limit."""
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in kinds or min(shape, default=0) < 0 or size > min(max_bytes, archive.getinfo(name).file_size):
        what = "text or integers" if "U" in kinds else "numbers"
        raise ValueError(f"{name} must be {what} of at most {max_bytes:,} bytes, but is {dtype} {shape}")
    with archive.open(name) as file:
        array: np.ndarray[Any, Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _as_images(array: np.ndarray[Any, Any], name: str) -> Tensor:
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[3] in (1, 3) and array.shape[1] not in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    elif array.ndim != 4 or array.shape[1] not in (1, 3) or array.shape[3] in (1, 3):
        raise ValueError(
            f"{name} must have shape (n, h, w), (n, h, w, c) or (n, c, h, w) with 1 or 3 channels, "
            f"but has {array.shape}"
        )
    if array.size == 0 or (array.dtype != np.uint8 and array.dtype.kind != "f"):
        raise ValueError(f"{name} must be images in uint8 (0..255) or float (0..1), but is {array.dtype} {array.shape}")
    if array.dtype.kind == "f" and not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(f"{name} must be between 0 and 1, but is {array.min():.3g} to {array.max():.3g}")
    return torch.from_numpy(np.ascontiguousarray(array))


def _open_torchvision(name: str, root: Path, download: bool) -> Dataset[Any]:
    _, kind, *rest = name.split(":")
    split = rest[0] if rest else None
    arguments: dict[str, Any] = {}
    known = (*_BY_TRAIN, *_BY_SPLIT, *_WHOLE)
    if kind not in known or not hasattr(torchvision.datasets, kind) or len(rest) > 1:
        raise ValueError(f"data must be torchvision:<Name> or torchvision:<Name>:<split> of {known}, but got {name!r}.")
    if kind in _BY_TRAIN and split in (None, "train", "test"):
        arguments["train"] = split != "test"
    elif kind in _BY_SPLIT:
        arguments["split"] = split or _BY_SPLIT[kind]
    elif split is not None:
        remedy = "use 'train' or 'test'" if kind in _BY_TRAIN else "leave it out"
        raise ValueError(f"torchvision's {kind} has no split {split!r}; {remedy}.")
    create = getattr(torchvision.datasets, kind)
    try:
        return create(str(root), download=False, **arguments)  # type: ignore[no-any-return]
    except (RuntimeError, OSError) as error:  # not in root
        if not download:
            raise ValueError(
                f"torchvision's {kind} is not in {str(root)!r}, and download=False prevents a download; "
                f"pass download=True: {error}"
            ) from None
    try:
        return create(str(root), download=True, **arguments)  # type: ignore[no-any-return]
    except (RuntimeError, OSError) as error:
        raise ValueError(
            f"torchvision's {kind} is not in {str(root)!r} and cannot be downloaded; check your network connection: "
            f"{error}"
        ) from None
