"""One benchmark of `beam.otp`, or of Pykka's threads beside it; run by `benchmarks/run.py`.

Run: python -m benchmarks.otp beam starts

Each run is a process of its own and prints one JSON line for each figure: `{"figure": ..., "value":
...}`. Rates are per second, times in milliseconds, memory in bytes.
"""

from __future__ import annotations

import gc
import json
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pykka
import structlog

from beam.otp import Node, Server, Supervisor, child, exit, whereis

PROCESSES = 10_000
THREADS = 2_000
LIVE = 100_000
SECONDS = 1.0


class Echo(Server):
    """Answers with what it is asked, and counts what it is told."""

    def init(self) -> None:
        """Begin at nothing."""
        self.count = 0

    def handle_call(self, message: Any, caller: Any) -> Any:
        """Answer."""
        if message == "crash":
            raise RuntimeError("as asked")
        return message if message != "count" else self.count

    def handle_cast(self, message: Any) -> None:
        """Count, or crash."""
        if message == "crash":
            raise RuntimeError("as asked")
        self.count += 1


class EchoInline(Echo):
    """The same, run by its caller."""

    blocking = False


class PykkaEcho(pykka.ThreadingActor):
    """The same in Pykka."""

    use_daemon_thread = True

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_receive(self, message: Any) -> Any:
        """Answer, or count."""
        if message == "told":
            self.count += 1
        return message if message != "count" else self.count


def say(figure: str, value: float) -> None:
    """Print one figure."""
    print(json.dumps({"figure": figure, "value": value}), flush=True)


def rate(once: Callable[[], object], seconds: float = SECONDS) -> float:
    """Return how often a second `once` runs, after a warm-up."""
    for _ in range(100):
        once()
    began, count = time.perf_counter(), 0
    while True:
        for _ in range(100):
            once()
        count += 100
        passed = time.perf_counter() - began
        if passed >= seconds:
            return count / passed


def starts_beam() -> None:
    """Start and stop processes; the last answers before the clock stops."""
    began = time.perf_counter()
    refs = [Echo.start() for _ in range(PROCESSES)]
    refs[-1].ask("ready")
    started = time.perf_counter()
    for ref in refs:
        exit(ref, "shutdown")
    stopped = time.perf_counter()
    say("starts", PROCESSES / (started - began))
    say("starts and stops", PROCESSES / (stopped - began))


def starts_pykka() -> None:
    """Start and stop Pykka's threads."""
    began = time.perf_counter()
    refs = [PykkaEcho.start() for _ in range(PROCESSES)]
    refs[-1].ask("ready")
    started = time.perf_counter()
    for ref in refs:
        ref.stop(block=False)
    for ref in refs:
        ref.actor_stopped.wait()
    say("starts", PROCESSES / (started - began))
    say("starts and stops", PROCESSES / (time.perf_counter() - began))


def memory(start: Callable[[], Any], count: int) -> None:
    """Measure the memory of idle actors, then ask each."""
    gc.collect()
    process = psutil.Process()
    before = process.memory_info().rss
    refs = [start() for _ in range(count)]
    gc.collect()
    say("bytes a process", (process.memory_info().rss - before) / count)
    began = time.perf_counter()
    for ref in refs:
        ref.ask("alive")
    say("answers of all", count / (time.perf_counter() - began))
    say("live processes", count)


def calls_from_thread(ref: Any) -> None:
    """Call from a thread that is none of the actors'."""
    say("calls", rate(lambda: ref.ask("hello")))


def casts(tell: Callable[[Any], None], counted: Callable[[], int]) -> None:
    """Send to one actor until it has counted all."""
    count = 200_000
    for _ in range(1000):
        tell("told")
    began = time.perf_counter()
    for _ in range(count):
        tell("told")
    while counted() < count + 1000:
        pass
    say("casts", count / (time.perf_counter() - began))


class Driver(Server):
    """Crashes a process of the node, and asks for its replacement, from within the node."""

    def init(self, crashes: int) -> None:
        """Say how often."""
        self.crashes = crashes

    def handle_call(self, message: Any, caller: Any) -> list[float]:
        """Return the seconds from each crash to the first answer of the replacement."""
        times = []
        for _ in range(self.crashes):
            victim = whereis("victim")
            assert victim is not None
            began = time.perf_counter()
            victim.cast("crash")
            while True:
                found = whereis("victim")
                if found is not None and found is not victim:
                    found.ask("hello")
                    break
                self.sleep(1e-5)  # Lets go of the interpreter; the supervisor wants it.
            times.append(time.perf_counter() - began)
        return times


def restarts() -> None:
    """From just before a crash to the replacement's first answer."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    crashes = 2_000
    with Supervisor.start(
        [child(Echo, name="victim")], max_restarts=crashes + 10, max_seconds=1000
    ):
        times = Driver.start(crashes).ask("go", timeout=120)
    times.sort()
    say("restart p50 ms", statistics.median(times) * 1000)
    say("restart p99 ms", times[int(len(times) * 0.99)] * 1000)


def sessions() -> None:
    """Ten thousand sessions of a function, in one fleet, each asked once."""
    from beam import Fleet  # noqa: PLC0415 - what it costs to import is no part of the others
    from beam.backends import function  # noqa: PLC0415

    count = 10_000
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    before = psutil.Process().memory_info().rss
    with Fleet(backends={"echo": function(lambda prompt: prompt, queue=count)}) as fleet:
        began = time.perf_counter()
        handles = [fleet.start_session(backend="echo") for _ in range(count)]
        started = time.perf_counter()
        say("session starts", count / (started - began))
        say("bytes a session", (psutil.Process().memory_info().rss - before) / count)
        runs = [handle.query("hello") for handle in handles]
        assert all(run.get(timeout=300) == "hello" for run in runs)
        say("session queries", count / (time.perf_counter() - started))


def beam(unit: str) -> None:
    """Run a unit on `beam.otp`."""
    with Node():
        match unit:
            case "starts":
                starts_beam()
            case "memory":
                memory(Echo.start, LIVE)
            case "calls":
                calls_from_thread(Echo.start())
            case "inline":
                calls_from_thread(EchoInline.start())
            case "casts":
                ref = Echo.start()
                casts(ref.cast, lambda: int(ref.ask("count", timeout=60)))
            case "restarts":
                restarts()
            case "sessions":
                sessions()


def peer(unit: str) -> None:
    """Run a unit on Pykka's ThreadingActor."""
    match unit:
        case "starts":
            starts_pykka()
        case "memory":
            memory(PykkaEcho.start, THREADS)
        case "calls" | "inline":
            calls_from_thread(PykkaEcho.start())
        case "casts":
            ref = PykkaEcho.start()
            casts(ref.tell, lambda: int(ref.ask("count")))


if __name__ == "__main__":
    who, what = sys.argv[1:]
    # A thread for each of Pykka's actors asks for stacks; the default of 8 MB is only reserved.
    threading.stack_size(256 * 1024)
    resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
    beam(what) if who == "beam" else peer(what)
