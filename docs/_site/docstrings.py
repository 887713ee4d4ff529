"""Reads the docstrings like Sphinx: roles become links to the reference, and an example is code."""

import re
import textwrap
from pathlib import Path

from griffe import Extension

REFERENCE = Path(__file__).parents[1] / "reference"
SAME = {"Generator.save_pretrained": "gan_augment.save_pretrained"}  # attributes that are a function
ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`~?([^`]+)`")
SHAPE = re.compile(r"^Shape:\n((?:    .*\n?|\n)+)", re.MULTILINE)


def documented():
    """Returns the names that the reference documents, by their last part and in full."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    names = re.findall(r"^::: (\S+)$", text, re.MULTILINE)
    return {name.rpartition(".")[2]: name for name in names} | {name: name for name in names} | SAME


class Docstrings(Extension):
    """Changes the docstrings before they are parsed."""

    def __init__(self):
        super().__init__()
        self.names = documented()

    def on_object(self, *, obj, **_):
        """Changes the docstring of one object."""
        if obj.docstring:
            text = ROLE.sub(self.link, obj.docstring.value)
            text = SHAPE.sub(lambda match: f"**Shape:**\n\n{textwrap.dedent(match[1])}", text)  # not a box to open
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)

    def link(self, role):
        """Returns a link, or only code if the reference does not document the name."""
        text = role[1]
        name = self.names.get(text)
        if not name and "." in text:
            holder, _, member = text.rpartition(".")
            name = self.names.get(holder) and f"{self.names[holder]}.{member}"
        return f"[`{text.removeprefix('gan_augment.')}`][{name}]" if name else f"`{text}`"
