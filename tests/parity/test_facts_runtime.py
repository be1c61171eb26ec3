"""Facts 35 to 39 and 68 of the specification, and what was mended of the runtime."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from beam.backends.backend import Query
from beam.backends.effects import Deliver
from beam.errors import InvalidInput, NotFound, StateRefused
from beam.model.messages import SystemMessage
from beam.otp import Mailbox, spawn
from tests.sessions.scripted import PATIENCE, Scripted, kill, shout
from tests.volume import scaled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from beam import Fleet
    from tests.sessions.scripted import Agent

CONFIG = {
    "api_key": "sk-1",
    "base_url": "http://a",
    "oauth_callback": {"code": "c-1", "access_token": "t-1", "request_id": "r-1"},
}
INIT = {
    "slash_commands": ["review"],
    "models": [{"id": "large", "name": "Large"}],
    "agents": ["plan"],
    "account": {"email": "ada@example.org"},
    "provider_id": "google",
    "current_agent": "plan",
}


def introduced(agent: Agent, query: Query) -> None:
    """Tell what the agent has, then answer."""
    message = SystemMessage(subtype="init", system_info=INIT)
    agent.say(Deliver(query.query_id, message))
    shout(agent, query)


def test_fact_35_views_have_no_secret_and_everything_else(fleet: Fleet) -> None:
    session = fleet.start_session()
    fleet.runtime.set_provider_config(session, CONFIG)
    shown = {
        "api_key": "redacted",
        "base_url": "http://a",
        "oauth_callback": {"code": "redacted", "access_token": "redacted", "request_id": "r-1"},
    }
    assert fleet.runtime.get_state(session) == {"provider": shown}
    assert fleet.runtime.get_provider_config(session) == shown
    assert fleet.runtime.provider_status(session)["provider_config"] == shown


def test_fact_36_concurrent_changes_of_the_agent_never_lose_the_provider(fleet: Fleet) -> None:
    fleet.runtime.set_provider("s", "openai")

    def change(number: int) -> None:
        for _ in range(scaled(100)):
            fleet.runtime.set_agent("s", f"agent{number}")

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(change, range(20)))
    assert fleet.runtime.current_provider("s") == "openai"
    assert fleet.runtime.current_agent("s").startswith("agent")


def test_fact_37_what_a_query_says_beats_what_is_stored(fleets: Callable[..., Fleet]) -> None:
    asked: list[Any] = []

    def answer(agent: Agent, query: Query) -> None:
        asked.append(dict(query.params))
        shout(agent, query)

    fleet = fleets(Scripted(answer))
    session = fleet.start_session(model="large")
    fleet.runtime.set_provider(session, "openai")
    fleet.runtime.set_agent(session, "build")
    params = {"agent": "plan", "max_turns": 3}
    session.query("hello", params=params).get(timeout=PATIENCE)
    assert asked[0] == {"provider_id": "openai", "model": "large", **params}


def test_fact_38_the_selected_provider_is_current_and_the_others_are_listed(fleet: Fleet) -> None:
    fleet.runtime.set_provider("s", "anthropic")
    providers = fleet.runtime.list_providers("s")
    assert [one["id"] for one in providers] == [
        "anthropic", "openai", "google", "github_copilot", "local",
    ]  # fmt: skip
    assert (providers[0]["current"], providers[0]["known_provider"]) == (True, True)
    assert not any(one["current"] for one in providers[1:])


def test_a_selected_provider_that_nobody_knows_is_described_by_its_configuration(
    fleet: Fleet,
) -> None:
    fleet.runtime.set_provider_config("s", {"id": "ours", "apiKey": "sk-1", "base_url": "http://a"})
    [ours, *_] = fleet.runtime.list_providers("s")
    assert ours == {
        "id": "ours",
        "label": "ours",
        "auth_methods": ["api_key"],
        "capabilities": ["chat", "config"],
        "config_keys": ["apiKey", "base_url", "id"],
        "configured": True,
        "current": True,
        "known_provider": False,
        "source": "runtime",
    }


def test_fact_39_google_signs_in_by_oauth_and_takes_attachments(fleet: Fleet) -> None:
    status = fleet.runtime.provider_status("s", provider_id="google")
    assert "oauth_callback" in status["auth_methods"]
    assert "attachments" in status["capabilities"]
    assert (status["configured"], status["current"]) == (False, False)


def test_fact_68_without_a_provider_the_auth_status_says_so(fleet: Fleet) -> None:
    session = fleet.start_session()
    status = fleet.runtime.get_auth_status(session)
    assert (status["provider_id"], status["source"], status["backend"]) == (
        None, "universal", "agent",
    )  # fmt: skip


def test_mended_a_handle_and_an_id_see_the_same_provider(fleet: Fleet) -> None:
    session = fleet.start_session()
    fleet.runtime.set_provider(session.id, "openai")
    assert fleet.runtime.current_provider(session) == "openai"
    fleet.runtime.clear_provider(session)
    with pytest.raises(NotFound) as unset:
        fleet.runtime.current_provider(session.id)
    assert unset.value.reason == "not_set"


def test_what_is_not_set_is_what_the_live_session_tells(fleets: Callable[..., Fleet]) -> None:
    fleet = fleets(Scripted(introduced))
    session = fleet.start_session()
    session.query("hello").get(timeout=PATIENCE)
    assert fleet.runtime.current_provider(session) == "google"
    assert fleet.runtime.current_agent(session.id) == "plan"
    assert fleet.runtime.get_state(session) == {}
    assert fleet.runtime.provider_status(session)["current"] is False
    kill(fleet, session.id)
    assert fleet.runtime.current_provider(session) == "google"
    session.stop()
    with pytest.raises(NotFound):
        fleet.runtime.current_provider(session)


def test_the_catalogue_is_what_the_agent_told_also_after_a_crash(
    fleets: Callable[..., Fleet],
) -> None:
    fleet = fleets(Scripted(introduced))
    session = fleet.start_session()
    router = fleet.router
    assert (router.supported_commands(session), router.account_info(session)) == ([], {})
    for _ in range(2):
        session.query("hello").get(timeout=PATIENCE)
        assert router.supported_commands(session) == [{"id": "review", "name": "review"}]
        assert router.supported_models(session.id) == [{"id": "large", "name": "Large"}]
        assert router.supported_agents(session) == [{"id": "plan", "name": "plan"}]
        assert router.account_info(session) == {"email": "ada@example.org"}
        assert router.server_health(session) == {"health": "ready", "adapter": "agent"}
        kill(fleet, session.id)
    assert router.supported_commands(session) == [{"id": "review", "name": "review"}]
    told = [one for one in session.history(types=["state_changed"]) if "details" in one.data]
    assert len(told) == 1


def test_mended_stop_task_stops_that_task_and_an_unknown_one_is_not_found(fleet: Fleet) -> None:
    session = fleet.start_session()
    with fleet.node.entered(), Mailbox() as me:
        tasks = [spawn(lambda: Mailbox().receive()) for _ in range(2)]
        for number, task in enumerate(tasks):
            fleet.control.register_task(session, f"t{number}", task)
        answer = fleet.runtime.stop_task(session, "t0")
        assert (answer["status"], answer["task_id"]) == ("stopped", "t0")
        assert tasks[1].is_alive()
        with pytest.raises(NotFound):
            fleet.runtime.stop_task(session, "t9")
        tasks[1].stop(block=False)
        del me


def test_the_rest_of_the_runtime(fleet: Fleet) -> None:
    session = fleet.start_session()
    runtime = fleet.runtime
    status = runtime.get_status(session)
    assert (status["session_id"], status["backend"], status["source"]) == (
        session.id, "agent", "universal",
    )  # fmt: skip
    assert status["health"] == status["state"]
    assert runtime.get_last_session_id(session) == session.id
    assert runtime.set_max_thinking_tokens(session, 100)["max_thinking_tokens"] == 100
    assert fleet.control.get_max_thinking_tokens(session) == 100
    assert runtime.set_model(session, "small") == "small"
    assert runtime.set_permission_mode(session, "plan") == "plan"
    assert runtime.send_control(session, "setModel", {"model": "m"}) == {"model": "m"}
    assert runtime.windows_sandbox_setup_start(session, {})["status"] == "not_applicable"
    runtime.validate_provider_config("openai", {"apiKey": "sk-1"})
    with pytest.raises(StateRefused) as refused:
        runtime.validate_provider_config(None, {"apiKey": ""})
    assert refused.value.reason == "invalid_api_key"
    with pytest.raises(InvalidInput):
        runtime.set_max_thinking_tokens(session, 0)
    with pytest.raises(NotFound):
        runtime.get_status("nobody")


def test_what_is_set_is_there_in_the_next_program_with_its_credentials(
    fleets: Callable[..., Fleet], tmp_path: Path
) -> None:
    with fleets(Scripted(shout), tmp_path / "fleet.db") as fleet:
        fleet.runtime.set_provider_config("s", {**CONFIG, "id": "openai"})
    assert not any(b"sk-1" in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    asked: list[Any] = []

    def answer(agent: Agent, query: Query) -> None:
        asked.append(query.params["provider"])
        shout(agent, query)

    fleet = fleets(Scripted(answer), tmp_path / "fleet.db")
    assert fleet.runtime.current_provider("s") == "openai"
    session = fleet.start_session(session_id="s")
    session.query("hello").get(timeout=PATIENCE)
    assert asked == [{**CONFIG, "id": "openai"}]
