"""Plays many scenarios at once, each in a node of its own: their sleeps overlap.

A player is a function `play(scenario, node)` that yields what it observed after each step, in the
traces' own format; `node` is the current node. It is the module of the subject, and uses only what
`beam.otp` and `beam.testing` offer to everyone. Under the simulation all of it runs on one thread
and on virtual time, so it starts no thread and reads no clock of its own.

A scenario that raises or hangs is an outcome like others. Each runs on a thread of its own, which
is left behind if it hangs. On a real clock one that was held up (see `pulse`) is played again.
"""

from __future__ import annotations

import gc
import importlib
import queue
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from beam.otp import exit
from beam.testing import node_on
from tests.conformance.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from beam.otp import Node

    Play = Callable[[Mapping[str, Any], Node], Iterable[dict[str, Any]]]

__all__ = ["SUBJECTS", "Outcome", "outcomes", "player"]

SUBJECTS = ("supervisor", "statem", "ets", "proc")

# How many scenarios at once. Under the simulation nobody waits for time to pass.
AT_ONCE = {"pool": 24, "thread": 24, "simulation": 1}
# Seconds for one scenario; the longest sleeps for a few.
LIMIT = 120.0
# How often a scenario is played, at most, until it was not held up.
ATTEMPTS = 10


class Outcome(NamedTuple):
    """What came of playing a scenario.

    Attributes:
        at: the scenario's position among those that are played.
        id: the scenario's, which may be any JSON value.
        trace: what was observed; if it did not end well, up to there.
        error: the traceback, or where it hangs; empty if it ended well.
    """

    at: int
    id: Any
    trace: list[dict[str, Any]]
    error: str


def player(subject: str) -> Play:
    """Return what plays the scenarios of a subject."""
    play: Play = importlib.import_module(f"tests.conformance.{subject}").play
    return play


def outcomes(
    play: Play, scenarios: Iterable[Mapping[str, Any]], scheduler: str, *, limit: float = LIMIT
) -> Iterator[Outcome]:
    """Play scenarios; yield what comes of each, in the order in which they end.

    Args:
        play: the player.
        scenarios: what to play. The golden trace is taken out first: no player can look at it.
        scheduler: the name of the scheduler.
        limit: seconds for one scenario.
    """
    waiting = deque(enumerate(scenarios))
    ended: queue.Queue[_Performance] = queue.Queue()
    running: set[_Performance] = set()
    gc.collect()
    gc.freeze()  # To look through all that is imported takes longer than some time-outs.
    with Pulse() as pulse, _unhurried():
        while waiting or running:
            while waiting and len(running) < AT_ONCE[scheduler]:
                at, scenario = waiting.popleft()
                one = _Performance(at, scenario, limit)
                running.add(one)
                one.begin(play, scheduler, pulse, ended)
            first = min(one.until for one in running)
            try:
                done = [ended.get(timeout=max(0.0, first - time.monotonic()))]
            except queue.Empty:
                done = [one for one in running if one.until <= time.monotonic()]
            for one in done:
                if one in running:  # It may end after it has been given up.
                    running.remove(one)
                    yield one.outcome()
    gc.unfreeze()


@contextmanager
def _unhurried() -> Iterator[None]:
    """Let a thread go on until it waits: what a step does without a pause has none here, either."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(LIMIT)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


class _Performance:
    """One scenario, on a thread of its own."""

    def __init__(self, at: int, scenario: Mapping[str, Any], limit: float) -> None:
        self.until = time.monotonic() + limit
        self._at = at
        self._scenario = {key: value for key, value in scenario.items() if key != "trace"}
        self._trace: list[dict[str, Any]] = []
        self._error: str | None = None
        self._limit = limit
        self._thread: threading.Thread | None = None

    def begin(
        self, play: Play, scheduler: str, pulse: Pulse, ended: queue.Queue[_Performance]
    ) -> None:
        """Play the scenario; again, if everything stood still meanwhile."""

        def perform() -> None:
            for attempts in range(ATTEMPTS, 0, -1):
                begun = time.monotonic()
                error = self._perform(play, scheduler)
                if scheduler == "simulation" or attempts == 1 or not pulse.missed_since(begun):
                    break
            self._error = error
            ended.put(self)

        self._thread = threading.Thread(target=perform, name=str(self._scenario["id"]), daemon=True)
        self._thread.start()

    def _perform(self, play: Play, scheduler: str) -> str:
        """Play the scenario once; return the traceback if it did not end well."""
        self._trace = trace = []
        try:
            with node_on(scheduler) as node:
                for step in play(dict(self._scenario), node):
                    trace.append(step)  # noqa: PERF402 - it is looked at while it grows
                for process in node.processes():  # Some would never end by themselves.
                    exit(process, "kill")
        except BaseException:  # noqa: BLE001 - whatever it is, it is this scenario's failure
            return traceback.format_exc()
        return ""

    def outcome(self) -> Outcome:
        """Return what came of it; what has not ended hangs."""
        error = self._error
        if error is None:
            ident = self._thread.ident if self._thread is not None else None
            frame = sys._current_frames().get(ident or 0)
            where = "".join(traceback.format_stack(frame)) if frame is not None else ""
            error = f"did not end within {self._limit} s\n{where}"
        return Outcome(self._at, self._scenario["id"], list(self._trace), error)
