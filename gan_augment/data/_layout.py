"""Finds the image files of a folder or an archive and their classes, by the same rules for both."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import PIL.Image

from ._containers import MAX_FILE_BYTES, Container, Entry, find_repeated, reading, split_path

# Supported formats. The decoders of other formats get little scrutiny.
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
LABEL_FILE = "dataset.json"  # in StyleGAN's archives

_SPLITS = {"train", "training", "trainval", "val", "valid", "validation", "dev", "eval", "test", "testing"}
_SPLITS |= {"labeled", "labelled", "unlabeled", "unlabelled", "holdout", "heldout", "validate", "evaluation"}
_FILLERS = {"set", "images", "imgs", "data", "split"}  # in names of splits: "test_set", "TestSet" and "testset"
_JOINED = re.compile(f"({'|'.join(sorted(_SPLITS))})({'|'.join(sorted(_FILLERS))})")


@dataclass(frozen=True)
class Layout:
    """The images of a folder or an archive, sorted by class, folder and name, and their classes."""

    images: list[Entry]
    labels: list[int] | None = None  # class of each image; None without classes
    classes: list[str] | None = None  # sorted names; None without classes, or with a label file


def find_layout(container: Container, split: str | None, skipped: dict[tuple[str, ...], str]) -> Layout:
    """Decides which entries are images, and which class each has; adds skipped paths and reasons to ``skipped``."""
    with reading(container.path, "a folder or an archive of images"):
        entries = container.find_entries(skipped)
    if split is not None:
        labelled = _labelled_layout(container, _build_tree(entries, {}), {})
        if labelled is not None:  # labels of all splits, since the shards of a split alone would look like classes
            return _take_labelled_split(container.path, split, labelled)
        entries = _take_split(container.path, split, entries)
    tree = _build_tree(entries, skipped)
    labelled = _labelled_layout(container, tree, skipped)
    if labelled is not None:
        return labelled
    _, folders, depth, images = tree
    _check_layout(container.path, depth, images, folders)
    if all(len(image.parts) == depth + 1 for image in images):
        return Layout(sorted(images, key=lambda image: image.parts))
    classes = sorted({image.parts[depth] for image in images})
    number = {name: label for label, name in enumerate(classes)}
    images.sort(key=lambda image: (number[image.parts[depth]], "/".join(image.parts[:-1]), image.parts[-1]))
    return Layout(images, [number[image.parts[depth]] for image in images], classes)


@lru_cache(maxsize=1)
def image_formats() -> tuple[str, ...]:
    """Returns the supported formats that this version of Pillow can read."""
    PIL.Image.init()
    return tuple(name for name in FORMATS if name in PIL.Image.OPEN)


@lru_cache(maxsize=1)
def image_suffixes() -> tuple[str, ...]:
    """Returns the suffixes, in lower case, of the image files that this version of Pillow can read."""
    known = {*image_formats(), "MPO"}  # opened as JPEG
    return tuple(sorted(suffix for suffix, name in PIL.Image.registered_extensions().items() if name in known))


def describe_skipped(path: Path, skipped: Mapping[tuple[str, ...], str]) -> str:
    kinds: dict[str, list[str]] = {}
    for parts, why in skipped.items():
        kinds.setdefault(why, []).append("/".join(parts))
    told = [
        f"{len(names):,} {why} ({', '.join(sorted(names)[:3])}{', ...' if len(names) > 3 else ''})"
        for why, names in sorted(kinds.items())
    ]
    entries = "1 entry" if len(skipped) == 1 else f"{len(skipped):,} entries"
    return f"Skipped {entries} of {str(path)!r}: {'; '.join(told)}."


class _Tree(NamedTuple):
    """Entries by kind: files by path, folders, the number of nested outer folders, and images."""

    files: dict[tuple[str, ...], Entry]
    folders: set[tuple[str, ...]]
    depth: int
    images: list[Entry]


def _build_tree(entries: list[Entry], skipped: dict[tuple[str, ...], str]) -> _Tree:
    folders = {entry.parts for entry in entries if entry.is_folder}
    folders |= {entry.parts[:depth] for entry in entries for depth in range(1, len(entry.parts))}
    files = {entry.parts: entry for entry in entries if not entry.is_folder}
    return _Tree(files, folders, _outer_depth(files, folders), _find_images(files, skipped))


def _labelled_layout(container: Container, tree: _Tree, skipped: dict[tuple[str, ...], str]) -> Layout | None:
    """Returns the images with the labels of StyleGAN's label file, or None without such a file."""
    files, _, depth, images = tree
    label_file = next((entry for path, entry in files.items() if path[depth:] == (LABEL_FILE,)), None)
    if label_file is None:
        return None
    with reading(container.path / "/".join(label_file.parts), "a file of labels"):
        layout = _read_label_file(container, label_file, sorted(images, key=lambda image: image.parts), depth)
    if layout is not None:
        skipped.pop(label_file.parts, None)
    return layout


