"""Claude's Managed Agents by their official client, against a server of our own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

import beam
from beam.errors import InvalidInput, LoopFailed, ProviderFailed, RunFailed
from beam.otp import exit
from beam.providers import OpenOptions, Outcome, SessionResult, Tool
from beam.providers.managed_agents import managed_agents
from beam.providers.provision_spec import AgentSpec, EnvironmentSpec
from beam.providers.provisioner import Provisioner
from beam.sessions.loop_backend import provider_backend
from beam.sessions.loop_options import LoopOptions
from beam.sessions.loop_session import LoopSession
from beam.sessions.messages import GetConnection
from tests.agents.managed_server import (
    AGAIN,
    DROP,
    END,
    UNTOLD,
    ManagedServer,
    asked,
    idle,
    requires,
    said,
    span,
)
from tests.providers.stubs import HastyPace, VirtualPace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

PATIENCE = 60.0
KEY = "sk-ant-of-a-test"
IDS = {"agent_id": "agent_1", "environment_id": "environment_1"}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture
def server() -> Iterator[ManagedServer]:
    with ManagedServer() as server:
        yield server


class Adder:
    """A handler that adds, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.asked_for = threading.Event()

    def handle_tool_call(self, name: str, given: Any, context: Any) -> str:
        self.asked.append(dict(given))
        return str(sum(given.values()))

    def handle_event(self, event: Any, context: Any) -> None:
        if event["type"] == "agent.custom_tool_use":
            self.asked_for.set()


def run(server: ManagedServer, handler: Any = None, **options: Any) -> SessionResult:
    given: dict[str, Any] = {"prompt": "Go.", "timeout": PATIENCE, "pace": HastyPace(), **IDS}
    provider = managed_agents(base_url=server.url)
    return beam.run(provider, handler=handler or Adder(), **{**given, **options})


class Live:
    """A live session, and how its requests ended."""

    def __init__(self, server: ManagedServer, kickoff: bool = True, **options: Any) -> None:
        self.outcomes: asyncio.Queue[Any] = asyncio.Queue()
        self.handler = Adder()
        given: dict[str, Any] = {"handler": self.handler, "pace": HastyPace(), **IDS, **options}
        provider = managed_agents(base_url=server.url)
        wanted = LoopOptions.of(given)
        self.session = LoopSession(
            provider, wanted, self.outcomes.put_nowait, live=True, kickoff=kickoff
        )

    async def end(self) -> Any:
        outcome = await asyncio.wait_for(self.outcomes.get(), PATIENCE)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@contextlib.asynccontextmanager
async def live(server: ManagedServer, **options: Any) -> AsyncIterator[Live]:
    one = Live(server, **options)
    await one.session.open()
    try:
        yield one
    finally:
        await one.session.close()


def texts(server: ManagedServer) -> list[str]:
    return [
        event["content"][0]["text"]
        for events in server.sent
        for event in events
        if event["type"] == "user.message"
    ]


def results(server: ManagedServer) -> list[tuple[str, str]]:
    return [
        (event["custom_tool_use_id"], event["content"][0]["text"])
        for events in server.sent
        for event in events
        if event["type"] == "user.custom_tool_result"
    ]


TOOL = [said("Let me see."), span(10, 2), asked("use_1", a=1, b=2), requires("use_1")]
DONE = [said("It is 3."), span(5, 1), idle()]


def test_a_tool_is_run_here_and_its_result_sent(server: ManagedServer) -> None:
    server.script = [TOOL, DONE]
    handler = Adder()
    result = run(server, handler, metadata={"team": "a"}, title="Adding")
    assert (result.terminal, result.stop_reason) == ("end_turn", "end_turn")
    assert (result.text, result.turns, result.session_id) == ("It is 3.", 2, "session_1")
    assert handler.asked == [{"a": 1, "b": 2}]
    assert results(server) == [("use_1", "3")]
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (15, 3)
    (made,) = server.requests("POST", "/sessions")
    assert made == {
        "agent": {"type": "agent", "id": "agent_1"},
        "environment_id": "environment_1",
        "metadata": {"team": "a"},
        "title": "Adding",
    }


