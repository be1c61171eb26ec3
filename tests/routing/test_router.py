"""`beam.routing.router`: the policies through the process; what it remembers and writes down."""

import threading
from contextlib import contextmanager

import pytest
import structlog.testing

from beam.errors import CallExit, InvalidInput, QueueFull, RoutingRefused, StoreFull
from beam.log import Log, MemoryStore, Shelf, SqliteStore
from beam.model.events import FLEET
from beam.model.sessions import SessionInfo
from beam.otp import Down, Mailbox, Node, Supervisor, child, exit, monitor
from beam.routing import BackendSet, BreakerOptions, Reported, Route, Router
from beam.state import TableKeeper
from beam.state.journal import Journal
from tests.routing.five import BACKENDS, FIVE
from tests.volume import scaled

PATIENCE = 30.0
"""Seconds that a wait may take before it counts as hung."""


class Fleet:
    """A router on a log, under a supervisor."""

    def __init__(self, node, tree):
        self.node = node
        self.tree = tree
        self.journal = Journal.of(node)

    @property
    def router(self):
        return self.node.whereis("router").proxy()

    def select(self, session=None, **request):
        return self.router.select_backend(request, session).get(timeout=PATIENCE)

    def route(self, session=None, **request):
        return self.router.route(request, session).get(timeout=PATIENCE)

    def report(self, backend, verdict, probe=None):
        self.node.whereis("router").cast(Reported(backend, verdict, probe))

    def health(self):
        return self.router.health().get(timeout=PATIENCE)

    def refusal(self, session=None, **request):
        with pytest.raises((RoutingRefused, InvalidInput)) as refused:
            self.select(session, **request)
        return refused.value

    def logged(self):
        return [event.data for event in self.journal.read(FLEET, types=["routing_selected"])]

    def kill(self):
        with Mailbox() as me:
            old = self.node.whereis("router")
            monitor(old)
            exit(old, "kill")
            assert isinstance(me.receive(timeout=PATIENCE), Down)
        self.tree.which_children()
        assert self.node.whereis("router") not in (None, old)


@contextmanager
def routing(open_store=MemoryStore, backends=BACKENDS, **breakers):
    with Node() as node:
        Log.start(Shelf(open_store), name="log")
        options = BreakerOptions(**breakers)
        TableKeeper.start(name="keeper")
        specs = [child(Router, backends, options, name="router")]
        tree = Supervisor.start(specs, max_restarts=10_000, max_seconds=1)
        yield Fleet(node, tree)


@pytest.fixture
def fleet():
    with routing() as fleet:
        yield fleet


class TestPolicies:
    def test_explicit_is_written_down_once_with_its_decision(self, fleet):
        decision = fleet.select(policy="explicit", backend="codex_cli")
        assert decision.backend == "codex"
        [data] = fleet.logged()
        assert data["decision"] == decision.as_payload()
        assert data["request"]["backend"] == "codex"

    def test_what_is_excluded_is_not_preferred(self, fleet):
        decision = fleet.select(
            preferred_backends=["gemini", "codex"],
            fallback_backends=["claude"],
            excluded_backends=["gemini"],
        )
        assert decision.backend == "codex"
        assert decision.fallback_chain[0] == "claude"

    def test_round_robin_takes_turns(self, fleet):
        request = {"policy": "round_robin", "preferred_backends": ["claude", "codex"]}
        request["fallback_policy"] = "none"
        assert [fleet.select(**request).backend for _ in range(3)] == ["claude", "codex", "claude"]

    def test_sticky_keeps_its_backend_whatever_is_preferred_then(self, fleet):
        request = {"policy": "sticky", "affinity_key": "ada"}
        first = fleet.select(**request, preferred_backends=["gemini", "codex"])
        second = fleet.select(**request, preferred_backends=["codex", "gemini"])
        assert first.backend == second.backend == "gemini"
        assert second.affinity_key == "ada"

    def test_failover_puts_the_last_backend_last(self, fleet):
        decision = fleet.select(
            policy="failover",
            preferred_backends=["codex", "gemini", "claude"],
            last_backend="codex",
            fallback_policy="none",
        )
        assert decision.candidates == ("gemini", "claude", "codex")

    def test_an_unknown_capability_is_refused(self, fleet):
        refusal = fleet.refusal(capabilities=["levitation"])
        assert (refusal.reason, refusal.value) == ("unknown_capability", "levitation")
        assert fleet.logged() == []

    def test_an_unhealthy_preferred_backend_is_skipped(self, fleet):
        decision = fleet.select(
            preferred_backends=["gemini", "codex"], health={"gemini": "unhealthy"}
        )
        assert decision.backend == "codex"


