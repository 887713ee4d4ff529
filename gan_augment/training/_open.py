"""Data sets out of what a person names: folders, archives, array files and torchvision's."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
import PIL.Image
import torch
import torchvision
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.datasets.folder import IMG_EXTENSIONS, ImageFolder

MAX_BYTES = 8 * 2**30
MAX_MEMBERS = 1_000_000
MAX_FILE_BYTES = 2**27
MAX_PIXELS = 2**26
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # others run decoders that are rarely looked at

_SPLIT_NAMES = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}
_IMAGE_NAMES = ("images", "train_images", "x_train", "x", "arr_0")
_LABEL_NAMES = ("labels", "train_labels", "y_train", "y")

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
    a folder of folders        torchvision's ``ImageFolder``: each folder is a class
    a folder of images         its images by name, without labels; folders in it are not looked into
    ``"file.zip"``             the same two layouts, read in place; a single outer folder does not count
    ``"file.npz"``             arrays ``images``, ``train_images``, ``x_train``, ``x`` or ``arr_0``, and
                               ``labels``, ``train_labels``, ``y_train`` or ``y``
    ``"file.npz:test"``        arrays ``test_images`` or ``x_test``, and ``test_labels`` or ``y_test``
    ``"torchvision:MNIST"``    torchvision's, the training part; ``"torchvision:MNIST:test"`` the other
    ========================== =====================================================================

    Arrays are ``(n, h, w)``, ``(n, h, w, c)`` or ``(n, c, h, w)`` of 1 or 3 channels, uint8 or float 0..1;
    labels are integers ``(n,)`` or ``(n, 1)``. Image files stay grey or become RGB, without alpha; more than
    8 bits a channel are refused. The data sets can be pickled, and have ``classes`` where those have names.

    Args:
        data (Dataset, Tensor, str or Path): As above.
        root (str or Path): Where torchvision's data sets are, or are downloaded to.
        download (bool): Whether torchvision may download what is not in ``root``.
        max_bytes (int): Most bytes that an archive may decompress to.

    Raises:
        ValueError: If there is nothing of the kind, it is damaged, or above a limit.
        TypeError: If it is neither a name nor a map-style data set.

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
    if not path.exists() and ".npz:" in name:
        path, split = Path(name.rpartition(":")[0]), name.rpartition(":")[2]
    if not path.exists():
        raise ValueError(f"data must be a folder, .zip, .npz or torchvision:<Name>, but there is no {str(path)!r}.")
    if path.is_dir():
        return _open_folder(path)
    if path.suffix.lower() == ".npz":
        return _open_npz(path, split, max_bytes)
    if path.suffix.lower() == ".zip":
        return ZipImages(path, max_bytes)
    raise ValueError(f"data must be a folder, .zip, .npz or torchvision:<Name>, but got {str(path)!r} instead.")


class ImageFiles(Dataset[PIL.Image.Image]):
    """The images of one folder, by name, without labels.

    Args:
        folder (Path): That they are in; folders in it are not looked into.
    """

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(path for path in folder.iterdir() if path.is_file() and _is_image(path.name))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> PIL.Image.Image:
        return _load_image(self.paths[index])


class ZipImages(Dataset[Any]):
    """The images in a zip file, read in place.

    Attributes:
        names (list of str): Of the images, in order.
        labels (list of int, optional): Index of each one's folder, if they are in folders.
        classes (list of str, optional): The folders' names, sorted.

    Args:
        path (Path): Of the file.
        max_bytes (int): Most bytes that all images may decompress to.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._archive: tuple[int, zipfile.ZipFile] | None = None
        with _reading(path, "a .zip of images"):
            members = [member for member in self._open().infolist() if _is_image(member.filename)]
        total = sum(member.file_size for member in members)
        if len(members) > MAX_MEMBERS or total > max_bytes:
            raise ValueError(
                f"{str(path)!r} must hold at most {MAX_MEMBERS:,} images of {max_bytes:,} bytes together, "
                f"but holds {len(members):,} of {total:,}."
            )
        self.names = sorted(member.filename for member in members)
        folders = [PurePosixPath(name).parent.parts for name in self.names]
        outer = _common_length(folders)
        inner = [parts[outer] if len(parts) > outer else None for parts in folders]
        _check_layout(path, inner)
        self.classes = sorted({name for name in inner if name is not None}) or None
        index = {name: label for label, name in enumerate(self.classes or ())}
        self.labels = None if self.classes is None else [index[str(name)] for name in inner]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Any:
        name = self.names[index]
        where = f"{self.path}/{name}"
        with _reading(where, "an image"):
            member = self._open().getinfo(name)
            if member.file_size > MAX_FILE_BYTES:
                raise ValueError(f"it is larger than {MAX_FILE_BYTES:,} bytes")
            with self._open().open(member) as file:
                image = _decode(file)
        return image if self.labels is None else (image, self.labels[index])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_archive": None}

    def _open(self) -> zipfile.ZipFile:
        if self._archive is None or self._archive[0] != os.getpid():  # a forked worker would share the position
            self._archive = os.getpid(), zipfile.ZipFile(self.path)
        return self._archive[1]


