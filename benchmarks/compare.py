"""Holds a fresh quick run of the table against the committed one; the exit status is 1 if a row got worse.

    python -m benchmarks.compare [--isa avx2] [--only mix items] [--tolerance 0.15] [--examples CHECKOUT]

A row is worse if its median is beyond the committed one by more than the tolerance, and its quartiles are all on the
wrong side too. Then it is measured again, because machines are noisy; it is reported if the second run agrees.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from .rows import ROWS, Options
from .table import RESULTS, add_options, limit, limited, machine, measured, run


def committed() -> dict[str, Any]:
    """The committed rows for these instructions."""
    name = "avx2" if limited() or machine()["instructions"] == "AVX2" else "avx512"
    rows: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())["rows"]
    return rows


def is_worse(name: str, found: dict[str, Any], before: dict[str, Any], tolerance: float) -> bool:
    """Whether a row is worse than before, beyond the tolerance and its own spread."""
    if "median" not in found or "median" not in before:
        return False
    if ROWS[name].lower:
        limit = before["median"] * (1 + tolerance)
        return bool(found["median"] > limit and found["low"] > before["high"])
    limit = before["median"] * (1 - tolerance)
    return bool(found["median"] < limit and found["high"] < before["low"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--tolerance", type=float, default=0.15)
    options = parser.parse_args()
    limit(options.isa, "benchmarks.compare")
    before, quick = committed(), Options(True, options.examples, options.device)
    found = run(quick, options.only, None)["rows"]
    worse = [name for name in found if is_worse(name, found[name], before.get(name, {}), options.tolerance)]
    worse = [name for name in worse if is_worse(name, measured(ROWS[name], quick), before[name], options.tolerance)]
    for name in worse:
        print(f"worse: {name}: {found[name]['median']} now, {before[name]['median']} before")
    if not worse:
        print(f"\nNo row is worse than the committed one by more than {options.tolerance:.0%}.")
    sys.exit(bool(worse))


if __name__ == "__main__":
    main()
