"""How sessions begin and end: started, taken up again, let out of quarantine, stopped for good."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beam.errors import (
    AlreadyExists,
    CallExit,
    CallFailed,
    InvalidInput,
    NotFound,
    SessionClosed,
    StartError,
    SupervisorRefused,
)
from beam.log import LOG
from beam.model.events import FLEET
from beam.model.identifiers import RANDOM_BYTES, identifier
from beam.routing.backends import AUTO
from beam.routing.router import ROUTER
from beam.sessions.delivery import PATIENCE, named
from beam.sessions.directory import DIRECTORY, SESSION_SUPERVISOR
from beam.sessions.handle import SessionHandle
from beam.sessions.hooked import hooked, tell_hooks
from beam.sessions.options import SessionOptions
from beam.sessions.recorder import RECORDER, Finish, News
from beam.sessions.recording import checked_path
from beam.sessions.recovery import close_runs
from beam.sessions.tools import Toolbox
from beam.sessions.tree import session_child
from beam.state.bus_feed import BUS
from beam.state.control_rows import CONTROL
from beam.state.keeper import KEEPER, table_of
from beam.state.runs import RUNS
from beam.state.runtime_state import RUNTIME
from beam.state.store_rows import STORE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.backends.backend import Backend
    from beam.otp import ChildSpec, Table
    from beam.routing.backends import BackendSet
    from beam.sessions.commons import Commons
    from beam.sessions.roster import Status, Undelivered

__all__ = ["Lifecycle"]

# Names in a fleet's node, and a stream in its log, that no session may have.
RESERVED = frozenset(
    {
        FLEET,
        LOG,
        "ports",
        KEEPER,
        RUNTIME,
        CONTROL,
        RUNS,
        STORE,
        ROUTER,
        SESSION_SUPERVISOR,
        DIRECTORY,
        BUS,
        RECORDER,
    }
)


class Lifecycle:
    """Starts and ends the sessions of a fleet; for any thread, and every function blocks.

    Args:
        commons: what they have in common.
        backends: the agents, by name.
        routes: the same, as the router knows them.
    """

    def __init__(
        self, commons: Commons, backends: Mapping[str, Backend], routes: BackendSet
    ) -> None:
        self._commons = commons
        self._backends = backends
        self._routes = routes
        # The tables in which each session's handlers are; others have to be told of them anew.
        self._introduced: dict[str, tuple[Table, ...]] = {}

    def handle(self, session_id: str) -> SessionHandle:
        """Return a session's handle."""
        spec = self._commons.roster.spec(session_id)
        options = spec.args[3] if spec is not None else SessionOptions()
        return SessionHandle(self._commons, session_id, options, self.stop)

    def status(self, session_id: str) -> Status | None:
        """Return how a session stands; `None` for one that this fleet has not had."""
        return self._commons.roster.status(session_id)

    def new_id(self) -> str:
        """Return the name of a new session."""
        return identifier("session", self._commons.node.clock.random.randbytes(_BYTES))

    # Beginning

    def start(self, options: SessionOptions) -> SessionHandle:
        """Start a session, or take one up that is in the log; see `Fleet.start_session`."""
        Toolbox(options.tools)
        backend = self._choose(options)
        session_id = options.session_id or self.new_id()
        roster = self._commons.roster
        if session_id in RESERVED:
            raise InvalidInput("session_id", session_id, "a name that is not the fleet's own")
        options = replace(options, hooks=options.chain(self._commons.hooks))
        spec = session_child(session_id, backend, self._backends[backend], options, self._introduce)
        if not roster.enter(session_id, spec):
            raise AlreadyExists("session_exists", session_id=session_id)
        self._introduced.pop(session_id, None)
        try:
            self._record(session_id, options)
            self._start(session_id, spec)
        except BaseException:
            self._commons.recordings.end(session_id)
            self._give_up(session_id, roster.withdraw(session_id))
            raise
        roster.set_status(session_id, "live", only="starting")
        told = {"session_id": session_id, "backend": backend}
        tell_hooks(self._commons.node, options.chain(), "session_start", told)
        return self.handle(session_id)

    def _record(self, session_id: str, options: SessionOptions) -> None:
        """Have a session recorded, if its user wants that."""
        path, recordings = checked_path(options.record), self._commons.recordings
        if path is None:
            recordings.end(session_id)
            return
        recordings.begin(session_id, path, self._commons.journal().store)
        if (recorder := self._commons.node.whereis(RECORDER)) is not None:
            recorder.cast(News())  # One that is being restarted looks by itself.

    def _choose(self, options: SessionOptions) -> str:
        if options.backend is not None and options.backend != AUTO:
            return self._routes.resolve(options.backend)
        if options.routing is None and len(self._backends) == 1:
            return next(iter(self._backends))
        if options.routing is None:
            known = ", ".join(self._backends) or "none is configured"
            raise InvalidInput("backend", None, f"the name of a backend ({known}), or routing")
        router = named(self._commons.node, ROUTER)
        decision = router.proxy().select_backend(dict(options.routing)).get()
        chosen: str = decision.backend
        return chosen

    def _start(self, session_id: str, spec: ChildSpec) -> None:
        """Have the sessions' supervisor start one, also if that dies meanwhile."""
        node = self._commons.node
        until = node.clock.now() + PATIENCE
        while True:
            supervisor: Any = named(node, SESSION_SUPERVISOR, until - node.clock.now())
            try:
                supervisor.start_child(spec)
            except SupervisorRefused as refused:
                raise StartError(refused.reason, f"session {session_id}") from refused
            except CallExit:
                continue  # Whom it had started has died with it.
            return

    def _introduce(self, session_id: str, options: SessionOptions) -> bool:
        """Tell the owners of state of a session, if they do not know it; run by its process.

        They keep what they are told over their own restarts. Only if all of them were restarted at
        once, as with the log, their tables are new ones. Nobody is waited for: whoever restarts
        them all may be waiting for the supervisor of this session to end.

        Returns:
            Whether they know it now; if not, one of them is being restarted.
        """
        node = self._commons.node
        try:
            control, runtime = named(node, CONTROL, 0.0), named(node, RUNTIME, 0.0)
            tables = (table_of(node, CONTROL), table_of(node, RUNTIME))
            known = self._introduced.get(session_id, ())
            if len(known) == len(tables) and all(map(_same, known, tables)):
                return True
            callbacks = hooked(options.chain(), options.callbacks(), session_id)
            control.proxy().register_session_callbacks(session_id, callbacks).get()
            defaults = options.defaults()
            if defaults:
                runtime.proxy().register_session(session_id, defaults).get()
        except (CallExit, NotFound):
            return False
        self._introduced[session_id] = tables
        return True

    def release(self, session_id: str) -> SessionHandle:
        """Let a session out of quarantine; see `Fleet.release`."""
        roster = self._commons.roster
        if roster.status(session_id) != "quarantined":
            raise NotFound("not_quarantined", session_id=session_id)
        journal = self._commons.journal()
        journal.append_wait([journal.event("session_released", session_id)])
        roster.set_status(session_id, "restarting", only="quarantined")
        try:
            self._start_again(session_id)
        except BaseException:
            roster.set_status(session_id, "quarantined", only="restarting")
            raise
        return self.handle(session_id)

    def _start_again(self, session_id: str) -> None:
        supervisor: Any = named(self._commons.node, SESSION_SUPERVISOR)
        try:
            if any(one.id == session_id for one in supervisor.which_children()):
                supervisor.release(session_id)
            else:
                self._start(session_id, self._commons.roster.spec(session_id))
        except (SupervisorRefused, StartError) as error:
            if self._commons.node.whereis(session_id) is None:
                raise StartError(error.reason, f"session {session_id}") from error

    # Ending

    def stop(self, session_id: str) -> None:
        """End a session for good; see `SessionHandle.stop`."""
        roster = self._commons.roster
        spec = roster.spec(session_id)
        if spec is None:
            return
        journal = self._commons.journal()
        undelivered = roster.strike(session_id)
        try:
            self._end(session_id)
            close_runs(journal, session_id, "run_interrupted", "session_closed")
            self._forget(session_id)
            journal.append_wait([journal.event("session_stopped", session_id, reason="stopped")])
            chain, told = spec.args[3].chain(), {"session_id": session_id, "reason": "stopped"}
            tell_hooks(self._commons.node, chain, "session_end", told)
            self._finish_recording(session_id)
        finally:
            self._give_up(session_id, undelivered)

    def _finish_recording(self, session_id: str) -> None:
        """Wait until a session's recording has all of it."""
        if self._commons.recordings.get(session_id) is None:
            return
        # A recorder that dies, or is late with a file, does it later.
        with contextlib.suppress(CallFailed, NotFound):
            named(self._commons.node, RECORDER).ask(Finish(session_id), timeout=PATIENCE)

    def _end(self, session_id: str) -> None:
        """End a session's process, or its supervisor's intent to start it again."""
        node = self._commons.node
        until = node.clock.now() + PATIENCE
        while True:
            supervisor: Any = named(node, SESSION_SUPERVISOR, until - node.clock.now())
            process = node.whereis(session_id)
            try:
                supervisor.terminate_child(session_id if process is None else process)
            except SupervisorRefused:
                # It does not know it: the process was another by then, or there is none.
                if process is None:
                    return
            except CallExit:
                continue
            else:
                return

    def _forget(self, session_id: str) -> None:
        """Have the owners of state forget a session; what it has asked is denied."""
        self._introduced.pop(session_id, None)
        for name, forget in ((CONTROL, "forget_session"), (RUNTIME, "clear_session")):
            try:
                getattr(named(self._commons.node, name).proxy(), forget)(session_id).get()
            except (CallExit, NotFound):
                continue  # It is being restarted; what it keeps of the session harms nobody.

    def _give_up(self, session_id: str, undelivered: list[Undelivered]) -> None:
        for one in undelivered:
            self._commons.delivery.give_up(one, SessionClosed(session_id=session_id))


def _same(one: object, other: object) -> bool:
    return one is other


_BYTES = RANDOM_BYTES["session"]
