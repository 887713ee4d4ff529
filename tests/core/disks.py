"""Disks that are soon full."""

import contextlib
import os
import resource
import shutil
import subprocess

import pytest


@contextlib.contextmanager
def small_disk(folder, size="64k"):
    """A new folder that is a disk of its own, of a few kilobytes; skips where none can be had."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("mount is not allowed here")
    try:
        yield folder
    finally:
        # Lazily, as a test that fails may still hold a file.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def enlarge(disk, size):
    """Makes space."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


@contextlib.contextmanager
def small_files(size):
    """Lets this process write no file beyond some bytes, as a quota does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
