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

import contextlib
import itertools
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from beam.backends.checking import checked_backends
from beam.errors import InvalidInput, NotFound, NotSimulated, SessionClosed
from beam.facades import Doors
from beam.facades.part import Grounds
from beam.log import LOG, Log, MemoryStore, Shelf, SqliteStore
from beam.model.events import FLEET
from beam.otp import Backoff, Node, Restarts, Supervisor, child, current_node, supervisor
from beam.otp.aio import Aio
from beam.otp.context import blocking_form
from beam.otp.flags import check_max_restarts, check_max_seconds
from beam.otp.simulated import Simulated
from beam.otp.tree import Branch, branch_of
from beam.ports.actor import SHUTDOWN as PORTS_SHUTDOWN
from beam.ports.actor import Ports
from beam.ports.harbour import Harbour
from beam.routing.capability_registry import CapabilityRegistry
from beam.routing.router import ROUTER, Reported, Router
from beam.sessions.commons import Commons
from beam.sessions.handle import SessionHandle
from beam.sessions.lifecycle import Lifecycle
from beam.sessions.options import SessionOptions
from beam.sessions.recorder import RECORDER, Recorder
from beam.sessions.tree import BACKOFF, BUDGET, session_children
from beam.sessions.watch import Watch
from beam.state.tree import state_children
from beam.state.vault import Vault

if TYPE_CHECKING:
    from types import TracebackType

    from beam.backends.backend import Backend
    from beam.log import Durability, Store
    from beam.otp import Ref

__all__ = ["Fleet"]

_TWINS = ("close", "release", "session", "sessions", "start", "start_session", "tree")
# The reasons of a run's end that say something of its backend.
BACKEND_FAILURES = frozenset(
    {
        "agent_error",
        "auth",
        "backend_error",
        "init_timeout",
        "overloaded",
        "protocol_error",
        "quota",
        "session_quarantined",
        "stalled",
        "throttled",
        "timeout",
        "transport_start_failed",
    }
)
# So that no two fleets of a program have the same name.
_numbers = itertools.count(1)
# Seconds for the tree to stop; the ports, which stop before the log, have the most of it.
SHUTDOWN = PORTS_SHUTDOWN + 15.0


