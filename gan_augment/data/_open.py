"""Data sets out of what a person names: folders, archives, array files and torchvision's."""

from __future__ import annotations

import math
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor
from torch.utils.data import Dataset

from ._image_files import ImageFiles, is_archive
from ._listing import MAX_BYTES, reading

_KINDS = "a folder, a .zip, .tar or .npz file, or torchvision:<Name>"
_IMAGE_NAMES = ("images", "train_images", "x_train", "x", "arr_0")
_LABEL_NAMES = ("labels", "train_labels", "y_train", "y")
_CLASS_NAMES = ("class_names", "classes", "label_names", "target_names")

_OTHER_SPLITS = ("test_", "val_", "valid_", "dev_", "x_test", "x_val", "y_test", "y_val")

# torchvision's classification sets, by how they name their parts: train=, split= (and its default), or not at all.
_BY_TRAIN = ("MNIST", "FashionMNIST", "KMNIST", "QMNIST", "CIFAR10", "CIFAR100", "USPS")
_BY_SPLIT = {
    **dict.fromkeys(("SVHN", "STL10", "GTSRB", "Food101", "Flowers102", "DTD", "Country211"), "train"),
    **dict.fromkeys(("FGVCAircraft", "OxfordIIITPet"), "trainval"),
    **dict.fromkeys(("PCAM", "RenderedSST2", "Imagenette"), "train"),
}
_WHOLE = ("EuroSAT", "SEMEION", "Caltech101", "Caltech256", "SUN397")


def open_images(
    data: Any, *, root: str | Path = "data", download: bool = True, max_bytes: int = MAX_BYTES
) -> Dataset[Any]:
    """Opens images, with their labels where there are any, as a map-style data set.

    ========================== =====================================================================
    ``data``                   data set
    ========================== =====================================================================
    a data set, a tensor       itself
    a folder of folders        each folder is a class, numbered as by torchvision's ``ImageFolder``
    a folder of images         its images by name, without labels
    ``"file.zip"``, a tar      the same two layouts, by the same rules, read in place
    ``"photos:test"``          the images of a folder or an archive in folders named ``test``
    ``"file.npz"``             arrays ``images``, ``train_images``, ``x_train``, ``x`` or ``arr_0``, and
                               ``labels``, ``train_labels``, ``y_train`` or ``y``
    ``"file.npz:test"``        arrays ``test_images`` or ``x_test``, and ``test_labels`` or ``y_test``
    ``"torchvision:MNIST"``    torchvision's, the training part; ``"torchvision:MNIST:test"`` the other
    ========================== =====================================================================

    In folders and archives, a single outer folder is no class, and a folder for each class must hold images. Splits
    (``train``, ``test``) are refused: name one. So are outer folders that all hold the same folders, such as
    ``fold1`` and ``fold2``. StyleGAN's ``dataset.json`` gives labels, and must list every image.
    Hidden files and everything that is no image is left out, and counted in one warning. Links are followed in
    folders, and left out of archives.

    Arrays are ``(n, h, w)``, ``(n, h, w, c)`` or ``(n, c, h, w)`` of 1 or 3 channels, uint8 or float 0..1;
    labels are integers ``(n,)`` or ``(n, 1)``, and ``class_names``, ``classes``, ``label_names`` or
    ``target_names`` may name them. Image files are turned upright by
    their EXIF data, and stay grey or become RGB, without alpha; of animations the first frame counts. Grey images of
    more than 8 bits are refused. The data sets can be pickled, and have ``classes`` if those have names.

    Args:
        data (Dataset, Tensor, str or Path): As above.
        root (str or Path): Where torchvision's data sets are, or are downloaded to.
        download (bool): Whether torchvision may download what is not in ``root``.
        max_bytes (int): Most bytes that an archive may decompress to.

    Raises:
        ValueError: If there is nothing of the kind, it is damaged, above a limit, or its classes are not clear.
        TypeError: If it is neither a name nor a map-style data set.

    Warns:
        UserWarning: If files, folders or arrays were left out.

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
    if path.is_dir() or is_archive(path):
        return ImageFiles(path, split, max_bytes)
    if path.suffix.lower() == ".npz":
        return _open_npz(path, split, max_bytes)
    raise ValueError(f"data must be {_KINDS}, but got {str(path)!r} instead.")


class ArrayImages(Dataset[Any]):
    """Images, and their labels, out of arrays.

    Args:
        images (Tensor): ``(n, c, h, w)``.
        labels (Tensor, optional): int64 ``(n,)``.
        classes (list of str, optional): Names of the classes.
    """

    def __init__(self, images: Tensor, labels: Tensor | None = None, classes: list[str] | None = None) -> None:
        self.images = images
        self.labels = labels
        self.classes = classes

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.images[index] if self.labels is None else (self.images[index], int(self.labels[index]))


def _open_npz(path: Path, split: str | None, max_bytes: int) -> ArrayImages:
    with reading(path, "an .npz of images"), zipfile.ZipFile(path) as archive:
        found = {name.removesuffix(".npy"): name for name in archive.namelist()}
        wanted: tuple[str, ...] = _IMAGE_NAMES if split is None else (f"{split}_images", f"x_{split}")
        image_name = next((name for name in wanted if name in found), None)
        if image_name is None:
            raise ValueError(f"it has none of the arrays {wanted}, but {sorted(found)[:20]}")
        wanted = _LABEL_NAMES if split is None else (f"{split}_labels", f"y_{split}")
        label_name = next((name for name in wanted if name in found), None)
        images = _as_images(_read_array(archive, found[image_name], max_bytes), image_name)
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
        names = None
        kept = next((name for name in _CLASS_NAMES if name in found), None)
        if kept is not None:
            array = _read_array(archive, found[kept], max_bytes, "USiu")
            array = np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array.astype(np.str_)
            if array.ndim != 1 or len(set(array.tolist())) != len(array) or len(array) <= labels.max():
                raise ValueError(f"{kept} must name each class once, but is {array.tolist()[:20]}")
            names = array.tolist()
        return ArrayImages(images, torch.from_numpy(labels.reshape(-1).astype(np.int64)), names)


def _read_array(archive: zipfile.ZipFile, name: str, max_bytes: int, kinds: str = "uif") -> np.ndarray[Any, Any]:
    """One array of an .npz, after its header was found to be of plain values and within the limit."""
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
            f"{name} must have shape (n, h, w), (n, h, w, c) or (n, c, h, w) of 1 or 3 channels, but has {array.shape}"
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
        raise ValueError(
            f"torchvision's {kind} has no split {split!r}; name {'train or test' if kind in _BY_TRAIN else 'none'}."
        )
    create = getattr(torchvision.datasets, kind)
    try:
        return create(str(root), download=False, **arguments)  # type: ignore[no-any-return]
    except (RuntimeError, OSError) as error:  # not there yet
        if not download:
            raise ValueError(f"torchvision's {kind} must be in {str(root)!r} or be downloaded, but: {error}") from error
    try:
        return create(str(root), download=True, **arguments)  # type: ignore[no-any-return]
    except (RuntimeError, OSError) as error:
        raise ValueError(
            f"torchvision's {kind} is not in {str(root)!r} and cannot be downloaded (is there a network?): {error}"
        ) from error
