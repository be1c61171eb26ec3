"""Statistics of one process, from when they are switched on (OTP's `sys:statistics/2`)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.otp.observed import Looker

if TYPE_CHECKING:
    from beam.otp.control import Control
    from beam.otp.observed import Incoming

__all__ = ["Counting", "Statistics"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a process has done since its statistics were switched on.

    Attributes:
        start_time: when that was, in seconds since the Unix epoch on the node's clock.
        current_time: when this was read.
        messages_in: the calls, casts, messages and time-outs that it has taken.
        messages_out: the answers that it has given, refusals too.
        handled: how often code of its own has run for a message, for `handle_continue`, or, in a
            state machine, for an event; the nearest that we have to Erlang's reductions.
        mailbox_high_water: the most messages that waited at one time.
        refused: the messages that it has refused since its start, as its mailbox was full.
        dropped: those that it has dropped for that.
        restarts: the restarts that count against a supervisor now; `None` for other processes,
            which begin anew when they are restarted.
    """

    start_time: float
    current_time: float
    messages_in: int
    messages_out: int
    handled: int
    mailbox_high_water: int
    refused: int
    dropped: int
    restarts: int | None


class Counting(Looker):
    """Counts what a process takes and answers."""

    __slots__ = ("_control", "_handled", "_high", "_in", "_lock", "_out", "_since")

    wants_answers = True

    def __init__(self, control: Control) -> None:
        self._control = control
        self._since = control.node.clock.time()
        self._in = self._out = self._handled = 0
        self._high = control.count()
        # Answers may be given by any thread.
        self._lock = threading.Lock()

    def begins(self, mail: Incoming) -> None:
        """Count what comes; the mailbox is at its fullest just before something is taken out."""
        self._high = max(self._high, self._control.count() + 1)
        if mail.form != "continue":
            self._in += 1
        if "_engine" not in vars(self._control.actor):
            self._handled += 1

    def handles(self, event: Any) -> None:
        """Count an event of a state machine."""
        self._handled += 1

    def answered(self, mail: Incoming, answer: Any) -> None:
        """Count an answer."""
        with self._lock:
            self._out += 1

    def read(self, restarts: int | None) -> Statistics:
        """Return the figures, with the restarts of a supervisor."""
        control = self._control
        refused, dropped = control.lost()
        return Statistics(
            start_time=self._since,
            current_time=control.node.clock.time(),
            messages_in=self._in,
            messages_out=self._out,
            handled=self._handled,
            mailbox_high_water=max(self._high, control.count()),
            refused=refused,
            dropped=dropped,
            restarts=restarts,
        )
