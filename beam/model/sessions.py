"""Sessions, as anybody may see them: one frozen record of where a session stands.

    >>> info = SessionInfo(session_id="session_1", backend="claude", created_at=5)
    >>> info.health
    'connecting'

A session is `connecting` to its agent, `initializing` with it, `ready` for a query, at work on one
(`active_query`), or in `error`, from where it connects again as long as its restart budget lasts.
The health of a session is its state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

__all__ = ["SESSION_STATES", "SessionInfo", "SessionState"]

SessionState = Literal["connecting", "initializing", "ready", "active_query", "error"]
"""Where a session stands."""

SESSION_STATES: tuple[SessionState, ...] = get_args(SessionState)
"""Every session state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """A session as it stands.

    Attributes:
        session_id: its name, the same through all restarts; the agent's own is in `details`.
        backend: the name of the backend it runs on, as the fleet was configured.
        created_at: when it was started first. All times are Unix milliseconds.
        updated_at: when anything in this record last changed; 0 if nothing has yet.
        stopped_at: when it ended for good; None as long as it has not.
        state: where it stands.
        run_id: the run that it is at work on.
        queued_runs: how many more wait.
        restarts: how often its actor has been restarted.
        quarantined: whether its restart budget is used up and it waits for an operator.
        model: the model that was chosen for it.
        permission_mode: how far its agent may go without asking.
        cwd: the directory it works in.
        parent_session_id: the session that it was forked from.
        metadata: the caller's own notes.
        details: what the backend says of itself: its own session id, its tools, its version.
    """

    session_id: str
    backend: str
    created_at: int
    updated_at: int = 0
    stopped_at: int | None = None
    state: SessionState = "connecting"
    run_id: str | None = None
    queued_runs: int = 0
    restarts: int = 0
    quarantined: bool = False
    model: str | None = None
    permission_mode: str | None = None
    cwd: str | None = None
    parent_session_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def health(self) -> SessionState:
        """Return the session's health, which is its state."""
        return self.state
