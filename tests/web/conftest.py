"""A page in a process of its own, a real browser, and zip files to upload."""

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from gan_augment.web import Limits

ROOT = Path(__file__).parents[2]
SERVE = """
import sys
from gan_augment.web import Limits, serve
serve(sys.argv[3:], port=int(sys.argv[1]), folder=sys.argv[2], limits=Limits(grace_seconds=2, images=150))
"""
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def png(rng, side=28, level=None):
    """A noisy image as a PNG file."""
    pixels = rng.integers(0, 256, (side, side), dtype=np.uint8) if level is None else np.full((side, side), level, "u1")
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, format="png")
    return file.getvalue()


def write_zip(path, files):
    """Writes a zip file from names and contents."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def photos(classes=("0", "1"), each=4, side=28, seed=0):
    """Names and contents of images in a folder for each class."""
    rng = np.random.default_rng(seed)
    return {f"{label}/{index}.png": png(rng, side) for label in classes for index in range(each)}


@pytest.fixture
def limits():
    return Limits()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_served(url):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(url, timeout=5).status == 200
    return False


class Server:
    """A page that runs, with the folders that it must leave empty: those of its user, and of temporary files."""

    def __init__(self, place, generator):
        self.port, self.folder = free_port(), place / "page"
        self.url = f"http://127.0.0.1:{self.port}"
        self.elsewhere = [place / name for name in ("home", "tmp", "here")]
        for each in self.elsewhere:
            each.mkdir()
        home, tmp, here = map(str, self.elsewhere)
        environment = {**os.environ, "HOME": home, "TMPDIR": tmp, "OMP_NUM_THREADS": "1", "PYTHONPATH": python_path()}
        self.log = place / "log"
        with open(self.log, "w") as log:
            command = [sys.executable, "-c", SERVE, str(self.port), str(self.folder), str(generator)]
            self.process = subprocess.Popen(command, env=environment, cwd=here, stdout=log, stderr=log)
        wait_for(lambda: is_served(self.url) or self.process.poll() is not None, 120)
        assert self.process.poll() is None, self.log.read_text()

    def close(self):
        self.process.terminate()
        self.process.wait(60)


def python_path():
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def wait_for(condition, seconds=60):
    """Waits until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def server(saved, tmp_path_factory):
    """A page with the tiny generator in addition to the zoo."""
    pytest.importorskip("gradio", reason="gradio is in the extra web")
    server = Server(tmp_path_factory.mktemp("page"), saved)
    yield server
    server.close()


@pytest.fixture(scope="session")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is in the extra dev")
    if CHROMIUM is None:
        pytest.skip("There is no Chromium on this machine: apt-get install chromium.")
    with sync.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, server):
    """Opens the page like another visitor each time; afterwards, no request may have gone to another host."""
    contexts, requests, errors = [], [], []

    def open_page(**options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.url)
        page.wait_for_selector("#samples img")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith((server.url, "data:", "blob:", "about:"))] == []
