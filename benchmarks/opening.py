"""Measure how a fleet opens a log: `python -m benchmarks.opening [--events N] [--directory D]`.

A log is written as 1,000 sessions write it: runs of nine events each, every tenth with a permission
asked and given, choices of the router with bindings, feedback, threads, reverts. Then a fleet opens
it in fresh processes: from the bare log, which makes the snapshots, with them, and when they have
been deleted. The time is that from `Fleet(...)` to a fleet that takes calls, on the clock and of
the processor. Prints one table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beam import Fleet
from beam.backends import function
from beam.log import Record, SqliteStore
from beam.model.encoding import encode
from beam.model.events import FLEET

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSIONS = 1000
BATCH = 5000
_numbers = itertools.count(1)


def record(session_id: str, kind: str, run_id: str | None = None, /, **data: Any) -> Record:
    """Return an event as a session writes it."""
    number = next(_numbers)
    body: dict[str, Any] = {"data": data, "schema_version": 1}
    if run_id is not None:
        body["run_id"] = run_id
    at = 1_760_000_000_000 + number
    return Record(f"evt_{number:032x}", session_id, kind, at, encode(body))


def run(session_id: str, number: int) -> Iterator[Record]:
    """Yield the events of one run of a session."""
    run_id = f"run_{next(_numbers):016x}"
    terms = {"prompt": "Fix the failing test", "on_crash": "interrupt", "timeout": 120.0}
    yield record(session_id, "run_submitted", run_id, **terms)
    yield record(session_id, "run_started", run_id, attempt=1)
    for turn in range(5):
        told = {"type": "text", "content": f"turn {turn}: " + "x" * 150, "uuid": f"{run_id}-{turn}"}
        if number % 5 == 0:
            told["thread_id"] = "t"
        yield record(session_id, "message", run_id, message=told)
    result = {"type": "result", "content": "Done. " + "x" * 100, "uuid": f"{run_id}-result"}
    yield record(session_id, "message", run_id, message=result)
    yield record(session_id, "run_completed", run_id, output="Done.", attempts=1)
    yield routed(run_id, session_id, number)
    if number % 10 == 0:
        yield from permission(session_id, run_id)
    if number % 5 == 0:
        yield record(session_id, "feedback_submitted", rating=5, seq=number // 5 + 1)
    if number % 20 == 0:
        yield record(session_id, "session_reverted", count=3, selector={"visible_message_count": 3})


def routed(run_id: str, session_id: str, number: int) -> Record:
    """Return the event of a choice; every tenth binds a key."""
    bound = {"binds": session_id} if number % 10 == 0 else {}
    request = {"policy": "sticky", "affinity_key": session_id}
    decision = {"backend": "agent", "policy": "sticky", "chain": ["agent"], "decision": "allow"}
    return record(FLEET, "routing_selected", run_id, request=request, decision=decision, **bound)


def permission(session_id: str, run_id: str) -> Iterator[Record]:
    """Yield the events of a permission that was asked and given."""
    asked = {"request_id": f"req_{run_id}", "asks": "permission", "method": "write"}
    asked |= {"params": {"path": "a.py"}, "session_id": session_id, "timeout": 300.0}
    yield record(session_id, "permission_requested", run_id, **asked)
    allowed = {"request_id": f"req_{run_id}", "decision": {"decision": "allow"}}
    yield record(session_id, "permission_resolved", run_id, **allowed)


def log(events: int) -> Iterator[Record]:
    """Yield the events of a whole log."""
    names = [f"session_{number:032x}" for number in range(SESSIONS)]
    for name in names:
        yield record(name, "session_started", backend="agent", cwd="/repo", model="large")
        yield record(name, "thread_started", thread_id="t", name="Work", metadata={})
    for number in itertools.count():
        for name in names:
            yield from run(name, number)
            if next(_numbers) > events:
                return


def write(path: Path, events: int) -> int:
    """Write a log; return how many events it has."""
    with SqliteStore.open(path, durability="process") as store:
        wanted = itertools.islice(log(2 * events), events)
        while batch := list(itertools.islice(wanted, BATCH)):
            store.append_wait(batch, timeout=60.0)
        return store.last_position()


def opened(path: Path) -> dict[str, float]:
    """Open a log by a fleet; return the seconds, and what was found."""
    agent = {"agent": function(str.upper)}
    began, worked = time.perf_counter(), time.process_time()
    with Fleet(store=path, backends=agent) as fleet:
        took, work = time.perf_counter() - began, time.process_time() - worked
        sessions = fleet.router.list_sessions()
        return {"seconds": took, "cpu": work, "sessions": len(sessions),
                "messages": sum(one.message_count for one in sessions)}  # fmt: skip


def opened_anew(path: Path) -> dict[str, float]:
    """Return what `opened` says in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.opening", "--open", str(path)]
    ran = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def measure(directory: Path, events: int) -> None:
    """Print the table."""
    path = directory / "fleet.db"
    began = time.perf_counter()
    count = write(path, events)
    print(f"{count:,} events written in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    print("| a fleet opens a log | events | seconds | of the processor | sessions | messages |")
    print("|---|---:|---:|---:|---:|---:|")
    for what in ("from the bare log", "with its snapshots", "again"):
        _show(what, count, opened_anew(path))
    shutil.rmtree(directory / "fleet.db-snapshots")
    _show("when they have been deleted", count, opened_anew(path))


def _show(what: str, count: int, found: dict[str, float]) -> None:
    print(
        f"| {what} | {count:,} | {found['seconds']:.2f} | {found['cpu']:.2f} |"
        f" {found['sessions']:,.0f} | {found['messages']:,.0f} |"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--directory", type=Path, default=None)
    parser.add_argument("--open", type=Path, default=None, help="open a log, and say how long")
    given = parser.parse_args()
    if given.open is not None:
        print(json.dumps(opened(given.open)))
        return
    with tempfile.TemporaryDirectory(dir=given.directory) as directory:
        measure(Path(directory), given.events)


if __name__ == "__main__":
    main()
