"""Lets ``python -m gan_augment`` run the command ``gan-augment``."""

import sys

from .cli import main

if __name__ == "__main__":  # a process that a study spawns imports this file too
    sys.exit(main())
