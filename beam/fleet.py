"""`Fleet`: supervised agent sessions in this Python process, and the tree that holds them.

    >>> from beam.backends import function
    >>> def shout(prompt):
    ...     return prompt.upper()
    >>> with Fleet(backends={"shout": function(shout)}) as fleet:
    ...     session = fleet.start_session(backend="shout")
    ...     session.query("hello").get(timeout=10)
    'HELLO'

The fleet builds the tree (`docs/architecture.md`), owns its life, and is its one face. What must
outlive a restart of the processes in it, it holds itself: the store, the OS processes' ledger, the
roster of sessions, and who waits for which run.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from beam.backends.backend import Backend
from beam.errors import (
    AlreadyExists,
    Interrupted,
    InvalidInput,
    NotFound,
    SessionClosed,
)
from beam.log import Log, MemoryStore, Shelf, SqliteStore
from beam.model.capabilities import supported
from beam.otp import Backoff, Node, Restarts, Supervisor, child, supervisor
from beam.otp.aio import Aio
from beam.otp.context import blocking_form
from beam.otp.tree import Branch, branch_of
from beam.ports.actor import SHUTDOWN as PORTS_SHUTDOWN
from beam.ports.actor import Ports
from beam.ports.harbour import Harbour
from beam.routing.backends import BackendSet
from beam.routing.router import ROUTER, Reported, Router
from beam.sessions.directory import SESSION_SUPERVISOR, close_runs
from beam.sessions.facade import Facade
from beam.sessions.handle import Desks, SessionHandle
from beam.sessions.options import SessionOptions
from beam.sessions.roster import Roster
from beam.sessions.tools import Toolbox
from beam.sessions.tree import BACKOFF, BUDGET, session_child, session_children
from beam.state.journal import Journal
from beam.state.tree import state_children
from beam.state.waiting_runs import WaitingRuns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from beam.log import Durability, Store
    from beam.otp import Ref
    from beam.sessions.roster import Undelivered

__all__ = ["Fleet"]

_TWINS = ("close", "release", "session", "sessions", "start", "start_session", "tree")
# The reasons of a run's end that say something of its backend.
BACKEND_FAILURES = frozenset(
    {
        "agent_error",
        "backend_error",
        "init_timeout",
        "protocol_error",
        "session_quarantined",
        "timeout",
        "transport_start_failed",
    }
)
# Seconds for the tree to stop; the ports, which stop before the log, have the most of it.
SHUTDOWN = PORTS_SHUTDOWN + 15.0


class Fleet:
    """A fleet of sessions.

    Args:
        store: where the log is: a path of a file, made if it is not there, or `None` for memory.
        backends: the agents, by the names that sessions ask for them.
        durability: `"process"`: what was acknowledged survives `kill -9` of this process;
            `"power"`: the loss of power as well, for some milliseconds a commit.
        max_restarts, max_seconds: the restart intensity of the tree's root.
        session_budget: how often one session's process may crash, before it is quarantined.
        session_backoff: how long a crashed session's process waits before it is restarted.
        node: the node to live in; one of its own unless given.

    Raises:
        InvalidInput: an argument is not what it must be, or a backend cannot work.
        StoreForeign, StoreCorrupt, StoreLocked: the store's file cannot be used.
    """

    def __init__(
        self,
        store: str | Path | None = None,
        *,
        backends: Mapping[str, Backend] | None = None,
        durability: Durability = "process",
        max_restarts: int = 10,
        max_seconds: int = 60,
        session_budget: Restarts = BUDGET,
        session_backoff: Backoff = BACKOFF,
        node: Node | None = None,
    ) -> None:
        self._backends = _checked(backends or {})
        self._routes = BackendSet.of(
            {name: supported(one.kind) for name, one in self._backends.items()}
        )
        self._limits = (max_restarts, max_seconds)
        self._budget, self._backoff = session_budget, session_backoff
        self._path = Path(store) if store is not None else None
        self._durability: Durability = durability
        self.node = node or Node("fleet")
        self._roster = Roster()
        self._waiting = WaitingRuns()
        self._shelf = Shelf(self._open_store, self._open_store())
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._root: Any = None
        self._closed = False

    def _open_store(self) -> Store:
        if self._path is None:
            return MemoryStore()
        return SqliteStore.open(self._path, durability=self._durability)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self._root is not None else "new"
        return f"<Fleet {self.node.name!r}: {state}, {len(self._roster.sessions())} sessions>"

    @property
    def aio(self) -> Aio:
        """The coroutine twins of the fleet's functions."""
        return Aio(self, _TWINS)

    # Life

    def start(self) -> Self:
        """Start the tree; `with fleet:` does.

        Raises:
            StartError: a part of the tree did not start; what had started is stopped.
            SessionClosed: the fleet has been closed.
        """
        if self._closed:
            raise SessionClosed("fleet_closed")
        if self._root is None:
            with blocking_form("Fleet.start()", "fleet.aio.start()"), self.node.entered():
                try:
                    self._root = self._start_tree()
                except BaseException:
                    self.close()
                    raise
        return self

    def _start_tree(self) -> Any:
        harbour = self._harbour = Harbour(self._ledger())
        shared = [spec for name, one in self._backends.items() for spec in one.children(name)]
        work = [
            child(Router, self._routes, name=ROUTER),
            *session_children(self._roster, self._deliver, self._budget, self._backoff),
        ]
        most, seconds = self._limits
        return Supervisor.start(
            [
                child(Log, self._shelf, name="log", shutdown=10.0),
                child(Ports, harbour, name="ports", shutdown=PORTS_SHUTDOWN),
                supervisor(state_children(self._waiting), id="State"),
                supervisor(shared, id="Backends", max_restarts=most, max_seconds=seconds),
                supervisor(work, id="Work", max_restarts=most, max_seconds=seconds),
            ],
            strategy="rest_for_one",
            max_restarts=most,
            max_seconds=seconds,
            name="fleet",
        )

    def _ledger(self) -> Path:
        """Return the directory of the OS processes' ledger: beside the store, for the next start."""
        if self._path is not None:
            return self._path.with_name(f"{self._path.name}.ports")
        self._scratch = tempfile.TemporaryDirectory(prefix="beam-ports-")
        return Path(self._scratch.name)

    def close(self) -> None:
        """End every session and its agent, the tree, and the log; again is no error.

        Who still waits for a run gets `Interrupted("fleet_closed")`; in the log the run is as it
        was, for a fleet that takes the session up again.
        """
        if self._closed:
            return
        self._closed = True
        with blocking_form("Fleet.close()", "fleet.aio.close()"):
            if self._root is not None:
                self._root.stop(reason="shutdown", timeout=SHUTDOWN)
            self.node.stop()
            harbour = getattr(self, "_harbour", None)
            if harbour is not None:
                harbour.close()
            self._shelf.close()
            for run_id, future in self._waiting.take_all():
                future.settle(Interrupted("fleet_closed", run_id=run_id), failed=True)
            if self._scratch is not None:
                self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await self.aio.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aio.close()

    # Sessions

    def start_session(self, **options: Any) -> SessionHandle:
        """Start a session, and return when its start is in the log.

        Its agent may not be ready yet: what is asked meanwhile waits. With the `session_id` of a
        session that is in the log, that one is taken up again.

        Args:
            options: see `SessionOptions`.

        Returns:
            A handle, which outlives every restart of the session's process.

        Raises:
            InvalidInput: an option is unknown, or not what it must be; or no backend was named.
            RoutingRefused: no backend could be selected, or the one named is not there.
            AlreadyExists: a session of this id runs already.
            StartError: its process did not start, with the reason.
        """
        checked = SessionOptions.of(options)
        Toolbox(checked.tools)
        with blocking_form("Fleet.start_session()", "fleet.aio.start_session(...)"):
            self._running()
            name = self._choose(checked)
            session_id = checked.session_id or Journal(self._shelf.store, self.node).new_id(
                "session"
            )
            spec = session_child(session_id, name, self._backends[name], checked)
            if not self._roster.enter(session_id, spec):
                raise AlreadyExists("session_exists", session_id=session_id)
            try:
                self._introduce(session_id, checked)
                self._supervisor().start_child(spec)
            except BaseException:
                self._roster.strike(session_id)
                raise
            self._roster.set_status(session_id, "live")
        return self._handle(session_id)

    def _choose(self, options: SessionOptions) -> str:
        if options.backend is not None and options.backend != "auto":
            return self._routes.resolve(options.backend)
        if options.routing is None and len(self._backends) == 1:
            return next(iter(self._backends))
        if options.routing is None:
            known = ", ".join(self._backends) or "none is configured"
            raise InvalidInput("backend", None, f"the name of a backend ({known}), or routing")
        decision = self.router.proxy().select_backend(dict(options.routing)).get()
        chosen: str = decision.backend
        return chosen

    def _introduce(self, session_id: str, options: SessionOptions) -> None:
        """Tell the state's owners of a session that is about to be started."""
        control, runtime = self.node.whereis("control"), self.node.whereis("runtime")
        if control is not None:
            callbacks = {**options.callbacks(), "permission_timeout": options.permission_timeout}
            control.proxy().register_session_callbacks(session_id, callbacks).get()
        if runtime is not None and options.model is not None:
            runtime.proxy().register_session(session_id, {"model_id": options.model}).get()

    def session(self, session_id: str) -> SessionHandle:
        """Return the handle of a session of this fleet.

        Raises:
            NotFound: there is none of this id.
        """
        if self._roster.status(session_id) is None:
            raise NotFound("session_not_found", session_id=session_id)
        return self._handle(session_id)

    def sessions(self) -> list[SessionHandle]:
        """Return the handles of the sessions that have not been stopped, oldest first."""
        return [self._handle(session_id) for session_id in self._roster.sessions()]

    def release(self, session: SessionHandle | str) -> SessionHandle:
        """Let a session out of quarantine: it starts again, with a new budget.

        Raises:
            NotFound: there is no such session, or it is not in quarantine.
        """
        session_id = session if isinstance(session, str) else session.id
        if self._roster.status(session_id) != "quarantined":
            raise NotFound("not_quarantined", session_id=session_id)
        supervisor_ref = self._supervisor()
        self._roster.set_status(session_id, "restarting")
        if any(one.id == session_id for one in supervisor_ref.which_children()):
            supervisor_ref.release(session_id)
        else:
            supervisor_ref.start_child(self._roster.spec(session_id))
        return self._handle(session_id)

    def _close_session(self, session_id: str) -> None:
        """End a session for good; see `SessionHandle.stop`."""
        if self._roster.spec(session_id) is None:
            return
        undelivered = self._roster.strike(session_id)
        process = self.node.whereis(session_id)
        supervisor_ref = self._supervisor()
        for one in supervisor_ref.which_children() if process is None else ():
            if one.id == session_id:
                supervisor_ref.terminate_child(session_id)
        if process is not None:
            supervisor_ref.terminate_child(process)
        journal = Journal(self._shelf.store, self.node)
        close_runs(journal, session_id, "run_interrupted", "session_closed")
        journal.append_wait([journal.event("session_stopped", session_id, reason="stopped")])
        for one in undelivered:
            one.run.settle(SessionClosed(session_id=session_id), failed=True)

    def _handle(self, session_id: str) -> SessionHandle:
        spec = self._roster.spec(session_id)
        options = spec.args[3] if spec is not None else SessionOptions()
        return SessionHandle(self._desks(), session_id, options)

    def _desks(self) -> Desks:
        return Desks(self.node, self._shelf, self._roster, self._waiting, self._close_session)

    def _deliver(self, session_id: str, undelivered: Undelivered) -> None:
        self._handle(session_id).deliver(undelivered)

    # What is in it

    def journal(self) -> Journal:
        """Return a journal on the fleet's log, to read events from and write some."""
        return Journal(self._shelf.store, self.node)

    def report(self, backend: str, error: BaseException | None, probe: int | None = None) -> None:
        """Tell the router's breaker how a run on a backend ended.

        Args:
            backend: the name.
            error: what the run failed with; `None` if it has its answer.
            probe: as the router's `route` said.
        """
        router = self.node.whereis(ROUTER)
        reason = getattr(error, "reason", None)
        failed = reason in BACKEND_FAILURES
        verdict: Any = "succeeded" if error is None else "failed" if failed else "released"
        if router is not None:
            router.cast(Reported(backend, verdict, probe))

    @property
    def router(self) -> Ref[Router]:
        """The router's process."""
        router: Ref[Router] = self._process(ROUTER)
        return router

    @property
    def control(self) -> Facade:
        """The control facade: `fleet.control.list_pending_requests(session)`."""
        self._running()
        return Facade(self.node, "control")

    @property
    def runtime(self) -> Facade:
        """The runtime facade: `fleet.runtime.get_state(session)`."""
        self._running()
        return Facade(self.node, "runtime")

    def whereis(self, name: Any) -> Ref[Any] | None:
        """Return the process registered under `name` in the fleet; a session's is its id."""
        return self.node.whereis(name)

    def tree(self) -> Branch:
        """Return the supervision tree, as data that prints as text."""
        self._running()
        with blocking_form("Fleet.tree()", "fleet.aio.tree()"):
            return branch_of("fleet", self._root)

    def _supervisor(self) -> Any:
        return self._process(SESSION_SUPERVISOR)

    def _process(self, name: str) -> Any:
        self._running()
        found = self.node.whereis(name)
        if found is None:
            raise NotFound("restarting", name=name)
        return found

    def _running(self) -> None:
        if self._root is None or self._closed:
            raise SessionClosed("fleet_closed" if self._closed else "fleet_not_started")


def _checked(backends: Mapping[Any, Any]) -> dict[str, Backend]:
    for name, one in backends.items():
        if not isinstance(name, str) or not name:
            raise InvalidInput("backends", name, "names that are non-empty texts")
        if not isinstance(one, Backend):
            raise InvalidInput(f"backends[{name!r}]", one, "function(...) or command(...)")
        one.check()
    return dict(backends)
