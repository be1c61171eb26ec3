"""What CPython itself takes for some things that the aims are about, by the smallest programs.

Run: python -m benchmarks.limits

No runtime on threads can be faster than these, so an aim beyond one of them cannot be had:

- a call of any process is a hand-over to another thread and one back;
- the reports of a crash are three events, one with a traceback, rendered by structlog.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 20_000
REPEATS = 5


def to_and_fro(rounds: int) -> None:
    """Hand a turn to another thread and take it back, by two locks."""
    there, back = threading.Lock(), threading.Lock()
    there.acquire()
    back.acquire()

    def other() -> None:
        for _ in range(rounds):
            there.acquire()
            back.release()

    thread = threading.Thread(target=other)
    thread.start()
    for _ in range(rounds):
        there.release()
        back.acquire()
    thread.join()


def reports(rounds: int) -> None:
    """Render three events, one of them with a traceback of one frame, as JSON."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        log = structlog.wrap_logger(
            structlog.PrintLogger(nowhere),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.format_exc_info,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.JSONRenderer(),
            ],
        )
        try:
            raise ValueError("as asked")
        except ValueError as caught:
            error = caught
        for _ in range(rounds):
            log.error("process_crashed", process="Victim #7", reason="as asked", exc_info=error)
            log.error("child_terminated", supervisor="Supervisor #1", child="victim")
            log.info("child_restarted", supervisor="Supervisor #1", child="victim")


def best(program: Callable[[int], None], rounds: int) -> float:
    """Return the fewest seconds that one round of a program took."""
    found = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        program(rounds)
        found.append((time.perf_counter() - began) / rounds)
    return min(found)


def main() -> None:
    """Print each limit."""
    print(f"a hand-over to another thread and back: {best(to_and_fro, ROUNDS) * 1e6:.0f} µs")
    print(f"the three reports of a crash: {best(reports, ROUNDS // 10) * 1e3:.3f} ms")


if __name__ == "__main__":
    main()
