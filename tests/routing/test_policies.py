"""`beam.routing.policies`: the six policies, each with what it answers and what it refuses."""

import pytest

from beam.errors import RoutingRefused
from beam.routing import BackendSet
from tests.routing.five import BACKENDS, FIVE, Desk


@pytest.fixture
def desk():
    return Desk()


def refusal_of(desk, **request):
    with pytest.raises(RoutingRefused) as refused:
        desk.route(**request)
    return refused.value


class TestExplicit:
    def test_fact_10_a_backend_given_as_text_is_chosen_alone(self, desk):
        decision = desk.route(backend="claude_code")
        assert decision.backend == "claude"
        assert decision.policy == "explicit"
        assert decision.candidates == ("claude",)
        assert decision.fallback_chain == ()

    @pytest.mark.parametrize(
        "obstacle",
        [
            {"excluded_backends": ["claude"]},
            {"health": {"claude": "unhealthy"}},
            {"health": {"claude": "down"}},
        ],
    )
    def test_one_that_may_not_serve_is_refused(self, desk, obstacle):
        refused = refusal_of(desk, backend="claude", **obstacle)
        assert (refused.reason, refused.backend) == ("backend_not_eligible", "claude")
        assert refused.eligible_backends == FIVE[1:]

    def test_one_that_lacks_a_capability_is_refused(self):
        desk = Desk(BackendSet.of({"claude": []}))
        refused = refusal_of(desk, backend="claude", capabilities=["hooks"])
        assert refused.reason == "backend_not_eligible"
        assert refused.requested_capabilities == ("hooks",)

    def test_a_degraded_one_is_chosen_all_the_same(self, desk):
        assert desk.route(backend="claude", health={"claude": "degraded"}).backend == "claude"

    def test_without_a_backend_it_is_the_first_in_order(self, desk):
        decision = desk.route(policy="explicit", preferred_backends=["gemini"])
        assert decision.candidates == ("gemini", "claude", "codex", "copilot", "opencode")

    def test_without_a_backend_and_without_candidates_nothing_is_available(self, desk):
        refused = refusal_of(desk, policy="explicit", excluded_backends=FIVE)
        assert refused.reason == "no_backend_available"


class TestPreferredThenFallback:
    def test_fact_11_the_first_preferred_that_is_not_excluded_then_the_fallback(self, desk):
        decision = desk.route(
            preferred_backends=["gemini", "codex"],
            fallback_backends=["claude"],
            excluded_backends=["gemini"],
        )
        assert decision.backend == "codex"
        assert decision.fallback_chain[0] == "claude"

    def test_fact_16_an_unhealthy_preferred_backend_is_skipped(self, desk):
        decision = desk.route(preferred_backends=["codex", "claude"], health={"codex": "unhealthy"})
        assert decision.backend == "claude"
        assert "codex" not in decision.candidates

    def test_the_fallback_serves_when_no_preferred_one_can(self, desk):
        decision = desk.route(
            preferred_backends=["codex"], fallback_backends=["opencode"], health={"codex": "down"}
        )
        assert decision.backend == "opencode"

    def test_another_serves_when_none_of_those_named_can(self, desk):
        decision = desk.route(preferred_backends=["codex"], health={"codex": "down"})
        assert decision.backend == "claude"

    def test_no_other_serves_when_fallback_is_none(self, desk):
        refused = refusal_of(
            desk,
            preferred_backends=["codex_cli"],
            excluded_backends=["claude"],
            health={"codex": "down"},
            fallback_policy="none",
            capabilities=["hooks"],
        )
        assert refused.reason == "no_backend_available"
        assert refused.policy == "preferred_then_fallback"
        assert refused.requested_capabilities == ("hooks",)
        assert refused.preferred_backends == ("codex",)
        assert refused.excluded_backends == ("claude",)
        assert refused.eligible_backends == ("copilot", "gemini", "opencode")

    def test_the_reason_says_whether_it_was_preferred_or_fallback(self, desk):
        reasons = [
            desk.route(preferred_backends=["codex"]).reasons,
            desk.route(fallback_backends=["codex"]).reasons,
            desk.route().reasons,
        ]
        assert all(len(texts) == 1 and texts[0] for texts in reasons)
        assert len(set(reasons)) == len(reasons)


