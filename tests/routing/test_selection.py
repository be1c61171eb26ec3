"""`beam.routing.selection`: choosing changes nothing; making it count does."""

import pytest

from beam.errors import RoutingRefused
from beam.routing import (
    BreakerOptions,
    Breakers,
    Memory,
    commit,
    denied,
    parse_request,
    select,
)
from tests.routing.five import BACKENDS

STICKY = parse_request({"policy": "sticky", "affinity_key": "ada"}, BACKENDS)
ROUND_ROBIN = parse_request({"policy": "round_robin", "policy_profile_id": "careful"}, BACKENDS)


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def breakers():
    return Breakers(BreakerOptions(failure_threshold=1, cooldown=30.0))


@pytest.mark.parametrize("request_", [STICKY, ROUND_ROBIN])
def test_a_selection_that_is_denied_moves_no_cursor_and_binds_nothing(memory, breakers, request_):
    first = select(request_, BACKENDS, memory, breakers, now=0.0)
    again = select(request_, BACKENDS, memory, breakers, now=0.0)
    assert first == again
    assert len(memory.affinities) == len(memory.cursors) == 0


def test_a_denial_is_an_error_with_its_cause(memory, breakers):
    selection = select(ROUND_ROBIN, BACKENDS, memory, breakers, now=0.0)
    refused = denied(selection, "not after eight")
    assert refused.reason == "policy_denied"
    assert refused.detail == "not after eight"
    assert refused.backend == "claude"
    assert refused.policy_profile_id == "careful"


def test_a_new_binding_is_reported_and_a_renewed_one_is_not(memory, breakers):
    selection = select(STICKY, BACKENDS, memory, breakers, now=0.0)
    assert commit(selection, memory, breakers, now=0.0).bound == "ada"
    selection = select(STICKY, BACKENDS, memory, breakers, now=1.0)
    assert commit(selection, memory, breakers, now=1.0).bound is None


def test_a_changed_binding_is_reported(memory, breakers):
    commit(select(STICKY, BACKENDS, memory, breakers, now=0.0), memory, breakers, now=0.0)
    breakers.failed("claude", now=1.0)
    selection = select(STICKY, BACKENDS, memory, breakers, now=1.0)
    assert selection.decision.backend == "codex"
    assert commit(selection, memory, breakers, now=1.0).bound == "ada"


def test_bindings_that_had_to_go_are_reported(breakers):
    memory = Memory(affinity_bound=1)
    forgotten = []
    for key in ("ada", "bob"):
        request = parse_request({"policy": "sticky", "affinity_key": key}, BACKENDS)
        selection = select(request, BACKENDS, memory, breakers, now=0.0)
        forgotten.append(commit(selection, memory, breakers, now=0.0).forgotten)
    assert forgotten == [(), ("ada",)]


def test_an_open_breaker_takes_its_backend_out_of_the_choice(memory, breakers):
    breakers.failed("claude", now=0.0)
    request = parse_request({"preferred_backends": ["claude"]}, BACKENDS)
    assert select(request, BACKENDS, memory, breakers, now=29.9).decision.backend == "codex"
    assert select(request, BACKENDS, memory, breakers, now=30.0).decision.backend == "claude"


def test_an_open_breaker_makes_its_backend_ineligible_by_name(memory, breakers):
    breakers.failed("claude", now=0.0)
    request = parse_request({"backend": "claude"}, BACKENDS)
    with pytest.raises(RoutingRefused, match="backend_not_eligible"):
        select(request, BACKENDS, memory, breakers, now=1.0)


def test_what_the_request_says_of_health_counts_beside_a_closed_breaker(memory, breakers):
    request = parse_request({"health": {"claude": "degraded"}}, BACKENDS)
    breakers.failed("codex", now=0.0)
    selection = select(request, BACKENDS, memory, breakers, now=1.0)
    assert selection.decision.candidates == ("copilot", "gemini", "opencode", "claude")


def test_r33_of_five_at_once_after_the_cooldown_one_probes_and_four_go_elsewhere(memory, breakers):
    breakers.failed("claude", now=0.0)
    request = parse_request({"preferred_backends": ["claude"]}, BACKENDS)
    picked, probes = [], []
    for _ in range(5):
        selection = select(request, BACKENDS, memory, breakers, now=30.0)
        picked.append(selection.decision.backend)
        probes.append(commit(selection, memory, breakers, now=30.0).probe)
    assert picked == ["claude", "codex", "codex", "codex", "codex"]
    assert probes == [1, None, None, None, None]


def test_of_two_selections_for_one_probe_the_second_to_count_is_refused(memory, breakers):
    breakers.failed("claude", now=0.0)
    request = parse_request({"policy": "sticky", "affinity_key": "ada"}, BACKENDS)
    first = select(request, BACKENDS, memory, breakers, now=30.0)
    second = select(ROUND_ROBIN, BACKENDS, memory, breakers, now=30.0)
    commit(first, memory, breakers, now=30.0)
    with pytest.raises(RoutingRefused, match="backend_not_eligible") as refused:
        commit(second, memory, breakers, now=30.0)
    assert refused.value.backend == "claude"
    assert memory.turn(second.cursor, now=30.0) == 0
