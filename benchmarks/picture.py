"""The picture of the figures: what each side does in a second, on a scale of powers of ten."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

from benchmarks.sides import SIDES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SHOWN = {
    "starts and stops of 10,000": ("starts-10k", "started and stopped a second"),
    "starts and stops of 100,000": ("starts-100k", "started and stopped a second"),
    "calls of any process": ("calls", "calls a second"),
    "calls, `blocking = False`": ("calls", "inline calls by ask a second"),
    "hops of calls through 10": ("chain", "hops a second"),
    "hops in a ring of 1,000": ("ring", "hops a second"),
    "round trips between two": ("pingpong", "round trips a second"),
    "casts to one": ("casts", "casts a second"),
    "casts to 1,000": ("fanout", "casts a second"),
    "table reads, int keys": ("table", "reads of int keys a second, 1 at once"),
    "table writes, int keys": ("table", "writes of int keys a second, 1 at once"),
    "timers set and cancelled": ("timers", "set and cancelled a second"),
    "state machine events": ("machine", "events a second"),
}
# Where peers have another figure that does the same.
_THEIRS = {
    "inline calls by ask a second": "calls a second",
    "reads of int keys a second, 1 at once": "reads a second, 1 at once",
    "writes of int keys a second, 1 at once": "writes a second, 1 at once",
}
COLOURS = {
    "beam": "#d7263d",
    "Erlang": "#222222",
    "asyncio": "#8a8a8a",
    "dict under a lock": "#555",
}


def draw(found: Mapping[tuple[str, str, str], Mapping[int, float]], path: Path) -> None:
    """Draw a line for each workload and a dot for each side; write an SVG."""
    plt.rcParams["svg.hashsalt"] = "beam"  # The same picture from the same figures.
    drawing, axes = plt.subplots(figsize=(9, 6.5), layout="constrained")
    palette = iter(plt.get_cmap("tab10").colors)
    lines = list(SHOWN)
    for side in SIDES:
        points = [
            (value, at)
            for at, line in enumerate(lines)
            if (value := _value(found, side, *SHOWN[line])) is not None
        ]
        if not points:
            continue
        colour = COLOURS.get(side) or next(palette)
        size, layer = (90, 3) if side == "beam" else (36, 2)
        axes.scatter(*zip(*points, strict=True), s=size, color=colour, label=side, zorder=layer)
    axes.set_xscale("log")
    axes.set_yticks(range(len(lines)), lines)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("a second")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    drawing.legend(loc="outside lower center", ncols=6, frameon=False)
    drawing.savefig(path, metadata={"Date": None})


def _value(
    found: Mapping[tuple[str, str, str], Mapping[int, float]], side: str, unit: str, figure: str
) -> float | None:
    values = found.get((side, unit, figure))
    if values is None and figure in _THEIRS:
        values = found.get((side, unit, _THEIRS[figure]))
    return statistics.median(values.values()) if values else None
