"""Writes the description of the package for PyPI, where links relative to the repository lead nowhere.

The environment variable ``REPOSITORY_URL`` gives the address of the repository, which the release workflow knows. Links
and pictures then lead to the files of this version. Without it, links become their text, and pictures are left out.
"""

import os
import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")


def describe(text: str, address: str, version: str) -> str:
    """Returns the text of the README with links that work anywhere."""

    def lead(link: re.Match[str]) -> str:
        picture, words, target = link.groups()
        if not address:
            return "" if picture else words
        return f"{picture}[{words}]({address}/{'raw' if picture else 'blob'}/v{version}/{target})"

    return re.sub(r"\n{3,}", "\n\n", LINK.sub(lead, text))


def find_version() -> str:
    """Returns the version without importing the package."""
    found = re.search(r'__version__ = "(.+)"', (ROOT / "gan_augment/_version.py").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("gan_augment/_version.py must set __version__.")
    return found[1]


def find_urls(address: str, version: str) -> dict[str, str]:
    """Returns the links of the project's page on PyPI."""
    if not address:
        return {}
    return {
        "Source": address,
        "Documentation": f"{address}/tree/v{version}/docs",
        "Changelog": f"{address}/blob/v{version}/CHANGELOG.md",
        "Issues": f"{address}/issues",
    }


if __name__ == "__main__":
    address, version = os.environ.get("REPOSITORY_URL", "").rstrip("/"), find_version()
    setup(
        long_description=describe((ROOT / "README.md").read_text(encoding="utf-8"), address, version),
        long_description_content_type="text/markdown",
        project_urls=find_urls(address, version),
    )
