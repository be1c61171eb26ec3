"""What the facades take: choices of the router, reads of state, and owners that die with it all.

    python -m benchmarks.facades                      # everything, in a minute or two
    python -m benchmarks.facades choices reads        # some of it

| what | how |
|---|---|
| choices | `fleet.router.select_backend` from 8 threads, on a log in a file, by six requests |
| reads | `get_state`, `current_provider`, `get_config`, `get_permission_mode` from one thread |
| torn | reads of one session's state beside a thread that changes it; none may mix two states |
| owners | sessions with state; `runtime`, `control` and the keeper's owners are killed at once |
"""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from beam import Fleet
from beam.backends import function
from beam.errors import NotFound
from beam.otp import exit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIVE = ("claude", "codex", "copilot", "gemini", "opencode")
CALLERS = 8
CHOICES = 5_000
READS = 300_000
TORN = 10_000_000
SESSIONS = 10_000
PATIENCE = 60.0


def echo(prompt: str) -> str:
    """Answer with the prompt."""
    return prompt


@contextmanager
def fleet_on_file() -> Iterator[Fleet]:
    """Run a fleet of five backends on a log in a file."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Fleet(
            Path(directory) / "fleet.db", backends={name: function(echo) for name in FIVE}
        ) as fleet,
    ):
        yield fleet


def rate_of(callers: int, each: int, call: Callable[[], Any]) -> str:
    """Return how often a second `callers` threads together make a call.

    Beside it the rate for each second of processor time, which other programs disturb less.
    """
    start = threading.Barrier(callers + 1)

    def work() -> None:
        start.wait()
        for _ in range(each):
            call()

    threads = [threading.Thread(target=work) for _ in range(callers)]
    for thread in threads:
        thread.start()
    start.wait()
    begun, spent = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.join()
    took, used = time.perf_counter() - begun, time.process_time() - spent
    return f"{callers * each / took:,.0f}/s ({callers * each / used:,.0f} a second of processor)"


def choices() -> None:
    """Measure choices of a backend."""
    requests: dict[str, dict[str, Any]] = {
        "preferred_then_fallback": {"preferred_backends": ["gemini"]},
        "round_robin": {"policy": "round_robin"},
        "capability_first": {"policy": "capability_first"},
        "explicit": {"backend": "codex"},
        "failover": {"policy": "failover", "last_backend": "claude"},
        "sticky, bound": {"policy": "sticky", "affinity_key": "ada"},
    }
    for name, request in requests.items():
        with fleet_on_file() as fleet:
            router = fleet.router
            router.select_backend(request)
            rate = rate_of(CALLERS, CHOICES, lambda: router.select_backend(request))  # noqa: B023
            counts = fleet.whereis("router").proxy().counts().get()
            print(f"choices, {name}: {rate} from {CALLERS} callers, "
                  f"{counts['unlogged']} not logged")  # fmt: skip


def reads() -> None:
    """Measure reads from one thread."""
    with fleet_on_file() as fleet:
        runtime, control = fleet.runtime, fleet.control
        session = fleet.start_session(backend="claude", model="large", agent="build")
        runtime.set_provider(session, "anthropic")
        control.set_config(session, "retries", 3)
        control.set_permission_mode(session, "plan")
        name = session.id
        functions: dict[str, Callable[[], Any]] = {
            "runtime.get_state": lambda: runtime.get_state(name),
            "runtime.current_provider": lambda: runtime.current_provider(name),
            "control.get_config": lambda: control.get_config(name, "retries"),
            "control.get_permission_mode": lambda: control.get_permission_mode(name),
        }
        for what, call in functions.items():
            print(f"reads, {what}: {rate_of(1, READS, call)} from one thread")


def torn() -> None:
    """Read a session's state ten million times beside a writer, and look at each."""
    with fleet_on_file() as fleet:
        runtime, over = fleet.runtime, threading.Event()
        process = fleet.whereis("runtime").proxy()
        whole = {"x" * 8, "y" * 8}

        def write() -> None:
            while not over.is_set():
                for word in whole:
                    given = dict.fromkeys(("agent", "mode", "model_id", "provider_id"), word)
                    process.register_session("s", given).get()

        runtime.set_agent("s", "x" * 8)
        process.register_session(
            "s", dict.fromkeys(("agent", "mode", "model_id", "provider_id"), "x" * 8)
        ).get()
        writer = threading.Thread(target=write)
        writer.start()
        begun, broken, seen = time.perf_counter(), 0, set()
        for _ in range(TORN):
            values = set(runtime.get_state("s").values())
            if len(values) != 1:
                broken += 1
            seen |= values
        took = time.perf_counter() - begun
        over.set()
        writer.join()
        print(f"torn: {broken} of {TORN:,} reads, {len(seen)} states seen, {took:,.0f} s")


def is_there(fleet: Fleet, name: str, settings: dict[str, str]) -> bool:
    """Say whether a session's state can be read, and is what it was."""
    try:
        config: Any = fleet.control.get_config(name, "retries")
        return fleet.runtime.get_state(name) == settings and config == 3
    except NotFound:
        return False


def owners() -> None:
    """Kill the owners of the state of ten thousand sessions, and wait until it is all there."""
    with fleet_on_file() as fleet:
        runtime, control = fleet.runtime, fleet.control
        process = fleet.whereis("runtime").proxy()
        names = [f"session_{number}" for number in range(SESSIONS)]
        settings = {"agent": "build", "model_id": "large"}
        calls = [process.register_session(name, settings) for name in names]
        calls += [fleet.whereis("control").proxy().set_config(name, "retries", 3) for name in names]
        for call in calls:
            call.get(timeout=60.0)
        for killed in (("runtime", "control"), ("keeper", "runtime", "control")):
            begun = time.perf_counter()
            for name in killed:
                victim = fleet.whereis(name)
                if victim is not None:
                    exit(victim, "kill")
            there = 0
            while there < SESSIONS and time.perf_counter() - begun < PATIENCE:
                # Up to the first that is missing: who asks for all the others takes the processor
                # away from those who read them back.
                time.sleep(0.005)
                there = sum(1 for _ in takewhile(lambda one: is_there(fleet, one, settings), names))
            # A change is taken by the new owners, behind everything that they read back.
            runtime.set_agent(names[0], "build")
            control.set_config(names[0], "retries", 3)
            took = time.perf_counter() - begun
            print(f"owners {', '.join(killed)} killed: {there:,} sessions there in {took:.2f} s")


UNITS: dict[str, Callable[[], None]] = {
    "choices": choices, "reads": reads, "torn": torn, "owners": owners,
}  # fmt: skip


def main() -> None:
    """Run what the command line names, everything if it names nothing."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for name in sys.argv[1:] or UNITS:
        UNITS[name]()


if __name__ == "__main__":
    main()
