"""Delivery: how what is meant for a session reaches its process, or the next one if that dies.

A submission that finds no process is left on the roster; the directory hands it over when there is
one. A question waits, within its deadline. To a session that will not come back both end at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import (
    CallExit,
    CallTimeout,
    DeadlineExpired,
    NotFound,
    QueueFull,
    SessionQuarantined,
    SessionRefused,
    SessionRestarting,
)
from beam.sessions.directory import DIRECTORY, Await, Undeliverable

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp import Future, Node, Ref
    from beam.sessions.roster import Roster, Undelivered
    from beam.state.waiting_runs import WaitingRuns

__all__ = ["Delivery", "named"]

# Seconds that a wait for a process which is being restarted may take.
PATIENCE = 5.0
# Seconds between two looks for it.
LOOK_AGAIN = 0.01


class Delivery:
    """Brings to the sessions of a fleet what is meant for them; for any thread.

    Args:
        node: where their processes are.
        roster: which sessions there are.
        waiting: who waits for which run.
    """

    def __init__(self, node: Node, roster: Roster, waiting: WaitingRuns) -> None:
        self._node = node
        self._roster = roster
        self._waiting = waiting

    def refusal(self, session_id: str) -> SessionRefused | None:
        """Return why a session takes nothing any more, `None` if it does."""
        match self._roster.status(session_id):
            case "quarantined":
                return SessionQuarantined(session_id=session_id)
            case "closed" | None:
                return self._roster.over(session_id=session_id)
        return None

    # Submissions

    def deliver(self, session_id: str, undelivered: Undelivered) -> None:
        """Hand a submission to its session's process; to the roster while there is none.

        Never blocks; whoever waits for the run hears what became of it.
        """
        process = self._node.whereis(session_id)
        # What was left there before must not be overtaken.
        if process is None or self._roster.has_left(session_id):
            self._leave(session_id, undelivered)
        else:
            self._hand(session_id, process, undelivered)

    def hand(self, session_id: str, undelivered: Undelivered) -> bool:
        """Hand a submission from the roster to the session's process, if there is one.

        Returns:
            Whether there is.
        """
        process = self._node.whereis(session_id)
        if process is None:
            return False
        self._hand(session_id, process, undelivered)
        return True

    def give_up(self, undelivered: Undelivered, refusal: BaseException) -> None:
        """Tell who waits for a run that it was not taken."""
        self._waiting.forget(undelivered.run.run_id, undelivered.run)
        undelivered.run.settle(refusal, failed=True)

    def _hand(self, session_id: str, process: Ref[Any], undelivered: Undelivered) -> None:
        answer = process.ask(undelivered.submit, block=False, timeout=None)

        def answered() -> None:
            self._answered(session_id, answer, undelivered)

        if not answer.add_waiter(answered):
            answered()

    def _answered(self, session_id: str, answer: Future[Any], undelivered: Undelivered) -> None:
        """Note what the session said of a submission; run by whoever settled the answer."""
        try:
            answer.result()
        except CallExit:
            # It may have been taken; the next process will know, and not take it twice.
            self._leave(session_id, undelivered)
        except Exception as refusal:  # noqa: BLE001 - whatever it is, it is for the waiter
            self.give_up(undelivered, refusal)
        else:
            undelivered.run.taken.settle(None)

    def _leave(self, session_id: str, undelivered: Undelivered) -> None:
        refusal = self.refusal(session_id)
        if refusal is None and not self._roster.leave(session_id, undelivered):
            full = QueueFull(session_id=session_id)
            self.give_up(undelivered, self.refusal(session_id) or full)
        elif refusal is not None:
            self.give_up(undelivered, refusal)
        else:
            directory = self._node.whereis(DIRECTORY)
            if directory is not None:
                directory.cast(Undeliverable(session_id))

    # Questions

    def ask(self, session_id: str, message: Any, timeout: float) -> Any:
        """Call a session's process, and wait for it if it is being restarted.

        Raises:
            Refused: what the session refused with.
            SessionRestarting: its process was not back within `timeout` seconds.
            SessionQuarantined, SessionClosed: it will not be back; at once.
            CallTimeout: it is there, and did not answer in time.
        """
        until = self._node.clock.now() + timeout
        while True:
            left = until - self._node.clock.now()
            if left <= 0:
                raise SessionRestarting(session_id=session_id)
            process = self._node.whereis(session_id)
            if process is None or self._roster.has_left(session_id):
                process = self._await(session_id, left)
            if process is None:
                continue
            try:
                return process.ask(message, timeout=left)
            except CallExit:
                continue  # It died under the question; the next one is asked.

    def _await(self, session_id: str, left: float) -> Ref[Any] | None:
        """Wait until the directory has the session's process; `None`: look again."""
        refusal = self.refusal(session_id)
        if refusal is not None:
            raise refusal
        directory = self._node.whereis(DIRECTORY)
        if directory is None:
            self._node.sleep(min(left, LOOK_AGAIN))
            return None
        try:
            process: Ref[Any] = directory.ask(Await(session_id), timeout=left)
        except DeadlineExpired:
            raise
        except CallTimeout:
            raise SessionRestarting(session_id=session_id) from None
        except CallExit:
            return None
        return process


def named(
    node: Node,
    name: Any,
    timeout: float | None = None,
    running: Callable[[], None] | None = None,
) -> Ref[Any]:
    """Return the process of this name; wait for it while it is being restarted.

    Args:
        node: where it is.
        name: what it is registered as.
        timeout: seconds to wait, 5 unless said.
        running: raises what ends the wait, if the fleet is over.

    Raises:
        NotFound: `restarting`; it was not back in time.
    """
    process = node.whereis(name)
    if process is not None:
        return process
    until = node.clock.now() + (PATIENCE if timeout is None else timeout)
    while (process := node.whereis(name)) is None:
        if running is not None:
            running()
        left = until - node.clock.now()
        if left <= 0:
            raise NotFound("restarting", name=name)
        node.sleep(min(left, LOOK_AGAIN))
    return process
