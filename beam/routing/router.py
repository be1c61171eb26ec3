"""`Router`: the process that chooses a backend for each session.

    >>> from beam.log import Log, MemoryStore, Shelf
    >>> from beam.otp import Node
    >>> from beam.routing import BackendSet, Router
    >>> from beam.state import TableKeeper
    >>> with Node():
    ...     _ = Log.start(Shelf(MemoryStore), name="log"), TableKeeper.start(name="keeper")
    ...     backends = BackendSet.of({"reviewer": [], "claude": []})
    ...     router = Router.start(backends, name="router").proxy()
    ...     request = {"policy": "round_robin"}
    ...     [router.select_backend(request).get().backend for _ in range(3)]
    ['claude', 'reviewer', 'claude']

It is a thin owner of `Memory`, `Breakers` and `CapabilityRegistry`; what is chosen, and why, is
decided by the functions of this package. Every choice is stored in the log (`routing_selected`,
under the session id `FLEET`), and what a policy profile said of it (`audit`). Who asks does not
wait for that, with one exception: a sticky binding that is new is acknowledged when it is stored,
because it is a promise for later requests (G11).

The process never waits, so an idle one is run by its caller. If the log's queue is full, a choice
that binds nothing new is made all the same, its event is dropped and counted (`unlogged`); one that
binds is refused with `queue_full`.

When it starts it reads the bindings back (`beam.routing.bindings`); the registry of capabilities
waits for it in its table. Cursors and breakers start afresh: every turn begins with the first
backend, and every backend gets a chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from beam import telemetry
from beam.errors import InvalidInput, NotFound, QueueFull, RoutingRefused, StoreError
from beam.model.events import FLEET
from beam.model.sessions import SessionInfo
from beam.otp import noreply
from beam.otp.reports import report
from beam.policy import Verdict, unknown_profile
from beam.routing.backends import BackendSet
from beam.routing.bindings import Bindings
from beam.routing.breaker import BreakerOptions, Breakers
from beam.routing.capability_registry import CapabilityRegistry
from beam.routing.choice_records import ChoiceRecords
from beam.routing.defaults import defaults_of_handle, defaults_of_id, defaults_of_options
from beam.routing.health import HealthStatus
from beam.routing.memory import Memory
from beam.routing.registry_owner import ROUTER, RegistryOwner, registry_of
from beam.routing.router_mail import Durable, Reported, Route, Unlogged
from beam.routing.routing_span import RoutingSpan
from beam.routing.selection import Selection, commit, denied, select
from beam.state.answering import refuse, reply
from beam.state.control_rows import ControlReads
from beam.state.journal import Journal, record_of

if TYPE_CHECKING:
    from beam.log import Done, Lost, Record, StoredRecord
    from beam.otp import Ref
    from beam.routing.plans import Plan

__all__ = ["ROUTER", "Reported", "Route", "Router", "registry_of"]

# The random bytes of a router's life in the names of its events.
LIFE = 12

Session = Mapping[str, Any] | SessionInfo | str


class Router(RegistryOwner):
    """The process `router`."""

    blocking: ClassVar[bool | None] = False

    def init(
        self,
        backends: BackendSet | CapabilityRegistry,
        breakers: BreakerOptions | None = None,
    ) -> None:
        """Read the bindings back from the log, and take the table of capabilities over.

        Args:
            backends: all that can be chosen, unless others have been registered since.
            breakers: when a backend's breaker opens, and how it closes again.
        """
        if isinstance(backends, BackendSet):
            backends = CapabilityRegistry.of_ids(backends.capabilities)
        if not isinstance(backends, CapabilityRegistry):
            raise InvalidInput("backends", backends, "a BackendSet or a CapabilityRegistry")
        self._memory = Memory()
        self._breakers = Breakers(breakers)
        self._journal = Journal.of(self.node)
        self._records = ChoiceRecords(self._journal, self.node.clock.random.randbytes(LIFE))
        self._stamp = 0
        # The keys whose newest binding is not known to be in the log.
        self._volatile: dict[str, int] = {}
        self._unlogged = 0
        self._hear = _hearing(self.actor_ref)
        self._take_registry(backends)
        self._bindings = Bindings(self._journal, ROUTER)
        self._bindings.read_back(self._memory, self.node.clock.now())

    # Choosing

    def select_backend(
        self,
        request: Mapping[str, Any],
        session: Session | None = None,
        last_backend: str | None = None,
    ) -> Any:
        """Choose a backend; answered with the `Decision`.

        Nobody is to report on it: a probe of a breaker that it was is given back.

        Args:
            request: the fields of a `RouteRequest`.
            session: what the request starts from: start options, a session's info, or its id.
            last_backend: of the session by its id, as far as it is known.

        Raises:
            RoutingRefused: why no backend was chosen; see `parse_request` and `choose`;
                `policy_denied` with `detail`: its policy profile does not allow the choice.
            QueueFull: the log had no room for a new binding.
        """
        fields = request if session is None else self._with_defaults(request, session, last_backend)
        if not telemetry.listening():
            return self._choose(fields, session, False)
        return self._observed(fields, session, False)

    def route(self, request: Mapping[str, Any], session: Session | None = None) -> Any:
        """Choose a backend for one who will cast `Reported`; answered with the `Route`.

        Arguments and errors are those of `select_backend`.
        """
        fields = self._with_defaults(request, session, None)
        if not telemetry.listening():
            return self._choose(fields, session, True)
        return self._observed(fields, session, True)

    def _observed(self, fields: Any, session: Any, for_report: bool) -> Any:
        span = RoutingSpan(self.node.clock, fields)
        try:
            return self._choose(fields, session, for_report, span)
        except RoutingRefused as refused:
            span.refused(refused)
            raise

    def _choose(
        self, fields: Any, session: Any, for_report: bool, span: RoutingSpan | None = None
    ) -> Any:
        plan = self._plans.of(fields)
        now = self.node.clock.now()
        if self._breakers.silent:
            selection = plan.selected(self._memory, now, lambda: self._selected(plan, now))
        else:
            selection = self._selected(plan, now)
        session_id = None if session is None else _session_id(session)
        records = self._allowed(selection, session_id)
        committed = commit(selection, self._memory, self._breakers, now)
        decision, probe = selection.decision, committed.probe
        if probe is not None and not for_report:
            self._breakers.released(decision.backend, probe)
        for forgotten in committed.forgotten:
            self._volatile.pop(forgotten, None)
        if committed.bound is not None:
            self._stamp += 1
            self._volatile[committed.bound] = self._stamp
        if span is not None:
            span.chosen(decision)
        records.append(self._records.chosen(selection, plan, session_id))
        answer = Route(decision, probe) if for_report else decision
        key = selection.binds
        if key is None or key not in self._volatile:
            self._log(records)
            self._bindings.chosen(self._memory, now, settled=not self._volatile)
            return answer
        binding = Durable(key, self._volatile[key])
        self._log_and_answer(records, binding, Route(decision, probe), answer)
        return noreply

    def _selected(self, plan: Plan, now: float) -> Selection:
        return select(
            plan.request,
            self._backends,
            self._memory,
            self._breakers,
            now,
            candidates=plan.candidates,
        )

    def _allowed(self, selection: Selection, session_id: str | None) -> list[Record]:
        """Return the audit of what the request's policy profile says, if it has one.

        Raises:
            RoutingRefused: `policy_denied`; the audit of that is on its way, and nothing changed.
        """
        profile_id = selection.request.policy_profile_id
        if profile_id is None:
            return []
        context = {
            "backend": selection.decision.backend,
            "decision": selection.decision.as_payload(),
            "request": selection.request.as_payload(),
        }
        verdict = self._verdict(profile_id, context)
        audited = self._records.audited(selection, verdict, session_id)
        if verdict.allowed:
            return [audited]
        self._log([audited])
        raise denied(selection, verdict.reason)

    def _verdict(self, profile_id: str, context: Mapping[str, Any]) -> Verdict:
        try:
            reads = ControlReads(self.node, patience=0.0)  # This process never waits.
            return reads.evaluate_policy(profile_id, "backend", context)
        except NotFound:  # Nobody keeps policies here, or not yet: none is known.
            return unknown_profile(profile_id)

    def _with_defaults(self, fields: Any, session: Any, last_backend: str | None) -> Any:
        match session:
            case None:
                return fields
            case SessionInfo(backend=backend):
                known = backend if backend in self._backends.capabilities else None
                defaults = defaults_of_handle(known)
            case str():
                defaults = defaults_of_id(session, last_backend)
            case Mapping():
                defaults = defaults_of_options(session)
            case _:
                expected = "start options, a SessionInfo or a session's id"
                raise InvalidInput("session", type(session).__name__, expected)
        return {**defaults, **fields} if isinstance(fields, Mapping) else fields

    # Writing down

    def _log(self, records: list[Record]) -> None:
        """Store a choice that nobody waits for."""
        try:
            self._journal.store.note(records, self._hear)
        except (QueueFull, StoreError) as error:
            self._count_unlogged(error)

    def _log_and_answer(
        self, records: list[Record], binding: Durable, route: Route, answer: Any
    ) -> None:
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
            self._append(records, done)
        except (QueueFull, StoreError) as error:
            done(error)

    def _append(self, records: list[Record], done: Done) -> None:
        # Not the journal's own append, which waits for room: this process never waits.
        self._journal.store.append(records, done)

    def _count_unlogged(self, error: BaseException) -> None:
        self._unlogged += 1
        if self._unlogged & (self._unlogged - 1) == 0:  # The first, the second, the fourth, ...
            report("warning", "routing_unlogged", count=self._unlogged, error=str(error))

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
            self._append([record_of(self._journal.event("routing_cleared", FLEET))], done)
        except (QueueFull, StoreError) as error:
            refuse(caller, error)
        return noreply

    def handle_cast(self, message: Any) -> None:
        """Take reports on backends, and the log's answers."""
        match message:
            case Reported():
                self._take_report(message)
            case Durable(affinity_key=key, stamp=stamp):
                if self._volatile.get(key) == stamp:
                    del self._volatile[key]
            case Unlogged(error=error, choices=choices):
                for _ in range(choices):
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


def _hearing(router: Ref[Any]) -> Lost:
    """Return what hears of choices that were not stored, on the log's thread."""

    def lost(error: BaseException, choices: int) -> None:
        router.cast(Unlogged(error, choices))

    return lost


def _session_id(session: Any) -> str | None:
    match session:
        case SessionInfo(session_id=known):
            return known
        case str() if session:
            return session
        case {"session_id": str(known)}:
            return known
    return None
