"""Run the benchmarks of `beam.otp` and of Pykka beside it, in turn, and print one table.

Run: python -m benchmarks.run [UNIT ...] [--rounds N]

Each unit of each side runs in a fresh process, both sides in every round, and a ratio pairs two
figures of one round. Absolute figures move with the machine's load; quote the ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections import defaultdict

from rich.console import Console
from rich.table import Table

UNITS = ("starts", "memory", "calls", "inline", "casts", "restarts", "sessions")
ALONE = ("restarts", "sessions")
# What issue readers look for: figure, and whether less is better.
LESS_IS_BETTER = ("bytes", "restart")
AIMS = {
    ("starts", "starts"): "≥ 25 times Pykka",
    ("memory", "bytes a process"): "≤ 3,000",
    ("calls", "calls"): "≥ 0.9 of Pykka",
    ("inline", "calls"): "≥ 5 times Pykka",
    ("casts", "casts"): "≥ 2 times Pykka",
    ("restarts", "restart p50 ms"): "≤ 0.5",
}

Figures = dict[tuple[str, str], list[float]]


def measure(side: str, unit: str) -> dict[str, float]:
    """Return the figures of one unit of one side."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.otp", side, unit],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if ran.returncode:
        print(f"{side} {unit} failed:\n{ran.stderr[-2000:]}", file=sys.stderr)
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith('{"figure"')]
    return {line["figure"]: line["value"] for line in lines}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("units", nargs="*", default=UNITS)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    ours: Figures = defaultdict(list)
    ratios: Figures = defaultdict(list)
    for number in range(given.rounds):
        for unit in given.units:
            sides = ("beam",) if unit in ALONE else ("beam", "pykka")
            order = sides if number % 2 == 0 else sides[::-1]
            found = {side: measure(side, unit) for side in order}
            for figure, value in found["beam"].items():
                ours[unit, figure].append(value)
                other = found.get("pykka", {}).get(figure)
                if other:
                    ratios[unit, figure].append(value / other)
    table = Table("unit", "figure", "beam.otp", "times Pykka", "aim")
    for (unit, figure), values in ours.items():
        pairs = ratios.get((unit, figure))
        shown = f"{statistics.median(pairs):.2f}" if pairs else ""
        median = statistics.median(values)
        value = f"{median:,.3f}" if median < 100 else f"{median:,.0f}"
        table.add_row(unit, figure, value, shown, AIMS.get((unit, figure), ""))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
