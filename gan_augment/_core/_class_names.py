"""Class names of data sets, which say what a class index means."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

# Attributes in which libraries store names: lists, and mappings between names and indices.
_LISTS = ("classes", "class_names", "categories", "CLASSES", "label_names", "target_names", "vocab")
_MAPPINGS = (
    *("class_to_idx", "class_to_index", "class_to_id", "class2idx", "class2id", "class_indices"),
    *("label_to_idx", "label_to_index", "label_to_id", "label2idx", "label2id"),
    *("idx_to_class", "index_to_class", "id_to_class", "idx2class", "id2class"),
    *("idx_to_label", "index_to_label", "id_to_label", "idx2label", "id2label"),
)
_MAX_SHOWN = 20


def stored_class_names(dataset: Any) -> tuple[str, ...] | None:
    """Returns the class names that a data set stores, in the order of its labels, or None if it stores none.

    Knows the attributes of torchvision, timm, fastai, transformers, MedMNIST and OpenMMLab.
    """
    listed = next(filter(None, (as_names(getattr(dataset, attribute, None)) for attribute in _LISTS)), None)
    for attribute in _MAPPINGS:  # mappings are exact, while a list may have another order
        names = as_names(getattr(dataset, attribute, None))
        if names is not None and (listed is None or sorted(names) == sorted(listed)):
            return names
    if listed is not None:
        return listed
    for mapping in (getattr(dataset, "info", None), getattr(dataset, "metainfo", None)):
        if isinstance(mapping, Mapping):  # MedMNIST, OpenMMLab
            names = as_names(mapping.get("label")) or as_names(mapping.get("classes"))
            if names is not None:
                return names
    reader = getattr(dataset, "reader", None)  # timm
    return None if reader is None else stored_class_names(reader)


def as_names(value: Any) -> tuple[str, ...] | None:
    """Returns names from a list or from a mapping between names and indices, or None for anything else."""
    if isinstance(value, Mapping):
        if all(_is_index(index) for index in value.values()):
            name_of = {int(index): str(name) for name, index in value.items()}
        elif all(_is_index(index) or str(index).isdecimal() for index in value):
            name_of = {int(index): str(name) for index, name in value.items()}
        else:
            return None
        found = [name_of[index] for index in range(len(value)) if index in name_of]
        return tuple(found) if found and len(found) == len(value) else None
    if isinstance(value, (str, bytes, Set)) or not (hasattr(value, "__len__") and isinstance(value, Iterable)):
        return None
    names = []
    for name in value:  # stops at the first that is not a name, since a data set is iterable too
        if isinstance(name, bytes):  # from h5py, or a numpy array of bytes
            name = name.decode("utf-8", "replace")
        if isinstance(name, tuple) and name and all(isinstance(each, str) for each in name):
            name = ", ".join(name)  # ImageNet's synonyms
        if not (isinstance(name, str) or _is_index(name)):
            return None
        names.append(str(name))
    return tuple(names) or None


def names_are_meaningful(names: Sequence[str]) -> bool:
    """Returns whether names say more than the index. For class 3, the names "3" and "class 3" do not."""
    return any([int(number) for number in re.findall(r"\d+", name)] != [index] for index, name in enumerate(names))


def differing_class(first: Sequence[str], second: Sequence[str]) -> int | None:
    """Returns the first class whose names in two lists do not agree, or None if all agree.

    Names agree if they are equal except for case and punctuation. They also agree if one has all words of
    the other, such as ``"0"`` and ``"0 - zero"``, and this holds for no other class.

    Example:
        >>> differing_class(["0", "1"], ["0 - zero", "1 - one"]), differing_class(["0", "1"], ["eight", "five"])
        (None, 0)
        >>> differing_class(["shirt", "t-shirt"], ["t-shirt", "shirt"])
        0
    """
    ours, theirs = ([_words(name) for name in names] for names in (first, second))
    if ours == theirs:
        return None
    related_to_ours, related_to_theirs = _related_finder(ours), _related_finder(theirs)
    for index, (one, other) in enumerate(zip(ours, theirs)):
        if one != other and not related_to_theirs(one) == {index} == related_to_ours(other):
            return index
    return None


def _related_finder(names: list[list[str]]) -> Callable[[list[str]], set[int]]:
    """Returns a function that finds the names that contain all words of a given name, or only words of it.

    There may be thousands of names, so the function compares only names that share a rare word.
    """
    words, having, by_rarest = [set(name) for name in names], defaultdict(list), defaultdict(list)
    for place, each in enumerate(words):
        for word in each:
            having[word].append(place)

    def rarest(each: set[str]) -> str:
        return min(each, key=lambda word: len(having.get(word, ())))

    for place, each in enumerate(words):
        by_rarest[rarest(each)].append(place)

    def find(name: list[str]) -> set[int]:
        own = set(name)
        places = {*having.get(rarest(own), []), *(place for word in own for place in by_rarest.get(word, []))}
        return {place for place in places if own <= words[place] or words[place] <= own}

    return find


def class_map_by_name(source: Sequence[str], data: Sequence[str]) -> dict[int, int] | None:
    """Maps each class of the source to the data's class of the same name, or returns None if names differ.

    For more than 20 classes it returns None.
    """
    place = {tuple(_words(name)): index for index, name in enumerate(data)}
    found = {index: place.get(tuple(_words(name))) for index, name in enumerate(source)}
    known = {index: other for index, other in found.items() if other is not None}
    return known if len(known) == len(source) == len(place) <= _MAX_SHOWN else None


def _words(name: str) -> list[str]:
    """Returns the words of a name, and each sign that is not a separator, since "C++" is not "C"."""
    return re.findall(r"[^\W_]+|[^\w\s,;:/.()-]", unicodedata.normalize("NFC", name).casefold()) or [name]


def _is_index(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
