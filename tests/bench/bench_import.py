"""How long the past takes: run it as `python tests/bench/bench_import.py [folder]`.

The retail weeks, 42 481 lines, through `run.py import orders` into a fresh store on a real disk, in
a process of its own; then once more, when everything is known. Budget: 20 s on two cores.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
INVOICES = ROOT / "tests/data/online-retail-2010-12.csv.gz"
BUDGET = 20.0


def imported(data):
    """Seconds on the wall and of the processor, and what was said."""
    began, before = time.monotonic(), os.times()
    words = ("import", "orders", INVOICES, "--map", "retail", "--data", data, "--json")
    done = subprocess.run(
        [sys.executable, "run.py", *map(str, words)], cwd=ROOT, capture_output=True, check=True
    )
    after = os.times()
    spent = after.children_user - before.children_user
    spent += after.children_system - before.children_system
    return time.monotonic() - began, spent, msgspec.json.decode(done.stdout)


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(prefix="ecrm-bench-", dir=folder) as made:
        data = Path(made) / "data"
        for name in ("first", "again"):
            wall, spent, said = imported(data)
            size = (data / "ecrm.db").stat().st_size / 2**20
            print(
                f"{name}: {wall:.1f} s ({spent:.1f} s of the processor), {said['told']:,} told, "
                f"{said['known']:,} known, {said['customers']:,} customers, {size:.1f} MiB"
            )
            if name == "first":
                print(f"  budget {BUDGET:.0f} s: {'kept' if wall < BUDGET else 'BROKEN'}")


if __name__ == "__main__":
    main()
