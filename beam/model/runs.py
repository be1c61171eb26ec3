"""Runs: one prompt on its way through a session.

    >>> run = RunInfo(run_id="run_1", session_id="session_1", prompt="Hello", created_at=100)
    >>> run = run.started(at=110).completed("Hello yourself.", at=150)
    >>> run.status, run.attempts, run.output
    ('completed', 1, 'Hello yourself.')
    >>> may_follow(run.status, "failed")
    False

A run waits (`queued`), is at work (`running`), and ends once: `completed`, `failed` or
`interrupted`. A run that was at work when its session crashed goes back to `queued` if its caller
said `on_crash="retry"`, else it ends as `interrupted` (G12). What has ended never changes again,
not even to the status that it has: such a step is `Refused`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from beam.errors import InvalidInput, Refused

__all__ = [
    "LONGEST",
    "ON_CRASH",
    "RUN_STATUSES",
    "OnCrash",
    "RunInfo",
    "RunStatus",
    "is_final",
    "may_follow",
    "parse_on_crash",
]

LONGEST = 1e9
"""The longest time that a run may be given, in seconds: 30 years; any clock can be asked for it."""

RunStatus = Literal["queued", "running", "completed", "failed", "interrupted"]
"""Where a run is."""

RUN_STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)
"""Every run status."""

OnCrash = Literal["interrupt", "retry"]
"""What becomes of a run whose session crashes while it is at work."""

ON_CRASH: tuple[OnCrash, ...] = get_args(OnCrash)
"""Every word for `on_crash`; the first is the default."""

_FOLLOWING: Mapping[RunStatus, frozenset[RunStatus]] = {
    "queued": frozenset({"running", "failed", "interrupted"}),
    "running": frozenset({"queued", "completed", "failed", "interrupted"}),
    "completed": frozenset(),
    "failed": frozenset(),
    "interrupted": frozenset(),
}


def is_final(status: RunStatus) -> bool:
    """Say whether a run in this status has ended."""
    return not _FOLLOWING[status]


def may_follow(current: RunStatus, requested: RunStatus) -> bool:
    """Say whether a run in status `current` may go to `requested` next."""
    return requested in _FOLLOWING[current]


def parse_on_crash(word: object) -> OnCrash:
    """Return `word` if it is one of `ON_CRASH`.

    Raises:
        InvalidInput: it is not.
    """
    for known in ON_CRASH:
        if word == known:
            return known
    raise InvalidInput("on_crash", word, " or ".join(repr(known) for known in ON_CRASH))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """A run as it stands; every step returns a new one.

    Attributes:
        run_id: its name.
        session_id: the session it runs in.
        prompt: what is asked.
        created_at: when it was submitted. All times are Unix milliseconds.
        status: where it is.
        on_crash: what becomes of it if the session crashes while it is at work.
        attempts: how often it has been started.
        started_at: when it was last started; None as long as it never was.
        ended_at: when it ended; None before.
        output: the answer, of a completed run.
        reason: why it failed or was interrupted.
        parent_run_id: the run that began this one.
        correlation_id: what ties it to work outside of the fleet.
        metadata: the caller's own notes.
    """

    run_id: str
    session_id: str
    prompt: str
    created_at: int
    status: RunStatus = "queued"
    on_crash: OnCrash = "interrupt"
    attempts: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    output: str | None = None
    reason: Any = None
    parent_run_id: str | None = None
    correlation_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def started(self, *, at: int) -> RunInfo:
        """Return the run at work, for one attempt more.

        Raises:
            Refused: `invalid_status_transition`; the run is at work or has ended. So for every
                step, from wherever it may not be taken.
        """
        return self._to("running", attempts=self.attempts + 1, started_at=at)

    def retried(self) -> RunInfo:
        """Return the run waiting again, after its session crashed under it."""
        return self._to("queued")

    def completed(self, output: str, *, at: int) -> RunInfo:
        """Return the run ended with its answer."""
        return self._to("completed", output=output, ended_at=at)

    def failed(self, reason: Any, *, at: int) -> RunInfo:
        """Return the run ended without an answer; from the queue too, if it cannot be started."""
        return self._to("failed", reason=reason, ended_at=at)

    def interrupted(self, reason: Any = "interrupted", *, at: int) -> RunInfo:
        """Return the run cut short: by its user, or by a crash."""
        return self._to("interrupted", reason=reason, ended_at=at)

    def _to(self, status: RunStatus, **changes: Any) -> RunInfo:
        if not may_follow(self.status, status):
            raise Refused(
                "invalid_status_transition",
                run_id=self.run_id,
                current=self.status,
                requested=status,
            )
        return replace(self, status=status, **changes)
