"""A run, as the one who asked holds it: a future of the answer, which outlives every restart."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from beam.errors import CallTimeout, DeadlineExpired, SessionRestarting
from beam.otp import Future
from beam.otp.answer import received
from beam.otp.clock import deadline_after
from beam.otp.context import blocking_form

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from beam.otp import Node
    from beam.otp.control import Control
    from beam.sessions.handle import SessionHandle
    from beam.sessions.receiver import Receiver

__all__ = ["Run"]


class Wait(Future[None]):
    """One caller's wait for a run. A run has many callers, and each a deadline of his own."""

    __slots__ = ("_run",)

    def __init__(self, run: Run, deadline: float | None, granted: float | None) -> None:
        super().__init__(None, deadline, granted)
        self._run = run
        if not run.add_waiter(self.wake):
            self.wake()

    def home(self, me: Control | None) -> Node:
        """Return the node of the session's fleet, whose clock rules the wait."""
        return self._run.session.node

    def wake(self) -> None:
        """End the wait."""
        self.settle(None)


class Run(Future[Any]):
    """The answer to one prompt, now or later: `run.get(timeout=600)`, or `await run`.

    The value is what the agent answered: text, or the JSON value of a function that returned one.
    It comes from the log, when the run's end is there; so it does not matter which incarnation of
    the session's process did the work, or whether the one that was asked still lives.

    `get` raises `RunFailed` if the run ended without an answer, with the reason; `Interrupted` if
    it was cut short, by its user or by a crash with `on_crash="interrupt"` (G12); what the session
    refused with, if it did not take the run (`QueryInProgress`, `QueueFull`, ...); and
    `SessionRestarting` or `CallTimeout` if the time is over before any of that, according to
    whether the session is there.

    Attributes:
        run_id: its name in the log.
        session: the session it runs in.
    """

    __slots__ = ("after", "receiver", "run_id", "session", "taken")

    def __init__(
        self,
        session: SessionHandle,
        run_id: str,
        after: int,
        deadline: float | None,
        granted: float | None,
    ) -> None:
        super().__init__(None, deadline, granted)
        self.session = session
        self.run_id = run_id
        # The sequence in the session's log after which everything of this run is found.
        self.after = after
        # Settled when the session has taken the run, and that is in the log; or has refused it.
        self.taken: Future[None] = Future()
        # Who receives its messages one by one, once somebody has.
        self.receiver: Receiver | None = None

    def __repr__(self) -> str:
        return f"<Run {self.run_id} of {self.session.id}: {'ended' if self.done else 'open'}>"

    def settle(self, value: Any, *, failed: bool = False) -> bool:
        """Set how the run ended, as of any future; who waits for it to be taken waits no more."""
        first = super().settle(value, failed=failed)
        self.taken.settle(value if failed else None, failed=failed)
        return first

    def accepted(self, *, timeout: float = 5.0) -> None:
        """Wait until the session has taken the run, which is in the log then.

        Args:
            timeout: seconds to wait.

        Raises:
            QueryInProgress, QueueFull, SessionQuarantined, SessionClosed: it did not take it.
            SessionRestarting: the session was not back in time; it may take it yet.
            RunFailed, Interrupted: the run, or its fleet, has ended meanwhile.
        """
        try:
            with blocking_form("Run.accepted()", "session.stream(...)"):
                self.taken.get(timeout=timeout)
        except DeadlineExpired:
            raise
        except CallTimeout as late:
            raise SessionRestarting(session_id=self.session.id, run_id=self.run_id) from late

    def interrupt(self) -> None:
        """Cut this run short; return when that is in the log.

        Raises:
            SessionRefused: `no_active_query`; it has ended.
            SessionRestarting: the session was not back within 5 s.
        """
        self.session.interrupt(self)

    def get(self, *, timeout: float | None = None) -> Any:
        """Return the answer; see the class.

        Args:
            timeout: seconds to wait; `None` for as long as was said when the run was submitted.
        """
        if not self.done:
            with blocking_form("Run.get()", "run"), self._wait_for(timeout) as wait:
                wait.get()
        return self.result()

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.done:
            with self._wait_for(None) as wait:
                yield from wait.__await__()
        return self.result()

    __iter__ = __await__

    @contextmanager
    def _wait_for(self, timeout: float | None) -> Iterator[Wait]:
        """Give one caller a wait of its own, and say why if it was too short."""
        if timeout is None:
            wait = Wait(self, self.deadline, self.granted)
        else:
            wait = Wait(self, deadline_after(self.session.node.clock, timeout), timeout)
        try:
            yield wait
        except DeadlineExpired:
            raise
        except CallTimeout as late:
            if not self.done and self.session.status() == "restarting":
                raise SessionRestarting(session_id=self.session.id, run_id=self.run_id) from late
            raise
        finally:
            self.remove_waiter(wait.wake)

    def error(self) -> BaseException | None:
        """Return the exception that `get` will raise, `None` if it will not or it is not known."""
        return received(self._value, None) if self.done and self._failed else None
