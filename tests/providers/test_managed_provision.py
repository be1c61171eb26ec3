"""`beam.providers.managed_provision`: section 9 on Claude's wire, with a client in hand."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from beam.errors import ProviderFailed
from beam.providers import Handle, Tool
from beam.providers.managed_provision import listed, made, removed
from beam.providers.provision_spec import AgentSpec, EnvironmentSpec

SPEC = AgentSpec(
    "reviewer",
    "anthropic/claude-sonnet-4-5",
    "Review.",
    (Tool("add", "Adds."),),
    EnvironmentSpec("box", {"type": "cloud", "networking": {"type": "unrestricted"}}),
    {"tools": [{"type": "agent_toolset_20260401"}], "metadata": {"team": "a"}},
)


class Refusal(Exception):
    def __init__(self, status):
        super().__init__(f"status {status}")
        self.status_code = status


class Resource:
    """Agents, or environments, of a client."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.there = []
        self.created = []
        self.archived = []
        self.failing = {}

    async def create(self, **wanted):
        if "create" in self.failing:
            raise self.failing["create"]
        self.created.append(wanted)
        return self.add(wanted["name"])

    def add(self, name, archived_at=None):
        number = len(self.there) + 1
        one = SimpleNamespace(
            id=f"{self.prefix}_{number}",
            name=name,
            version=number,
            archived_at=archived_at,
            created_at=f"2026-01-{number:02}",
        )
        self.there.append(one)
        return one

    async def archive(self, known):
        if "archive" in self.failing:
            raise self.failing["archive"]
        self.archived.append(known)

    async def list(self, **_):
        if "list" in self.failing:
            raise self.failing["list"]
        for one in self.there:
            yield one


@pytest.fixture
def agents():
    return Resource("agent")


@pytest.fixture
def environments():
    return Resource("env")


@pytest.fixture
def client(agents, environments):
    return SimpleNamespace(beta=SimpleNamespace(agents=agents, environments=environments))


def make(client, spec=SPEC):
    return asyncio.run(made(client, spec))


def failure(client, spec=SPEC):
    with pytest.raises(ProviderFailed) as failed:
        make(client, spec)
    return failed.value.reason


NAME = f"reviewer_{SPEC.digest('managed_agents')}"


def test_check_88_an_agent_and_its_environment_are_made_in_the_form_of_the_wire(
    client, agents, environments
):
    handle = make(client)
    assert agents.created == [
        {
            "name": NAME,
            "model": "claude-sonnet-4-5",
            "system": "Review.",
            "metadata": {"team": "a"},
            "tools": [
                {"type": "agent_toolset_20260401"},
                {
                    "type": "custom",
                    "name": "add",
                    "description": "Adds.",
                    "input_schema": {"type": "object"},
                },
            ],
        }
    ]
    digest = NAME[-8:]
    assert environments.created == [
        {"name": f"box_{digest}", "config": dict(SPEC.environment.config)}
    ]
    details = {"name": NAME, "adopted": False, "version": 1}
    assert handle == Handle("managed_agents", "agent_1", "env_1", details)


def test_check_83_a_name_that_is_taken_is_found(client, agents, environments):
    agents.add("other")
    agents.add(NAME, archived_at="2025-01-01")
    agents.add(NAME)
    agents.failing["create"] = Refusal(409)
    handle = make(client)
    assert (handle.agent_id, handle.details["adopted"]) == ("agent_3", True)
    assert len(environments.created) == 1


def test_check_83_a_name_that_is_out_of_use_or_nobodys_is_said(client, agents):
    agents.failing["create"] = Refusal(409)
    assert failure(client) == "agent_name_conflict"
    agents.add(NAME, archived_at="2025-01-01")
    assert failure(client) == "agent_archived"


@pytest.mark.parametrize("error", [TypeError("no list"), AttributeError("data"), KeyError("x")])
def test_check_83_a_list_that_makes_no_sense_is_a_failure_in_words(client, agents, error):
    agents.failing = {"create": Refusal(409), "list": error}
    assert failure(client) == ("list_failed", ("provider_error", type(error).__name__))


@pytest.mark.parametrize("status", [400, 401, 500])
def test_a_refusal_is_told_with_what_was_to_be_made(client, agents, status):
    agents.failing["create"] = Refusal(status)
    assert failure(client) == ("provision_failed", "agent", ("status", status))


def test_check_89_without_its_environment_an_agent_is_archived_again(client, agents, environments):
    environments.failing["create"] = Refusal(500)
    assert failure(client) == ("provision_failed", "environment", ("status", 500))
    assert agents.archived == ["agent_1"]


def test_check_89_a_rollback_that_fails_does_not_hide_the_cause(client, agents, environments):
    environments.failing["create"] = Refusal(500)
    agents.failing["archive"] = Refusal(503)
    assert failure(client) == ("provision_failed", "environment", ("status", 500))


def test_check_89_an_agent_that_was_there_is_left_alone(client, agents, environments):
    agents.add(NAME)
    agents.failing["create"] = Refusal(409)
    environments.failing["create"] = Refusal(500)
    failure(client)
    assert agents.archived == []


def test_check_89_it_is_archived_also_when_the_caller_is_cancelled(client, agents, environments):
    async def cut():
        waiting = asyncio.Event()

        async def create(**_):
            waiting.set()
            await asyncio.Event().wait()

        environments.create = create
        making = asyncio.ensure_future(made(client, SPEC))
        await waiting.wait()
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)
        assert making.cancelled()

    asyncio.run(cut())
    assert agents.archived == ["agent_1"]


def test_check_90_both_are_tried_even_if_the_first_fails(client, agents, environments):
    agents.failing["archive"] = Refusal(500)
    with pytest.raises(ProviderFailed) as failed:
        asyncio.run(removed(client, Handle("managed_agents", "agent_1", "env_1")))
    assert failed.value.reason == ("teardown_failed", ["agent"])
    assert environments.archived == ["env_1"]


def test_check_90_what_is_gone_already_is_no_failure(client, agents, environments):
    agents.failing["archive"] = Refusal(404)
    asyncio.run(removed(client, Handle("managed_agents", "agent_1", "env_1")))
    assert environments.archived == ["env_1"]


def test_only_agents_in_use_are_listed(client, agents):
    agents.add("a_00000000")
    agents.add("b_00000000", archived_at="2026-01-01")
    (found,) = asyncio.run(listed(client))
    assert (found.name, found.made_at, found.handle.agent_id) == (
        "a_00000000",
        "2026-01-01",
        "agent_1",
    )


def test_an_agent_without_an_environment_needs_none(client, environments):
    handle = make(client, AgentSpec("solo", "claude-sonnet-4-5"))
    assert handle.environment_id is None
    assert environments.created == []
