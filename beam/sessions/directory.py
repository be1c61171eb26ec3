"""The directory: which sessions live, and what becomes of those that do not.

A process that monitors every session's process. It tells who waits for a session when it is back,
hands over what could not be delivered meanwhile, and says of one that will not come back why. If
the sessions' supervisor was restarted, which forgets its children as OTP's does, the directory
starts them again: the roster says which there should be.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.errors import CallExit, Refused, SessionClosed, SessionQuarantined
from beam.otp import Down, Ref, Server, monitor, noreply
from beam.otp.reasons import Quarantined, is_graceful
from beam.sessions.past import Past
from beam.sessions.reports import session_report
from beam.state.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp import Call
    from beam.sessions.roster import Roster, Undelivered

__all__ = ["DIRECTORY", "SESSION_SUPERVISOR", "Await", "Directory", "Live", "Quarantined",
           "Undeliverable", "close_runs"]  # fmt: skip

DIRECTORY = "sessions"
"""The name of the directory in its node."""
SESSION_SUPERVISOR = "session_supervisor"
"""The name of the supervisor of the sessions."""

# Seconds between two looks for a supervisor that is being restarted.
LOOK_AGAIN = 0.02


@dataclass(frozen=True, slots=True)
class Live:
    """Cast by a session's process that has started."""

    session_id: str
    process: Ref[Any]


@dataclass(frozen=True, slots=True)
class Await:
    """Call: answered with the session's process when it is there.

    Refused with `SessionQuarantined` or `SessionClosed` if it will not be.
    """

    session_id: str


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """Cast by a handle: something was left on the roster for this session."""

    session_id: str


class _Look:
    """A timer's message: look for the supervisor again."""


class Directory(Server):
    """The directory's process.

    `init` takes the roster, and what hands a submission to a session: `deliver(id, undelivered)`.
    """

    def init(self, roster: Roster, deliver: Callable[[str, Undelivered], None]) -> None:
        """Look first at who lives, and bring back who should."""
        self._roster = roster
        self._deliver = deliver
        self._waiting: dict[str, list[Call]] = defaultdict(list)
        self._processes: dict[Ref[Any], str] = {}
        self._supervisor: Ref[Any] | None = None
        self.continue_with("restore")

    def handle_continue(self, message: Any) -> None:
        """Watch the sessions that live, and bring back those that should."""
        self._restore()

    def _restore(self) -> None:
        supervisor = self.node.whereis(SESSION_SUPERVISOR)
        if supervisor is None:
            self.send_after(LOOK_AGAIN, _Look())
            return
        if supervisor is not self._supervisor:
            self._supervisor = supervisor
            monitor(supervisor)
        for session_id, status in self._roster.sessions().items():
            process = self.node.whereis(session_id)
            if process is not None:
                self._live(session_id, process)
            elif status in ("live", "restarting"):
                self._bring_back(supervisor, session_id)

    def _bring_back(self, supervisor: Any, session_id: str) -> None:
        try:
            supervisor.start_child(self._roster.spec(session_id))
        except (Refused, CallExit) as error:
            # Its supervisor went down again, or the session cannot start: we look again.
            session_report("session_not_restored", session_id, reason=repr(error))
            self.send_after(LOOK_AGAIN, _Look())

    # What it hears

    def handle_cast(self, message: Any) -> None:
        """Hear of a session that has started, or has missed something."""
        match message:
            case Live(session_id, process):
                self._live(session_id, process)
            case Undeliverable(session_id):
                if self.node.whereis(session_id) is not None:
                    self._hand_over(session_id)

    def handle_info(self, message: Any) -> None:
        """Hear of ends: of sessions, of their supervisor, of a session's budget."""
        match message:
            case Down(process=process) if process is self._supervisor:
                self._supervisor = None
                self._restore()
            case Down(process=process, reason=reason):
                self._ended(process, reason)
            case Quarantined(id=session_id):
                self._quarantine(session_id, "crashes")
            case _Look():
                self._restore()

    def handle_call(self, message: Any, caller: Call) -> Any:
        """Answer who waits for a session, when it is there or never will be."""
        if not isinstance(message, Await):
            raise Refused("unknown_request", request=repr(message))
        process = self.node.whereis(message.session_id)
        if process is not None:
            return process
        match self._roster.status(message.session_id):
            case "quarantined":
                raise SessionQuarantined(session_id=message.session_id)
            case "closed" | None:
                raise SessionClosed(session_id=message.session_id)
        # Bounded by the callers, each with its deadline; those who have gone are dropped.
        now = self.node.clock.now()
        waiting = self._waiting[message.session_id]
        waiting[:] = [one for one in waiting if not one.expired(now)]
        waiting.append(caller)
        return noreply

    # What it does

    def _live(self, session_id: str, process: Ref[Any]) -> None:
        if process not in self._processes:
            self._processes[process] = session_id
            monitor(process)
        self._roster.set_status(session_id, "live")
        for caller in self._waiting.pop(session_id, ()):
            caller.reply(process)
        self._hand_over(session_id)

    def _hand_over(self, session_id: str) -> None:
        for undelivered in self._roster.collect(session_id):
            self._deliver(session_id, undelivered)

    def _ended(self, process: Ref[Any], reason: Any) -> None:
        session_id = self._processes.pop(process, None)
        if session_id is None or self._roster.status(session_id) in (None, "closed"):
            return
        match reason:
            case ("shutdown", ("quarantine", why)):
                self._quarantine(session_id, why)
            case _ if is_graceful(reason) and self._supervisor_lives():
                self._close(session_id)
            case _:
                self._roster.set_status(session_id, "restarting")

    def _supervisor_lives(self) -> bool:
        return self._supervisor is not None and self._supervisor.is_alive()

    def _quarantine(self, session_id: str, reason: Any) -> None:
        """Say that the session waits for an operator; nobody is left waiting for it."""
        self._roster.set_status(session_id, "quarantined")
        session_report("session_quarantined", session_id, reason=repr(reason))
        close_runs(Journal.of(self.node), session_id, "run_failed", "session_quarantined")
        self._refuse(session_id, SessionQuarantined(session_id=session_id))

    def _close(self, session_id: str) -> None:
        self._roster.strike(session_id)
        close_runs(Journal.of(self.node), session_id, "run_interrupted", "session_closed")
        self._refuse(session_id, SessionClosed(session_id=session_id))

    def _refuse(self, session_id: str, refusal: Refused) -> None:
        for caller in self._waiting.pop(session_id, ()):
            caller.refuse(refusal)
        for undelivered in self._roster.collect(session_id):
            undelivered.run.settle(refusal, failed=True)


def close_runs(journal: Journal, session_id: str, kind: Any, reason: str) -> None:
    """Write the end of every run of a session that has none, and will have no other."""
    past = Past()
    for event in journal.read(session_id):
        past.take(event)
    at_work = past.in_flight()
    open_runs = [*([at_work] if at_work is not None else []), *past.queue()]
    if open_runs:
        journal.append_wait(
            [
                journal.event(
                    kind, session_id, run_id=work.run_id, reason=reason, attempts=work.attempts
                )
                for work in open_runs
            ]
        )
