"""The models and modes of ACP conversations (`acp_settings`), from recordings."""

from __future__ import annotations

import pytest

from beam.backends.acp_settings import Change, Settings
from beam.errors import InvalidInput
from tests.backends.acp_recorded import answered

MODES = "https://agentclientprotocol.com/protocol/session-modes"


def settings(agent: str) -> Settings:
    return Settings.of(answered(agent, "basic", "session/new"))


def test_a_model_is_changed_by_a_request_of_its_own_or_by_an_option() -> None:
    assert settings("gemini").change("model", "gemini-2.5-pro") == Change(
        "session/set_model", {"modelId": "gemini-2.5-pro"}, "model", "gemini-2.5-pro"
    )
    assert settings("opencode").change("model", "local/fake-small") == Change(
        "session/set_config_option",
        {"configId": "model", "value": "local/fake-small"},
        "model",
        "local/fake-small",
    )
    assert settings("opencode").change("model", "local/fake") is None
    assert settings("copilot").change("model", "gpt") is None


@pytest.mark.parametrize(
    ("agent", "mode", "found"),
    [
        ("gemini", "accept_edits", "autoEdit"),
        ("gemini", "bypass_permissions", "yolo"),
        ("gemini", "plan", "plan"),
        ("gemini", "autoEdit", "autoEdit"),
        ("opencode", "default", "build"),
        ("opencode", "plan", "plan"),
        ("opencode", "bypass_permissions", ""),
        ("copilot", "default", f"{MODES}#agent"),
        ("copilot", "plan", f"{MODES}#plan"),
        ("copilot", "bypass_permissions", ""),
    ],
)
def test_a_mode_of_ours_is_one_of_the_agents_or_none(agent: str, mode: str, found: str) -> None:
    assert settings(agent).mode_of(mode) == found


def test_a_mode_that_counts_already_or_is_not_offered_is_not_changed() -> None:
    assert settings("gemini").change("mode", "default") is None
    assert settings("opencode").change("mode", "accept_edits") is None
    assert settings("copilot").change("mode", "plan") == Change(
        "session/set_mode", {"modeId": f"{MODES}#plan"}, "mode", f"{MODES}#plan"
    )


def test_a_change_counts_in_the_settings_after_it() -> None:
    before = settings("gemini")
    for name, value in (("model", "gemini-2.5-pro"), ("mode", "plan")):
        change = before.change(name, value)
        assert change is not None
        after = before.after(change)
        assert getattr(after, name) == value
        assert after.change(name, value) is None


@pytest.mark.parametrize("agent", ["gemini", "opencode", "copilot"])
def test_nothing_is_told_of_what_an_agent_has(agent: str) -> None:
    here = settings(agent)
    assert here.lacking(model=here.model, mode="plan", agent=agent) == []
    assert here.lacking(agent=agent) == []


def test_a_mode_that_asks_less_is_told_of_where_it_is_lacking() -> None:
    told = settings("opencode").lacking(mode="accept_edits", agent="OpenCode")
    assert told == ["OpenCode has no mode for 'accept_edits': it asks as before"]


def test_a_mode_that_does_less_is_refused_where_it_is_lacking() -> None:
    with pytest.raises(InvalidInput, match="permission_mode: expected one that OpenCode has"):
        settings("opencode").lacking(mode="dont_ask", agent="OpenCode")
