"""The command ``gan-augment``."""

from ._main import main

__all__ = ["main"]
