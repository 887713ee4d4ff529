"""The table of speeds: every row a ratio of ours and a peer, measured in turn in one run.

    python -m benchmarks.table [--quick] [--isa avx2] [--only mix items] [--examples CHECKOUT] [--out FILE.json]
    python -m benchmarks.table --show

``--isa avx2`` limits torch, oneDNN and MKL to AVX2, as on most laptops. ``CHECKOUT`` is of
https://github.com/pytorch/examples. ``--quick`` takes fewer rounds and leaves out the rows that take minutes.
``python -m benchmarks.compare`` holds such a quick run against the committed one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from .rows import ROWS, NotMeasuredError, Options, Row

RESULTS = Path(__file__).parent / "results"
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


def machine() -> dict[str, Any]:
    """What the times depend on."""
    names = [line for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    return {
        "processor": names[0].split(":", 1)[1].strip() if names else platform.processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": bool(torch.cpu._is_avx512_bf16_supported()) and not limited(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def limited() -> bool:
    return os.environ.get("ATEN_CPU_CAPABILITY") == "avx2"


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def measured(row: Row, options: Options) -> dict[str, Any]:
    """Returns the median and the quartiles of a row's ratios. If they were not measured, it returns the reason."""
    started = time.perf_counter()
    try:
        ratios = row.measure(options)
    except NotMeasuredError as reason:
        return {"skipped": str(reason)}
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {
        "median": round(statistics.median(ratios), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "rounds": len(ratios),
        "seconds": round(time.perf_counter() - started, 1),
    }


def line(row: Row, *found: dict[str, Any]) -> str:
    """A row of the table in Markdown, with a column for each result."""
    goal = f"{'<=' if row.lower else '>='} {row.reach:g}"
    return f"| {row.what} | {row.against} | {goal} | {' | '.join(cell(row, each) for each in found)} |"


def cell(row: Row, found: dict[str, Any]) -> str:
    """Formats a median with its quartiles, or the reason why there is none."""
    if "median" not in found:
        return f"not measured: {found.get('skipped', 'no result')}"
    missed = "" if row.reached(found["median"]) else ", missed"
    return f"{found['median']:.3g} ({found['low']:.3g} to {found['high']:.3g}){missed}"


def head(*names: str) -> str:
    """The first two lines of the table."""
    return f"| what | compared with | goal | {' | '.join(names)} |\n" + "| --- " * (3 + len(names)) + "|"


def show() -> str:
    """The table of the committed results."""
    files = {"AVX2": "avx2", "AVX-512": "avx512"}
    rows = [json.loads((RESULTS / f"{name}.json").read_text())["rows"] for name in files.values()]
    return "\n".join([head(*files), *(line(row, *(each.get(name, {}) for each in rows)) for name, row in ROWS.items())])


def run(options: Options, only: list[str], out: Path | None) -> dict[str, Any]:
    """Measures the rows, and prints and writes them."""
    result: dict[str, Any] = {"machine": machine(), "quick": options.quick, "rows": {}}
    print(", ".join(f"{key}: {value}" for key, value in result["machine"].items()), end="\n\n")
    print(head("ratio (quartiles)"), flush=True)
    for name, row in ROWS.items():
        if only and not any(name.startswith(each) for each in only):
            continue
        found = measured(row, options)
        result["rows"][name] = found
        print(line(row, found), flush=True)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(result, indent=1) + "\n")
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--isa", choices=["native", "avx2"], default="native")
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of names of rows")
    parser.add_argument("--device", default="cpu", help="such as cuda")
    parser.add_argument("--examples", type=Path, help="a checkout of pytorch/examples")


def limit(isa: str, module: str) -> None:
    """Starts this command again with fewer instructions, if that was asked for: libraries read this once."""
    if isa == "avx2" and not limited():
        os.environ.update(AVX2)
        os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, help="file to write the results to")
    parser.add_argument("--show", action="store_true", help="print the committed results instead")
    options = parser.parse_args()
    if options.show:
        return print(show())
    limit(options.isa, "benchmarks.table")
    run(Options(options.quick, options.examples, options.device), options.only, options.out)


if __name__ == "__main__":
    main()
