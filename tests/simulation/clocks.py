"""The auditor of timers: at most once, never early, never after a cancel that succeeded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.ledger import EPSILON, Auditor, Ledger

if TYPE_CHECKING:
    from beam.otp import Ref, Timer

ONCE = "a timer fires at most once, at the process that it was set for"
EARLY = "a timer never fires early"
CANCELLED = "a timer that was cancelled never fires"
LEFT = "a cancel says how much time was left, and succeeds once"
LOST = "a timer that was not cancelled fires"


@dataclass(slots=True, eq=False)
class Alarm:
    """What is known of a timer."""

    number: int
    to: Ref[Any]
    due: float
    timer: Timer | None = None
    fired: bool = False
    cancelled: bool = False


class Clocks(Auditor):
    """Keeps a list of the timers."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._alarms: list[Alarm] = []

    def set(self, me: Any, delay: float, to: Ref[Any]) -> Alarm:
        """Set a timer; `me` is the process, as seen from inside."""
        alarm = Alarm(len(self._alarms), to, self.ledger.now() + delay)
        self._alarms.append(alarm)
        alarm.timer = me.send_after(delay, ("tick", alarm.number), to)
        return alarm

    def cancel(self, alarm: Alarm) -> None:
        """Cancel a timer."""
        assert alarm.timer is not None
        left, expected = alarm.timer.cancel(), alarm.due - self.ledger.now()
        if left is None:
            # It has been sent: its time is over, or it was cancelled before.
            if not alarm.cancelled and expected > EPSILON:
                self.ledger.object(LEFT, alarm, left, expected)
        elif alarm.cancelled or alarm.fired or abs(left - max(expected, 0.0)) > EPSILON:
            self.ledger.object(LEFT, alarm, left, expected)
        alarm.cancelled = alarm.cancelled or left is not None

    def ticks(self, me: Ref[Any], number: int) -> Alarm:
        """Take note that a timer's message has come."""
        alarm = self._alarms[number]
        if alarm.fired or alarm.to is not me:
            self.ledger.object(ONCE, me, alarm)
        if alarm.cancelled:
            self.ledger.object(CANCELLED, me, alarm)
        if self.ledger.now() < alarm.due - EPSILON:
            self.ledger.object(EARLY, me, alarm)
        alarm.fired = True
        return alarm

    def rests(self) -> None:
        now = self.ledger.now()
        for alarm in self._alarms:
            waits = not (alarm.fired or alarm.cancelled) and alarm.to in self.ledger.alive
            if waits and alarm.due < now - 1.0:
                self.ledger.object(LOST, alarm)
