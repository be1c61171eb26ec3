"""Routing against a plain reference model, on any sequence of requests, and its promises."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from beam.errors import RoutingRefused
from beam.log import Log, Shelf, SqliteStore
from beam.otp import Down, Mailbox, Node, Supervisor, child, exit, monitor
from beam.routing import (
    BackendSet,
    BreakerOptions,
    Breakers,
    Memory,
    Router,
    commit,
    parse_request,
    select,
)
from beam.routing.request import POLICIES
from beam.state import TableKeeper
from tests.routing.five import Desk
from tests.volume import scaled

CAPABILITIES = ("hooks", "interrupt", "memory")
OFFERED = {
    "alpha": {"hooks", "interrupt", "memory"},
    "beta": {"hooks", "interrupt"},
    "gamma": {"hooks"},
    "delta": {"hooks", "memory"},
    "epsilon": set(),
}
NAMES = sorted(OFFERED)
BACKENDS = BackendSet.of(OFFERED)

some_backends = st.lists(st.sampled_from(NAMES), max_size=4)
requests = st.fixed_dictionaries(
    {},
    optional={
        "policy": st.sampled_from(POLICIES),
        "backend": st.sampled_from([*NAMES, "auto"]),
        "preferred_backends": some_backends,
        "excluded_backends": some_backends,
        "fallback_backends": some_backends,
        "capabilities": st.lists(st.sampled_from(CAPABILITIES), max_size=2),
        "last_backend": st.sampled_from(NAMES),
        "fallback_policy": st.sampled_from(["none", "available"]),
        "affinity_key": st.sampled_from(["ada", "bob", "eve"]),
        "health": st.dictionaries(
            st.sampled_from(NAMES),
            st.sampled_from(["healthy", "degraded", "unhealthy", "down"]),
            max_size=3,
        ),
    },
)


class Model:
    """The rules of routing written down once more, as plainly as possible."""

    def __init__(self):
        self.bound = {}
        self.counts = {}

    def candidates(self, request):
        """Return the eligible and the ordered backends."""
        health = request.get("health", {})
        wanted = set(request.get("capabilities", []))
        eligible = [
            name
            for name in NAMES
            if name not in request.get("excluded_backends", [])
            and health.get(name) not in ("unhealthy", "down")
            and wanted <= OFFERED[name]
        ]
        named = [*request.get("preferred_backends", []), *request.get("fallback_backends", [])]
        ordered = [name for name in named if name in eligible]
        if not named or request.get("fallback_policy", "available") == "available":
            ordered += eligible
        ordered = list(dict.fromkeys(ordered))

        def degraded_last(names):
            well = [name for name in names if health.get(name) != "degraded"]
            return well + [name for name in names if name not in well]

        return degraded_last(eligible), degraded_last(ordered)

    def answer(self, request):
        """Return the candidates in order, or the word of the refusal; remember what counts."""
        eligible, ordered = self.candidates(request)
        backend = request.get("backend", "auto")
        policy = request.get(
            "policy", "preferred_then_fallback" if backend == "auto" else "explicit"
        )
        key = request.get("affinity_key")
        if policy == "explicit" and backend != "auto":
            return [backend] if backend in eligible else "backend_not_eligible"
        if policy == "sticky" and key is None:
            return "invalid_route_request"
        if policy == "sticky" and self.bound.get(key) in eligible:
            return [self.bound[key], *(name for name in ordered if name != self.bound[key])]
        if policy == "capability_first" and not eligible and request.get("capabilities"):
            return "no_backend_supports_capabilities"
        if not ordered:
            return "no_backend_available"
        if policy == "capability_first":
            first = next(name for name in eligible if name in ordered)
            return [first, *(name for name in ordered if name != first)]
        if policy == "failover" and request.get("last_backend") in ordered:
            last = request["last_backend"]
            return [*(name for name in ordered if name != last), last]
        if policy in ("round_robin", "sticky"):
            return self.in_turn(policy, key, ordered, request)
        return ordered

    def in_turn(self, policy, key, ordered, request):
        """Return the candidates rotated to the next in turn."""
        cursor = (
            policy,
            tuple(ordered),
            *(
                tuple(dict.fromkeys(request.get(field, [])))
                for field in (
                    "capabilities",
                    "preferred_backends",
                    "fallback_backends",
                    "excluded_backends",
                )
            ),
        )
        count = self.counts.get(cursor, 0)
        self.counts[cursor] = count + 1
        turn = count % len(ordered)
        rotated = ordered[turn:] + ordered[:turn]
        if policy == "sticky":
            self.bound[key] = rotated[0]
        return rotated


@given(st.lists(requests, min_size=1, max_size=30))
@settings(deadline=None)
def test_routing_answers_as_the_reference_model_does(sequence):
    desk, model = Desk(BACKENDS), Model()
    for request in sequence:
        expected = model.answer(request)
        try:
            answer = list(desk.route(**request).candidates)
        except RoutingRefused as refused:
            answer = refused.reason
        assert answer == expected


@given(st.lists(requests, max_size=10), requests)
def test_the_chosen_backend_is_always_eligible(before, request):
    desk = Desk(BACKENDS)
    for earlier in before:
        routed(desk, earlier)
    decision = routed(desk, request)
    assume(decision is not None)
    assert decision.backend not in request.get("excluded_backends", [])
    assert request.get("health", {}).get(decision.backend) not in ("unhealthy", "down")
    assert OFFERED[decision.backend].issuperset(request.get("capabilities", []))
    assert len(set(decision.candidates)) == len(decision.candidates)
    assert not set(decision.candidates) & set(request.get("excluded_backends", []))


@given(requests)
def test_without_fallback_no_backend_is_chosen_that_nobody_named(request):
    named = {*request.get("preferred_backends", []), *request.get("fallback_backends", [])}
    assume(named)
    decision = routed(Desk(BACKENDS), {**request, "fallback_policy": "none", "backend": "auto"})
    assert decision is None or set(decision.candidates) <= named


@given(requests, st.integers(1, 4))
def test_round_robin_is_fair_over_whole_rounds(request, rounds):
    desk = Desk(BACKENDS)
    request = {**request, "policy": "round_robin"}
    first = routed(desk, request)
    assume(first is not None)
    ways = len(first.candidates)
    picked = [first.backend]
    picked += [desk.route(**request).backend for _ in range(ways * rounds - 1)]
    assert {picked.count(name) for name in first.candidates} == {rounds}


@given(requests, st.lists(requests, max_size=10))
def test_sticky_stays_while_eligible(request, others):
    desk = Desk(BACKENDS)
    first = routed(desk, {**request, "policy": "sticky", "affinity_key": "ada"})
    assume(first is not None)
    for other in others:
        eligible, _ = Model().candidates(other)
        asked = {**other, "policy": "sticky", "affinity_key": "ada"}
        if first.backend in eligible:
            assert desk.route(**asked).backend == first.backend
        else:
            routed(desk, {**asked, "affinity_key": "bob"})


@given(requests)
def test_a_degraded_backend_is_chosen_only_if_no_healthy_candidate_is_left(request):
    assume(request.get("policy") not in ("explicit", "round_robin", "sticky", "failover"))
    assume("backend" not in request)
    decision = routed(Desk(BACKENDS), request)
    assume(decision is not None)
    health = request.get("health", {})
    if health.get(decision.backend) == "degraded":
        assert {health.get(name) for name in decision.candidates} == {"degraded"}


def routed(desk, request):
    """Return the decision, `None` if the request was refused."""
    try:
        return desk.route(**request)
    except RoutingRefused:
        return None


class RoutingUnderFailures(RuleBasedStateMachine):
    """Requests, reports and time in any order: what is chosen may always serve."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.memory = Memory(affinity_bound=2, affinity_lifetime=100.0, cursor_bound=2)
        self.breakers = Breakers(BreakerOptions(failure_threshold=2, cooldown=30.0))

    @rule(seconds=st.floats(min_value=0.0, max_value=60.0))
    def pass_time(self, seconds):
        """Let the clock run."""
        self.now += seconds

    @rule(backend=st.sampled_from(NAMES), went_well=st.booleans())
    def report(self, backend, went_well):
        """Report an outcome."""
        if went_well:
            self.breakers.succeeded(backend)
        else:
            self.breakers.failed(backend, self.now)

    @rule(request=requests, allowed=st.booleans())
    def route(self, request, allowed):
        """Choose, and make it count unless it is denied."""
        parsed = parse_request(request, BACKENDS)
        before = self.remembered()
        try:
            selection = select(parsed, BACKENDS, self.memory, self.breakers, self.now)
        except RoutingRefused:
            selection = None
        assert self.remembered() == before
        if selection is None or not allowed:
            return
        backend = selection.decision.backend
        assert self.breakers.of(backend).allows(self.now)
        commit(selection, self.memory, self.breakers, self.now)
        if parsed.policy == "sticky":
            assert self.memory.bound(parsed.affinity_key, self.now) == backend

    def remembered(self):
        """Return all that a choice could change."""
        return (
            list(self.memory.affinities.items()),
            list(self.memory.cursors.items()),
            self.breakers.summary(self.now),
        )

    @invariant()
    def the_bounds_hold(self):
        """Nothing grows beyond its bound."""
        assert len(self.memory.affinities) <= 2
        assert len(self.memory.cursors) <= 2
        for summary in self.breakers.summary(self.now).values():
            assert summary["half_open_probe_count"] <= 1