def _find_split(split: str, folders: tuple[str, ...]) -> int | None:
    return next((place for place, part in enumerate(folders) if part.casefold() == split.casefold()), None)


def _check_split(path: Path, split: str, found: Sequence[Any]) -> None:
    if not found:
        raise ValueError(f"{str(path)!r} must hold a folder {split!r} to use it as a split, but holds none.")


def _take_labelled_split(path: Path, split: str, whole: Layout) -> Layout:
    kept = [place for place, image in enumerate(whole.images) if _find_split(split, image.parts[:-1]) is not None]
    _check_split(path, split, kept)
    labels = whole.labels
    return Layout([whole.images[place] for place in kept], labels and [labels[place] for place in kept])


def _take_split(path: Path, split: str, entries: list[Entry]) -> list[Entry]:
    """Returns the entries in folders with the name of a split, at any depth, with these folders removed from paths."""
    taken = []
    for entry in entries:
        place = _find_split(split, entry.parts if entry.is_folder else entry.parts[:-1])
        if place is not None and len(entry.parts) > 1:
            taken.append(replace(entry, parts=entry.parts[:place] + entry.parts[place + 1 :], path=entry.parts))
    _check_split(path, split, taken)
    twice = find_repeated(taken)
    if twice:
        raise ValueError(
            f"{str(path)!r} must hold each image of the split {split!r} once, but several folders of this name "
            f"hold {'/'.join(min(twice))!r}; merge them."
        )
    return taken


def _outer_depth(files: Iterable[tuple[str, ...]], folders: Iterable[tuple[str, ...]]) -> int:
    """Returns the number of nested outer folders around everything, which are not classes."""
    here = {len(path) - 1 for path in files if path[-1] == LABEL_FILE or _has_image_suffix(path[-1])}
    depth = 0
    while depth not in here and len({folder[depth] for folder in folders if len(folder) > depth}) == 1:
        depth += 1
    return depth


def _find_images(files: Mapping[tuple[str, ...], Entry], skipped: dict[tuple[str, ...], str]) -> list[Entry]:
    images = []
    for path, entry in files.items():
        if not _has_image_suffix(path[-1]):
            skipped[path] = "not readable as images"
        elif _is_copy(path, files):
            skipped[path] = "copied by Jupyter"
        else:
            images.append(entry)
    return images


