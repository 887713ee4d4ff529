"""The command ``gan-augment``."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from ._version import __version__


def _demo(arguments: argparse.Namespace) -> None:
    from .demo import SNIPPET, run_demo, table

    result = run_demo(
        arguments.out, ratio=arguments.ratio, seeds=arguments.seeds, steps=arguments.steps, count=arguments.count
    )
    rows = table(result)
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    print()
    for number, row in enumerate(rows):
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))
    for sentence in result.sentences:
        print("\n" + textwrap.fill(sentence, 96))
    print(f"\nPictures and page: {arguments.out / 'index.html'}\n\nThe same in your script:\n")
    print(textwrap.indent(SNIPPET.format(ratio=result.ratio), "    "))


def _list(arguments: argparse.Namespace) -> None:
    from .hub import REGISTRY

    for name, entry in sorted(REGISTRY.items()):
        print(f"{name}\n    {entry.description}\n    licence: {entry.license}; data: {entry.data_terms}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gan-augment", description="Synthetic images of pretrained GANs, mixed into image data sets."
    )
    parser.add_argument("--version", action="version", version=f"gan-augment {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser("demo", help="mix synthetic digits into 365 real ones and measure what it does")
    demo.add_argument("--out", type=Path, default=Path("gan-augment-demo"), help="folder of the pictures")
    demo.add_argument("--ratio", type=float, default=0.5, help="synthetic share of each batch (default: 0.5)")
    demo.add_argument("--seeds", type=int, default=5, help="paired seeds (default: 5)")
    demo.add_argument("--steps", type=int, default=600, help="training steps of each run (default: 600)")
    demo.add_argument("--count", type=int, default=365, help="real training digits (default: 365)")
    demo.set_defaults(run=_demo)
    listed = commands.add_parser("list", help="the generators of the zoo")
    listed.set_defaults(run=_list)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status, 2 with a sentence on stderr for bad input."""
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
        print(f"gan-augment: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