class TestCapabilityFirst:
    def test_it_takes_the_first_by_name_whatever_is_preferred(self, desk):
        decision = desk.route(
            policy="capability_first", capabilities=["hooks"], preferred_backends=["gemini"]
        )
        assert decision.candidates == ("claude", "gemini", "codex", "copilot", "opencode")

    def test_it_takes_the_one_that_has_the_capabilities(self):
        desk = Desk(BackendSet.of({"a": [], "b": ["hooks"]}))
        assert desk.route(policy="capability_first", capabilities=["hooks"]).backend == "b"

    def test_a_capability_that_nobody_has_is_refused_by_name(self):
        desk = Desk(BackendSet.of({"a": [], "b": []}))
        refused = refusal_of(desk, policy="capability_first", capabilities=["hooks"])
        assert refused.reason == "no_backend_supports_capabilities"
        assert refused.capabilities == ("hooks",)

    def test_without_capabilities_and_candidates_nothing_is_available(self, desk):
        refused = refusal_of(desk, policy="capability_first", excluded_backends=FIVE)
        assert refused.reason == "no_backend_available"

    def test_without_fallback_it_takes_none_that_is_not_named(self, desk):
        decision = desk.route(
            policy="capability_first",
            preferred_backends=["opencode", "gemini"],
            fallback_policy="none",
        )
        assert decision.candidates == ("gemini", "opencode")


class TestRoundRobin:
    def test_fact_12_two_preferred_backends_take_turns(self, desk):
        request = {
            "policy": "round_robin",
            "preferred_backends": ["claude", "codex"],
            "fallback_policy": "none",
        }
        assert [desk.route(**request).backend for _ in range(4)] == [
            "claude",
            "codex",
            "claude",
            "codex",
        ]

    def test_the_candidates_are_rotated_to_the_one_chosen(self, desk):
        desk.route(policy="round_robin")
        assert desk.route(policy="round_robin").candidates == (*FIVE[1:], FIVE[0])

    @pytest.mark.parametrize(
        "difference",
        [
            {"capabilities": ["hooks"]},
            {"preferred_backends": ["claude"]},
            {"fallback_backends": ["claude"]},
            {"excluded_backends": ["opencode"]},
            {"health": {"opencode": "down"}},
            {"health": {"codex": "degraded"}},
        ],
    )
    def test_any_difference_starts_a_cursor_of_its_own(self, desk, difference):
        desk.route(policy="round_robin")
        assert desk.route(policy="round_robin", **difference).backend == "claude"

    def test_health_that_changes_nothing_keeps_the_cursor(self, desk):
        desk.route(policy="round_robin")
        decision = desk.route(policy="round_robin", health={"claude": "healthy"})
        assert decision.backend == "codex"

    def test_it_echoes_the_affinity_key_and_binds_nothing(self, desk):
        decision = desk.route(policy="round_robin", affinity_key="ada")
        assert decision.affinity_key == "ada"
        assert desk.memory.bound("ada", now=0.0) is None

    def test_without_candidates_nothing_is_available(self, desk):
        refused = refusal_of(desk, policy="round_robin", excluded_backends=FIVE)
        assert refused.reason == "no_backend_available"


