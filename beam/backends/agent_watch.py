"""What is watched of an agent beside what it says: its silence, and the memory of its program."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from beam.errors import LoopStopped
from beam.model.exit_reasons import ExitReason

if TYPE_CHECKING:
    from beam.backends.agent_backend import AgentBackend
    from beam.backends.talk import Talk
    from beam.otp import Ref
    from beam.ports.loop import LoopThread
    from beam.ports.port import Port
    from beam.ports.sample import TreeSample

__all__ = ["AgentWatch", "Look", "Sample", "Sampled"]

SOONEST = 0.01
"""Seconds between two looks, at least."""


class Look:
    """A timer's mail: see how long the agent has been silent."""

    __slots__ = ()


class Sample:
    """A timer's mail: measure the memory."""

    __slots__ = ()


class Sampled:
    """The memory was measured; None if it could not be."""

    __slots__ = ("sample",)
    __match_args__ = ("sample",)

    def __init__(self, sample: TreeSample | None) -> None:
        self.sample = sample


class AgentWatch:
    """The watch over one connection's agent; used by the connection's process alone.

    Args:
        process: the connection's process, which the timers' mail goes to.
        backend: has the limits.
        loop: has the threads that may block.

    Attributes:
        over_soft: the bytes that the program's tree had when it was over the soft limit; 0 if it
            never was.
    """

    def __init__(self, process: Ref[Any], backend: AgentBackend, loop: LoopThread) -> None:
        self._process = process
        self._turn = backend.turn
        self._memory = backend.memory
        self._loop = loop
        self.over_soft = 0

    def turn_began(self) -> None:
        """Watch a turn from now on."""
        self._look_in(self._turn.until_missed(began=False))

    def look(self, talk: Talk) -> ExitReason | None:
        """Return why the open turn must be cut, None if it need not; look again later."""
        # The clock of a turn stands still while the agent waits for us.
        silent = 0.0 if talk.waiting else self._process.node.clock.now() - talk.last_heard
        missed = self._turn.overdue(began=talk.began, silent=silent)
        if missed:
            return ExitReason("stalled", detail=f"{missed}: silent for {silent:.0f} s")
        self._look_in(self._turn.until_missed(began=talk.began, silent=silent))
        return None

    def sample_later(self) -> None:
        """Measure the program's memory after a while, if it has limits."""
        if self._memory is not None:
            self._process.node.send_after(self._memory.every, self._process, Sample())

    def sample(self, port: Port) -> None:
        """Have it measured, on a thread that may block; `Sampled` comes of it."""
        me = self._process
        with contextlib.suppress(LoopStopped):
            self._loop.work(lambda: _measured(port), lambda sample: me.tell(Sampled(sample)))

    def sampled(self, sample: TreeSample | None) -> ExitReason | None:
        """Return why the program must be ended at once, None if it need not."""
        verdict = ""
        if self._memory is not None and sample is not None:
            verdict = self._memory.verdict(sample.rss)
        if sample is not None and verdict == "hard":
            return ExitReason("memory", detail=f"{sample.rss} bytes")
        if sample is not None and verdict == "soft":
            self.over_soft = sample.rss
        self.sample_later()
        return None

    def _look_in(self, seconds: float | None) -> None:
        if seconds is not None:
            self._process.node.send_after(max(seconds, SOONEST), self._process, Look())


def _measured(port: Port) -> TreeSample | None:
    try:
        return port.sample()
    except (OSError, KeyError):
        return None
