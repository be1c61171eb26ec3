"""The roster: which sessions there should be, and how each stands.

It belongs to the fleet and outlives every process in it, so that a supervisor or a directory that
starts anew can bring back what was there.

    >>> roster = Roster()
    >>> roster.enter("session_1", spec="how to start it")
    True
    >>> roster.set_status("session_1", "quarantined")
    >>> roster.status("session_1"), roster.status("session_2")
    ('quarantined', None)
    >>> roster.end("fleet_closed")
    >>> roster.status("session_1")
    'closed'
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from beam.errors import SessionClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.sessions.messages import Submit
    from beam.sessions.run import Run

__all__ = ["FAILED", "Roster", "Status", "Undelivered"]

Status = Literal["starting", "live", "restarting", "quarantined", "closed"]
"""How a session stands: `restarting` while its process is down and will be back."""

FAILED = "fleet_failed"
"""Why a fleet is over whose tree has given up."""

# The most submissions that wait for one session to come back.
UNDELIVERED = 1000
# The most closed sessions whose fate is remembered here; the log knows all of them.
CLOSED = 10_000


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A submission that found its session's process gone."""

    submit: Submit
    run: Run


class _Entry:
    __slots__ = ("spec", "status", "undelivered")

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.status: Status = "starting"
        self.undelivered: list[Undelivered] = []


class Roster:
    """The sessions of a fleet; every function may be called from any thread.

    Attributes:
        ended: why the fleet is over, `None` as long as it is not.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._closed: dict[str, None] = {}
        self.ended: str | None = None

    # Coming and going

    def enter(self, session_id: str, spec: Any) -> bool:
        """Enter a session that is about to be started; return whether the id was free."""
        with self._lock:
            if session_id in self._entries:
                return False
            self._entries[session_id] = _Entry(spec)
            return True

    def withdraw(self, session_id: str) -> list[Undelivered]:
        """Take back an entry whose session did not start, as if it had not been made.

        Returns:
            What somebody has left for it all the same.
        """
        with self._lock:
            entry = self._entries.pop(session_id, None)
            return entry.undelivered if entry is not None else []

    def strike(self, session_id: str) -> list[Undelivered]:
        """Take a session off, for good; return what could not be delivered to it."""
        with self._lock:
            entry = self._entries.pop(session_id, None)
            if entry is None:
                return []
            self._closed.pop(session_id, None)
            self._closed[session_id] = None
            while len(self._closed) > CLOSED:
                del self._closed[next(iter(self._closed))]
            return entry.undelivered

    def end(self, reason: str) -> None:
        """Note that the fleet is over, and why: every session that there was is closed."""
        self.ended = self.ended or reason

    def over(self, **facts: Any) -> SessionClosed:
        """Return what who asks hears of a session or a fleet that is over.

        Of a fleet whose tree has given up it is OTP's word: `noproc`, with the cause.
        """
        if self.ended == FAILED:
            return SessionClosed("noproc", cause=FAILED, **facts)
        return SessionClosed(self.ended, **facts)

    # How they stand

    def spec(self, session_id: str) -> Any:
        """Return how a session is started, `None` if it is not on the roster."""
        entry = self._entries.get(session_id)
        return entry.spec if entry is not None else None

    def backend(self, session_id: str) -> str | None:
        """Return the name of a session's backend; `None` for one that is unknown, or has ended."""
        spec = self.spec(session_id)
        if spec is None:
            return None
        name: str = spec.args[1]  # As `beam.sessions.tree.session_child` puts them.
        return name

    def status(self, session_id: str) -> Status | None:
        """Return how a session stands, `None` for one that was never here."""
        entry = self._entries.get(session_id)
        if entry is not None:
            return "closed" if self.ended else entry.status
        return "closed" if session_id in self._closed else None

    def set_status(self, session_id: str, status: Status, *, only: Status | None = None) -> None:
        """Note how a session stands, if it is on the roster; `only` if it stood like that."""
        with self._lock:
            entry = self._entries.get(session_id)
            if entry is not None and only in (None, entry.status):
                entry.status = status

    def sessions(self) -> dict[str, Status]:
        """Return the sessions and how they stand, oldest first."""
        with self._lock:
            return {session_id: entry.status for session_id, entry in self._entries.items()}

    # What could not be delivered

    def leave(self, session_id: str, undelivered: Undelivered) -> bool:
        """Keep a submission for when the session is back; return whether there was room."""
        with self._lock:
            entry = self._entries.get(session_id)
            if self.ended or entry is None or len(entry.undelivered) >= UNDELIVERED:
                return False
            entry.undelivered.append(undelivered)
            return True

    def has_left(self, session_id: str) -> bool:
        """Return whether something is kept for a session, behind which others must queue."""
        entry = self._entries.get(session_id)
        return entry is not None and bool(entry.undelivered)

    def hand_over(self, session_id: str, deliver: Callable[[Undelivered], bool]) -> None:
        """Deliver what was kept for a session, oldest first, until `deliver` says no.

        Each stays here until it has been delivered, so that what is submitted meanwhile does not
        overtake it. For one caller at a time: the directory.
        """
        entry = self._entries.get(session_id)
        while entry is not None and entry.undelivered and deliver(entry.undelivered[0]):
            with self._lock:
                del entry.undelivered[0]

    def collect(self, session_id: str) -> list[Undelivered]:
        """Take what was kept for a session, oldest first."""
        with self._lock:
            entry = self._entries.get(session_id)
            if entry is None:
                return []
            kept, entry.undelivered = entry.undelivered, []
            return kept