class ArrayImages(Dataset[Any]):
    """Images, and their labels, out of arrays.

    Args:
        images (Tensor): ``(n, c, h, w)``.
        labels (Tensor, optional): int64 ``(n,)``.
    """

    def __init__(self, images: Tensor, labels: Tensor | None = None) -> None:
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.images[index] if self.labels is None else (self.images[index], int(self.labels[index]))


class ClassFolders(ImageFolder):  # type: ignore[misc]
    """torchvision's ``ImageFolder`` of the folders that hold images and are not hidden."""

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        """The classes, sorted, and their indices."""
        classes = _class_folders(Path(directory))
        return classes, {name: index for index, name in enumerate(classes)}


def _class_folders(path: Path) -> list[str]:
    folders = sorted(folder.name for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    return [name for name in folders if any(_is_image(file) for _, _, files in os.walk(path / name) for file in files)]


def _open_folder(path: Path) -> Dataset[Any]:
    images = ImageFiles(path)
    _check_layout(path, [*_class_folders(path), *(None for _ in images.paths)])
    if images.paths:
        return images
    with _reading(path, "one folder of images for each class"):
        return ClassFolders(str(path), loader=_load_image, is_valid_file=_is_image)


def _common_length(folders: list[tuple[str, ...]]) -> int:
    """How many outer folders all paths have in common."""
    shortest, longest = min(folders, default=()), max(folders, default=())
    return next((place for place, (a, b) in enumerate(zip(shortest, longest)) if a != b), len(shortest))


def _check_layout(path: Path, folders: list[str | None]) -> None:
    """Refuses what is neither flat nor one folder per class; None stands for an image outside of folders."""
    classes = {name for name in folders if name is not None}
    if not folders:
        raise ValueError(f"{str(path)!r} must hold images {IMG_EXTENSIONS}, but holds none.")
    if classes and None in folders:
        raise ValueError(f"{str(path)!r} must hold images or one folder for each class, but holds both.")
    if len(classes) > 1 and {name.lower() for name in classes} <= _SPLIT_NAMES:
        raise ValueError(f"{str(path)!r} must hold one folder for each class, but holds {sorted(classes)}; name one.")


def _open_npz(path: Path, split: str | None, max_bytes: int) -> ArrayImages:
    with _reading(path, "an .npz of images"), zipfile.ZipFile(path) as archive:
        found = {name.removesuffix(".npy"): name for name in archive.namelist()}
        wanted: tuple[str, ...] = _IMAGE_NAMES if split is None else (f"{split}_images", f"x_{split}")
        image_name = next((name for name in wanted if name in found), None)
        if image_name is None:
            raise ValueError(f"it has none of the arrays {wanted}, but {sorted(found)[:20]}")
        wanted = _LABEL_NAMES if split is None else (f"{split}_labels", f"y_{split}")
        label_name = next((name for name in wanted if name in found), None)
        images = _as_images(_read_array(archive, found[image_name], max_bytes), image_name)
        if label_name is None:
            return ArrayImages(images)
        labels = _read_array(archive, found[label_name], max_bytes)
        if labels.dtype.kind not in "iu" or labels.size != len(images) or labels.shape[1:] not in ((), (1,)):
            raise ValueError(f"{label_name} must be {len(images)} integers, but is {labels.dtype} {labels.shape}")
        return ArrayImages(images, torch.from_numpy(labels.reshape(-1).astype(np.int64)))


def _read_array(archive: zipfile.ZipFile, name: str, max_bytes: int) -> np.ndarray[Any, Any]:
    """One array of an .npz, after its header was found to be of plain numbers and within the limit."""
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "uif" or min(shape, default=0) < 0 or size > min(max_bytes, archive.getinfo(name).file_size):
        raise ValueError(f"{name} must be numbers of at most {max_bytes:,} bytes, but is {dtype} {shape}")
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


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    return path.suffix.lower() in IMG_EXTENSIONS and not hidden


def _load_image(path: str | Path) -> PIL.Image.Image:
    with _reading(path, "an image"), open(path, "rb") as file:
        return _decode(file)


def _decode(file: IO[bytes]) -> PIL.Image.Image:
    """A grey or RGB image out of a file."""
    with PIL.Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"it has {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"it has more than 8 bits a channel (mode {image.mode!r})")
        return image.convert("L" if image.mode in ("1", "L", "LA", "La") else "RGB")


@contextmanager
def _reading(path: str | Path, expected: str) -> Iterator[None]:
    """Names the file in whatever goes wrong: damaged files fail in a dozen ways, most of them undocumented."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{str(path)!r} must be {expected}, but: {str(error).rstrip('.') or repr(error)}.") from error
