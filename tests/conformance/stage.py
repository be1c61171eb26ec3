"""Plays many scenarios at once, each in a node of its own: their sleeps overlap.

A player is a function `play(scenario, node)` that yields what it observed after each step, in the
traces' own format; `node` is the current node. It is the module of the subject, and uses only what
`beam.otp` and `beam.testing` offer to everyone. Under the simulation all of it runs on one thread
and on virtual time, so it starts no thread and reads no clock of its own.

A scenario that raises or hangs is an outcome like others. Each runs on a thread of its own, which
is left behind if it hangs.
"""

from __future__ import annotations

import importlib
import queue
import sys
import threading
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from beam.otp import exit
from beam.testing import node_on

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


class Outcome(NamedTuple):
    """What came of playing a scenario.

    Attributes:
        at: the scenario's position among those that are played.
        id: the scenario's.
        trace: what was observed; if it did not end well, up to there.
        error: the traceback, or where it hangs; empty if it ended well.
    """

    at: int
    id: str
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
    while waiting or running:
        while waiting and len(running) < AT_ONCE[scheduler]:
            at, scenario = waiting.popleft()
            running.add(_Performance(play, at, scenario, scheduler, limit=limit, ended=ended))
        first = min(one.until for one in running)
        try:
            done = [ended.get(timeout=max(0.0, first - time.monotonic()))]
        except queue.Empty:
            done = [one for one in running if one.until <= time.monotonic()]
        for one in done:
            if one in running:  # It may end after it has been given up.
                running.remove(one)
                yield one.outcome()


class _Performance:
    """One scenario, on a thread of its own."""

    def __init__(
        self,
        play: Play,
        at: int,
        scenario: Mapping[str, Any],
        scheduler: str,
        *,
        limit: float,
        ended: queue.Queue[_Performance],
    ) -> None:
        self.until = time.monotonic() + limit
        self._at = at
        self._id = str(scenario["id"])
        self._trace: list[dict[str, Any]] = []
        self._error: str | None = None
        self._limit = limit

        def perform() -> None:
            try:
                with node_on(scheduler) as node:
                    for step in play(_without_trace(scenario), node):
                        self._trace.append(step)
                    for process in node.processes():  # Some would never end by themselves.
                        exit(process, "kill")
                self._error = ""
            except BaseException:  # noqa: BLE001 - whatever it is, it is this scenario's failure
                self._error = traceback.format_exc()
            finally:
                ended.put(self)

        self._thread = threading.Thread(target=perform, name=self._id, daemon=True)
        self._thread.start()

    def outcome(self) -> Outcome:
        """Return what came of it; what has not ended hangs."""
        error = self._error
        if error is None:
            frame = sys._current_frames().get(self._thread.ident or 0)
            where = "".join(traceback.format_stack(frame)) if frame is not None else ""
            error = f"did not end within {self._limit} s\n{where}"
        return Outcome(self._at, self._id, list(self._trace), error)


def _without_trace(scenario: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in scenario.items() if key != "trace"}