class TestWhatARequestStartsFrom:
    def test_start_options_with_backend_auto_use_their_routing(self, fleet):
        options = {"backend": "auto", "routing": {"preferred_backends": ["gemini"]}}
        assert fleet.select(options).backend == "gemini"

    def test_start_options_that_name_a_backend_are_explicit(self, fleet):
        options = {"backend": "codex", "routing": {"policy": "round_robin"}, "session_id": "s"}
        assert fleet.select(options).policy == "explicit"
        assert fleet.logged()[0]["session_id"] == "s"

    def test_a_session_by_its_id_is_bound_by_it(self, fleet):
        first = fleet.select("s", policy="sticky")
        assert fleet.select("s", policy="sticky").backend == first.backend
        assert fleet.logged()[0]["binds"] == "s"

    def test_a_live_session_goes_away_from_its_backend(self, fleet):
        info = SessionInfo(session_id="s", backend="claude", created_at=1)
        assert fleet.select(info, policy="failover").backend == "codex"

    def test_one_on_a_backend_that_is_gone_goes_anywhere(self, fleet):
        info = SessionInfo(session_id="s", backend="retired", created_at=1)
        assert fleet.select(info, policy="failover").backend == "claude"

    def test_the_request_comes_before_them_key_by_key(self, fleet):
        options = {"backend": "codex"}
        assert fleet.select(options, backend="gemini").backend == "gemini"

    @pytest.mark.parametrize(
        ("session", "field"), [(7, "session"), ({"routing": 7}, "routing")], ids=["kind", "routing"]
    )
    def test_bad_ones_are_refused_by_name_and_the_process_lives(self, fleet, session, field):
        router = fleet.node.whereis("router")
        assert fleet.refusal(session).field == field
        assert fleet.node.whereis("router") is router

    def test_a_request_that_is_none_is_refused(self, fleet):
        with pytest.raises(RoutingRefused) as refused:
            fleet.router.select_backend("claude").get(timeout=PATIENCE)
        assert refused.value.reason == "invalid_route_request"


STICKY = {"policy": "sticky", "affinity_key": "ada"}


class TestBindings:
    def test_a_kill_of_the_router_forgets_none(self, fleet):
        for turn in range(3):
            fleet.select(policy="sticky", affinity_key=f"key{turn}")
        fleet.kill()
        found = [fleet.select(policy="sticky", affinity_key=f"key{n}").backend for n in range(3)]
        assert found == list(FIVE[:3])

    def test_a_restart_of_the_program_forgets_none(self, tmp_path):
        def open_store():
            return SqliteStore.open(tmp_path / "fleet.db")

        with routing(open_store) as fleet:
            fleet.select(**STICKY, preferred_backends=["gemini"])
        with routing(open_store) as fleet:
            assert fleet.select(**STICKY).backend == "gemini"

    def test_one_to_a_backend_that_is_no_longer_configured_is_made_anew(self):
        store = MemoryStore()
        store.close = lambda timeout=5.0: None
        with routing(lambda: store) as fleet:
            fleet.select(**STICKY, preferred_backends=["gemini"])
        with routing(lambda: store, BackendSet.of({"claude": []})) as fleet:
            assert fleet.select(**STICKY).backend == "claude"

    def test_cleared_ones_stay_cleared(self, fleet):
        fleet.select(**STICKY, preferred_backends=["gemini"])
        fleet.router.clear().get(timeout=PATIENCE)
        assert fleet.router.counts().get(timeout=PATIENCE)["affinities"] == 0
        fleet.kill()
        assert fleet.select(**STICKY).backend == "claude"

    def test_every_binding_that_was_acknowledged_survives_whatever_the_moment(self, fleet):
        bound, broken = {}, []

        def ask():
            answered = 0
            while answered < scaled(2_000):
                key = f"key{answered % 50}"
                try:
                    backend = fleet.select(policy="sticky", affinity_key=key).backend
                except (CallExit, AttributeError):
                    continue  # Killed, or between two lives.
                answered += 1
                if bound.setdefault(key, backend) != backend:
                    broken.append(key)

        asking = threading.Thread(target=ask)
        asking.start()
        while asking.is_alive():
            fleet.kill()
        assert broken == []
        assert bound
        for key, backend in bound.items():
            assert fleet.select(policy="sticky", affinity_key=key).backend == backend


class Held(MemoryStore):
    """A store that holds its answers back, or fails."""

    def __init__(self):
        super().__init__()
        self.held = None
        self.error = None
        self.raises = False

    def append(self, records, done, timeout=0.0):
        if self.error is not None and self.raises:
            raise self.error
        if self.error is not None:
            done(self.error)
        elif self.held is not None:
            self.held.append((tuple(records), done))
        else:
            super().append(records, done, timeout)

    def release(self):
        held, self.held = self.held, None
        for records, done in held:
            super().append(records, done)


