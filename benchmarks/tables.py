"""Measure tables beside a dict under a lock, and print one table.

Run: python -m benchmarks.tables [--rounds N]

Both have 100,000 rows. A figure is the operations of all threads in a second; a ratio pairs two
figures of one round, in which the sides take turns. Absolute figures move with the machine's load;
quote the ratios. No operation runs on the main thread, as those of processes do not.
"""

from __future__ import annotations

import argparse
import functools
import random
import statistics
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

from rich import table as rich_table
from rich.console import Console

from beam.otp import Node, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from beam.otp.table import Kind

    Work: TypeAlias = Callable[[Sequence[Any]], None]

ROWS = 100_000
OPERATIONS = 200_000
THREADS = (1, 4)
KINDS: tuple[Kind, ...] = ("set", "ordered_set")
KEYS: dict[str, Callable[[int], Any]] = {
    "int": lambda number: number,
    "tuple": lambda number: ("session", number),
}


class Locked:
    """What one would write without tables: a dict of rows, under a lock."""

    def __init__(self, keys: Sequence[Any]) -> None:
        self.rows = {key: (key, 0) for key in keys}
        self.lock = threading.Lock()

    def read(self, keys: Sequence[Any]) -> None:
        """Read the row of each key."""
        rows, lock = self.rows, self.lock
        for key in keys:
            with lock:
                rows[key]

    def write(self, keys: Sequence[Any]) -> None:
        """Replace the row of each key."""
        rows, lock = self.rows, self.lock
        for key in keys:
            with lock:
                rows[key] = (key, 1)

    def count(self, keys: Sequence[Any]) -> None:
        """Add to the row of each key."""
        rows, lock = self.rows, self.lock
        for key in keys:
            with lock:
                rows[key] = (key, rows[key][1] + 1)


class Tabled:
    """The same with a public table."""

    def __init__(self, kind: Kind, keys: Sequence[Any]) -> None:
        self.table = Table.new(kind=kind, access="public")
        self.table.insert(*((key, 0) for key in keys))

    def read(self, keys: Sequence[Any]) -> None:
        """Read the row of each key."""
        table = self.table
        for key in keys:
            table.lookup(key)

    def write(self, keys: Sequence[Any]) -> None:
        """Replace the row of each key."""
        table = self.table
        for key in keys:
            table.insert((key, 1))

    def count(self, keys: Sequence[Any]) -> None:
        """Add to the row of each key."""
        table = self.table
        for key in keys:
            table.update_counter(key, 1)


def rate(work: Work, keys: Sequence[Any], threads: int) -> float:
    """Return the operations a second of so many threads, each with its share of the keys."""
    shares = [keys[at::threads] for at in range(threads)]
    begin = threading.Barrier(threads + 1)

    def run(share: Sequence[Any]) -> None:
        begin.wait()
        work(share)

    running = [threading.Thread(target=run, args=(share,)) for share in shares]
    for thread in running:
        thread.start()
    begin.wait()
    began = time.perf_counter()
    for thread in running:
        thread.join()
    return len(keys) / (time.perf_counter() - began)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    chance = random.Random(7)
    shown = rich_table.Table("kind", "keys", "operation", "threads", "a second", "times dict")
    for kind in KINDS:
        for name, key_of in KEYS.items():
            keys = [key_of(number) for number in range(ROWS)]
            used = chance.choices(keys, k=OPERATIONS)
            table, locked = Tabled(kind, keys), Locked(keys)
            for operation in ("read", "write", "count"):
                sides = (getattr(table, operation), getattr(locked, operation))
                for threads in THREADS:
                    measure = functools.partial(rate, keys=used, threads=threads)
                    figures, ratio = compare(measure, sides, rounds)
                    row = (kind, name, operation, str(threads), f"{figures:,.0f}", f"{ratio:.2f}")
                    shown.add_row(*row)
            table.table.drop()
    Console(width=100).print(shown)


def compare(
    measure: Callable[[Work], float], sides: tuple[Work, Work], rounds: int
) -> tuple[float, float]:
    """Return the median figure of the first side, and the median of its ratios to the second."""
    figures: dict[Work, list[float]] = defaultdict(list)
    for number in range(rounds):
        for side in sides if number % 2 == 0 else sides[::-1]:
            figures[side].append(measure(side))
    ours, theirs = (figures[side] for side in sides)
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return statistics.median(ours), statistics.median(ratios)


if __name__ == "__main__":
    with Node():
        main()
