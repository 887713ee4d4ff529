"""Installs zoo packages like pip: a package with data, and a ``.dist-info`` with its entry point."""

import hashlib
import importlib
import json

DATA = {
    "license": "mit",
    "data_terms": "drawn by hand: no conditions",
    "commercial_use": True,
    "description": "Three shapes",
}


def entry(name, folder, **values):
    """Returns the entry in zoo.json for a generator's folder."""
    sha256 = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    return {"name": name, "sha256": sha256, **DATA, "image_size": 16, "channels": 1, "num_classes": 3, **values}


def install(site, distribution, generators=(), *, text=None, entry_point=None, points=None, upscalers=(), code=""):
    """Installs a package into a folder of the import path.

    Args:
        site (Path): The folder.
        distribution (str): Name of the distribution.
        generators (list of dict): Entries of generators. The caller must copy the folder of each beside zoo.json.
        text (str, optional): Other content of zoo.json.
        entry_point (str, optional): Value of the entry point. Default: the package.
        points (str, optional): Other content of entry_points.txt.
        upscalers (list of dict): Entries of upscalers.
        code (str): Content of the package's ``__init__.py``.

    Returns:
        Path: The package's folder.
    """
    package = distribution.replace("-", "_")
    folder, info = site / package, site / f"{package}-1.0.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    info.mkdir()
    (folder / "__init__.py").write_text(code)
    content = {"format": 1, "generators": list(generators), "upscalers": list(upscalers)}
    (folder / "zoo.json").write_text(json.dumps(content) if text is None else text, errors="surrogateescape")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    points = points or f"[gan_augment.zoo]\nshapes = {entry_point or package}\n"
    (info / "entry_points.txt").write_text(points)
    importlib.invalidate_caches()
    return folder
