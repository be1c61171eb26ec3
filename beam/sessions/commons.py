"""What the sessions of one fleet have in common, and what outlives every process in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beam.errors import Interrupted, StoreClosed
from beam.policy import HookRegistry
from beam.sessions.claims import Claims
from beam.sessions.delivery import LOOK_AGAIN, PATIENCE, Delivery
from beam.sessions.recording import Recordings
from beam.sessions.roster import Roster
from beam.state.bus import EventBus
from beam.state.journal import Journal
from beam.state.waiting_runs import WaitingRuns

if TYPE_CHECKING:
    from beam.log import Shelf
    from beam.otp import Node

__all__ = ["Commons"]


class Commons:
    """What handles, and those who start and stop sessions, need of their fleet; for any thread.

    Args:
        node: where the processes are.
        shelf: where the log's store is.

    Attributes:
        roster: which sessions there are.
        waiting: who waits for which run.
        bus: who has subscribed to what.
        claims: who reads which run.
        hooks: the fleet's hooks.
        recordings: which sessions are recorded, and where.
        delivery: brings to the sessions what is meant for them.
    """

    __slots__ = (
        "bus",
        "claims",
        "delivery",
        "hooks",
        "node",
        "recordings",
        "roster",
        "shelf",
        "waiting",
    )

    def __init__(self, node: Node, shelf: Shelf) -> None:
        self.node = node
        self.shelf = shelf
        self.roster = Roster()
        self.waiting = WaitingRuns()
        self.claims = Claims()
        self.hooks = HookRegistry()
        self.bus = EventBus()
        self.recordings = Recordings()
        self.delivery = Delivery(node, self.roster, self.waiting)

    def end(self, reason: str) -> None:
        """Note that the fleet is over; who waits for a run gets `Interrupted` with the reason.

        In the log the run is as it was, for a fleet that takes its session up again. Only the
        first end counts.
        """
        self.roster.end(reason)
        for run_id, future in self.waiting.take_all():
            future.settle(Interrupted(self.roster.ended, run_id=run_id), failed=True)

    def journal(self) -> Journal:
        """Return a journal on the fleet's log; wait for it while the log is being restarted.

        Raises:
            SessionClosed: `fleet_closed`; `noproc`: its tree has given up.
            StoreClosed: the log was not back within 5 s.
        """
        until = self.node.clock.now() + PATIENCE
        while True:
            try:
                return Journal(self.shelf.store, self.node)
            except StoreClosed:
                if self.roster.ended is not None:
                    raise self.roster.over() from None
                if self.node.clock.now() >= until:
                    raise
            self.node.sleep(LOOK_AGAIN)