class TestSticky:
    def test_fact_13_the_bound_backend_is_kept_when_the_preference_is_reversed(self, desk):
        request = {"policy": "sticky", "affinity_key": "ada"}
        first = desk.route(preferred_backends=["claude", "codex"], **request)
        second = desk.route(preferred_backends=["codex", "claude"], **request)
        assert first.backend == second.backend == "claude"
        assert second.affinity_key == "ada"
        assert second.candidates == ("claude", "codex", "copilot", "gemini", "opencode")

    def test_without_a_key_it_is_refused(self, desk):
        refused = refusal_of(desk, policy="sticky")
        assert refused.reason == "invalid_route_request"
        assert refused.detail == "affinity_key_required"

    def test_a_miss_is_reported_as_sticky(self, desk):
        decision = desk.route(policy="sticky", affinity_key="ada")
        assert decision.policy == "sticky"

    def test_new_keys_are_spread_in_turn_on_a_cursor_of_their_own(self, desk):
        desk.route(policy="round_robin")
        picked = [
            desk.route(policy="sticky", affinity_key=key).backend for key in ("ada", "bob", "eve")
        ]
        assert picked == ["claude", "codex", "copilot"]

    def test_a_hit_takes_no_turn(self, desk):
        for key in ("ada", "ada", "ada", "bob"):
            decision = desk.route(policy="sticky", affinity_key=key)
        assert decision.backend == "codex"

    @pytest.mark.parametrize(
        "obstacle", [{"excluded_backends": ["claude"]}, {"health": {"claude": "down"}}]
    )
    def test_a_bound_backend_that_may_not_serve_is_replaced_for_good(self, desk, obstacle):
        desk.route(policy="sticky", affinity_key="ada")
        assert desk.route(policy="sticky", affinity_key="ada", **obstacle).backend == "codex"
        assert desk.route(policy="sticky", affinity_key="ada").backend == "codex"

    def test_a_bound_backend_that_is_degraded_is_kept(self, desk):
        desk.route(policy="sticky", affinity_key="ada")
        decision = desk.route(policy="sticky", affinity_key="ada", health={"claude": "degraded"})
        assert decision.backend == "claude"

    def test_a_bound_backend_is_kept_where_the_request_does_not_name_it(self, desk):
        desk.route(policy="sticky", affinity_key="ada")
        decision = desk.route(
            policy="sticky",
            affinity_key="ada",
            preferred_backends=["gemini"],
            fallback_policy="none",
        )
        assert decision.candidates == ("claude", "gemini")

    def test_a_bound_backend_that_is_no_longer_configured_is_replaced(self, desk):
        desk.route(policy="sticky", affinity_key="ada")
        desk.backends = BackendSet.of({"codex": [], "gemini": []})
        assert desk.route(policy="sticky", affinity_key="ada").backend == "codex"

    def test_without_candidates_nothing_is_available_and_nothing_is_bound(self, desk):
        refused = refusal_of(desk, policy="sticky", affinity_key="ada", excluded_backends=FIVE)
        assert (refused.reason, refused.policy) == ("no_backend_available", "sticky")
        assert desk.memory.bound("ada", now=0.0) is None

    def test_a_binding_that_was_not_used_for_its_lifetime_is_forgotten(self, desk):
        lifetime = desk.memory.affinities.lifetime
        for key, now in [("ada", 0.0), ("bob", 1.0), ("eve", 2.0), ("ada", lifetime - 1)]:
            desk.route(policy="sticky", affinity_key=key, now=now)
        later = {
            key: desk.route(policy="sticky", affinity_key=key, now=lifetime + 1).backend
            for key in ("bob", "ada")
        }
        assert later == {"bob": "gemini", "ada": "claude"}


class TestFailover:
    def test_fact_14_the_last_backend_goes_to_the_end(self, desk):
        decision = desk.route(
            policy="failover",
            preferred_backends=["codex", "gemini", "claude"],
            fallback_policy="none",
            last_backend="codex",
        )
        assert decision.backend == "gemini"
        assert decision.fallback_chain == ("claude", "codex")

    def test_the_last_backend_goes_behind_those_that_are_not_named_too(self, desk):
        decision = desk.route(
            policy="failover",
            preferred_backends=["codex", "gemini", "claude"],
            last_backend="codex",
        )
        assert decision.fallback_chain == ("claude", "copilot", "opencode", "codex")

    def test_without_a_last_backend_it_is_the_first_in_order(self, desk):
        assert desk.route(policy="failover", preferred_backends=["gemini"]).backend == "gemini"

    def test_the_last_backend_serves_again_only_if_nothing_else_remains(self, desk):
        decision = desk.route(policy="failover", excluded_backends=FIVE[1:], last_backend="claude")
        assert decision.candidates == ("claude",)

    def test_a_last_backend_that_may_not_serve_changes_nothing(self, desk):
        decision = desk.route(policy="failover", last_backend="codex", health={"codex": "down"})
        assert decision.candidates == ("claude", "copilot", "gemini", "opencode")

    def test_a_degraded_backend_serves_before_the_last_one(self, desk):
        decision = desk.route(
            policy="failover",
            preferred_backends=["claude", "codex"],
            fallback_policy="none",
            last_backend="claude",
            health={"codex": "degraded"},
        )
        assert decision.candidates == ("codex", "claude")

    def test_it_does_not_carry_the_affinity_key(self, desk):
        assert desk.route(policy="failover", affinity_key="ada").affinity_key is None

    def test_without_candidates_nothing_is_available(self, desk):
        refused = refusal_of(desk, policy="failover", excluded_backends=FIVE)
        assert refused.reason == "no_backend_available"


def test_backends_of_any_name_are_routed():
    desk = Desk(BackendSet.of({"reviewer": [], "fixer": []}))
    assert desk.route(policy="round_robin").backend == "fixer"
    assert desk.route(backend="reviewer").backend == "reviewer"


def test_a_backend_beside_another_policy_is_ignored():
    assert Desk(BACKENDS).route(policy="failover", backend="gemini").backend == "claude"
