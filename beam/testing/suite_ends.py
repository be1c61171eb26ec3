"""The part of a conformance suite that is about ends: of turns, of programs, of sessions."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil

from beam.backends.turn_limits import TurnLimits
from beam.errors import Interrupted, NotSupported, RunFailed, SessionRefused
from beam.testing.agent_suite import AgentSuite, ends_with
from beam.testing.unified_form import check_turn

if TYPE_CHECKING:
    from beam.sessions.handle import SessionHandle

__all__ = ["Ends"]

TOLD_WITHIN = 1.0
"""The seconds in which the death of a program must be in the log."""

GRACE = 1.0
"""The seconds that an agent has to end a turn in which it was too silent."""

LATE = 5.0
"""The seconds after a deadline, and the grace after it, in which the end must be in the log."""


class Ends(AgentSuite):
    """How a turn, a program and a session end, and how what is left goes on."""

    # Interrupts and deadlines

    def test_an_interrupt_ends_a_turn_and_the_session_goes_on(self) -> None:
        """An interrupted run is over at once; the next prompt is answered, and only that."""
        session = self.session()
        self.ask(session, self.say("one"))
        run = session.submit(self.slow(60), timeout=self.patience)
        self._speaking(session, run)
        before = self._tree(session)
        session.interrupt()
        ends_with(run, Interrupted, self.patience)
        self._answers_nothing_else(session)
        if before and self.program(session) != before[0].pid:  # It would not be interrupted.
            self._ended(before)

    def test_a_turn_has_a_deadline(self) -> None:
        """A run that takes too long fails with `timeout`; the next prompt is answered."""
        session = self.session()
        self.ask(session, self.say("one"))
        run = session.submit(self.slow(60), timeout=1.0)
        reason = ends_with(run, RunFailed, self.patience).reason
        assert reason == "timeout", reason
        self._answers_nothing_else(session)

    def test_an_agent_that_says_nothing_is_stalled(self) -> None:
        """Silence ends a turn at the deadline of its first word; the next prompt is answered."""
        self._stalls(0, first_byte=self.silence, idle=self.patience)

    def test_an_agent_that_falls_silent_is_stalled(self) -> None:
        """Silence ends a turn at the deadline between two words; the next prompt is answered."""
        self._stalls(1, first_byte=self.patience, idle=self.silence)

    def _stalls(self, pieces: int, **deadlines: float) -> None:
        word, own = self._limit(**deadlines)
        session = self.session()
        self.ask(session, self.say("one"))
        run = session.submit(self.silent(pieces), timeout=own or self.patience)
        reason = ends_with(run, RunFailed, self.patience).reason
        assert reason == word, f"the run failed as {reason!r}"
        took = self._took(session, run)
        assert took >= self.silence, f"given up after {took:.2f} s: {self.silence} s were its limit"
        assert took < self.silence + GRACE + LATE, f"given up after {took:.2f} s"
        self.goes_on(session, "one")

    def _limit(self, **deadlines: float) -> tuple[str, float | None]:
        """Start a fleet with these deadlines of silence, if the backend knows any.

        Returns:
            The reason for which a run fails that says nothing, and the run's own deadline if that
            is what ends it.
        """
        limited = self.limited(TurnLimits(interrupt_grace=GRACE, **deadlines))
        if limited is None:
            return "timeout", self.silence
        self.start_another_fleet(limited)
        return "stalled", None

    def _took(self, session: SessionHandle, run: Any) -> float:
        """Return the seconds that a run was at work, by the log."""
        times = [event.timestamp for event in session.history() if event.run_id == run.run_id]
        began = [one for one in self.events(session, "run_started") if one.run_id == run.run_id]
        return (times[-1] - began[0].timestamp) / 1000

    def _answers_nothing_else(self, session: SessionHandle) -> None:
        """See that the next answer has nothing of the turn that was cut."""
        messages = list(session.receive(session.submit(self.say("two"), timeout=self.patience)))
        check_turn(messages)
        assert messages[-1].content == "two", f"the next answer is {messages[-1].content!r}"

    # Failures

    def test_a_failure_is_never_taken_for_an_answer(self) -> None:
        """An error of the model fails the run, with a reason; the session lives on."""
        session = self.session()
        run = session.submit(self.fail(400), timeout=self.patience)
        failed = ends_with(run, RunFailed, self.patience)
        assert failed.reason
        told = [message.type for message in session.messages(run)]
        assert "result" not in told, f"a result is told of a run that failed: {told}"
        assert self.ask(session, self.say("two")) == "two"

    # Crashes

    def test_a_killed_program_is_told_within_a_second(self) -> None:
        """The end of a program in the middle of a turn is in the log at once."""
        session = self.session(on_crash="interrupt")
        self.ask(session, self.say("one"))
        run = session.submit(self.slow(60), timeout=self.patience)
        self._speaking(session, run)
        killed = self._kill(session)
        ends_with(run, Interrupted, self.patience)
        told = self.events(session, "run_interrupted")[-1].timestamp / 1000
        assert told - killed < TOLD_WITHIN, f"told after {told - killed:.2f} s"

    def test_a_killed_program_is_back_with_its_conversation(self) -> None:
        """After `kill -9` in a turn the run is retried, and knows what was said before."""
        session = self.session(on_crash="retry")
        self.ask(session, self.say("one"))
        run = session.submit(self.slow(4), timeout=self.patience)
        self._speaking(session, run)
        tree = self._tree(session)
        self._kill(session)
        run.get(timeout=self.patience)
        self.goes_on(session, "one")
        self._ended(tree)
        if "memory" not in self.lacks:
            how = [event.data.get("continued") for event in self.events(session, "run_started")]
            assert {"resumed", "transcript", "forked"} & set(how), how

    def test_a_stopped_program_is_given_up(self) -> None:
        """A program that is stopped in a turn is ended with its tree; the conversation goes on.

        Its silence is what tells; of a backend that knows no such deadline, the run's own.
        """
        word, own = self._limit(first_byte=self.patience, idle=self.silence)
        session = self.session()
        self.ask(session, self.say("one"))
        run = session.submit(self.slow(60), timeout=own + LATE if own else self.patience)
        self._speaking(session, run)
        tree = self._tree(session)
        assert tree, "it has no program: lack `program`"
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)
        reason = ends_with(run, RunFailed, self.patience).reason
        assert reason == word, f"the run failed as {reason!r}"
        self.goes_on(session, "one")
        self._ended(tree)

    def test_a_killed_session_goes_on(self) -> None:
        """After a kill of the session's own process the conversation goes on."""
        session = self.session(on_crash="retry")
        self.ask(session, self.say("one"))
        process = self.fleet.node.whereis(session.id)
        assert process is not None
        process.stop(block=False, reason="kill")
        self.goes_on(session, "one")

    def test_a_session_is_taken_up_by_another_fleet(self) -> None:
        """A session that is in the log goes on in a fleet that was started later."""
        session = self.session()
        self.ask(session, self.say("one"))
        self.start_another_fleet(self.backend())
        self.goes_on(self.session(session_id=session.id), "one")

    def test_a_session_is_stopped_with_its_agent(self) -> None:
        """No process of an agent outlives its session, not even in the middle of a turn (G16)."""
        session = self.session()
        self.ask(session, self.say("one"))
        run = session.submit(self.slow(60), timeout=self.patience)
        self._speaking(session, run)
        tree = self._tree(session)
        session.stop()
        ends_with(run, SessionRefused, self.patience)
        self._ended(tree)

    def test_steering_is_done_or_refused(self) -> None:
        """What an agent cannot hear in the middle of its turn is refused, never swallowed."""
        session = self.session()
        run = session.submit(self.slow(4), timeout=self.patience)
        self._speaking(session, run)
        taken = True
        try:
            session.steer(self.say("left"))
        except NotSupported:
            taken = False
        answer = run.get(timeout=self.patience)
        heard = answer.strip().endswith("left")
        assert heard or not taken, f"it has taken what it was told, and answered {answer!r}"
        assert self.ask(session, self.say("two")) == "two"
