"""Measure the event log: `python benchmarks/log.py [--events 1000000] [--quick]`.

Prints one table. Each event has a body of 200 bytes and a random id, as sessions' events have. The
file lies in the directory for temporary files, or where `--directory` says.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from beam.log import Durability, MemoryStore, Record, SqliteReader, SqliteStore, Store, replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BODY = '{"text": "' + "x" * 188 + '"}'
THREADS = 8
_random = random.Random(7)


def record(stream: str = "ses_0") -> Record:
    """Return a new event."""
    return Record(f"evt_{_random.getrandbits(128):032x}", stream, "message", 1.5, BODY)


def show(what: str, store: str, figure: float, unit: str) -> None:
    """Print one line of the table."""
    sys.stdout.write(f"| {what:44} | {store:14} | {figure:12,.1f} {unit:9} |\n")
    sys.stdout.flush()


def stores(directory: Path) -> Iterator[tuple[str, Store]]:
    """Yield a new store of each kind, with its name."""
    yield "memory", MemoryStore()
    levels: tuple[Durability, ...] = ("process", "power")
    for durability in levels:
        path = directory / f"{durability}-{time.monotonic_ns()}.db"
        yield f"sqlite {durability}", SqliteStore.open(path, durability=durability)


def single(store: Store, seconds: float) -> float:
    """Return appends of one record, one after the other, in a second."""
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        store.append_wait([record()])
        done += 1
    return done / (time.perf_counter() - begun)


def concurrent(store: Store, seconds: float) -> float:
    """Return appends of one record by eight threads in a second."""
    done = [0] * THREADS
    until = time.perf_counter() + seconds

    def work(n: int) -> None:
        while time.perf_counter() < until:
            store.append_wait([record(f"ses_{n}")], timeout=60.0)
            done[n] += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds


def pipelined(store: Store, seconds: float) -> float:
    """Return records in a second that one thread hands over without waiting for the answers."""
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        store.append([record()], lambda _: None, timeout=60.0)
        done += 1
    store.append_wait([record()], timeout=60.0)
    return done / (time.perf_counter() - begun)


def batches(store: Store, seconds: float) -> float:
    """Return records in a second, in appends of 100."""
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        store.append_wait([record(f"ses_{n % 8}") for n in range(100)])
        done += 100
    return done / (time.perf_counter() - begun)


def beside_a_busy_thread(work: Callable[[Store, float], float]) -> Callable[[Store, float], float]:
    """Return `work` measured while another thread computes."""

    def measured(store: Store, seconds: float) -> float:
        stop = threading.Event()

        def compute() -> None:
            for n in count():
                if n % 1000 == 0 and stop.is_set():
                    return

        busy = threading.Thread(target=compute)
        busy.start()
        try:
            return work(store, seconds)
        finally:
            stop.set()
            busy.join()

    return measured


def reading(store: Store, _: float) -> float:
    """Return records read in a second, page by page, of 100,000."""
    while store.last_position() < 100_000:
        store.append_wait([record(f"ses_{n % 8}") for n in range(1000)], timeout=60.0)
    begun = time.perf_counter()
    found = sum(1 for _ in replay(store))
    return found / (time.perf_counter() - begun)


def large(directory: Path, events: int) -> None:
    """Print what a large log costs to write, reopen and replay."""
    path = directory / "large.db"
    begun = time.perf_counter()
    with SqliteStore.open(path) as store:
        for _ in range(0, events, 1000):
            store.append_wait([record(f"ses_{n % 100}") for n in range(1000)], timeout=60.0)
        show(
            f"write {events:,} in appends of 1,000",
            "sqlite power",
            rate(events, begun),
            "records/s",
        )
    show("its size", "", path.stat().st_size / events, "B/record")
    begun = time.perf_counter()
    store = SqliteStore.open(path)
    show("open it", "", (time.perf_counter() - begun) * 1000, "ms")
    begun = time.perf_counter()
    store.append_wait([record()])
    show("its first append", "", (time.perf_counter() - begun) * 1000, "ms")
    begun = time.perf_counter()
    store.streams()
    show("its streams", "", (time.perf_counter() - begun) * 1000, "ms")
    begun = time.perf_counter()
    page = store.read("ses_50", after=store.last_sequence("ses_50") - 100)
    show(f"the last {len(page)} of a stream", "", (time.perf_counter() - begun) * 1000, "ms")
    store.close()
    with SqliteReader(path) as reader:
        begun = time.perf_counter()
        read = sum(1 for _ in replay(reader))
        show("replay it, as a reader", "", rate(read, begun), "records/s")
        begun = time.perf_counter()
        reader.verify()
        show("verify it", "", (time.perf_counter() - begun) * 1000, "ms")


def rate(events: int, begun: float) -> float:
    """Return how many in a second since `begun`."""
    return events / (time.perf_counter() - begun)


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description="Measure the event log.")
    parser.add_argument("--events", type=int, default=1_000_000, help="size of the large log")
    parser.add_argument("--quick", action="store_true", help="a quarter second for each figure")
    parser.add_argument("--directory", type=Path, help="where the files are written")
    arguments = parser.parse_args()
    seconds = 0.25 if arguments.quick else 2.0
    works = {
        "append 1, one thread": (single, "appends/s"),
        f"append 1, {THREADS} threads": (concurrent, "appends/s"),
        "append 1, not waiting": (pipelined, "records/s"),
        "append 100, one thread": (batches, "records/s"),
        "append 1, one thread, beside a busy one": (beside_a_busy_thread(single), "appends/s"),
        "append 100, one thread, beside a busy one": (beside_a_busy_thread(batches), "records/s"),
        "read 100,000": (reading, "records/s"),
        "read 100,000, beside a busy thread": (beside_a_busy_thread(reading), "records/s"),
    }
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        for what, (work, unit) in works.items():
            for name, store in stores(Path(directory)):
                show(what, name, work(store, seconds), unit)
                store.close()
        large(Path(directory), arguments.events)


if __name__ == "__main__":
    main()
