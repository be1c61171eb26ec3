"""`beam.model.capabilities`: what each kind of backend can do."""

from typing import get_args

import pytest

from beam.errors import NotFound, NotSupported
from beam.model.capabilities import (
    BUILTIN,
    CAPABILITIES,
    Fidelity,
    Implementation,
    Level,
    Row,
    Support,
    require,
    status,
    supported,
    title,
)

AGENTS = ("claude", "codex", "copilot", "gemini", "opencode")


def test_there_are_twenty_four_capabilities() -> None:
    assert len(set(CAPABILITIES)) == 24


def test_the_table_has_the_five_agents_and_our_own_two_kinds() -> None:
    assert set(BUILTIN) == {*AGENTS, "acp", "command", "function", "provider"}


@pytest.mark.parametrize("backend", sorted(BUILTIN))
def test_each_backend_has_a_word_on_every_capability_in_the_allowed_values(backend: str) -> None:
    assert set(BUILTIN[backend]) == set(CAPABILITIES)
    for support in BUILTIN[backend].values():
        assert support.level in get_args(Level)
        assert support.implementation in get_args(Implementation)
        assert support.fidelity in get_args(Fidelity)


@pytest.mark.parametrize("backend", AGENTS)
def test_the_five_agents_can_do_everything_in_full(backend: str) -> None:
    assert {support.level for support in BUILTIN[backend].values()} == {"full"}
    assert supported(backend) == set(CAPABILITIES)


@pytest.mark.parametrize(
    ("capability", "backend", "implementation", "fidelity"),
    [
        ("interrupt", "copilot", "direct_backend", "exact"),
        ("session_history", "claude", "direct_backend", "exact"),
        ("session_history", "codex", "universal", "validated_equivalent"),
        ("session_mutation", "opencode", "direct_backend", "exact"),
        ("thread_management", "codex", "direct_backend", "exact"),
        ("mcp_management", "codex", "direct_backend", "validated_equivalent"),
        ("mcp_management", "gemini", "universal", "validated_equivalent"),
        ("checkpointing", "claude", "direct_backend", "exact"),
        ("command_execution", "claude", "universal", "validated_equivalent"),
        ("user_input_callbacks", "opencode", "universal", "exact"),
        ("realtime_review", "opencode", "direct_backend_and_universal", "exact"),
        ("config_management", "copilot", "direct_backend_and_universal", "exact"),
        ("provider_management", "codex", "direct_backend_and_universal", "exact"),
        ("attachments", "claude", "direct_backend_and_universal", "exact"),
        ("attachments", "gemini", "universal", "exact"),
        ("event_streaming", "opencode", "direct_backend", "exact"),
        ("memory", "claude", "universal", "exact"),
    ],
)
def test_the_table_says_who_does_it_and_how_well(
    capability: str, backend: str, implementation: str, fidelity: str
) -> None:
    support = status(capability, backend)
    assert (support.implementation, support.fidelity) == (implementation, fidelity)


def test_what_is_done_in_two_ways_names_both() -> None:
    assert status("session_history", "claude").paths == ("direct_backend", "universal")
    assert status("session_history", "codex").paths == ()


@pytest.mark.parametrize("backend", ["function", "command", "provider"])
def test_our_own_backends_do_not_claim_what_is_not_there(backend: str) -> None:
    assert supported(backend) < set(CAPABILITIES)
    assert status("memory", backend).level == "missing"


def test_a_missing_capability_is_not_supported() -> None:
    with pytest.raises(NotSupported) as refused:
        require("memory", "function")
    assert refused.value.reason == "unsupported_capability"
    assert refused.value.facts == {"capability": "memory", "backend": "function"}


def test_a_capability_that_is_there_is_given_with_its_support() -> None:
    assert require("interrupt", "command").level == "full"


@pytest.mark.parametrize("ask", [status, require])
def test_an_unknown_capability_is_refused_before_an_unknown_backend(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(NotFound, match="unknown_capability"):
        ask("levitation", "nobody")
    with pytest.raises(NotFound, match="unknown_backend"):
        ask("memory", "nobody")


def test_the_capabilities_of_an_unknown_backend_are_refused() -> None:
    with pytest.raises(NotFound, match="unknown_backend"):
        supported("nobody")


def test_a_backend_of_ones_own_has_what_its_row_says() -> None:
    mine: Row = {"hooks": Support("partial"), "memory": Support("missing")}
    table = {**BUILTIN, "mine": mine}
    assert supported("mine", table) == {"hooks"}
    assert status("interrupt", "mine", table).level == "missing"


def test_a_capability_has_a_title() -> None:
    assert title("session_lifecycle") == "Session lifecycle"
    assert title("mcp_management") == "MCP management"
    with pytest.raises(NotFound, match="unknown_capability"):
        title("levitation")
