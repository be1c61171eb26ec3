"""`Router`: the process that chooses a backend for each session.

    >>> from beam.log import Log, MemoryStore, Shelf
    >>> from beam.otp import Node
    >>> from beam.routing import BackendSet, Router
    >>> with Node():
    ...     _ = Log.start(Shelf(MemoryStore), name="log")
    ...     backends = BackendSet.of({"reviewer": [], "claude": []})
    ...     router = Router.start(backends, name="router").proxy()
    ...     request = {"policy": "round_robin"}
    ...     [router.select_backend(request).get().backend for _ in range(3)]
    ['claude', 'reviewer', 'claude']

It is a thin owner of `Memory` and `Breakers`; what is chosen, and why, is decided by the functions
of this package. Every choice is stored in the log (`routing_selected`, under the session id
`FLEET`). Who asks does not wait for that, with one exception: a sticky binding that is new is
acknowledged when it is stored, because it is a promise for later requests (G11).

The process does no I/O and never waits, so an idle one is run by its caller. If the log's queue is
full, a choice that binds nothing new is made all the same, its event is dropped and counted
(`unlogged`); one that binds is refused with `queue_full`.

When it starts it reads the bindings back, from the last 100,000 events of the fleet; a binding that
was not used since is forgotten. Cursors and breakers start afresh: every turn begins with the first
backend, and every backend gets a chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from beam.errors import InvalidInput, QueueFull, StoreError
from beam.model.events import FLEET
from beam.model.sessions import SessionInfo
from beam.otp import noreply
from beam.otp.reports import report
from beam.routing.backends import BackendSet
from beam.routing.breaker import BreakerOptions, Breakers
from beam.routing.defaults import defaults_of_handle, defaults_of_id, defaults_of_options
from beam.routing.health import HealthStatus
from beam.routing.memory import Memory
from beam.routing.request import parse_request
from beam.routing.selection import Selection, commit, select
from beam.state.answering import AnsweringServer, refuse, reply
from beam.state.journal import Journal, event_of, record_of

if TYPE_CHECKING:
    from beam.log import Done, StoredRecord
    from beam.model.events import Event, EventType
    from beam.routing.decision import Decision

__all__ = ["ROUTER", "Reported", "Route", "Router"]

ROUTER = "router"
"""The name of the process."""

# How far back bindings are read, in events of the fleet.
WINDOW = 100_000
PAGE = 1000

Verdict = Literal["succeeded", "failed", "released"]


@dataclass(frozen=True, slots=True)
class Route:
    """A choice of a backend for one who will report how it went.

    Attributes:
        decision: the choice.
        probe: which probe of the backend's breaker it is, for the report; `None` for none.
    """

    decision: Decision
    probe: int | None


@dataclass(frozen=True, slots=True)
class Reported:
    """How it went with a backend; cast it to the router.

    Attributes:
        backend: the name.
        verdict: `succeeded`; `failed`, which speaks against the backend; or `released`: nothing was
            learnt of it, as when the user cancelled or the fleet stopped.
        probe: as `Route` had it.

    Raises:
        InvalidInput: the verdict is none of the three.
    """

    backend: str
    verdict: Verdict
    probe: int | None = None

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise InvalidInput("verdict", self.verdict, f"one of {', '.join(get_args(Verdict))}")


@dataclass(frozen=True, slots=True)
class _Durable:
    """Mail to the router: the log has the binding of a key that was made as number `stamp`."""

    affinity_key: str
    stamp: int


@dataclass(frozen=True, slots=True)
class _Unlogged:
    """Mail to the router: the log has not taken a choice."""

    error: BaseException


_TYPES: tuple[EventType, ...] = ("routing_selected", "routing_cleared")
Session = Mapping[str, Any] | SessionInfo | str


class Router(AnsweringServer):
    """The process `router`."""

    blocking: ClassVar[bool | None] = False

    def init(self, backends: BackendSet, breakers: BreakerOptions | None = None) -> None:
        """Read the bindings back from the log.

        Args:
            backends: all that can be chosen.
            breakers: when a backend's breaker opens, and how it closes again.
        """
        if not isinstance(backends, BackendSet):
            raise InvalidInput("backends", backends, "a BackendSet")
        self._backends = backends
        self._memory = Memory()
        self._breakers = Breakers(breakers)
        self._journal = Journal.of(self.node)
        self._stamp = 0
        # The keys whose newest binding is not known to be in the log.
        self._volatile: dict[str, int] = {}
        self._unlogged = 0
        self._read_back()

    # Choosing

    def select_backend(self, request: Mapping[str, Any], session: Session | None = None) -> Any:
        """Choose a backend; answered with the `Decision`.

        Nobody is to report on it: a probe of a breaker that it was is given back.

        Args:
            request: the fields of a `RouteRequest`.
            session: what the request starts from: start options, a session's info, or its id.

        Raises:
            RoutingRefused: why no backend was chosen; see `parse_request` and `choose`.
            QueueFull: the log had no room for a new binding.
        """
        return self._choose(request, session, for_report=False)

    def route(self, request: Mapping[str, Any], session: Session | None = None) -> Any:
        """Choose a backend for one who will cast `Reported`; answered with the `Route`.

        Arguments and errors are those of `select_backend`.
        """
        return self._choose(request, session, for_report=True)

    def _choose(self, fields: Any, session: Any, *, for_report: bool) -> Any:
        request = parse_request(self._with_defaults(fields, session), self._backends)
        now = self.node.clock.now()
        selection = select(request, self._backends, self._memory, self._breakers, now)
        committed = commit(selection, self._memory, self._breakers, now)
        decision, probe = selection.decision, committed.probe
        if not for_report:
            self._breakers.released(decision.backend, probe)
        for forgotten in committed.forgotten:
            self._volatile.pop(forgotten, None)
        if committed.bound is not None:
            self._stamp += 1
            self._volatile[committed.bound] = self._stamp
        route = Route(decision, probe)
        answer = route if for_report else decision
        event = self._event(selection, session)
        key = selection.binds
        if key is None or key not in self._volatile:
            self._log(event)
            return answer
        self._log_and_answer(event, _Durable(key, self._volatile[key]), route, answer)
        return noreply

    def _with_defaults(self, fields: Any, session: Any) -> Any:
        match session:
            case None:
                return fields
            case SessionInfo(backend=backend):
                known = backend if backend in self._backends.capabilities else None
                defaults = defaults_of_handle(known)
            case str():
                defaults = defaults_of_id(session)
            case Mapping():
                defaults = defaults_of_options(session)
            case _:
                expected = "start options, a SessionInfo or a session's id"
                raise InvalidInput("session", type(session).__name__, expected)
        return {**defaults, **fields} if isinstance(fields, Mapping) else fields

    # Writing down

    def _event(self, selection: Selection, session: Any) -> Event:
        data: dict[str, Any] = {
            "request": selection.request.as_payload(),
            "decision": selection.decision.as_payload(),
        }
        if selection.binds is not None:
            data["binds"] = selection.binds
        session_id = _session_id(session)
        if session_id is not None:
            data["session_id"] = session_id
        return self._journal.event("routing_selected", FLEET, **data)

    def _log(self, event: Event) -> None:
        """Store a choice that nobody waits for."""
        me = self.actor_ref

        def done(outcome: list[StoredRecord] | BaseException) -> None:
            if isinstance(outcome, BaseException):
                me.cast(_Unlogged(outcome))

        try:
            self._append(event, done)
        except (QueueFull, StoreError) as error:
            self._count_unlogged(error)

    def _log_and_answer(self, event: Event, binding: _Durable, route: Route, answer: Any) -> None:
        """Store a choice that binds a key, and answer when it is stored."""
        caller, me = self.caller, self.actor_ref

        def done(outcome: list[StoredRecord] | BaseException) -> None:
            if isinstance(outcome, BaseException):
                me.cast(Reported(route.decision.backend, "released", route.probe))
                refuse(caller, outcome)
            else:
                me.cast(binding)
                reply(caller, answer)

        try:
            self._append(event, done)
        except (QueueFull, StoreError) as error:
            done(error)

    def _append(self, event: Event, done: Done) -> None:
        # Not the journal's own append, which waits for room: this process never waits.
        self._journal.store.append([record_of(event)], done)

    def _count_unlogged(self, error: BaseException) -> None:
        self._unlogged += 1
        if self._unlogged & (self._unlogged - 1) == 0:  # The first, the second, the fourth, ...
            report("warning", "routing_unlogged", count=self._unlogged, error=str(error))

    # Reading back

    def _read_back(self) -> None:
        """Bind again what was bound in former lives."""
        store, now, at = self._journal.store, self.node.clock.now(), self._journal.now()
        after = max(0, store.last_sequence(FLEET) - WINDOW)
        while page := store.read(FLEET, after=after, limit=PAGE, types=_TYPES):
            after = page[-1].sequence
            for stored in page:
                self._take_back(stored, now - (at - stored.timestamp) / 1000)

    def _take_back(self, stored: StoredRecord, when: float) -> None:
        if stored.type == "routing_cleared":
            self._memory.clear()
            return
        # Most choices bind nothing, and need not be decoded to know it.
        if isinstance(stored.body, str) and '"binds":' not in stored.body:
            return
        data = event_of(stored).data
        key, backend = data.get("binds"), data["decision"]["backend"]
        if key is not None and backend in self._backends.capabilities:
            self._memory.bind(key, backend, when)

    # Views, and the rest

    def health(self) -> dict[str, HealthStatus]:
        """Return what the breakers say of every backend."""
        unwell = self._breakers.health(self.node.clock.now())
        return {name: unwell.get(name, "healthy") for name in self._backends.names}

    def breakers(self) -> dict[str, dict[str, object]]:
        """Return every breaker that has something to tell, as plain data."""
        return self._breakers.summary(self.node.clock.now())

    def counts(self) -> dict[str, int]:
        """Return how many bindings and cursors there are, were forgotten, and were not logged."""
        affinities, cursors = self._memory.affinities, self._memory.cursors
        return {
            "affinities": len(affinities),
            "affinities_evicted": affinities.evicted,
            "affinities_expired": affinities.expired,
            "cursors": len(cursors),
            "cursors_evicted": cursors.evicted,
            "cursors_expired": cursors.expired,
            "unlogged": self._unlogged,
        }

    def clear(self) -> Any:
        """Forget every sticky binding and every cursor; answered when that is in the log."""
        self._memory.clear()
        self._volatile.clear()
        caller = self.caller

        def done(outcome: list[StoredRecord] | BaseException) -> None:
            if isinstance(outcome, BaseException):
                refuse(caller, outcome)
            else:
                reply(caller)

        try:
            self._append(self._journal.event("routing_cleared", FLEET), done)
        except (QueueFull, StoreError) as error:
            refuse(caller, error)
        return noreply

    def handle_cast(self, message: Any) -> None:
        """Take reports on backends, and the log's answers."""
        match message:
            case Reported():
                self._take_report(message)
            case _Durable(affinity_key=key, stamp=stamp):
                if self._volatile.get(key) == stamp:
                    del self._volatile[key]
            case _Unlogged(error=error):
                self._count_unlogged(error)
            case _:
                super().handle_cast(message)

    def _take_report(self, reported: Reported) -> None:
        backend = reported.backend
        if backend not in self._backends.capabilities:
            report("warning", "unknown_backend_reported", backend=backend)
        elif reported.verdict == "succeeded":
            self._breakers.succeeded(backend)
        elif reported.verdict == "failed":
            self._breakers.failed(backend, self.node.clock.now())
        else:
            self._breakers.released(backend, reported.probe)


def _session_id(session: Any) -> str | None:
    match session:
        case SessionInfo(session_id=known):
            return known
        case str() if session:
            return session
        case {"session_id": str(known)}:
            return known
    return None