class TestWhenItIsAcknowledged:
    @pytest.fixture
    def store(self):
        return Held()

    @pytest.fixture
    def fleet(self, store):
        with routing(lambda: store) as fleet:
            yield fleet

    def test_a_new_binding_when_it_is_in_the_log(self, fleet, store):
        store.held = []
        first = fleet.router.select_backend(STICKY)
        second = fleet.router.select_backend(STICKY)
        assert not first.done
        assert not second.done
        store.release()
        assert first.get(timeout=PATIENCE).backend == second.get(timeout=PATIENCE).backend

    def test_all_else_at_once(self, fleet, store):
        fleet.select(**STICKY)
        store.held = []
        assert fleet.select(policy="round_robin").backend == "claude"
        assert fleet.select(**STICKY).backend == "claude"
        assert len(store.held) == 2
        store.release()

    @pytest.mark.parametrize("raises", [True, False])
    def test_a_binding_that_the_log_does_not_take_is_refused_until_it_does(
        self, fleet, store, raises
    ):
        store.error, store.raises = QueueFull(queue="log") if raises else StoreFull("full"), raises
        for _ in range(2):
            with pytest.raises(type(store.error)):
                fleet.select(**STICKY)
        store.error = None
        backend = fleet.select(**STICKY).backend
        fleet.kill()
        assert fleet.select(**STICKY).backend == backend

    @pytest.mark.parametrize("raises", [True, False])
    def test_a_choice_that_the_log_does_not_take_is_made_and_counted(self, fleet, store, raises):
        store.error, store.raises = QueueFull(queue="log") if raises else StoreFull("full"), raises
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                fleet.select(policy="round_robin")
            assert fleet.router.counts().get(timeout=PATIENCE)["unlogged"] == 3
        reported = [entry["count"] for entry in logs if entry["event"] == "routing_unlogged"]
        assert reported == [1, 2]

    def test_a_probe_that_nobody_got_is_given_back(self, store):
        one = BackendSet.of({"codex": []})
        with routing(lambda: store, one, cooldown=0.0, failure_threshold=1) as fleet:
            fleet.report("codex", "failed")
            store.error = StoreFull("full")
            with pytest.raises(StoreFull):
                fleet.route(**STICKY)
            store.error = None
            assert fleet.route(**STICKY).probe == 2


class TestBreakers:
    def test_a_backend_that_fails_is_left_alone(self):
        with routing(failure_threshold=2, cooldown=1e6) as fleet:
            for _ in range(2):
                assert fleet.select().backend == "claude"
                fleet.report("claude", "failed")
            assert fleet.health() == {**dict.fromkeys(FIVE, "healthy"), "claude": "down"}
            assert fleet.select().backend == "codex"
            assert fleet.router.breakers().get(timeout=PATIENCE)["claude"]["state"] == "open"

    def test_a_success_counts_failures_from_zero(self):
        with routing(failure_threshold=2, cooldown=1e6) as fleet:
            for verdict in ("failed", "succeeded", "failed"):
                fleet.report("claude", verdict)
            assert fleet.health()["claude"] == "healthy"

    def test_one_probe_at_a_time_tries_whether_it_has_recovered(self):
        with routing(failure_threshold=1, cooldown=0.0) as fleet:
            fleet.report("claude", "failed")
            route = fleet.route(backend="claude")
            assert isinstance(route, Route)
            assert (route.decision.backend, route.probe) == ("claude", 1)
            assert fleet.refusal(backend="claude").reason == "backend_not_eligible"
            fleet.report("claude", "released", route.probe)
            assert fleet.route(backend="claude").probe == 2
            fleet.report("claude", "succeeded", 2)
            assert fleet.route(backend="claude").probe is None

    def test_a_choice_that_nobody_reports_on_uses_no_probe_up(self):
        with routing(failure_threshold=1, cooldown=0.0) as fleet:
            fleet.report("claude", "failed")
            for _ in range(3):
                assert fleet.select(backend="claude").backend == "claude"

    def test_a_verdict_of_another_word_is_refused_where_it_is_made(self):
        with pytest.raises(InvalidInput) as refused:
            Reported("claude", "fine")
        assert refused.value.field == "verdict"

    def test_a_report_on_an_unknown_backend_is_reported_and_dropped(self, fleet):
        with structlog.testing.capture_logs() as logs:
            fleet.report("retired", "failed")
            assert fleet.health() == dict.fromkeys(FIVE, "healthy")
        assert "unknown_backend_reported" in [entry["event"] for entry in logs]


class TestManyAtOnce:
    def test_turns_are_taken_once_each(self, fleet):
        count, found = scaled(4_000) // 5 * 5, []
        threads = [
            threading.Thread(
                target=lambda: found.extend(
                    fleet.select(policy="round_robin").backend for _ in range(count // 5)
                )
            )
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {name: found.count(name) for name in FIVE} == dict.fromkeys(FIVE, count // 5)
        assert len(fleet.logged()) == count
