"""The part of `fleet.router` with the sessions themselves: started, asked, changed, stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, NotFound, RoutingRefused, SessionClosed
from beam.facades.live_changes import LiveChanges
from beam.facades.part import SessionLike
from beam.routing.router import ROUTER
from beam.sessions.options import SessionOptions
from beam.sessions.run import Run
from beam.sessions.standin import stand_in_child

if TYPE_CHECKING:
    from beam.backends.backend import Backend
    from beam.model.messages import Message
    from beam.model.sessions import SessionInfo
    from beam.otp import ChildSpec
    from beam.sessions.handle import SessionHandle

__all__ = ["SessionFunctions"]


class SessionFunctions(LiveChanges):
    """Sessions: the everyday functions, which are on the handle and on the fleet as well."""

    __slots__ = ()

    # Beginning and ending

    def start_session(self, opts: Mapping[str, Any]) -> SessionHandle:
        """Choose a backend, start a session on it, and return when its start is in the log.

        Args:
            opts: the session's options, see `SessionOptions`. `backend` names it, and is chosen
                explicitly; `routing` says how one is chosen; with `"auto"` for a backend, any.

        Raises:
            RoutingRefused: `missing_option`: there is neither; or why no backend was chosen.
            AlreadyExists: a session of this id runs already.
            StartError: its process did not start, with the reason.
        """
        options = self._routed(opts)
        with self._blocking("start_session"):
            return self._grounds.lifecycle.start(options)

    def child_spec(self, opts: Mapping[str, Any]) -> ChildSpec:
        """Choose a backend, and return how a supervisor of yours starts a session on it.

        What it starts is a process that stands for the session: it ends when that has ended for
        good, and stops it when your supervisor ends it. Transient, with 10 s to end. The supervisor
        has to be in the fleet's node.

        Args:
            opts: as of `start_session`.

        Raises:
            RoutingRefused: `routing_failed`, with the `cause` for which no backend was chosen.
        """
        try:
            options = self._routed(opts)
        except RoutingRefused as refused:
            raise RoutingRefused(
                "routing_failed", cause=refused.reason, **refused.facts
            ) from refused
        lifecycle = self._grounds.lifecycle
        if options.session_id is None:
            options = replace(options, session_id=lifecycle.new_id())
        return stand_in_child(lifecycle, options)

    def _routed(self, opts: Any) -> SessionOptions:
        """Return the options, with the backend that the router has chosen by them."""
        if not isinstance(opts, Mapping):
            raise InvalidInput("opts", type(opts).__name__, "a mapping of options")
        options = SessionOptions.of(opts)
        if options.backend is None and options.routing is None:
            raise RoutingRefused("missing_option", option="backend")
        self._grounds.running()
        wanted = {"backend": options.backend, "routing": options.routing}
        decision = self._ask(
            ROUTER, "select_backend", {}, {k: v for k, v in wanted.items() if v is not None}
        )
        return replace(options, backend=decision.backend, routing=None)

    def stop(self, session: SessionLike) -> None:
        """End a session for good, and its agent with it; one that has ended is no error."""
        try:
            handle = self._handle(session)
        except NotFound:
            return
        with self._blocking("stop"):
            handle.stop()

    # Asking the agent

    def query(
        self, session: SessionLike, prompt: str, *, params: Mapping[str, Any] | None = None
    ) -> list[Message]:
        """Ask the agent, and return everything that it said, the result last.

        Args:
            session: the session.
            prompt: what to ask.
            params: options of this query for the agent, over those of the runtime; `timeout` is
                the seconds until the run is ended, 120 unless the session says otherwise;
                `attachments` is what goes with the prompt, see `beam.model.attachments`.

        Raises:
            InvalidInput: an attachment is malformed, naming its field; nothing was submitted.
            QueryInProgress: the session is at work on anything.
            RunFailed: it has no answer, with the reason: `timeout`, ...
            Interrupted: it was cut short.
        """
        run = self._run(session, prompt, params)
        with self._blocking("query"):
            run.get()
            return run.session.messages(run)

    def send_query(
        self,
        session: SessionLike,
        prompt: str,
        params: Mapping[str, Any],
        timeout: float | None,
    ) -> Run:
        """Ask the agent, and return the run as soon as the session has taken it.

        Args:
            session: the session.
            prompt: what to ask.
            params: as of `query`.
            timeout: seconds that the run may take, in place of that in `params`; `None` for that.

        Raises:
            QueryInProgress: the session is at work on anything.
            SessionRestarting, SessionQuarantined, SessionClosed: it takes nothing.
        """
        run = self._run(session, prompt, params, timeout)
        with self._blocking("send_query"):
            run.accepted()
        return run

    def _run(
        self,
        session: SessionLike,
        prompt: str,
        params: Mapping[str, Any] | None,
        timeout: float | None = None,
    ) -> Run:
        if params is not None and not isinstance(params, Mapping):
            raise InvalidInput("params", type(params).__name__, "a mapping")
        given = dict(params or {})
        if timeout is not None:
            given["timeout"] = timeout
        terms = {"timeout": given.pop("timeout")} if "timeout" in given else {}
        return self._handle(session).query(prompt, params=given, **terms)

    def receive_message(self, session: SessionLike, ref: Run, timeout: float | None) -> Message:
        """Return the next message of a run, each of them once.

        Args:
            session: the session.
            ref: the run, as `send_query` returned it.
            timeout: seconds to wait for the message; `None` without end.

        Raises:
            SessionRefused: `complete`; there is none any more. `bad_ref`; it is no run of this
                session. `receiver_taken`; somebody else receives.
            RunFailed, Interrupted: the run ended like that; said once, after its last message.
            CallTimeout: none has come in time.
        """
        with self._blocking("receive_message"):
            return self._handle(session).receive_message(ref, timeout=timeout)

    # Questions, and changes

    def session_info(self, session: SessionLike) -> SessionInfo:
        """Return where the session stands, and what its agent said of itself.

        Raises:
            SessionRestarting, SessionQuarantined, SessionClosed: its process is not there.
        """
        with self._blocking("session_info"):
            return self._handle(session).info()

    def health(self, session: SessionLike) -> str:
        """Return the session's state, or its status while its process is not there.

        Raises:
            SessionClosed: it was stopped for good.
        """
        handle = self._handle(session)
        with self._blocking("health"):
            state = handle.health()
        if state == "closed":
            raise SessionClosed(session_id=handle.id)
        return state

    def backend(self, session: SessionLike) -> str:
        """Return the name of the session's backend, as the fleet was configured.

        Raises:
            NotFound: `session_not_found`, or `backend_not_present`; the session has ended.
        """
        handle = self._handle(session)
        name = self._grounds.commons.roster.backend(handle.id)
        if name is None:
            raise NotFound("backend_not_present", session_id=handle.id)
        return name

    def adapter_module(self, session: SessionLike) -> Backend:
        """Return the backend itself: what connects the session to its agent.

        Raises:
            NotFound: as `backend`.
        """
        return self._grounds.backends[self.backend(session)]