def test_every_request_says_the_beta_and_the_key(server: ManagedServer) -> None:
    server.script = [DONE]
    run(server)
    for _, _, headers, _ in server.calls:
        known = {name.lower(): value for name, value in headers.items()}
        assert "managed-agents-2026-04-01" in known["anthropic-beta"]
        assert known["authorization"] == f"Bearer {KEY}"


def test_check_39_an_outcome_is_sent_in_the_prompts_place(server: ManagedServer) -> None:
    revise = {"type": "span.outcome_evaluation_end", "result": "needs_revision"}
    server.script = [[said("first"), revise, said("second"), idle("satisfied")]]
    result = run(server, prompt=None, outcome=Outcome("A sum", "It is right", 2))
    assert (result.terminal, result.stop_reason, result.turns) == ("end_turn", "satisfied", 1)
    assert server.sent == [
        [
            {
                "type": "user.define_outcome",
                "description": "A sum",
                "rubric": {"type": "text", "content": "It is right"},
                "max_iterations": 2,
            }
        ]
    ]


def test_check_88_what_the_caller_wants_takes_the_agents_place(server: ManagedServer) -> None:
    server.script = [DONE]
    run(
        server,
        model="anthropic/claude-sonnet-4-5",
        system="Be brief.",
        tools=[Tool("add", "Adds.")],
        replace_tools=[{"type": "agent_toolset_20260401"}],
        agent_version=3,
    )
    (made,) = server.requests("POST", "/sessions")
    assert made["agent"] == {
        "type": "agent_with_overrides",
        "id": "agent_1",
        "version": 3,
        "model": "claude-sonnet-4-5",
        "system": "Be brief.",
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


# When the stream breaks


def test_check_46_in_a_run_a_broken_stream_is_told(server: ManagedServer) -> None:
    server.script = [[said("one"), DROP]]
    with pytest.raises((LoopFailed, ProviderFailed)):
        run(server)
    assert len(server.sent) == 1


def test_check_66_in_a_run_a_stream_that_ends_too_soon_is_told(server: ManagedServer) -> None:
    server.script = [[said("one"), END]]
    with pytest.raises(LoopFailed) as failed:
        run(server)
    assert failed.value.reason == "stream_ended"


@pytest.mark.parametrize("broken", [DROP, END])
def test_checks_45_66_a_live_session_takes_up_what_it_missed(
    server: ManagedServer, broken: str
) -> None:
    server.script = [[said("one"), broken, UNTOLD, asked("use_1", a=1), requires("use_1")], DONE]

    async def talk() -> None:
        async with live(server, prompt="Go.") as one:
            result = await one.end()
            assert (result.text, result.turns) == ("It is 3.", 2)
            assert results(server) == [("use_1", "1")]
            assert texts(server) == ["Go."]
            server.sessions["session_1"].script = [[said("again"), idle()]]
            one.session.message("More.")
            assert (await one.end()).turns == 1

    asyncio.run(talk())


def test_check_66_an_end_that_came_while_nobody_listened_is_found(server: ManagedServer) -> None:
    server.script = [[said("one"), END, UNTOLD, said("two"), idle()]]

    async def talk() -> None:
        async with live(server, prompt="Go.") as one:
            assert (await one.end()).text == "one\ntwo"
            assert texts(server) == ["Go."]

    asyncio.run(talk())


def test_check_54_what_is_told_again_is_nothing_new(server: ManagedServer) -> None:
    server.script = [[said("one"), AGAIN, asked("use_1", a=1), AGAIN, requires("use_1"), AGAIN],
                     [AGAIN, *DONE]]  # fmt: skip
    handler = Adder()
    result = run(server, handler)
    assert (result.text, result.turns) == ("It is 3.", 2)
    assert handler.asked == [{"a": 1}]
    ids = [event["id"] for event in result.events]
    assert len(ids) == len(set(ids))


def test_check_53_a_long_history_is_read_to_its_end_before_anything_is_done(
    server: ManagedServer,
) -> None:
    server.page = 7
    server.script = [DONE]
    talk_before = [said(f"line {n}") for n in range(250)]
    name = server.begin(asked("use_0", a=9), *talk_before, asked("use_1", a=1),
                        {"type": "user.custom_tool_result", "custom_tool_use_id": "use_0"},
                        requires("use_1"))  # fmt: skip
    handler = Adder()
    result = run(server, handler, session_id=name)
    assert handler.asked == [{"a": 1}]
    assert results(server) == [("use_1", "1")]
    assert (result.text, result.turns) == ("It is 3.", 1)
    pages = [path for method, path, *_ in server.calls if method == "GET" and "/events?" in path]
    assert len(pages) == 37


def test_check_65_a_reconnect_and_the_pending_tool_uses_agree_on_one_history(
    server: ManagedServer,
) -> None:
    server.page = 3
    name = server.begin(asked("use_1"), asked("use_2"), requires("use_1", "use_2"),
                        {"type": "user.custom_tool_result", "custom_tool_use_id": "use_1"},
                        said("Wait."))  # fmt: skip

    async def read() -> tuple[Any, Any]:
        provider = managed_agents(base_url=server.url)
        conn = await provider.open(OpenOptions(session_id=name))
        history = await provider.history(await provider.reconnect(conn))
        await provider.close(conn)
        return history, provider.pending_tool_uses(history)

    history, pending = asyncio.run(read())
    assert history == server.sessions[name].history
    assert [use.id for use in pending] == ["use_2"]


def test_a_history_that_never_ends_is_an_error(server: ManagedServer) -> None:
    name = server.begin(said("one"))
    server.page = 0
    with pytest.raises((ProviderFailed, LoopFailed)) as failed:
        run(server, session_id=name)
    assert failed.value.reason == "malformed_history"


# Resumed


def test_check_47_a_resumed_session_is_given_the_prompt(server: ManagedServer) -> None:
    server.script = [DONE]
    name = server.begin(said("before"), idle())
    result = run(server, session_id=name)
    assert (result.session_id, result.text, result.turns) == (name, "It is 3.", 1)
    assert texts(server) == ["Go."]
    assert server.requests("POST", "/sessions") == []


def test_check_49_a_tool_that_waits_goes_first(server: ManagedServer) -> None:
    server.script = [DONE]
    name = server.begin(asked("use_1", a=1), requires("use_1"))
    run(server, session_id=name)
    assert (results(server), texts(server)) == ([("use_1", "1")], [])


def test_a_session_that_nobody_knows_is_told(server: ManagedServer) -> None:
    with pytest.raises(ProviderFailed) as failed:
        run(server, session_id="session_9")
    assert failed.value.reason == ("open_session_failed", ("status", 404))


# Events of one's own


def test_checks_56_57_an_event_of_ones_own_goes_as_it_is_and_resets_nothing(
    server: ManagedServer,
) -> None:
    server.script = [TOOL[:3], [requires("use_1")], DONE]
    confirmation = {"type": "user.tool_confirmation", "tool_use_id": "t1", "result": "allow"}

    async def talk() -> None:
        async with live(server, prompt="Go.") as one:
            assert await asyncio.to_thread(one.handler.asked_for.wait, PATIENCE)
            await one.session.send_event(confirmation)
            result = await one.end()
            assert server.sent[1] == [confirmation]
            assert result.turns == 2
            assert result.usage is not None
            assert result.usage.input_tokens == 15
            assert result.events[0]["content"][0]["text"] == "Let me see."

    asyncio.run(talk())


# What fails


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "auth"), (429, "throttled"), (529, "overloaded")]
)
def test_a_refused_session_is_told_with_what_to_do(
    server: ManagedServer, status: int, kind: str
) -> None:
    server.refusing = {"/sessions": status}
    with pytest.raises(ProviderFailed) as failed:
        run(server)
    assert failed.value.reason == ("create_session_failed", ("status", status))
    assert failed.value.exit.kind == kind
    assert len(server.requests("POST", "/sessions")) == 1


