"""Fixtures of the tests of files."""

import shutil
import socket
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


class NoNetwork:
    def __init__(self, *args, **kwargs):
        raise AssertionError("a socket was opened")


def cut_network(patch):
    patch.setattr(socket, "socket", NoNetwork)
    patch.setattr(socket, "getaddrinfo", NoNetwork)


@pytest.fixture
def offline(monkeypatch):
    cut_network(monkeypatch)