class Fleet(Doors):
    """A fleet of sessions.

    Args:
        store: where the log is: a path of a file, made if it is not there, or `None` for memory.
        backends: the agents, by the names that sessions ask for them.
        durability: `"process"`: what was acknowledged survives `kill -9` of this process;
            `"power"`: the loss of power as well, for some milliseconds a commit.
        max_restarts, max_seconds: the restart intensity of the tree's root.
        session_budget: how often one session's process may crash, before it is quarantined.
        session_backoff: how long a crashed session's process waits before it is restarted.
        credential_key: what credentials in the log are sealed with, 32 characters or more; unless
            given, a key in a file beside the store (see `beam.state.vault`).
        node: the node to live in; one of its own unless given.
        harbour: what its OS processes are started through; one of its own unless given.

    Raises:
        InvalidInput: an argument is not what it must be, or a backend cannot work.
        NotSimulated: in a simulation, if something of it would be real; see `Simulation.fleet`.
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
        credential_key: str | bytes | None = None,
        node: Node | None = None,
        harbour: Harbour | None = None,
    ) -> None:
        simulated = isinstance((node or current_node()).scheduler, Simulated)
        self._backends = checked_backends(backends, on_machine=not simulated)
        kinds = {name: one.kind for name, one in self._backends.items()}
        self._capabilities = CapabilityRegistry.of_kinds(kinds)
        self._routes = self._capabilities.backends()
        check_max_restarts(max_restarts)
        check_max_seconds(max_seconds)
        self._limits = (max_restarts, max_seconds)
        _check_kind("session_budget", session_budget, Restarts)
        _check_kind("session_backoff", session_backoff, Backoff)
        self._budget, self._backoff = session_budget, session_backoff
        self._path = _checked_path(store)
        self._durability: Durability = durability
        if simulated:
            _check_simulated(node, harbour, self._path)
        self.node = node or Node(f"fleet{next(_numbers)}")
        self._vault = Vault.beside(self._path, credential_key, self.node.clock.random.randbytes)
        # In memory one store serves every life of the log: another would be empty.
        shelf = Shelf(self._open_store, self._open_store(), lasting=self._path is None)
        self._commons = Commons(self.node, shelf)
        self._lifecycle = Lifecycle(self._commons, self._backends, self._routes)
        self._facade_grounds = Grounds(
            self.node,
            self._commons,
            self._lifecycle,
            self._backends,
            self._routes,
            self._running,
        )
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._harbour = harbour
        self._root: Any = None
        self._closed = False

    def _open_store(self) -> Store:
        if self._path is None:
            return MemoryStore()
        return SqliteStore.open(self._path, durability=self._durability)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self._root is not None else "new"
        sessions = len(self._commons.roster.sessions())
        return f"<Fleet {self.node.name!r}: {state}, {sessions} sessions>"

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
                    Watch.start(self._root, self._commons)
                except BaseException:
                    self.close()
                    raise
        return self

    def _start_tree(self) -> Any:
        harbour = self._harbour = self._harbour or Harbour(self._ledger())
        shared = [spec for name, one in self._backends.items() for spec in one.children(name)]
        work = [
            child(Router, self._capabilities, name=ROUTER),
            *session_children(
                self._commons.roster, self._commons.delivery, self._budget, self._backoff
            ),
        ]
        most, seconds = self._limits
        bus, waiting = self._commons.bus, self._commons.waiting
        state = [
            # Before all that write, so that it ends after them.
            child(
                Recorder,
                self._commons.recordings,
                self._commons.roster,
                id=RECORDER,
                name=RECORDER,
            ),
            *state_children(waiting, bus=bus, vault=self._vault, more_owners=(ROUTER,)),
        ]
        return Supervisor.start(
            [
                child(Log, self._commons.shelf, name=LOG, shutdown=10.0),
                child(Ports, harbour, name="ports", shutdown=PORTS_SHUTDOWN),
                supervisor(state, id="State", max_restarts=most, max_seconds=seconds),
                supervisor(shared, id="Backends", max_restarts=most, max_seconds=seconds),
                supervisor(work, id="Work", max_restarts=most, max_seconds=seconds),
            ],
            strategy="rest_for_one",
            max_restarts=most,
            max_seconds=seconds,
            name=FLEET,
        )

    def _ledger(self) -> Path:
        """Return where the OS processes' ledger is: beside the store, for the next start."""
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
        self._commons.roster.end("fleet_closed")
        with blocking_form("Fleet.close()", "fleet.aio.close()"), contextlib.ExitStack() as ends:
            # In the order from last to first, each whatever becomes of the others.
            if self._scratch is not None:
                ends.callback(self._scratch.cleanup)
            ends.callback(self._commons.end, "fleet_closed")
            ends.callback(self._commons.shelf.close)
            if self._harbour is not None:
                ends.callback(self._harbour.close)
            ends.callback(self.node.stop)
            if self._root is not None:
                ends.callback(self._root.stop, reason="shutdown", timeout=SHUTDOWN)

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
            NotFound: `restarting`; a part of the tree was not back within 5 s.
        """
        checked = SessionOptions.of(options)
        self._running()
        with blocking_form("Fleet.start_session()", "fleet.aio.start_session(...)"):
            return self._lifecycle.start(checked)

    def session(self, session_id: str) -> SessionHandle:
        """Return the handle of a session of this fleet.

        Raises:
            NotFound: there is none of this id.
        """
        if self._commons.roster.status(session_id) is None:
            raise NotFound("session_not_found", session_id=session_id)
        return self._lifecycle.handle(session_id)

    def sessions(self) -> list[SessionHandle]:
        """Return the handles of the sessions that have not been stopped, oldest first."""
        return [self._lifecycle.handle(one) for one in self._commons.roster.sessions()]

    def release(self, session: SessionHandle | str) -> SessionHandle:
        """Let a session out of quarantine: it starts again, with a new budget.

        Raises:
            NotFound: there is no such session, or it is not in quarantine.
            StartError: its process did not start; it stays in quarantine.
        """
        self._running()
        with blocking_form("Fleet.release()", "fleet.aio.release(...)"):
            return self._lifecycle.release(session if isinstance(session, str) else session.id)

    # What is in it

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

    def _grounds(self) -> Grounds:
        self._running()
        return self._facade_grounds

    def whereis(self, name: Any) -> Ref[Any] | None:
        """Return the process registered under `name` in the fleet; a session's is its id."""
        return self.node.whereis(name)

    def tree(self) -> Branch:
        """Return the supervision tree, as data that prints as text; see `beam.otp.tree.Branch`."""
        self._running()
        with blocking_form("Fleet.tree()", "fleet.aio.tree()"):
            return branch_of("fleet", self._root)

    def _running(self) -> None:
        if self._commons.roster.ended is not None:
            raise self._commons.roster.over()
        if self._root is None:
            raise SessionClosed("fleet_not_started")


def _check_simulated(node: Node | None, harbour: Harbour | None, path: Path | None) -> None:
    """Refuse what would be real in a simulation: a node, programs, a file."""
    if node is None or harbour is None:
        raise NotSimulated("this fleet", "Simulation.fleet(...)")
    if path is not None:
        raise NotSimulated("a store in a file", "the log in memory")


def _checked_path(store: Any) -> Path | None:
    if store is not None and not isinstance(store, (str, os.PathLike)):
        raise InvalidInput("store", store, "the path of a file, or None for memory")
    return Path(store) if store is not None else None


def _check_kind(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise InvalidInput(name, value, f"{kind.__name__}(...)")
