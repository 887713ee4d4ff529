"""How the help of the commands looks: groups of options, short usages, and the first page."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

HELP = "show this help, and exit"
OUTPUT = "output"  # the last group of every command
GROUPS = {  # of the commands on the first page; the others follow in a group of their own
    "try and measure": ("demo", "study", "evaluate", "ui"),
    "make a generator": ("train", "recipes", "import"),
    "use generators": ("list", "sample", "export", "download", "push"),
}
EXIT_STATUSES = {
    0: "success",
    1: "a bug in gan-augment, with a traceback to report",
    2: "refused: a sentence on stderr says what is wrong and what to do",
    130: "stopped by Ctrl-C (143: SIGTERM, 129: SIGHUP); stderr says how to go on",
    141: "the program that read the output ended early, like `head` does",
}
EXAMPLE = "gan-augment study --data photos/ --recipe tiny-conditional-light --out study"


class ShowHelp(argparse.Action):
    """Prints the help of a command without its rare options, and ends."""

    def __init__(self, option_strings: list[str], dest: str, rare: list[argparse.Action], help: str) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)
        self._rare = rare

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        for action in self._rare:
            action.help = argparse.SUPPRESS
        parser.print_help()
        parser.exit()


class Options:
    """Adds options to a command. Each goes to the group that was begun last, or to ``options`` if there is none.

    Example:
        >>> add = Options(argparse.ArgumentParser())
        >>> data = add.group("data")
        >>> add("--data", help="folder of images").dest
        'data'
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser
        self._groups: dict[str, argparse._ArgumentGroup] = {}
        self._current: argparse._ArgumentGroup | None = None
        self.added: list[argparse.Action] = []
        self.rare: list[argparse.Action] = []  # only --help-all shows them

    def group(self, title: str) -> argparse._ArgumentGroup:
        """Begins a group, or continues it if it exists, and returns it."""
        if title not in self._groups:
            self._groups[title] = self._parser.add_argument_group(title)
        self._current = self._groups[title]
        return self._current

    def __call__(self, *names: str, rare: bool = False, **options: Any) -> argparse.Action:
        """Adds an option; only ``--help-all`` shows it if it is ``rare``. See ``ArgumentParser.add_argument``."""
        group = self._current or self.group("options")
        self.added.append(group.add_argument(*names, **options))
        if rare:
            self.rare.append(self.added[-1])
        return self.added[-1]

    def help(self) -> None:
        """Adds ``--help``. If there are rare options, it leaves them out, and ``--help-all`` shows all options."""
        group = self._current or self.group("options")
        if not self.rare:
            group.add_argument("-h", "--help", action="help", help=HELP)
            return
        names = ", ".join(action.option_strings[0] for action in self.rare)
        group.add_argument("-h", "--help", action=ShowHelp, rare=self.rare, help="show the main options, and exit")
        group.add_argument("--help-all", action="help", help=f"also show {names}")

    def usage(self, prog: str) -> str:
        """Returns a usage line with the required options only, because the groups show the others."""
        words = []
        for action in self.added:
            value = str(action.metavar or action.dest)
            if not action.option_strings:
                words.append({"?": f"[{value}]", "*": f"[{value} ...]"}.get(str(action.nargs), value))
            elif action.required:
                words.append(f"{action.option_strings[0]} {action.metavar or action.dest.upper()}")
        return " ".join([prog, *words, "[options]"])


def first_page(abouts: Mapping[str, str]) -> str:
    """Returns the commands in groups, each with what it does."""
    grouped = {name for names in GROUPS.values() for name in names}
    groups = {**GROUPS, "more": tuple(name for name in abouts if name not in grouped)}
    lines = ["Mix synthetic images from pretrained GANs into image data sets."]
    for title, names in groups.items():
        known = [name for name in names if name in abouts]
        lines += ["", f"{title}:"] * bool(known) + [f"  {name:10}  {abouts[name]}" for name in known]
    return "\n".join(lines)


def last_lines() -> str:
    """Returns an example, and what the exit statuses mean."""
    lines = ["example:", f"  {EXAMPLE}", "  gan-augment COMMAND --help shows the options of a command, and an example."]
    return "\n".join([*lines, "", "exit status:", *(f"  {code:<4} {about}" for code, about in EXIT_STATUSES.items())])
