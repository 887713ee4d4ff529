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
_FOLDERS = {"--out", "--resume", "--folder"}
_FILES = {"--data", "--test", "--validation", "--train", "--reference", "--upscale", "file"}
_GENERATORS = {"source", "--source", "--init", "generator", "generators"}
# shtab's own functions for bash stop at a space. A name with "_file" lets bash quote what the function prints.
_FUNCTIONS = {
    "files": {"bash": "_gan_augment_files", "zsh": "_files"},
    "folders": {"bash": "_gan_augment_file_folders", "zsh": "_files -/"},
    "sources": {"bash": "_gan_augment_file_sources", "zsh": "_gan_augment_sources"},
}
_PREAMBLE = {
    "bash": r"""
# Finds paths that begin with what was typed: $1 is -f for files or -d for folders, $2 the word, which may be quoted.
_gan_augment_paths() {
  local word="${2#[\"\']}"
  compgen "$1" -- "${word//\\/}"
}
_gan_augment_files() { _gan_augment_paths -f "$1"; }
_gan_augment_file_folders() { _gan_augment_paths -d "$1"; }
_gan_augment_file_sources() { compgen -W "NAMES" -- "$1"; _gan_augment_paths -d "$1"; }
""",
    "zsh": "_gan_augment_sources() { _alternative 'names:name:(NAMES)' 'folders:folder:_files -/' }",
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
                _complete(command._actions, list(TABLE))
    preamble = {shell: _PREAMBLE[shell].replace("NAMES", " ".join(list_pretrained()))}
    return str(shtab.complete(parser, shell=shell, preamble=preamble))


def _complete(actions: Sequence[argparse.Action], recipes: list[str]) -> None:
    for action in actions:
        name = action.option_strings[0] if action.option_strings else action.dest
        kinds = {"files": _FILES, "folders": _FOLDERS, "sources": _GENERATORS}
        if name == "--recipe" or action.metavar == "recipe":
            action.choices = recipes
        for kind, names in kinds.items():
            if name in names:
                action.complete = _FUNCTIONS[kind]  # type: ignore[attr-defined]
