"""Measure `beam.otp` and its peers, interleaved; write one table and one picture.

Run: python -m benchmarks.run [UNIT ...] [--rounds N] [--sides NAME ...]

For each unit and round every side runs in turn, each in a fresh process, and each round begins with
another one. A ratio pairs two figures of one round. All units together are published: in the
table of `benchmarks/README.md`, in `numbers.svg` and `results.json`; some of them are only printed.
Sides that are not installed (`benchmarks/setup.sh` does that) are named and left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from typing import Any

from benchmarks.aims import shown, verdicts
from benchmarks.sides import HERE, ONCE, SIDES, SLOW, UNITS, command

LIMIT = 60.0
README = HERE / "README.md"
RESULTS = HERE / "results.json"
PICTURE = HERE / "numbers.svg"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"

Cell = dict[str, Any]


def measure(side: str, unit: str, number: int) -> Cell | None:
    """Return the figures of one unit of one side, `None` if it has no such unit."""
    cell: Cell = {"side": side, "unit": unit, "round": number, "figures": {}}
    try:
        words = command(side, unit)
    except FileNotFoundError as missing:
        return {**cell, "skip": str(missing)}
    if words is None:
        return None
    limit = LIMIT * (10 if unit in ONCE else 1)
    ran = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, errors = ran.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        _end(ran)
        out, errors = ran.communicate()
        cell["skip"] = f"over {limit:.0f} s"
    _end(ran)  # What it has left behind: processes of its own.
    for line in out.splitlines():
        if line.startswith("{"):
            said = json.loads(line)
            if "skip" in said:
                cell["skip"] = said["skip"]
            else:
                cell["figures"][said["figure"]] = said["value"]
    if not cell["figures"] and "skip" not in cell:
        cell["skip"] = (errors.strip().splitlines() or ["it said nothing"])[-1][:200]
    return cell


def _end(ran: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(ran.pid, signal.SIGKILL)


def measure_all(units: list[str], sides: list[str], rounds: int) -> list[Cell]:
    """Measure every unit of every side, in turn."""
    cells: list[Cell] = []
    hopeless: set[tuple[str, str]] = set()
    for unit in units:
        for number in range(1 if unit in ONCE else rounds):
            first = number % len(sides)
            for side in (*sides[first:], *sides[:first]):
                if (side, unit) in hopeless or (number and side in SLOW):
                    continue
                began = time.monotonic()
                cell = measure(side, unit, number)
                if cell is None:
                    continue
                cells.append(cell)
                if not cell["figures"]:
                    hopeless.add((side, unit))
                said = cell.get("skip", "")
                took = time.monotonic() - began
                print(f"{unit} {number + 1} {side} {took:.1f} s {said}", file=sys.stderr)
    return cells


def by_figure(cells: list[Cell]) -> dict[tuple[str, str, str], dict[int, float]]:
    """Return the values by round of each side, unit and figure."""
    found: dict[tuple[str, str, str], dict[int, float]] = defaultdict(dict)
    for cell in cells:
        for figure, value in cell["figures"].items():
            found[cell["side"], cell["unit"], figure][cell["round"]] = value
    return dict(found)


def table(cells: list[Cell]) -> list[str]:
    """Return the table of the aims, and that of all figures, in Markdown."""
    found = by_figure(cells)
    lines = ["| what | aim | figure | met |", "|---|---|---|---|"]
    for what, aim, figure, met in verdicts(found):
        lines.append(f"| {what} | {aim} | {figure} | {_word(met)} |")
    sides = [side for side in SIDES if any(side == key[0] for key in found)]
    lines += ["", "All figures, medians of the rounds:", ""]
    lines += ["| unit | figure | " + " | ".join(sides) + " |"]
    lines += ["|---|---|" + "---:|" * len(sides)]
    for unit, figure in dict.fromkeys((unit, figure) for _, unit, figure in found):
        values = [found.get((side, unit, figure)) for side in sides]
        row = [shown(statistics.median(one.values())) if one else "" for one in values]
        lines.append(f"| {unit} | {figure} | " + " | ".join(row) + " |")
    skipped: dict[tuple[str, str], list[str]] = defaultdict(list)
    for cell in cells:
        if "skip" in cell:
            skipped[cell["side"], cell["skip"]].append(cell["unit"])
    if skipped:
        lines += ["", "Not measured:", ""]
    for (side, why), units in skipped.items():
        lines.append(f"- {side}: {why} ({', '.join(dict.fromkeys(units))})")
    return lines


def _word(met: bool | None) -> str:
    if met is None:
        return "?"
    return "yes" if met else "**no**"


def publish(cells: list[Cell], rounds: int) -> None:
    """Write the table, the picture and the figures."""
    spoken = f"{os.cpu_count()} cores, Python {platform.python_version()}, {rounds} rounds"
    written = time.strftime("%B %Y")
    RESULTS.write_text(
        "[\n" + ",\n".join(json.dumps(cell) for cell in cells) + "\n]\n", encoding="utf-8"
    )
    text = README.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    section = "\n".join([f"Measured in {written}: {spoken}.", "", *table(cells)])
    README.write_text(f"{before}{BEGIN}\n{section}\n\n{END}{after}", encoding="utf-8")
    try:
        from benchmarks.picture import draw  # noqa: PLC0415 - it needs an extra
    except ImportError as missing:
        print(f"no picture: {missing}; install the extra `bench`", file=sys.stderr)
        return
    draw(by_figure(cells), PICTURE)


def main() -> None:
    """Measure, and print or publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("units", nargs="*", help=f"{', '.join(UNITS)}, or their beginnings")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", nargs="*", default=list(SIDES), choices=SIDES, metavar="NAME")
    parser.add_argument("--publish", action="store_true", help="write README.md and the picture")
    parser.add_argument("--again", action="store_true", help="publish the figures that are there")
    given = parser.parse_args()
    if given.again:
        publish(json.loads(RESULTS.read_text("utf-8")), given.rounds)
        return
    units = [one for one in UNITS if not given.units or one.startswith(tuple(given.units))]
    if not units:
        parser.error(f"no such unit; there are {', '.join(UNITS)}")
    cells = measure_all(units, given.sides, given.rounds)
    if given.publish or units == list(UNITS):
        publish(cells, given.rounds)
    print("\n".join(table(cells)))


if __name__ == "__main__":
    main()
