"""Fixtures of the tests of the hub."""

import socket

import pytest


class NoNetwork:
    def __init__(self, *args, **kwargs):
        raise AssertionError("a socket was opened")


def cut_network(patch):
    patch.setattr(socket, "socket", NoNetwork)
    patch.setattr(socket, "getaddrinfo", NoNetwork)


@pytest.fixture
def offline(monkeypatch):
    cut_network(monkeypatch)
