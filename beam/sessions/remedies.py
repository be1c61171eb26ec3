"""What a session does about the failures of its agent: wait, resume, begin anew, or give up.

The reasons and what they call for are in `beam.model.exit_reasons`; here is what it means for one
session: when its next run may begin, and in which conversation its agent is started next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.model.exit_reasons import ExitReason, of_word, remedy
from beam.sessions.ends import exit_facts, failure_facts
from beam.sessions.recovery import after_crash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.backends.effects import Failed, Ready
    from beam.model.events import Event
    from beam.sessions.desk import Desk
    from beam.sessions.line import Line
    from beam.sessions.past import Past, Work
    from beam.sessions.workload import Workload

__all__ = ["Remedies", "is_hopeless"]

# The longest that a run is kept waiting because its agent was told to come back later, in seconds.
PATIENCE = 3600.0


def is_hopeless(exit: ExitReason | None) -> bool:
    """Say whether an agent that ended like this before it was ready would do so again, and again.

    Somebody has to do something first: log in, pay, mend the configuration.
    """
    return exit is not None and exit.kind in ("auth", "quota", "invalid_request")


class Remedies:
    """The failures of one session's agent; used by the session's process alone.

    Args:
        desk: makes the events.
        past: says what was before, and is told what is new.
        load: the queue of runs.
        line: leads to the agent.
    """

    def __init__(self, desk: Desk, past: Past, load: Workload, line: Line) -> None:
        self._desk = desk
        self._past = past
        self._load = load
        self._line = line
        self._continued = "new"
        self._unasked = False
        self._not_before = 0.0

    def ready(self, ready: Ready) -> None:
        """Note what the agent says of itself; its name for the conversation goes into the log."""
        self._continued = ready.continued
        if ready.continued == "new" and self._past.history:
            self._continued = "transcript"
        self._line.details = {"agent": ready.name, "version": ready.version}
        if self._continued != "new":
            self._line.details["continued"] = self._continued
        self._remember(ready.agent_session)

    def _remember(self, agent_session: str) -> None:
        if agent_session != (self._past.details.get("agent_session") or ""):
            self._desk.log([self._named(agent_session)])

    def _named(self, agent_session: str) -> Event:
        self._past.details["agent_session"] = agent_session
        return self._desk.event("state_changed", details={"agent_session": agent_session})

    def continued(self) -> dict[str, Any]:
        """Return what the first run of a connection says of how the conversation goes on."""
        how, self._continued = self._continued, "new"
        return {} if how == "new" else {"continued": how}

    def wait(self) -> float:
        """Return the seconds until the next run may begin."""
        return max(0.0, self._not_before - self._desk.clock.now())

    def worked(self) -> None:
        """Note that a run was answered: nothing is held against the agent any more."""
        self._past.failure = ""
        self._line.worked()

    def of_transport(self, failed: Failed) -> bool:
        """Say whether a failed turn is the end of its connection: it broke, or is to start anew."""
        exit, self._unasked = failed.exit, failed.unasked
        if failed.unasked or failed.reason in ("cli_exit", "protocol_error"):
            return True
        work = self._load.current
        wanted = work is not None and work.crashed(injected=False).may_retry()
        return exit is not None and wanted and remedy(exit) in ("resume", "fresh")

    def retries(self, exit: ExitReason) -> bool:
        """Say whether the same agent is to be asked again, after a wait."""
        work = self._load.current
        if work is None or (exit.retry_after or 0.0) > PATIENCE:
            return False
        return remedy(exit) == "retry" and work.crashed(injected=False).may_retry()

    def retried(self, work: Work, failure: Failed) -> Event:
        """Put a run back that the same agent is to be asked again, and not at once.

        Args:
            work: the run.
            failure: the end of its attempt, for a reason of the closed set.

        Returns:
            What is to be logged.
        """
        exit = failure.exit
        assert exit is not None, "who knows no reason does not retry"
        work = work.crashed(injected=False)
        self._load.put_back(work)
        self._past.failure = exit.kind
        delay = exit.retry_after if exit.retry_after is not None else self._line.delay()
        self._not_before = self._desk.clock.now() + delay
        return self._desk.event(
            "run_retried",
            work.run_id,
            reason=exit.kind,
            delay=delay,
            attempts=work.attempts,
            crashes=work.crashes,
            injected=False,
            **failure_facts(failure),
        )

    def transport_ended(
        self,
        reason: str,
        exit: ExitReason | None,
        facts: Mapping[str, Any],
        *,
        counts: bool,
        injected: bool,
    ) -> list[Event]:
        """Say what becomes of the run at work, and in which conversation the agent starts next.

        Args:
            reason: the transport's word for its end.
            exit: the same as a reason of the closed set, if it came with one.
            facts: what else is known of it.
            counts: whether that says something against the agent.
            injected: whether an experiment caused it.

        Returns:
            What is to be logged.
        """
        news = []
        if self._load.current is not None:
            work, cause = self._load.end(), {"reason": reason, **facts, **exit_facts(exit)}
            if reason == "recycled" or self._unasked:
                news.append(self._postponed(work, reason))
            else:
                news.append(after_crash(self._desk, self._load, work, cause, injected=injected))
        if not counts:
            return news
        known = exit or of_word(reason)
        before, self._past.failure = self._past.failure, known.kind
        how = remedy(known, resumed_into=of_word(before) if before else None)
        if how == "fresh" and self._past.details.get("agent_session"):
            news.append(self._named(""))
        return news

    def quarantined(self, reason: str, facts: Mapping[str, Any]) -> list[Event]:
        """Take all that wait out of the queue, and return what is to be logged of the end.

        Args:
            reason: the transport's word for its last end.
            facts: what else is known of that.
        """
        failed = {**facts, "reason": "session_quarantined", "cause": reason}
        ends = [self._desk.event("run_failed", one.run_id, **failed) for one in self._load.clear()]
        return [*ends, self._desk.event("session_quarantined", **{**facts, "reason": reason})]

    def _postponed(self, work: Work, reason: str) -> Event:
        """Put a run back that its agent never saw, since it was about to end."""
        self._unasked = False
        self._load.put_back(work)
        known = {"attempts": work.attempts, "crashes": work.crashes, "injected": False}
        return self._desk.event("run_retried", work.run_id, reason=reason, unasked=True, **known)
