"""`beam.routing.backends`: names, aliases, what each can do."""

import pytest

from beam.errors import InvalidInput, RoutingRefused
from beam.routing import BackendSet
from tests.routing.five import BACKENDS


def test_the_order_is_by_name_whatever_the_order_of_configuration():
    assert BackendSet.of({"reviewer": [], "claude": []}).names == ("claude", "reviewer")


@pytest.mark.parametrize(
    ("alias", "backend"),
    [
        ("claude", "claude"),
        ("claude_code", "claude"),
        ("claude_agent_sdk", "claude"),
        ("codex_cli", "codex"),
        ("codex_app_server", "codex"),
        ("gemini_cli", "gemini"),
        ("gemini_cli_client", "gemini"),
        ("opencode_client", "opencode"),
        ("copilot_client", "copilot"),
    ],
)
def test_each_accepted_name_stands_for_its_backend(alias, backend):
    assert BACKENDS.resolve(alias) == backend


@pytest.mark.parametrize("name", ["Claude", "", "claude ", "auto", None, 7, ["claude"], b"claude"])
def test_any_other_name_is_unknown(name):
    with pytest.raises(RoutingRefused) as refused:
        BACKENDS.resolve(name, field="last_backend")
    assert refused.value.reason == "unknown_backend"
    assert refused.value.field == "last_backend"
    assert refused.value.value == name
    assert "claude, codex, copilot, gemini, opencode" in refused.value.expected


def test_an_alias_of_a_backend_that_is_not_configured_is_unknown():
    with pytest.raises(RoutingRefused, match="unknown_backend"):
        BackendSet.of({"reviewer": []}).resolve("claude_code")


def test_a_configured_name_stands_for_itself_also_where_it_is_an_alias():
    backends = BackendSet.of({"claude": [], "claude_code": []})
    assert backends.resolve("claude_code") == "claude_code"


def test_with_nothing_configured_every_name_is_unknown():
    with pytest.raises(RoutingRefused, match="none is configured"):
        BackendSet.of({}).resolve("claude")


def test_supports_is_false_where_a_capability_is_missing():
    backends = BackendSet.of({"reviewer": ["interrupt"]})
    assert backends.supports("reviewer", "interrupt")
    assert not backends.supports("reviewer", "hooks")


def test_the_capabilities_of_the_vocabulary_are_known_and_so_are_those_a_backend_brings():
    backends = BackendSet.of({"reviewer": ["proofreading"]})
    assert {"proofreading", "session_info", "memory"} <= backends.known_capabilities
    assert "telepathy" not in backends.known_capabilities


@pytest.mark.parametrize("name", ["auto", "", 7, None])
def test_a_backend_needs_a_name_that_a_request_can_say(name):
    with pytest.raises(InvalidInput, match="backend: expected a non-empty name"):
        BackendSet.of({name: []})


@pytest.mark.parametrize("capabilities", ["interrupt", [""], [7]])
def test_capabilities_are_a_collection_of_ids(capabilities):
    with pytest.raises(InvalidInput, match="capabilities of reviewer"):
        BackendSet.of({"reviewer": capabilities})


def test_the_set_keeps_what_it_was_made_from_when_that_changes():
    offered = {"reviewer": ["interrupt"]}
    backends = BackendSet.of(offered)
    offered["claude"] = []
    offered["reviewer"].clear()
    assert backends.names == ("reviewer",)
    assert backends.supports("reviewer", "interrupt")
