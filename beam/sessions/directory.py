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

from beam.errors import CallFailed, Refused, SessionClosed, SessionQuarantined
from beam.otp import Backoff, Down, Ref, Server, monitor, noreply
from beam.otp.reasons import Quarantined, is_graceful, is_shutdown
from beam.sessions.recovery import close_runs
from beam.sessions.reports import session_report
from beam.state.journal import Journal

if TYPE_CHECKING:
    from beam.model.events import EventType
    from beam.otp import Call
    from beam.sessions.delivery import Delivery
    from beam.sessions.roster import Roster, Status

__all__ = ["DIRECTORY", "SESSION_SUPERVISOR", "Await", "Directory", "Live", "Undeliverable"]

DIRECTORY = "sessions"
"""The name of the directory in its node."""
SESSION_SUPERVISOR = "session_supervisor"
"""The name of the supervisor of the sessions."""

# Seconds between two looks for a supervisor that is being restarted, or for sessions that it could
# not start.
LOOK_AGAIN = Backoff(0.02, 1.0)
# How often a session that should be there may fail to start, before it is put into quarantine.
ATTEMPTS = 10


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


_LIVES: tuple[EventType, ...] = (
    "session_started",
    "session_restarted",
    "session_released",
    "session_quarantined",
)


class _Look:
    """A timer's message: look again at who should be there."""