def _has_image_suffix(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in image_suffixes()


def _is_copy(path: tuple[str, ...], files: Mapping[tuple[str, ...], Entry]) -> bool:
    """Returns whether a file is Jupyter's copy of another one in the same folder or one folder up."""
    original = re.sub(r"-checkpoint(?=\.\w+$)", "", path[-1])
    return original != path[-1] and ((*path[:-1], original) in files or (*path[:-2], original) in files)


def _check_layout(path: Path, depth: int, images: Sequence[Entry], folders: Iterable[tuple[str, ...]]) -> None:
    """Checks that images are in one folder, or in one folder per class."""
    held = {image.parts[depth] for image in images if len(image.parts) > depth + 1}
    direct = {image.parts[depth] for image in images if len(image.parts) == depth + 2}
    if not images:
        raise ValueError(f"{str(path)!r} must hold images with one of the suffixes {image_suffixes()}, but holds none.")
    if not held:
        return
    if any(len(image.parts) == depth + 1 for image in images):
        raise ValueError(f"{str(path)!r} must hold images or one folder for each class, but holds both.")
    inner: dict[tuple[str, ...], set[str]] = defaultdict(set)  # folders in each folder
    for folder in folders:
        inner[folder[:-1]].add(folder[-1])
    for parent, names in inner.items():
        splits = _find_splits({name: inner.get((*parent, name), set()) for name in names})
        if len(parent) >= depth and splits:
            where = f" in {parent[-1]!r}" if len(parent) > depth else ""
            raise ValueError(
                f"{str(path)!r} must hold one folder for each class, but holds the splits {splits}{where}; name one, "
                f"such as '{path}:{splits[-1]}'. If these are classes, pass torchvision's ImageFolder."
            )
    top = {folder[depth] for folder in folders if len(folder) > depth}
    held_by = [inner.get((*images[0].parts[:depth], name), set()) for name in top]
    shared = sorted(set.intersection(*held_by)) if all(names == held_by[0] for names in held_by) else []
    if len(top) > 1 and len(shared) > 1 and not direct:  # they may be the classes
        raise ValueError(
            f"{str(path)!r} must hold one folder for each class, but all of {sorted(top)[:10]} hold folders with the "
            f"same names, {shared[:10]}. If these are the classes, name one of the outer folders, such as "
            f"'{path}:{min(top)}'; if the outer folders are the classes, pass torchvision's ImageFolder."
        )
    if top - held:
        raise ValueError(
            f"{str(path)!r} must hold images in the folder of each class, but {min(top - held)!r} holds no "
            "readable ones; remove this folder, or convert its images to PNG or JPEG."
        )
    forms = Counter(unicodedata.normalize("NFC", name) for name in held)
    same = [name for name, count in forms.items() if count > 1]
    if same:
        raise ValueError(
            f"{str(path)!r} must hold one folder for each class, but two are named {min(same)!r}, in different Unicode "
            "forms; merge them."
        )


def _words(name: str) -> list[str]:
    """Returns the words in a folder's name. It also splits names such as ``trainset`` and ``TrainImages``."""
    found = re.findall("[a-z]+", re.sub("(?<=[a-z])(?=[A-Z])", " ", name).casefold())
    joined = [_JOINED.fullmatch(word) for word in found]
    return [part for word, both in zip(found, joined) for part in (both.groups() if both else (word,))]


def _find_splits(folders: Mapping[str, Set[str]]) -> list[str]:
    """Returns the folders that are splits and not classes. Each is given with the names of the folders in it."""
    words = {name: _words(name) for name in folders}
    splits = {name: _SPLITS & set(found) for name, found in words.items()}
    alike: dict[tuple[str, ...], list[str]] = {}  # names that differ only in the split, such as seg_train and seg_test
    for name, found in words.items():
        if len(splits[name]) == 1:
            rest = tuple(word for word in found if word not in _SPLITS | _FILLERS)
            alike.setdefault(rest, []).append(name)
    for names in alike.values():
        if len(set.union(*(splits[name] for name in names))) > 1:
            return sorted(names)
    # A single one is a split if the other folders hold the same classes as it, or are these classes.
    for name in alike.get((), ()):
        others = {other: inside for other, inside in folders.items() if other != name}
        if folders[name] and any(not inside or inside & folders[name] for inside in others.values()):
            return [name]
    return []


def _check_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns a JSON object; without this check, the last of two equal keys would silently win."""
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("it has a key twice")
    return dict(pairs)


def _read_label_file(container: Container, entry: Entry, images: list[Entry], depth: int) -> Layout | None:
    """Returns the images with the labels of StyleGAN's label file, or None if the file has other contents."""
    with container.open(entry) as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES:,} bytes")
    try:
        content = json.loads(data, object_pairs_hook=_check_unique_keys)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(content, dict) or "labels" not in content:
        return None
    if content["labels"] is None:
        return Layout(images)
    labels: dict[tuple[str, ...], int] = {}
    for pair in content["labels"] if isinstance(content["labels"], list) else [content["labels"]]:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str) or type(pair[1]) is not int:
            raise ValueError(f"it must have a name and a class index for each image, but has {repr(pair)[:200]}")
        path = split_path(pair[0])
        if path in labels:
            raise ValueError(f"it has two labels for {pair[0]!r}")
        labels[path] = pair[1]
    there = {image.parts[depth:] for image in images}
    if there != set(labels):
        missing, extra = there - set(labels), set(labels) - there
        raise ValueError(
            f"it has no label for {len(missing):,} of {len(there):,} images, and labels for {len(extra):,} missing "
            f"images, such as {'/'.join(min(missing or extra))!r}"
        )
    if not labels or not 0 <= min(labels.values()) <= max(labels.values()) < len(labels):
        raise ValueError("its class indices must start at 0 and have no gaps")
    return Layout(images, [labels[image.parts[depth:]] for image in images])
