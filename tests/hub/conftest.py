"""Fixtures of the tests of files."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def saved(tiny, tmp_path_factory):
    """A folder that holds the tiny generator; tests copy it."""
    folder = tmp_path_factory.mktemp("saved")
    tiny.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "generator"))
