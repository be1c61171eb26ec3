"""`beam.routing.candidates`: who may serve, and in which order."""

from beam.routing import BackendSet, parse_request
from beam.routing.candidates import candidates_for
from tests.routing.five import BACKENDS, FIVE


def candidates(backends=BACKENDS, **fields):
    request = parse_request(fields, backends)
    return candidates_for(request, backends, request.health)


def test_without_wishes_all_are_candidates_by_name():
    found = candidates()
    assert found.eligible == FIVE
    assert found.ordered == FIVE


def test_the_excluded_are_not_eligible():
    assert candidates(excluded_backends=["codex", "gemini"]).eligible == (
        "claude",
        "copilot",
        "opencode",
    )


def test_the_unhealthy_and_the_down_are_not_eligible():
    health = {"claude": "unhealthy", "codex": "down", "gemini": "healthy"}
    assert candidates(health=health).eligible == ("copilot", "gemini", "opencode")


def test_the_degraded_rank_after_the_healthy():
    found = candidates(health={"claude": "degraded", "copilot": "degraded"})
    assert found.eligible == ("codex", "gemini", "opencode", "claude", "copilot")
    assert found.ordered == found.eligible


def test_a_degraded_preferred_backend_ranks_after_healthy_ones_that_are_not_preferred():
    found = candidates(preferred_backends=["claude", "codex"], health={"claude": "degraded"})
    assert found.ordered == ("codex", "copilot", "gemini", "opencode", "claude")


def test_one_that_lacks_a_capability_is_not_eligible():
    backends = BackendSet.of({"a": ["hooks"], "b": ["hooks", "interrupt"], "c": ["interrupt"]})
    assert candidates(backends, capabilities=["hooks", "interrupt"]).eligible == ("b",)


def test_the_preferred_come_first_then_the_fallbacks_then_the_rest():
    found = candidates(preferred_backends=["gemini", "claude"], fallback_backends=["opencode"])
    assert found.ordered == ("gemini", "claude", "opencode", "codex", "copilot")


def test_a_fallback_that_is_preferred_too_stands_among_the_preferred():
    found = candidates(preferred_backends=["gemini"], fallback_backends=["gemini", "codex"])
    assert (found.preferred, found.fallback) == (("gemini",), ("codex",))


def test_without_fallback_only_those_that_are_named_are_tried():
    found = candidates(
        preferred_backends=["gemini"], fallback_backends=["codex"], fallback_policy="none"
    )
    assert found.ordered == ("gemini", "codex")


def test_without_fallback_and_without_names_all_are_tried():
    assert candidates(fallback_policy="none").ordered == FIVE


def test_without_fallback_nobody_steps_in_when_none_of_those_named_may_serve():
    found = candidates(
        preferred_backends=["gemini"], health={"gemini": "down"}, fallback_policy="none"
    )
    assert found.ordered == ()
    assert found.eligible == ("claude", "codex", "copilot", "opencode")
