"""Shell completion: a script that shtab writes from the options of the commands.

We use shtab instead of argcomplete: the script of shtab completes without starting Python, and argcomplete starts the
command whenever you press the key.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

SHELLS = ("bash", "zsh")
NEEDED = "Shell completion requires the package shtab: run pip install 'gan-augment[completion]'."
_SOURCES = dict.fromkeys(SHELLS, "_gan_augment_sources")
_FOLDERS = {"--out", "--resume"}
_FILES = {"--data", "--test", "--validation", "--train", "--reference", "--upscale", "file"}
_GENERATORS = {"source", "--source", "--init", "generator", "generators"}
_PREAMBLE = {
    "bash": '_gan_augment_sources() {{ compgen -W "{names}" -- "$1"; compgen -d -S / -- "$1"; }}',
    "zsh": "_gan_augment_sources() {{ _alternative 'names:name:({names})' 'folders:folder:_files -/' }}",
}


class PrintCompletion(argparse.Action):
    """Prints the script for a shell, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None) -> None:
        try:
            import shtab
        except ModuleNotFoundError:
            parser.exit(2, f"gan-augment: {NEEDED}\n")
        print(completion(shtab, parser, str(values)))
        parser.exit()


def completion(shtab: Any, parser: argparse.ArgumentParser, shell: str) -> str:
    """Returns the script for a shell, with the names of the recipes and generators that are known now."""
    from ..hub import list_pretrained
    from ..training import TABLE

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            action.help = "command"  # shtab leaves out what the help leaves out
            for command in action.choices.values():
                _complete(shtab, command._actions, list(TABLE))
    preamble = {shell: _PREAMBLE[shell].format(names=" ".join(list_pretrained()))}
    return str(shtab.complete(parser, shell=shell, preamble=preamble))


def _complete(shtab: Any, actions: Sequence[argparse.Action], recipes: list[str]) -> None:
    for action in actions:
        name = action.option_strings[0] if action.option_strings else action.dest
        found = dict.fromkeys(_GENERATORS, _SOURCES)
        found |= dict.fromkeys(_FOLDERS, shtab.DIRECTORY) | dict.fromkeys(_FILES, shtab.FILE)
        if name == "--recipe" or action.metavar == "recipe":
            action.choices = recipes
        elif name in found:
            action.complete = found[name]  # type: ignore[attr-defined]
