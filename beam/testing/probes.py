"""Probes: tests wait for what processes note, instead of sleeping.

    >>> from beam.otp import Server
    >>> from beam.testing import node_on
    >>> class Oven(Server):
    ...     def init(self, probe):
    ...         self.probe = probe
    ...     def handle_cast(self, dough):
    ...         self.probe.note("baked", dough)
    >>> with node_on("pool"):
    ...     probe = Probe()
    ...     oven = Oven.start(probe)
    ...     oven.cast("rye")
    ...     oven.cast("wheat")
    ...     probe.wait("baked", 2)
    ['rye', 'wheat']

They wait through the node's scheduler, so the same test runs on each of them, and in a simulation
takes no time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from beam.errors import NotSettled
from beam.otp import current_node
from beam.otp.context import here

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.scheduler import Parker

__all__ = ["Probe"]

# Seconds within which anything that does happen happens, on a loaded machine too.
SOON = 30.0


class Probe:
    """Where processes note what happens to them, and a test waits for it.

    Bounded by the test that uses it: what is noted is kept until the probe goes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: list[tuple[str, Any]] = []
        # Who waits, and for which event; for any, if that is `None`.
        self._parkers: list[tuple[str | None, Parker]] = []

    def __repr__(self) -> str:
        return f"<Probe: {self._notes!r}>"

    def note(self, event: str, about: Any = None) -> None:
        """Note an event; run by any process or thread, never blocks."""
        with self._lock:
            self._notes.append((event, about))
            woken = [parker for wanted, parker in self._parkers if wanted in (event, None)]
            self._parkers = [each for each in self._parkers if each[0] not in (event, None)]
        for parker in woken:
            parker.unpark()

    def notes(self, event: str | None = None) -> list[Any]:
        """Return what was noted with `event`, oldest first; without, all pairs of both."""
        with self._lock:
            if event is None:
                return list(self._notes)
            return [about for kind, about in self._notes if kind == event]

    def wait(self, event: str, count: int = 1, *, timeout: float = SOON) -> list[Any]:
        """Wait until `event` has been noted `count` times; return what was noted with it.

        Args:
            event: which.
            count: how often at least.
            timeout: seconds, on the node's clock.

        Raises:
            NotSettled: when the time is over.
        """
        self._wait(event, lambda: len(self.notes(event)) >= count, timeout)
        return self.notes(event)

    def wait_until(self, condition: Callable[[], Any], *, timeout: float = SOON) -> None:
        """Wait until `condition()` is true, asked now and after each note.

        Raises:
            NotSettled: when the time is over.
        """
        self._wait(None, condition, timeout)

    def _wait(self, event: str | None, condition: Callable[[], Any], timeout: float) -> None:
        node, me = current_node(), here.control
        until = node.clock.now() + timeout
        while True:
            # Made and noted first, asked after: a note that comes in between is not missed.
            parker = node.scheduler.parker(me)
            with self._lock:
                self._parkers.append((event, parker))
            if condition():
                return
            if node.clock.now() >= until:
                raise NotSettled((), timeout)
            parker.park(until)
