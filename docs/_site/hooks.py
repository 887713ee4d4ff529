"""Hooks of the documentation site (mkdocs.yml): the version, files outside docs/, and the options of the commands."""

import argparse
import html
import posixpath
import re
from pathlib import Path

import nbformat
from mkdocs.structure.files import File
from nbconvert import MarkdownExporter

from gan_augment import __version__
from gan_augment.cli._parser import build_parser

ROOT = Path(__file__).parents[2]
PAGES = {  # files of the repository that are pages of the site too, so that no text exists twice
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "examples/README.md": "examples.md",
    "examples/notebooks/start_here.ipynb": "notebooks/start-here.md",
    "examples/notebooks/does_it_help.ipynb": "notebooks/does-it-help.md",
}
SOURCES = {page: source for source, page in PAGES.items()}
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_config(config):
    """Shows the version in the header of each page."""
    config.site_name = f"{config.site_name} {__version__}"
    return config


def on_files(files, config):
    """Adds the pages that are files outside docs/."""
    for source, page in PAGES.items():
        if source.endswith(".ipynb"):
            file = add_notebook(files, config, source, page)
        else:
            file = File.generated(config, page, abs_src_path=str(ROOT / source))
        file.edit_uri = "../" + source.replace(".ipynb", ".py")  # the script that a notebook is written from
        files.append(file)
    return files


def add_notebook(files, config, source, page):
    """Returns the page of a notebook, and adds the files that it refers to: its pictures, and the notebook itself."""
    place, name = posixpath.dirname(page), posixpath.basename(source)
    text, resources = MarkdownExporter().from_notebook_node(nbformat.read(ROOT / source, as_version=4))
    for picture, content in resources["outputs"].items():
        own = f"{name.removesuffix('.ipynb')}-{picture}"  # names of pictures are unique only within a notebook
        text = text.replace(f"![png]({picture})", f'<img alt="Output of the code above" src="{own}">')
        files.append(File.generated(config, f"{place}/{own}", content=content))
    files.append(File.generated(config, f"{place}/{name}", abs_src_path=str(ROOT / source)))
    links, address = f'<a href="{name}" download>Download this notebook</a>', config.repo_url or ""
    if address.startswith("https://github.com/"):
        colab = address.rstrip("/").replace("https://github.com", "https://colab.research.google.com/github")
        links += f", or [open it in Colab]({colab}/blob/main/{source})"
    title, _, rest = text.strip().partition("\n")
    return File.generated(config, page, content=f"{title}\n\n{links}.\n{rest}")


def on_page_markdown(markdown, page, config, files):
    """Leads links to the site's pages, or to the repository; writes the options of the commands."""
    folder = posixpath.dirname(SOURCES.get(page.file.src_uri, f"docs/{page.file.src_uri}"))

    def lead(match):
        image, text, target = match.groups()
        path, hash_, anchor = target.partition("#")
        if ":" in target or not path:
            return match[0]
        source = posixpath.normpath(posixpath.join(folder, path))
        source = f"{source}/README.md" if f"{source}/README.md" in PAGES else source
        name = PAGES.get(source, source.removeprefix("docs/") if source.startswith("docs/") else None)
        if name:
            name = f"{name}/index.md" if (ROOT / source).is_dir() else name
            place = posixpath.relpath(name, posixpath.dirname(page.file.src_uri) or ".")
            return f"{image}[{text}]({place}{hash_}{anchor})"
        if config.repo_url:
            return f"{image}[{text}]({config.repo_url.rstrip('/')}/blob/HEAD/{source}{hash_}{anchor})"
        return text  # the address of the repository is not known

    parts, end = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [LINK.sub(lead, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    markdown = "".join([*parts, LINK.sub(lead, markdown[end:])])
    return markdown.replace("<!-- The options of each command. -->", commands())


def commands():
    """Returns the commands of the command line in Markdown: what each does, its options and an example."""
    (chosen,) = (each for each in build_parser()._actions if isinstance(each, argparse._SubParsersAction))
    return "\n\n".join(section(name, parser) for name, parser in chosen.choices.items())


def section(name, parser):
    """Returns the section of one command: what it does, an example, and a table for each group of options."""
    example = (parser.epilog or "").partition("\n")[2].strip()
    tables = [table(group) for group in parser._action_groups if group._group_actions]
    return "\n\n".join([f"## {name}", f"{parser.description}.", f"```console\n{example}\n```", *tables])


def table(group):
    """Returns the options of a group as a table that begins with the name of the group."""
    rows = [f"| {group.title} | |", "| --- | --- |"]
    for action in group._group_actions:
        names = ", ".join(action.option_strings) or action.metavar or action.dest
        value = "" if action.nargs == 0 or not action.option_strings else value_of(action)
        about = html.escape(action.help or "").replace("|", "\\|")
        rows.append(f"| `{f'{names} {value}'.strip()}` | {about[:1].upper()}{about[1:]} |".replace("  ", " "))
    return "\n".join(rows)


def value_of(action):
    """Returns what stands for the value of an option."""
    if action.choices:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.metavar or action.dest.upper()
