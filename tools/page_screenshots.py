"""Pictures of every tab of the page of ``gan-augment ui``, on a telephone and a screen, light and dark.

    python -m tools.page_screenshots shots/

The page runs on real digits (``pip install "gan-augment[demo]"``). docs/images/web-page.png is
``mix-1280-light.png``.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

WIDTHS, SCHEMES = (390, 1280), ("light", "dark")
HEIGHT = 844
TABS = ("Samples", "Walk", "Mix", "Study", "Pool")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--study", action="store_true", help="run a small study first, and show its verdict")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "gan_augment", "ui", "--port", str(port)])
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}")
        with sync_playwright() as started:
            browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTHS[0], "height": HEIGHT})
            page.goto(f"http://127.0.0.1:{port}")
            prepare(page, options.study)
            for width in WIDTHS:
                for scheme in SCHEMES:
                    page.emulate_media(color_scheme=scheme)
                    for tab in TABS:
                        page.set_viewport_size({"width": width, "height": HEIGHT})
                        open_tab(page, tab)
                        take(page, width, options.out / f"{tab.lower()}-{width}-{scheme}.png")
    finally:
        server.terminate()
        server.wait()


def wait_until_it_answers(url: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"The page did not start within {seconds} seconds.")


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    page.wait_for_timeout(1000)


def take(page: Page, width: int, path: Path) -> None:
    """Takes a picture of the whole page, in a window of its height: a report below the window is not painted."""
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(500)
    page.screenshot(path=path)


def prepare(page: Page, study: bool) -> None:
    """Draws samples, mixes a batch of digits, makes a film and a pool, and runs a study if asked."""
    page.wait_for_selector("#samples img")
    open_tab(page, "Walk")
    page.get_by_role("button", name="Make a film").click()
    page.wait_for_selector("#walk-film img")
    open_tab(page, "Mix")
    page.get_by_role("button", name="Use 200 example digits").click()
    page.wait_for_selector("#batch img", timeout=60_000)
    open_tab(page, "Pool")
    page.get_by_role("button", name="Make the file").click()
    page.wait_for_selector("#pool a", timeout=60_000)
    if study:
        open_tab(page, "Study")
        for label, number in (("Seeds", 2), ("Training steps", 10)):
            box = page.get_by_label(f"number input for {label}")
            box.fill(str(number))
            box.press("Tab")
        page.get_by_role("button", name="Start the study").click()
        page.wait_for_selector(".ga-verdict", timeout=900_000)


if __name__ == "__main__":
    main()