class Directory(Server):
    """The directory's process.

    `init` takes the roster, and what hands to a session what was left for it there.
    """

    def init(self, roster: Roster, delivery: Delivery) -> None:
        """Look first at who lives, and bring back who should."""
        self._roster = roster
        self._delivery = delivery
        self._waiting: dict[str, list[Call]] = defaultdict(list)
        self._processes: dict[Ref[Any], str] = {}
        self._failures: dict[str, int] = {}
        self._supervisor: Ref[Any] | None = None
        self._looks = 0
        self._will_look = False
        self.continue_with("restore")

    def handle_continue(self, message: Any) -> None:
        """Watch the sessions that live, and bring back those that should."""
        self._restore()

    def _restore(self) -> None:
        # Before their supervisor is asked: who begins after that is not among what it answers.
        begun = [one for one, status in self._roster.sessions().items() if status != "starting"]
        supervisor: Any = self.node.whereis(SESSION_SUPERVISOR)
        try:
            children = None if supervisor is None else supervisor.which_children()
        except CallFailed:
            children = None
        if children is None:
            self._look_again()
            return
        if supervisor is not self._supervisor:
            self._supervisor = supervisor
            monitor(supervisor)
        self._looks = 0
        known = {one.id: one.process for one in children}
        now = self._roster.sessions()
        for session_id in begun:
            if session_id in now:  # Otherwise it has been stopped meanwhile.
                self._look_at(session_id, now[session_id], known.get(session_id))

    def _look_at(self, session_id: str, status: Status, known: Any) -> None:
        """See that a session is where it should be; `known` is what its supervisor says of it."""
        process = self.node.whereis(session_id)
        if process is not None:
            self._live(session_id, process)
            if known is None:
                self._look_again()  # Its supervisor has died, and it is about to.
        elif status == "quarantined":
            self._refuse(session_id, SessionQuarantined(session_id=session_id))
        elif status == "starting":
            return  # Whoever starts it sees to it.
        elif known == "quarantined":
            self._quarantine(session_id, "crashes")
        else:
            self._roster.set_status(session_id, "restarting")
            if known is None:
                self._bring_back(session_id)

    def _bring_back(self, session_id: str) -> None:
        """Have a session started that its supervisor does not know."""
        supervisor: Any = self._supervisor
        try:
            supervisor.start_child(self._roster.spec(session_id))
        except CallFailed:
            self._look_again()  # The supervisor went down again.
        except Refused as error:
            failures = self._failures[session_id] = self._failures.get(session_id, 0) + 1
            session_report("session_not_restored", session_id, reason=repr(error))
            if failures >= ATTEMPTS:
                self._quarantine(session_id, error.reason)
            else:
                self._look_again()

    def _look_again(self) -> None:
        if not self._will_look:
            self._will_look = True
            self._looks += 1
            self.send_after(LOOK_AGAIN.delay(self._looks, 0.5), _Look())

    # What it hears

    def handle_cast(self, message: Any) -> None:
        """Hear of a session that has started, or has missed something."""
        match message:
            case Live(session_id, process):
                self._live(session_id, process)
            case Undeliverable(session_id):
                if self.node.whereis(session_id) is not None:
                    self._hand_over(session_id)
                elif self._roster.status(session_id) == "quarantined":
                    self._refuse(session_id, SessionQuarantined(session_id=session_id))

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
                self._will_look = False
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
        self._failures.pop(session_id, None)
        self._roster.set_status(session_id, "live")
        # First what was submitted, then who asks: an interrupt must find what it is to interrupt.
        self._hand_over(session_id)
        for caller in self._waiting.pop(session_id, ()):
            caller.reply(process)

    def _hand_over(self, session_id: str) -> None:
        self._roster.hand_over(session_id, lambda one: self._delivery.hand(session_id, one))

    def _ended(self, process: Ref[Any], reason: Any) -> None:
        session_id = self._processes.pop(process, None)
        if session_id is None or self._roster.status(session_id) in (None, "closed"):
            return
        match reason:
            case ("shutdown", ("quarantine", why)):
                self._quarantine(session_id, why, by_itself=True)
            case "noproc" if self._said_quarantine(session_id):
                self._quarantine(session_id, "said in the log", by_itself=True)
            case _ if is_graceful(reason) and not is_shutdown(reason):
                self._close(session_id)
            case _:
                # Its supervisor may have said meanwhile that it is over.
                self._roster.set_status(session_id, "restarting", only="live")
                if is_shutdown(reason):
                    self._look_again()  # By its supervisor, which has ended, or will forget it.

    def _said_quarantine(self, session_id: str) -> bool:
        """Return whether a session that had ended before we heard of it is in quarantine.

        Why a process ended that was dead when it was watched, nobody says but the log.
        """
        said = Journal.of(self.node).read(session_id, types=_LIVES)
        return bool(said) and said[-1].type == "session_quarantined"

    def _quarantine(self, session_id: str, reason: Any, *, by_itself: bool = False) -> None:
        """Say that the session waits for an operator; nobody is left waiting for it.

        One that has put itself into quarantine has said so in the log.
        """
        self._roster.set_status(session_id, "quarantined")
        self._failures.pop(session_id, None)
        session_report("session_quarantined", session_id, reason=repr(reason))
        journal = Journal.of(self.node)
        close_runs(journal, session_id, "run_failed", "session_quarantined")
        if not by_itself:
            journal.append_wait(
                [journal.event("session_quarantined", session_id, reason=_word(reason))]
            )
        self._refuse(session_id, SessionQuarantined(session_id=session_id))

    def _close(self, session_id: str) -> None:
        """Take note that a session has ended by itself, for good."""
        undelivered = self._roster.strike(session_id)
        journal = Journal.of(self.node)
        close_runs(journal, session_id, "run_interrupted", "session_closed")
        journal.append_wait([journal.event("session_stopped", session_id, reason="ended")])
        refusal = SessionClosed(session_id=session_id)
        for one in undelivered:
            self._delivery.give_up(one, refusal)
        self._refuse(session_id, refusal)

    def _refuse(self, session_id: str, refusal: Refused) -> None:
        for caller in self._waiting.pop(session_id, ()):
            caller.refuse(refusal)
        for undelivered in self._roster.collect(session_id):
            self._delivery.give_up(undelivered, refusal)


def _word(reason: Any) -> str:
    return reason if isinstance(reason, str) else repr(reason)
