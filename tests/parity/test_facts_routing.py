"""Facts 10 to 17 and 75 to 77 of the specification, as far as they are about routing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest

from beam import Fleet, telemetry
from beam.errors import RoutingRefused
from beam.model.capabilities import BUILTIN, CAPABILITIES, Fidelity, Implementation, Level
from beam.model.events import FLEET
from tests.routing.five import FIVE
from tests.sessions.scripted import Scripted, kill, shout

if TYPE_CHECKING:
    from collections.abc import Iterator


class OfKind(Scripted):
    """An agent of a kind of the capability table."""


@pytest.fixture
def five() -> Iterator[Fleet]:
    """A fleet of the five agents, each able to do what the table says."""
    backends = {}
    for name in FIVE:
        backends[name] = type(name, (OfKind,), {"kind": name})(shout)
    with Fleet(backends=backends) as fleet:
        yield fleet


def selected(fleet: Fleet) -> list[dict[str, Any]]:
    """Return the journal's choices, once everything before is stored."""
    journal = fleet.journal()
    journal.settle()
    return [dict(one.data) for one in journal.read(FLEET, types=("routing_selected",))]


def test_fact_10_an_explicit_choice_is_journalled_once_with_its_decision(five: Fleet) -> None:
    decision = five.router.select_backend({"policy": "explicit", "backend": "codex"})
    assert decision.backend == "codex"
    [data] = selected(five)
    assert data["decision"] == decision.as_payload()


def test_fact_11_what_is_excluded_is_not_preferred(five: Fleet) -> None:
    decision = five.router.select_backend(
        {
            "preferred_backends": ["gemini", "codex"],
            "fallback_backends": ["claude"],
            "excluded_backends": ["gemini"],
        }
    )
    assert (decision.backend, decision.fallback_chain[0]) == ("codex", "claude")


def test_fact_12_round_robin_takes_turns(five: Fleet) -> None:
    request = {
        "policy": "round_robin",
        "preferred_backends": ["claude", "codex"],
        "fallback_policy": "none",
    }
    assert [five.router.select_backend(request).backend for _ in range(2)] == ["claude", "codex"]


def test_fact_13_sticky_keeps_its_backend_when_the_preference_is_reversed(five: Fleet) -> None:
    request = {"policy": "sticky", "affinity_key": "ada"}
    first = five.router.select_backend({**request, "preferred_backends": ["gemini", "codex"]})
    second = five.router.select_backend({**request, "preferred_backends": ["codex", "gemini"]})
    assert first.backend == second.backend
    assert second.affinity_key == "ada"


def test_fact_14_failover_goes_on_and_keeps_the_last_for_the_end(five: Fleet) -> None:
    decision = five.router.select_backend(
        {
            "policy": "failover",
            "preferred_backends": ["codex", "gemini", "claude"],
            "last_backend": "codex",
        }
    )
    assert decision.backend == "gemini"
    assert (decision.fallback_chain[0], decision.fallback_chain[-1]) == ("claude", "codex")


def test_fact_15_an_unknown_capability_is_refused_by_its_name(five: Fleet) -> None:
    with pytest.raises(RoutingRefused) as refused:
        five.router.select_backend({"capabilities": ["levitation"]})
    assert (refused.value.reason, refused.value.value) == ("unknown_capability", "levitation")


def test_fact_16_an_unhealthy_preferred_backend_is_skipped(five: Fleet) -> None:
    request = {"preferred_backends": ["gemini", "codex"], "health": {"gemini": "unhealthy"}}
    assert five.router.select_backend(request).backend == "codex"


def test_fact_17_start_options_with_backend_auto_use_their_routing(five: Fleet) -> None:
    options = {"backend": "auto", "routing": {"preferred_backends": ["gemini"]}}
    assert five.router.select_backend({}, session=options).backend == "gemini"


def test_fact_75_every_capability_has_a_row_with_allowed_values_only(five: Fleet) -> None:
    assert five.capabilities.capability_ids() == list(CAPABILITIES)
    for backend in BUILTIN:
        for capability in CAPABILITIES:
            support = BUILTIN[backend][capability]
            assert support.level in get_args(Level)
            assert support.implementation in get_args(Implementation)
            assert support.fidelity in get_args(Fidelity)


