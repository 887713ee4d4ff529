"""Lists what an environment holds: a CycloneDX bill of materials, and the licence of each package.

    python -m benchmarks.first_batch --dist dist --keep core
    python -m tools.bill_of_materials --python core/bin/python --out bill

It needs `cyclonedx-bom` and `pip-licenses`. The bill has no time and no random number, so that it can be reproduced.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIELDS = ["--with-urls", "--with-system", "--from=mixed"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="the Python of the environment")
    parser.add_argument("--out", type=Path, default=Path("bill"), help="folder of the lists (default: bill)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    bill, licences = arguments.out / "gan-augment.cdx.json", arguments.out / "licences.md"
    options = ["--output-reproducible", "--gather-license-texts", "--output-file", str(bill)]
    subprocess.run([sys.executable, "-m", "cyclonedx_py", "environment", *options, arguments.python], check=True)
    command = [sys.executable, "-m", "piplicenses", f"--python={arguments.python}", "--format=markdown", *FIELDS]
    licences.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    components = json.loads(bill.read_bytes())["components"]
    nameless = sorted(each["name"] for each in components if not each.get("licenses"))
    print(f"{len(components)} packages in {bill}; without a stated licence: {', '.join(nameless) or 'none'}.")


if __name__ == "__main__":
    main()
