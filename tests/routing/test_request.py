"""`beam.routing.request`: every field, its default, its refusal, and the order of refusals."""

import pytest

from beam.errors import RoutingRefused
from beam.routing import RouteRequest, parse_request
from beam.routing.request import FIELDS, POLICIES
from tests.routing.five import BACKENDS


def refusal_of(**fields):
    with pytest.raises(RoutingRefused) as refused:
        parse_request(fields, BACKENDS)
    return refused.value


def test_an_empty_request_has_the_defaults():
    assert parse_request({}, BACKENDS) == RouteRequest(
        policy="preferred_then_fallback",
        backend=None,
        preferred_backends=(),
        excluded_backends=(),
        fallback_backends=(),
        capabilities=(),
        last_backend=None,
        fallback_policy="available",
        affinity_key=None,
        policy_profile_id=None,
        health={},
    )


def test_a_backend_makes_the_policy_explicit_where_none_is_given():
    assert parse_request({"backend": "claude_code"}, BACKENDS) == RouteRequest(
        policy="explicit", backend="claude"
    )


def test_auto_counts_as_no_backend():
    request = parse_request({"backend": "auto"}, BACKENDS)
    assert (request.policy, request.backend) == ("preferred_then_fallback", None)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_given_policy_stands_beside_a_backend(policy):
    request = parse_request({"policy": policy, "backend": "codex"}, BACKENDS)
    assert (request.policy, request.backend) == (policy, "codex")


@pytest.mark.parametrize("field", FIELDS)
def test_none_counts_as_absent(field):
    assert parse_request({field: None}, BACKENDS) == parse_request({}, BACKENDS)


@pytest.mark.parametrize("field", ["preferred_backends", "excluded_backends", "fallback_backends"])
class TestListsOfBackends:
    def test_they_are_normalised_and_keep_the_first_of_duplicates(self, field):
        given = ["gemini_cli", "codex", "gemini", "codex_cli"]
        assert getattr(parse_request({field: given}, BACKENDS), field) == ("gemini", "codex")

    def test_one_alone_is_wrapped(self, field):
        assert getattr(parse_request({field: "codex"}, BACKENDS), field) == ("codex",)

    @pytest.mark.parametrize("value", ["nobody", ["claude", "nobody"], 7, {"claude"}, [None]])
    def test_an_unknown_one_is_refused(self, field, value):
        refused = refusal_of(**{field: value})
        assert (refused.reason, refused.field) == ("unknown_backend", field)


def test_capabilities_are_kept_once_each():
    request = parse_request({"capabilities": ["hooks", "interrupt", "hooks"]}, BACKENDS)
    assert request.capabilities == ("hooks", "interrupt")


@pytest.mark.parametrize("value", ["hooks", {"hooks"}, 7])
def test_capabilities_that_are_no_list_are_an_invalid_request(value):
    refused = refusal_of(capabilities=value)
    assert (refused.reason, refused.field) == ("invalid_route_request", "capabilities")


@pytest.mark.parametrize("value", ["telepathy", 7, None, ["hooks"]])
def test_fact_15_an_unknown_capability_is_refused(value):
    refused = refusal_of(capabilities=["hooks", value])
    assert (refused.reason, refused.value) == ("unknown_capability", value)


def test_the_last_backend_is_normalised():
    assert parse_request({"last_backend": "codex_cli"}, BACKENDS).last_backend == "codex"


def test_health_is_by_backend_and_of_two_names_for_one_the_worse_word_counts():
    given = {"claude": "healthy", "claude_code": "down", "codex": "degraded"}
    request = parse_request({"health": given}, BACKENDS)
    assert request.health == {"claude": "down", "codex": "degraded"}


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"policy": "random"}, "invalid_policy", "policy"),
        ({"policy": ["explicit"]}, "invalid_policy", "policy"),
        ({"backend": "nobody"}, "unknown_backend", "backend"),
        ({"backend": ["claude"]}, "unknown_backend", "backend"),
        ({"last_backend": "nobody"}, "unknown_backend", "last_backend"),
        ({"last_backend": "auto"}, "unknown_backend", "last_backend"),
        ({"fallback_policy": "some"}, "invalid_fallback_policy", "fallback_policy"),
        ({"affinity_key": ""}, "invalid_affinity_key", "affinity_key"),
        ({"affinity_key": 7}, "invalid_affinity_key", "affinity_key"),
        ({"policy_profile_id": ""}, "invalid_route_request", "policy_profile_id"),
        ({"policy_profile_id": 7}, "invalid_route_request", "policy_profile_id"),
        ({"health": ["claude"]}, "invalid_route_request", "health"),
        ({"health": {"claude": "fine"}}, "invalid_health_status", "health"),
        ({"health": {"nobody": "down"}}, "unknown_backend", "health"),
        ({"polizy": "explicit"}, "unsupported_route_key", "polizy"),
    ],
)
def test_what_is_wrong_is_refused_with_its_word_and_its_field(fields, reason, field):
    refused = refusal_of(**fields)
    assert (refused.reason, refused.field) == (reason, field)
    assert refused.expected
    assert repr(refused.value) in str(refused)


def test_the_first_unknown_key_in_key_order_is_named_before_any_field_is_looked_at():
    refused = refusal_of(policy="random", zebra=1, antelope=2)
    assert (refused.reason, refused.field, refused.value) == (
        "unsupported_route_key",
        "antelope",
        2,
    )


def test_a_key_that_is_no_text_is_refused_too():
    with pytest.raises(RoutingRefused, match="unsupported_route_key"):
        parse_request({7: "claude"}, BACKENDS)


@pytest.mark.parametrize("fields", [None, "claude", ["policy"]])
def test_a_request_that_is_no_mapping_is_refused(fields):
    with pytest.raises(RoutingRefused, match="invalid_route_request"):
        parse_request(fields, BACKENDS)


WRONG = {
    "policy": "random",
    "backend": "nobody",
    "preferred_backends": ["nobody"],
    "excluded_backends": ["nobody"],
    "fallback_backends": ["nobody"],
    "capabilities": ["telepathy"],
    "last_backend": "nobody",
    "fallback_policy": "some",
    "affinity_key": "",
    "policy_profile_id": "",
    "health": "fine",
}


@pytest.mark.parametrize("first", range(len(WRONG)))
def test_fields_are_checked_in_one_order_and_the_first_failure_wins(first):
    wrong_from_here_on = dict(list(WRONG.items())[first:])
    reversed_order = dict(reversed(wrong_from_here_on.items()))
    assert refusal_of(**reversed_order).field == next(iter(wrong_from_here_on))


def test_the_payload_leaves_out_health_and_profile_and_what_was_not_given():
    request = parse_request(
        {"backend": "claude", "health": {"codex": "down"}, "policy_profile_id": "p"}, BACKENDS
    )
    assert request.as_payload() == {
        "policy": "explicit",
        "backend": "claude",
        "preferred_backends": [],
        "excluded_backends": [],
        "fallback_backends": [],
        "capabilities": [],
        "fallback_policy": "available",
    }