def test_fact_77_the_end_of_a_choice_tells_that_it_was_allowed(five: Fleet) -> None:
    heard: list[tuple[Any, Any]] = []
    detach = telemetry.attach(("routing",), lambda event, _, about: heard.append((event, about)))
    try:
        five.router.select_backend({"preferred_backends": ["gemini"]})
        with pytest.raises(RoutingRefused):
            five.router.select_backend({"policy_profile_id": "nobody"})
    finally:
        detach()
    start, stop, _, refused = heard
    assert start[0] == ("routing", "select_backend", "start")
    assert stop[0] == ("routing", "select_backend", "stop")
    assert (stop[1]["decision"], stop[1]["backend"]) == ("allow", "gemini")
    assert (stop[1]["candidate_count"], stop[1]["fallback_count"]) == (5, 4)
    assert refused[0] == ("routing", "select_backend", "exception")
    assert (refused[1]["decision"], refused[1]["reason"]) == ("deny", "policy_denied")


def test_mended_a_policy_denial_is_an_error_and_moves_no_cursor(five: Fleet) -> None:
    rule = {"action": "backend", "match": ("eq", "backend", "claude"), "reason": "not that one"}
    five.policies.put_profile({"profile_id": "careful", "rules": [rule]})
    request = {"policy": "round_robin", "policy_profile_id": "careful"}
    for _ in range(2):
        with pytest.raises(RoutingRefused) as refused:
            five.router.select_backend(request)
        assert (refused.value.reason, refused.value.detail) == ("policy_denied", "not that one")
    assert selected(five) == []
    five.policies.delete_profile("careful")
    with pytest.raises(RoutingRefused):
        five.router.select_backend(request)
    five.policies.put_profile({"profile_id": "careful", "rules": []})
    assert five.router.select_backend(request).backend == "claude"


def test_what_a_policy_said_of_a_choice_is_audited(five: Fleet) -> None:
    request = {"backend": "codex", "policy_profile_id": "nobody"}
    with pytest.raises(RoutingRefused):
        five.router.select_backend(request)
    five.policies.put_profile({"profile_id": "nobody"})
    five.router.select_backend(request)
    five.journal().settle()
    entries = five.policies.audit(category="routing")
    assert [(one.action, one.profile_id) for one in entries] == [("decision", "nobody")] * 2
    assert [one.details["decision"] for one in entries] == ["deny", "allow"]
    assert [one.details["backend"] for one in entries] == ["codex"] * 2


def test_mended_without_fallback_nobody_is_chosen_whom_nobody_named(five: Fleet) -> None:
    request = {
        "preferred_backends": ["gemini"],
        "excluded_backends": ["gemini"],
        "fallback_policy": "none",
    }
    with pytest.raises(RoutingRefused) as refused:
        five.router.select_backend(request)
    assert refused.value.reason == "no_backend_available"
    assert refused.value.preferred_backends == ("gemini",)
    assert refused.value.eligible_backends == ("claude", "codex", "copilot", "opencode")


def test_mended_a_degraded_backend_comes_after_the_healthy_ones(five: Fleet) -> None:
    request = {"preferred_backends": ["gemini", "codex"], "health": {"gemini": "degraded"}}
    assert five.router.select_backend(request).candidates[-1] == "gemini"


def test_mended_routing_sees_a_custom_backend_also_after_a_kill_of_the_router(five: Fleet) -> None:
    five.capabilities.register_backend("aaa", {"hooks": {"level": "full"}})
    kill(five, "router")
    request = {"policy": "capability_first", "capabilities": ["hooks"]}
    assert five.router.select_backend(request).backend == "aaa"
    assert five.capabilities.supports("memory", "aaa") is False
    five.capabilities.unregister_backend("aaa")
    assert five.router.select_backend(request).backend == "claude"


def test_a_live_session_goes_elsewhere_and_its_id_is_what_it_is_bound_to(five: Fleet) -> None:
    session = five.start_session(backend="claude")
    assert five.router.select_backend({"policy": "failover"}, session=session).backend == "codex"
    decision = five.router.select_backend({"policy": "failover"}, session=session.id)
    assert decision.backend == "codex"
    sticky = five.router.select_backend({"policy": "sticky"}, session=session.id)
    assert sticky.affinity_key == session.id


def test_what_a_session_can_do_is_what_its_backend_can(five: Fleet) -> None:
    session = five.start_session(backend="codex")
    assert five.capabilities.for_session(session) == five.capabilities.for_backend("codex")


def test_bindings_survive_a_kill_of_the_router_and_a_clear_is_for_good(five: Fleet) -> None:
    request = {"policy": "sticky", "affinity_key": "ada"}
    five.router.select_backend({**request, "preferred_backends": ["gemini"]})
    kill(five, "router")
    assert five.router.select_backend(request).backend == "gemini"
    five.router.clear()
    kill(five, "router")
    assert five.router.select_backend(request).backend == "claude"
