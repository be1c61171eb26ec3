"""The auditor of the mail: in order, none twice, none lost, one at a time (G2, G3, G4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import InjectedCrash
from tests.simulation.ledger import Auditor, Ledger

if TYPE_CHECKING:
    from beam.otp import Ref

    Way = tuple[Ref[Any] | None, Ref[Any]]

ORDER = "mail from one process to another comes in its order, all of it and once"
AT_ONCE = "a process handles one message at a time"
DEAD = "the dead handle no mail"
SIGNALS_FIRST = "an exit signal acts before the next message"
LOST = "mail to the living arrives"


class Post(Auditor):
    """Numbers what one process sends to another, and counts what comes."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._sent: dict[Way, int] = {}
        self._got: dict[Way, int] = {}
        self._busy: dict[Ref[Any], Any] = {}
        self.doomed: dict[Ref[Any], Any] = {}
        """Those that an exit signal has reached which ends them, with its reason."""

    # Sending

    def send(self, me: Ref[Any] | None, to: Ref[Any], how: str, *body: Any) -> None:
        """Send, with `cast` or `tell`; from outside of any process if `me` is `None`."""
        way = (me, to)
        number = self._sent.get(way, 0) + 1
        getattr(to, how)((me, number, *body))
        self._sent[way] = number

    def ask(self, me: Ref[Any] | None, to: Ref[Any], timeout: float | None, *body: Any) -> Any:
        """Ask, and return the answer."""
        way = (me, to)
        number = self._sent[way] = self._sent.get(way, 0) + 1
        try:
            return to.ask((me, number, *body), timeout=timeout)
        except InjectedCrash:
            # Before it was sent. What one's callee crashes of comes as another error.
            self.take_back(me, to)
            raise

    def take_back(self, me: Ref[Any] | None, to: Ref[Any]) -> None:
        """Take note that the last of one's mail to another was not sent."""
        self._sent[me, to] -= 1

    # Receiving

    def enters(self, me: Ref[Any], what: Any) -> None:
        """Take note that a callback begins."""
        if me in self._busy:
            self.ledger.object(AT_ONCE, me, self._busy[me], what)
        self._busy[me] = what
        if me in self.doomed:
            self.ledger.object(SIGNALS_FIRST, me, self.doomed[me], what)
        if not me.is_alive():
            self.ledger.object(DEAD, me, what)

    def leaves(self, me: Ref[Any]) -> None:
        """Take note that it ends."""
        self._busy.pop(me, None)

    def comes(self, sender: Ref[Any] | None, me: Ref[Any], number: int) -> None:
        """Take note of a message."""
        way = (sender, me)
        got = self._got[way] = self._got.get(way, 0) + 1
        if number != got:
            self.ledger.object(ORDER, sender, me, f"number {number} instead of {got}")

    def all_has_come(self, sender: Ref[Any], me: Ref[Any]) -> bool:
        """Return whether all that `sender` has sent has come to `me`."""
        way = (sender, me)
        return self._sent.get(way, 0) == self._got.get(way, 0)

    def doom(self, ref: Ref[Any], reason: Any) -> None:
        """Take note that a signal has come to a process which ends it."""
        if ref.is_alive():
            self.doomed.setdefault(ref, reason)

    def died(self, ref: Ref[Any], reason: Any) -> None:
        self.doomed.pop(ref, None)

    def rests(self) -> None:
        for way, sent in self._sent.items():
            if way[1] in self.ledger.alive and self._got.get(way, 0) != sent:
                self.ledger.object(LOST, *way, f"{sent - self._got.get(way, 0)} of {sent}")
        for ref, reason in self.doomed.items():
            if ref.is_alive():  # Who has died before its init has not been heard of.
                self.ledger.object(SIGNALS_FIRST, ref, reason)
