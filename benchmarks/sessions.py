"""Measure ten thousand sessions of a function, in one fleet, each asked once.

Run: python -m benchmarks.sessions
"""

from __future__ import annotations

import time

import psutil
import structlog

from beam import Fleet
from beam.backends import function

COUNT = 10_000


def main() -> None:
    """Measure, and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    before = psutil.Process().memory_info().rss
    with Fleet(backends={"echo": function(lambda prompt: prompt, queue=COUNT)}) as fleet:
        began = time.perf_counter()
        handles = [fleet.start_session(backend="echo") for _ in range(COUNT)]
        started = time.perf_counter()
        print(f"sessions started a second: {COUNT / (started - began):,.0f}")
        print(f"bytes each: {(psutil.Process().memory_info().rss - before) / COUNT:,.0f}")
        runs = [handle.query("hello") for handle in handles]
        assert all(run.get(timeout=300) == "hello" for run in runs)
        print(f"queries answered a second: {COUNT / (time.perf_counter() - started):,.0f}")


if __name__ == "__main__":
    main()