def test_check_59_a_refused_stream_is_told_with_its_status(server: ManagedServer) -> None:
    server.refusing = {"/stream": 503}
    with pytest.raises((LoopFailed, ProviderFailed)) as failed:
        run(server)
    assert failed.value.reason == ("status", 503)
    assert server.sent == []


def test_a_silent_stream_is_given_up(server: ManagedServer) -> None:
    async def silent() -> None:
        pace = VirtualPace()
        provider = managed_agents(base_url=server.url, idle_timeout=1800.0)
        conn = await provider.open(OpenOptions(**IDS, pace=pace))
        async with contextlib.aclosing(provider.stream(conn)) as stream:  # type: ignore[type-var]
            assert await anext(stream) is None
            hearing = asyncio.ensure_future(anext(stream))
            while True:
                waiting = asyncio.ensure_future(pace.sleeping(1800.0))
                await asyncio.wait({hearing, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if hearing.done():
                    break
                # The comment at its beginning is a sign of life, if it comes late.
                pace.advance(1800.0)
            with pytest.raises(ProviderFailed) as failed:
                await hearing
            assert failed.value.reason == "stream_idle_timeout"
        await provider.close(conn)

    asyncio.run(silent())


def test_an_error_of_the_stream_itself_is_no_event(server: ManagedServer) -> None:
    overloaded = {"type": "overloaded_error", "message": "Overloaded"}
    server.script = [[{"type": "error", "error": overloaded}]]
    with pytest.raises((LoopFailed, ProviderFailed)) as failed:
        run(server)
    assert failed.value.reason == ("stream_error", "overloaded_error")


def test_a_run_that_is_late_stops_the_server_and_lets_go(server: ManagedServer) -> None:
    server.script = [[said("one")]]
    with pytest.raises(LoopFailed) as failed:
        run(server, pace=HastyPace({PATIENCE: server.heard}))
    assert failed.value.reason == "timeout"
    assert server.sent[-1] == [{"type": "user.interrupt"}]
    assert server.closed.get(timeout=PATIENCE) == "session_1"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"agent_id": None}, "agent_id"),
        ({"environment_id": None}, "environment_id"),
        ({"temperature": 1}, "option"),
    ],
)
def test_an_option_that_cannot_be_is_refused_before_any_call(
    server: ManagedServer, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        run(server, **options)
    assert refused.value.field == field
    assert server.calls == []


def test_without_a_key_nothing_begins(
    server: ManagedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(InvalidInput, match="ANTHROPIC_API_KEY"):
        run(server)


def test_the_key_stands_in_nothing_that_is_shown(server: ManagedServer) -> None:
    server.script = [[{"type": "error", "error": {"type": "x", "message": "y"}}]]
    server.refusing = {}

    async def look() -> list[str]:
        provider = managed_agents(base_url=server.url)
        conn = await provider.open(OpenOptions(**IDS))
        shown = [repr(provider), repr(conn), repr(OpenOptions(**IDS))]
        await provider.close(conn)
        server.refusing = {"/sessions": 401}
        with pytest.raises(ProviderFailed) as failed:
            await provider.open(OpenOptions(**IDS))
        return [*shown, str(failed.value), repr(failed.value), repr(failed.value.exit)]

    assert all(KEY not in one for one in asyncio.run(look()))


# Provisioning


SPEC = AgentSpec("reviewer", "anthropic/claude-sonnet-4-5", "Review.", (Tool("add", "Adds."),),
                 EnvironmentSpec("box", {"type": "cloud"}))  # fmt: skip


def test_checks_83_91_what_was_provisioned_is_found_again_by_its_name(
    server: ManagedServer,
) -> None:
    server.page = 2
    provider = managed_agents(base_url=server.url)

    async def provision() -> None:
        for n in range(5):
            await Provisioner().ensure(provider, AgentSpec(f"other_{n}", "claude-sonnet-4-5"))
        first = await Provisioner().ensure(provider, SPEC)
        again = await Provisioner().ensure(provider, SPEC)
        assert (first.agent_id, first.environment_id) == ("agent_6", "environment_1")
        assert (again.agent_id, again.environment_id) == ("agent_6", "environment_1")
        assert (first.details["adopted"], again.details["adopted"]) == (False, True)
        assert server.kept["agents"]["agent_6"]["model"] == "claude-sonnet-4-5"

    asyncio.run(provision())


def test_a_fleets_conversation_is_taken_up_again_after_a_crash(server: ManagedServer) -> None:
    server.script = [
        [asked("use_1", "pay"), requires("use_1")],
        [said("left over"), idle()],
        [said("fine"), idle()],
    ]
    ran, leave = threading.Semaphore(0), threading.Event()

    def pay() -> str:
        """Pay."""
        ran.release()
        leave.wait(PATIENCE)
        return "paid"

    backend = provider_backend(managed_agents(base_url=server.url), **IDS)
    with beam.Fleet(backends={"agent": backend}) as fleet:
        session = fleet.start_session(backend="agent", tools=[pay])
        run = session.query("Pay.")
        assert ran.acquire(timeout=PATIENCE)
        exit(fleet.whereis(session.id).ask(GetConnection()), "kill")
        with pytest.raises(RunFailed):
            run.get(timeout=PATIENCE)
        leave.set()
        assert session.query("And now?").get(timeout=PATIENCE) == "fine"
        kinds = [event.type for event in session.history()]
        session.stop()
        for _ in range(2):  # Streams that are cut by the end of the fleet's loop complain.
            assert server.closed.get(timeout=PATIENCE) == "session_1"
    assert kinds.count("tool_call_started") == 1
    assert list(server.sessions) == ["session_1"]
    assert server.sent[1][0]["is_error"]
    assert "not known" in server.sent[1][0]["content"][0]["text"]
    assert not ran.acquire(blocking=False)


def test_check_89_without_an_environment_no_agent_is_left(server: ManagedServer) -> None:
    server.refusing = {"/environments": 500}
    provider = managed_agents(base_url=server.url)
    with pytest.raises(ProviderFailed) as failed:
        asyncio.run(Provisioner().ensure(provider, SPEC))
    assert failed.value.reason == ("provision_failed", "environment", ("status", 500))
    assert server.kept["agents"]["agent_1"]["archived_at"]


def test_checks_90_94_what_is_old_is_archived_with_its_environment(server: ManagedServer) -> None:
    provider = managed_agents(base_url=server.url)

    async def prune() -> list[str]:
        provisioner = Provisioner()
        for n in range(4):
            spec = AgentSpec("reviewer", "m", f"Review {n}.", environment=SPEC.environment)
            await provisioner.ensure(provider, spec)
        return await provisioner.prune(provider, "reviewer", keep=1)

    removed = asyncio.run(prune())
    assert len(removed) == 3
    for kept in server.kept.values():
        assert [bool(one["archived_at"]) for one in kept.values()] == [True, True, True, False]


def test_an_archived_name_is_told(server: ManagedServer) -> None:
    provider = managed_agents(base_url=server.url)

    async def again() -> None:
        provisioner = Provisioner()
        handle = await provisioner.ensure(provider, SPEC)
        await provisioner.teardown(provider, handle)
        await provisioner.ensure(provider, SPEC)

    with pytest.raises(ProviderFailed) as failed:
        asyncio.run(again())
    assert failed.value.reason == "agent_archived"