TestRoutingUnderFailures = RoutingUnderFailures.TestCase


class RoutingOverRestarts(RuleBasedStateMachine):
    """The router of a fleet against the reference model, over kills and the next program."""

    def __init__(self):
        super().__init__()
        self.model = Model()
        self.ends = ExitStack()
        self.directory = self.ends.enter_context(TemporaryDirectory())
        self.open()

    def open(self):
        """Begin the next program on the same log."""
        self.life = ExitStack()
        self.node = self.life.enter_context(Node())
        path = Path(self.directory) / "fleet.db"
        Log.start(Shelf(lambda: SqliteStore.open(path)), name="log")
        TableKeeper.start(name="keeper")
        specs = [child(Router, BACKENDS, name="router")]
        self.tree = Supervisor.start(specs, max_restarts=10_000, max_seconds=1)

    @rule(request=requests)
    def route(self, request):
        """Ask both."""
        expected = self.model.answer(request)
        router = self.node.whereis("router").proxy()
        try:
            answer = list(router.select_backend(request).get(timeout=30.0).candidates)
        except RoutingRefused as refused:
            answer = refused.reason
        assert answer == expected

    @rule()
    def kill_the_router(self):
        """Bindings outlive it; each turn begins anew."""
        with Mailbox() as me:
            old = self.node.whereis("router")
            monitor(old)
            exit(old, "kill")
            assert isinstance(me.receive(timeout=30.0), Down)
        self.tree.which_children()
        self.model.counts.clear()

    @rule()
    def clear(self):
        """Forget everything, on both sides."""
        self.node.whereis("router").proxy().clear().get(timeout=30.0)
        self.model = Model()

    @rule()
    def begin_the_next_program(self):
        """Bindings outlive the program too."""
        self.life.close()
        self.open()
        self.model.counts.clear()

    @rule()
    def bindings_are_those_of_the_model(self):
        """Look at the bindings without using them."""
        counts = self.node.whereis("router").proxy().counts().get(timeout=30.0)
        assert counts["affinities"] == len(self.model.bound)
        assert counts["unlogged"] == 0

    def teardown(self):
        """End it all."""
        self.life.close()
        self.ends.close()


RoutingOverRestarts.TestCase.settings = settings(max_examples=scaled(200), stateful_step_count=25)
TestRoutingOverRestarts = RoutingOverRestarts.TestCase
