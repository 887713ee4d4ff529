"""What is measured of images and generators."""

from ._fingerprint import fingerprint, fingerprints, seen

__all__ = ["fingerprint", "fingerprints", "seen"]
