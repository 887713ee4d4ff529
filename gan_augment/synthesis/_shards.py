"""Exports synthetic images as WebDataset shards, which many readers can stream.

The format is WebDataset and not Parquet. A WebDataset shard is a tar file: the standard library writes it in one pass,
and a reader streams it in one request. Parquet would require pyarrow (100 MB) for writers and readers.
"""

from __future__ import annotations

import heapq
import math
import os
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .._core import check_count, plain, write_folder_aside
from .._version import __version__
from ._as_source import Source, as_source
from ._export import Export, as_png, make_marks, prepare_export

BLOCK = tarfile.BLOCKSIZE
LEAST_SAMPLE = 3 * BLOCK  # bytes: a header, and two blocks for an image with its mark

README = """---
tags: [synthetic, webdataset]
---

# Synthetic images

All images are synthetic. They are {n:,} images in {shards:,} shards of the WebDataset format. `gan-augment` {version}
drew them from this source:

    {source}

The key of each sample begins with `synthetic-`. Each sample has an image (`png`). If there are classes, it also has the
index of its class (`cls`):

    from datasets import load_dataset

    data = load_dataset("webdataset", data_files="pool-*.tar", split="train", streaming=True)
"""


def export_shards(
    source: Any,
    folder: str | os.PathLike[str],
    n: int | None = None,
    *,
    labels: Any = None,
    seed: int | None = 0,
    images_per_shard: int = 1000,
) -> list[Path]:
    """Writes samples as shards in the WebDataset format, which many readers on many machines can stream.

    A shard is a tar file, ``pool-000000.tar``, ``pool-000001.tar`` and so on. Each sample in it has an image
    (``synthetic-000000.png``) and, if the source has classes, the index of its class (``synthetic-000000.cls``). Each
    image is marked as synthetic, like those of :func:`export_images`. Every shard contains all classes in the same
    shares, as far as whole numbers allow. ``README.md`` names the classes, and shows how to stream the shards.

    With the same ``n`` and ``seed`` and no ``labels``, the images are those that :func:`export_images` writes. The same
    arguments give the same bytes.

    Args:
        source: A zoo name, a folder, a generator, a pool, a mapping, or any other :class:`Source`.
        folder (str or Path): New or empty folder. It stays as it was if the process is killed or the disk is full.
        n (int, optional): Number of images. Default: every image of a pool, once. Other sources require it.
        labels (sequence of int, int, optional): Class of each image, or of all images. The order does not matter,
            because the shards spread classes evenly. Default: the classes in turn.
        seed (int, optional): Seed of the images. None: drawn from torch's global generator. Default: 0.
        images_per_shard (int): Largest number of images in a shard. The sizes of two shards differ by at most one
            image. The number of shards should be a multiple of the number of readers. Default: 1000.

    Returns:
        list of Path: The shards.

    Raises:
        ValueError: If the folder holds something, an argument is out of range, or ``n`` is missing.
        OSError: If the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in export_shards("dcgan-mnist-32", folder, 20, images_per_shard=10)]
        ['pool-000000.tar', 'pool-000001.tar']
    """
    source, folder = as_source(source), Path(folder)
    check_count("images_per_shard", images_per_shard, 1)
    export = prepare_export(source, folder, n, labels, seed, LEAST_SAMPLE, _spread)
    count, shards, marks = export.count, math.ceil(export.count / images_per_shard), make_marks(export.origin)
    samples = _samples(export, marks)
    names = [f"pool-{shard:06}.tar" for shard in range(shards)]
    with write_folder_aside(folder) as aside:
        for shard, name in enumerate(names):
            size = (shard + 1) * count // shards - shard * count // shards
            with open(aside / name, "xb") as file:
                file.writelines(islice(samples, size))
                file.write(bytes(2 * BLOCK))  # the end of a tar file
        about = README.format(n=count, shards=shards, version=__version__, source=marks["Source"])
        (aside / "README.md").write_text(about + _names(source), encoding="utf-8")
    return [folder / name for name in names]


def _spread(labels: Tensor) -> Tensor:
    """Returns the indices of labels in an order that spreads each class evenly, int64 ``(n,)``.

    In the first ``m`` of them, each class has its share of ``m``, rounded up or down. Next comes the image with the
    earliest deadline (https://doi.org/10.1145/321738.321743). For image ``i`` of ``c`` of a class, this is place
    ``i * n / c``, and the image does not come before place ``(i - 1) * n / c``.
    """
    n, groups = len(labels), [(labels == label).nonzero().flatten().tolist() for label in torch.unique(labels)]
    windows = [
        (place * n // len(rows), -(-(place + 1) * n // len(rows)), row)
        for rows in groups
        for place, row in enumerate(rows)
    ]
    waiting, ready, order = sorted(windows, reverse=True), list[tuple[int, int]](), list[int]()
    for place in range(n):
        while waiting and waiting[-1][0] <= place:
            heapq.heappush(ready, waiting.pop()[1:])
        order.append(heapq.heappop(ready)[1])
    return torch.tensor(order)


def _names(source: Source) -> str:
    """Returns the list of class names in Markdown."""
    names = [f"    {label}: {plain(name)}\n" for label, name in enumerate(source.class_names or ())]
    return "".join(["\nThe classes are:\n\n", *names]) if names else ""


def _samples(export: Export, marks: dict[str, str]) -> Iterator[bytes]:
    """Yields each sample as a piece of a tar file."""
    digits = max(6, len(str(export.count - 1)))
    for index, image in enumerate(export.images):
        key = f"synthetic-{index:0{digits}}"  # marked here, because one more file for each image costs readers time
        sample = _entry(f"{key}.png", as_png(image, marks))
        if export.labels is not None:
            sample += _entry(f"{key}.cls", str(int(export.labels[index])).encode())
        yield sample


def _entry(name: str, data: bytes) -> bytes:
    """Returns a file as a piece of a tar file, without an owner or a time."""
    header = tarfile.TarInfo(name)
    header.size = len(data)
    return header.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % BLOCK)
