"""The auditor of those who wait: not for the dead, and not when a signal has ended them (G4, G6).

Who need wait no longer can run at once, and time stands while anybody can run. So one that waits
still when time has passed has not been told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.ledger import EPSILON, Auditor, Ledger

if TYPE_CHECKING:
    from beam.otp import Ref
    from tests.simulation.calls import Calls, Record
    from tests.simulation.post import Post

DEAD_CALLEE = "a call ends when its callee dies"
ENDED_CALLER = "a signal ends a process that waits in a call, at once"


class Haste(Auditor):
    """Looks whether those who wait have something to wait for."""

    def __init__(self, ledger: Ledger, post: Post, calls: Calls) -> None:
        super().__init__(ledger)
        self._post = post
        self._calls = calls
        self._left: dict[Record, float] = {}
        self._doomed: dict[Ref[Any], float] = {}

    def died(self, ref: Ref[Any], reason: Any) -> None:
        now = self.ledger.now()
        for record in self._calls.open_calls():
            # One that has not been handled may be on its way still.
            if record.callee is ref and record.handled:
                self._left.setdefault(record, now)

    def looks(self) -> None:
        now, calls = self.ledger.now(), self._calls
        still = set(calls.open_calls())
        for record, since in list(self._left.items()):
            if record not in still:
                del self._left[record]
            elif since < now - EPSILON and self._waits(record.caller):
                self.ledger.object(DEAD_CALLEE, record, since)
        doomed = {ref: now for ref in self._post.doomed if self._waits(ref)}
        self._doomed = {ref: self._doomed.get(ref, at) for ref, at in doomed.items()}
        for ref, since in self._doomed.items():
            if since < now - EPSILON:
                self.ledger.object(ENDED_CALLER, ref, self._post.doomed[ref], since)

    def _waits(self, ref: Ref[Any] | None) -> bool:
        """Return whether a process is alive and waits in a call; of what runs on top, not known."""
        record: Any = self._calls.waits.get(ref) if ref is not None else None
        callee = getattr(record, "callee", None)
        inline = callee is not None and callee.actor_class.blocking is False
        return callee is not None and not inline and ref is not None and ref.is_alive()
