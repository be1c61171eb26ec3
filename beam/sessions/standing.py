"""How a session stands, for whoever asks: what it was started with, and what was chosen since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.backends.backend import Opening, Query
from beam.model.sessions import SessionInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beam.backends.host_lines import HostTool
    from beam.model.sessions import SessionState
    from beam.otp import Ref
    from beam.sessions.options import SessionOptions
    from beam.sessions.past import Past, Work
    from beam.sessions.workload import Workload

__all__ = ["Standing"]


class Standing:
    """What there is to say of one session; used by its process alone.

    Args:
        session_id: its name.
        backend: the name of its backend.
        options: what it was started with.
        past: what its events say.
    """

    def __init__(self, session_id: str, backend: str, options: SessionOptions, past: Past) -> None:
        self.session_id = session_id
        self.backend = backend
        self.options = options
        self._past = past

    def settings(self) -> dict[str, Any]:
        """Return the model and the permission mode that count now; `None` for the agent's own."""
        chosen = {"model": self.options.model, "permission_mode": self.options.permission_mode}
        return {**chosen, **self._past.settings}

    def choose(self, name: str, value: str) -> str:
        """Let a setting count from now on, which is in the log; return it."""
        self._past.settings[name] = value
        return value

    def opening(self, session: Ref[Any], tools: tuple[HostTool, ...]) -> Opening:
        """Return what a connection is told when it is made.

        Args:
            session: the session's process.
            tools: what the host runs for the agent.
        """
        return Opening(
            session,
            self.session_id,
            self.options.cwd,
            self.options.options,
            **self.settings(),
            resume=str(self._past.details.get("agent_session") or ""),
            tools=tools,
            mcp_servers=self.options.mcp_servers,
        )

    def query(
        self,
        query_id: str,
        work: Work,
        tools: tuple[HostTool, ...],
        merge: Callable[[str, Mapping[str, Any]], dict[str, Any]],
    ) -> Query:
        """Return what the agent is asked for a run.

        Args:
            query_id: the name of the attempt.
            work: the run; its own params count most.
            tools: what the host runs for the agent.
            merge: adds what the runtime knows to the params, secrets included: they go to the
                backend from here, and into no log.
        """
        params = merge(self.session_id, work.params)
        settings = self.settings()
        if "model_id" not in work.params:
            # The runtime's word for the model, which counts where `set_model` was not called.
            model = params.pop("model_id", None) or settings["model"]
            settings["model"] = self._past.settings.get("model", model)
        chosen = {key: value for key, value in settings.items() if value is not None}
        attached = {} if work.attachments is None else work.attachments.params()
        return Query(
            query_id,
            work.asked,
            history=tuple(self._past.history),
            tools=tools,
            params={**chosen, **params, **attached},
            attempt=work.attempts,
            timeout=work.timeout,
        )

    def info(
        self, state: SessionState, load: Workload, *, changed_at: int, details: dict[str, Any]
    ) -> SessionInfo:
        """Return the session as it stands.

        Args:
            state: where it is.
            load: what it is at work on, and what waits.
            changed_at: when it last wrote an event, Unix milliseconds.
            details: what its agent said of itself.
        """
        settings = self.settings()
        return SessionInfo(
            session_id=self.session_id,
            backend=self.backend,
            created_at=self._past.started_at or changed_at,
            updated_at=changed_at,
            state=state,
            run_id=load.run_id,
            queued_runs=len(load),
            restarts=self._past.restarts,
            model=settings["model"],
            permission_mode=settings["permission_mode"],
            cwd=self.options.cwd or None,
            metadata=self.options.metadata,
            details={**self._past.details, **details},
        )
