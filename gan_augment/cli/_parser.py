"""The commands, and the parser of their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from .._version import __version__
from . import _commands, _options
from ._completion import SHELLS, PrintCompletion
from ._help import HELP, OUTPUT, Options, first_page, last_lines

TRACEBACK = "show the traceback of an error"
NO_RESULT = frozenset({"ui"})  # commands without a result that --json could print


def build_parser() -> argparse.ArgumentParser:
    """Builds the parser of all commands; it sets ``run`` to the function of the command."""
    parser = argparse.ArgumentParser(
        prog="gan-augment",
        usage="gan-augment COMMAND [options]",
        description=first_page({name: command[0] for name, command in COMMANDS.items()}),
        epilog=last_lines(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    add = Options(parser)
    add.group("options")
    add("-h", "--help", action="help", help=HELP)
    add("--version", action="version", version=f"gan-augment {__version__}", help="print the version, and exit")
    add("--traceback", action="store_true", help=TRACEBACK)
    about = f"print a script for shell completion: {' or '.join(SHELLS)}"
    add("--print-completion", action=PrintCompletion, choices=SHELLS, metavar="SHELL", help=about)
    # The first page shows the commands in groups, which argparse cannot do.
    commands = parser.add_subparsers(
        required=True, dest="command_name", metavar="COMMAND", prog="gan-augment", help=argparse.SUPPRESS
    )
    for name, (about, run, example, add_options) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=f"example:\n  gan-augment {name} {example}".rstrip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=False,
        )
        add = Options(command)
        add_options(add)
        add.group(OUTPUT)
        if name not in NO_RESULT:
            add("--json", action="store_true", help="print the result as JSON; messages go to stderr")
        add("--traceback", action="store_true", default=argparse.SUPPRESS, help=TRACEBACK)
        add.help()
        command.usage = add.usage(f"gan-augment {name}")
        command.set_defaults(run=run)
    return parser


# Name -> what it does, function, arguments of an example, and function that adds its options.
COMMANDS: dict[
    str, tuple[str, Callable[[argparse.Namespace], _commands.Result | None], str, Callable[[Options], None]]
] = {
    "demo": (
        "Mix synthetic digits into real ones and measure the effect",
        _commands.run_demo,
        "--steps 100",
        _options.add_demo,
    ),
    "train": (
        "Train a generator on your images",
        _commands.run_train,
        "--data photos/ --recipe tiny --budget 20m --out runs/photos",
        _options.add_train,
    ),
    "recipes": ("List the training recipes, or show one in full", _commands.run_recipes, "tiny", _options.add_recipes),
    "sample": (
        "Write samples as PNG files that are marked as synthetic",
        _commands.run_sample,
        "dcgan-mnist-32 --n 50 --out digits/",
        _options.add_sample,
    ),
    "study": (
        "Measure whether mixing helps on your data, and write a report",
        _commands.run_study,
        "--data photos/ --recipe tiny-conditional-light \\\n    --preset quick --out studies/photos",
        _options.add_study,
    ),
    "evaluate": (
        "Compare samples with real images held out from training",
        _commands.run_evaluate,
        "runs/photos/generator --data held-out/ --train photos/",
        _options.add_evaluate,
    ),
    "import": (
        "Import a DCGAN checkpoint from another project",
        _commands.run_import,
        "netG.pth --out generators/theirs",
        _options.add_import,
    ),
    "download": (
        "Download a generator from the Hub in advance",
        _commands.run_download,
        "org/name",
        _options.add_download,
    ),
    "export": (
        "Export a generator as an ONNX file, which runs without torch",
        _commands.run_export,
        "dcgan-mnist-32 --out digits.onnx",
        _options.add_export,
    ),
    "push": (
        "Publish a generator on the Hub",
        _commands.run_push,
        "runs/photos/generator org/name --license mit",
        _options.add_push,
    ),
    "ui": (
        "Serve a web page: samples, mixed batches, a study and pools",
        _commands.run_ui,
        "--port 7860",
        _options.add_ui,
    ),
    "list": ("List the generators and upscalers of the zoo and their terms", _commands.run_list, "", lambda add: None),
}
