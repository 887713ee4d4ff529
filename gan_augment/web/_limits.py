"""Limits for one visitor of the page, and for all visitors together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a page. They keep a small machine usable even if strangers can reach it.

    Args:
        samples (int): Images that one click draws.
        batch (int): Images in a mixed batch.
        pool (int): Images in a pool to download.
        upload_bytes (int): Size of an uploaded zip file, in bytes.
        unpacked_bytes (int): Size of the files of a zip file after decompression, in bytes.
        entries (int): Files and folders in a zip file.
        images (int): Images in a zip file.
        classes (int): Classes in a zip file.
        reading_seconds (float): Seconds for reading the images of a zip file.
        study_images (int): Training images of a study.
        study_seeds (int): Paired seeds of a study.
        study_steps (int): Training steps of each classifier of a study.
        study_seconds (float): Seconds that a study may take.
        visitors (int): Visitors at the same time.
        spare_seconds (float): Seconds without a request after which a visitor gives up their place to a new visitor,
            if all places are taken.
        idle_seconds (float): Seconds without a request after which the files of a visitor are deleted.
        grace_seconds (float): Replaces ``idle_seconds`` for a visitor who has closed the page or lost the connection.
        total_bytes (int): Size of the files of all visitors together, in bytes.
    """

    samples: int = 64
    batch: int = 48
    pool: int = 2_000
    upload_bytes: int = 64 * 2**20
    unpacked_bytes: int = 256 * 2**20
    entries: int = 10_000
    images: int = 2_000
    classes: int = 100
    reading_seconds: float = 60.0
    study_images: int = 1_000
    study_seeds: int = 5
    study_steps: int = 400
    study_seconds: float = 1_800.0
    visitors: int = 16
    spare_seconds: float = 300.0
    idle_seconds: float = 3_600.0
    grace_seconds: float = 60.0
    total_bytes: int = 2**30
