"""`beam.routing.defaults`: what a request starts from."""

import pytest

from beam.errors import RoutingRefused
from beam.routing import defaults_of_handle, defaults_of_id, defaults_of_options
from tests.routing.five import Desk


def test_fact_17_with_backend_auto_the_routing_options_are_used():
    base = defaults_of_options(
        {"backend": "auto", "routing": {"policy": "failover", "preferred_backends": ["codex"]}}
    )
    decision = Desk().route(**base)
    assert (decision.backend, decision.policy) == ("codex", "failover")


def test_a_backend_beside_the_routing_options_is_explicit():
    base = defaults_of_options(
        {"backend": "claude", "routing": {"policy": "failover", "capabilities": ["hooks"]}}
    )
    assert base == {"backend": "claude", "policy": "explicit", "capabilities": ["hooks"]}


@pytest.mark.parametrize("options", [{}, {"routing": None}, {"backend": None, "routing": {}}])
def test_without_either_there_are_no_defaults(options):
    assert defaults_of_options(options) == {}


@pytest.mark.parametrize("routing", ["claude", [("policy", "explicit")], 7])
def test_routing_options_that_are_no_mapping_are_refused(routing):
    with pytest.raises(RoutingRefused) as refused:
        defaults_of_options({"routing": routing})
    assert (refused.value.reason, refused.value.field) == ("invalid_route_request", "routing")
    assert refused.value.value == routing


def test_the_options_are_not_changed():
    options = {"backend": "claude", "routing": {"policy": "failover"}}
    defaults_of_options(options)
    assert options == {"backend": "claude", "routing": {"policy": "failover"}}


def test_an_id_is_the_affinity_key_and_its_backend_the_last_one():
    assert defaults_of_id("session_1", "codex") == {
        "affinity_key": "session_1",
        "last_backend": "codex",
    }
    assert defaults_of_id("session_1") == {"affinity_key": "session_1"}


def test_a_live_session_gives_its_backend_and_no_affinity_key():
    assert defaults_of_handle("codex") == {"last_backend": "codex"}
    assert defaults_of_handle() == {}


def test_a_request_takes_a_default_away_by_setting_it_to_none():
    request = {**defaults_of_id("session_1", "claude"), "policy": "failover", "last_backend": None}
    assert Desk().route(**request).backend == "claude"
