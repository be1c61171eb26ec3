"""What the auditors of a world share: its time, its living and its dead, and their objections.

An auditor keeps a plain model of its own, of what the citizens tell it and of what anybody may see
from outside (`is_alive`, `exit_reason`, `whereis`, ...). It objects when what it sees is not like
its model. It reads nothing of the kernel's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import Violation

if TYPE_CHECKING:
    from beam.otp import Ref
    from beam.testing import Simulation

# Two readings of the clock that are meant to be one may differ by how they were added up.
EPSILON = 1e-9


class Auditor:
    """One that keeps a model, and objects.

    Args:
        ledger: what it shares with the others.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        ledger.auditors.append(self)

    def died(self, ref: Ref[Any], reason: Any) -> None:
        """Take note of a death; told of all that have died since the last look, youngest first."""

    def buried(self, gone: list[Ref[Any]]) -> None:
        """Take note that all of them have been told of."""

    def looks(self) -> None:
        """Look at what may be seen at any time; between two steps."""

    def rests(self) -> None:
        """Look at what must be true when nobody has anything left to do."""


class Ledger:
    """The notebook of a run.

    Args:
        sim: the simulation.
    """

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.node = sim.node
        self.now = sim.clock.now
        self.auditors: list[Auditor] = []
        self.alive: dict[Ref[Any], None] = {}
        """The citizens and supervisors that live, oldest first."""
        self.dead: dict[Ref[Any], Any] = {}
        """Those that have died, with the reason."""
        self._ends = 0
        self._objection: Violation | None = None

    def object(self, promise: str, *facts: Any) -> None:
        """Say that a promise is broken; the first to say so is heard, after this turn."""
        if self._objection is None:
            self._objection = Violation(promise, (self.now(), *facts))

    def born(self, ref: Ref[Any]) -> None:
        """Take note of a birth."""
        self.alive[ref] = None

    def catch_up(self) -> None:
        """Take note of who has died since the last look."""
        ends = self.node.counts["ends"]
        if ends == self._ends:
            return
        self._ends = ends
        # Youngest first: children before their supervisors, which may have ended for them.
        gone = [ref for ref in reversed(self.alive) if not ref.is_alive()]
        for ref in gone:
            self.dead[ref] = ref.exit_reason
            del self.alive[ref]
        # Auditor by auditor: a later one may ask an earlier one of all of them.
        for auditor in self.auditors:
            for ref in gone:
                auditor.died(ref, ref.exit_reason)
        for auditor in self.auditors:
            auditor.buried(gone)

    def look(self) -> None:
        """Raise the first objection, if there is one; asked after each turn.

        Raises:
            Violation: the objection.
        """
        if self.node.counts["ends"] != self._ends:  # Mostly not; and it is asked often.
            self.catch_up()
        if self._objection is not None:
            raise self._objection

    def looks(self) -> None:
        """Have all auditors look around."""
        self.catch_up()
        for auditor in self.auditors:
            auditor.looks()
        self.look()

    def rests(self) -> None:
        """Have all auditors look, when everybody is at rest."""
        self.looks()
        for auditor in self.auditors:
            auditor.rests()
        self.look()
