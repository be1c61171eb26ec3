"""`beam.tracing` on the interface of OpenTelemetry itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

import beam
from beam import tracing
from beam.errors import LoopFailed, ProviderFailed, ToolFailed
from beam.providers.local import local
from beam.providers.managed_agents import managed_agents
from beam.providers.provision_spec import AgentSpec
from beam.providers.provisioner import Provisioner
from beam.sessions.loop_backend import provider_backend
from beam.sessions.loop_options import LoopOptions
from beam.sessions.loop_session import LoopSession
from tests.agents.managed_server import ManagedServer, asked, idle, requires, said, span
from tests.agents.span_recorder import Recorder
from tests.providers.stubs import DROP, HastyPace, Polled, Streamed, asks, says, use

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0
SAID = "xyzzy"
"""What somebody says in these tests: it would pass for a word."""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    detach = tracing.attach(recorder)
    yield recorder
    detach()
    assert [each.name for each in recorder.spans if each.ends != 1] == []


def add(name: str, given: Any, context: Any) -> str:
    return "fine"


def shape(recorder: Recorder) -> list[tuple[str, str | None, SpanKind]]:
    return [(one.name, one.above.name if one.above else None, one.kind) for one in recorder.spans]


def test_turns_and_tools_stand_below_their_request(recorder: Recorder) -> None:
    beam.run(Polled(asks(use()), says()), handler=add, model="large")
    assert (
        shape(recorder)
        == [
            ("invoke_agent", None, SpanKind.INTERNAL),
            ("chat large", "invoke_agent", SpanKind.CLIENT),
            ("execute_tool add", "invoke_agent", SpanKind.INTERNAL),
            ("chat", "invoke_agent", SpanKind.CLIENT),
        ]
        or shape(recorder)[3][0] == "chat large"
    )
    assert not any(one.failed for one in recorder.spans)


def test_two_requests_at_once_are_kept_apart(recorder: Recorder) -> None:
    async def both() -> None:
        runs = [
            beam.aio.run(Polled(asks(use()), says()), handler=add, model=model)
            for model in ("one", "two")
        ]
        await asyncio.gather(*runs)

    asyncio.run(both())
    requests = recorder.named("invoke_agent")
    assert [one.attributes["gen_ai.request.model"] for one in requests] == ["one", "two"]
    for request in requests:
        below = [one.name for one in recorder.spans if one.above is request]
        model = request.attributes["gen_ai.request.model"]
        assert below == [f"chat {model}", "execute_tool add", f"chat {model}"]


def test_a_request_stands_below_what_its_caller_does(recorder: Recorder) -> None:
    mine = recorder.get_tracer().start_span("mine")
    with trace.use_span(mine, end_on_exit=True):
        beam.run(Polled(says()), handler=add)
    assert shape(recorder)[1][:2] == ("invoke_agent", "mine")


def test_a_tool_that_fails_and_a_request_that_fails_are_errors(recorder: Recorder) -> None:
    def fails(name: str, given: Any, context: Any) -> str:
        raise ToolFailed(name, SAID)

    with pytest.raises(ProviderFailed):
        beam.run(Polled(asks(use()), ProviderFailed(("status", 429), SAID)), handler=fails)
    failed = {one.name: one.attributes["error.type"] for one in recorder.spans if one.failed}
    assert failed == {"execute_tool add": "tool_error", "chat": "429", "invoke_agent": "429"}


def test_a_reconnect_is_an_event_of_the_request(recorder: Recorder) -> None:
    async def work() -> None:
        ends: asyncio.Queue[Any] = asyncio.Queue()
        provider = Streamed([DROP], known_history=(says("back", "e-9"),))
        options = LoopOptions.of({"handler": add, "pace": HastyPace()})
        session = LoopSession(provider, options, ends.put_nowait, live=True)
        await session.open()
        assert (await asyncio.wait_for(ends.get(), PATIENCE)).text == "back"
        await session.close()

    asyncio.run(work())
    (request,) = recorder.named("invoke_agent")
    assert [name for name, _ in request.events] == ["beam.stream.error", "beam.reconnect"]
    assert request.events[1][1]["beam.delay"] == 0.5


def test_a_managed_agent_is_invoked_by_each_turn(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-a-test")
    turns = [[span(10, 2), asked("use_1"), requires("use_1")], [said(SAID), span(5, 1), idle()]]
    with ManagedServer(turns) as server:
        beam.run(
            managed_agents(base_url=server.url),
            handler=add,
            prompt=SAID,
            agent_id="agent_1",
            environment_id="environment_1",
            pace=HastyPace(),
        )
    request, first, tool, second = recorder.spans
    assert tool.name == "execute_tool add"
    assert (first.name, first.kind, first.above) == ("invoke_agent", SpanKind.CLIENT, request)
    assert second.attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.conversation.id": "session_1",
        "gen_ai.agent.id": "agent_1",
        "gen_ai.response.finish_reasons": ("end_turn",),
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 1,
        "beam.terminal": "end_turn",
        "beam.turn": 2,
    }
    assert request.attributes["gen_ai.usage.input_tokens"] == 15


def test_a_query_of_a_fleet_is_a_span(recorder: Recorder) -> None:
    agent = provider_backend(local(lambda _: answer(SAID)))
    with beam.Fleet(backends={"mine": agent}) as fleet:
        session = fleet.start_session(backend="mine")
        assert session.query(SAID).get(timeout=PATIENCE) == SAID
    (query,) = recorder.named("invoke_agent mine")
    assert query.kind is SpanKind.CLIENT
    assert query.attributes["beam.how"] == "completed"
    assert SAID not in everything(recorder)


def test_an_agent_that_is_provisioned_is_a_span(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-a-test")
    spec = AgentSpec("adder", model="claude-sonnet-4-5", system=SAID)
    with ManagedServer() as server:
        provider = managed_agents(base_url=server.url)
        asyncio.run(Provisioner().ensure(provider, spec))
        server.refusing = {"/agents": 403}
        with pytest.raises(ProviderFailed):
            asyncio.run(Provisioner().ensure(provider, spec))
    made, refused = recorder.named("create_agent adder")
    assert (made.kind, made.attributes["gen_ai.agent.id"]) == (SpanKind.CLIENT, "agent_1")
    assert (made.failed, refused.failed) == (False, True)
    assert refused.attributes["error.type"] == "403"
    assert SAID not in everything(recorder)


def answer(text: str, *calls: Any) -> Any:
    message = {"role": "assistant", "content": text, "tool_calls": list(calls) or None}
    reason = "tool_calls" if calls else "stop"
    usage = {"prompt_tokens": 10, "completion_tokens": 2}
    return {"choices": [{"message": message, "finish_reason": reason}], "usage": usage}


def everything(recorder: Recorder) -> str:
    return repr([
        (one.name, one.attributes, one.events, one.status and one.status.description)
        for one in recorder.spans
    ])  # fmt: skip


@pytest.mark.parametrize("ending", ["answer", "tool", "guard", "nonsense", "failure"])
def test_nothing_that_anybody_said_reaches_a_span(recorder: Recorder, ending: str) -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "add", "arguments": f'{{"{SAID}": "{SAID}"}}'},
    }
    ends = {"nonsense": {"choices": SAID}, "failure": ZeroDivisionError(SAID)}

    def model(request: Any) -> Any:
        if request["messages"][-1]["role"] != "tool":
            return answer(SAID, call)
        last = ends.get(ending, answer(SAID))
        if isinstance(last, Exception):
            raise last
        return last

    def tool(name: str, given: Any, context: Any) -> str:
        if ending == "tool":
            raise ValueError(SAID)
        return SAID

    def guard(progress: Any) -> Any:
        return ("halt", SAID) if ending == "guard" and progress.turns == 2 else None

    given = {"prompt": SAID, "system": SAID, "context": SAID, "turn_guard": guard}
    given |= {"tools": [beam.providers.Tool("add", SAID, {"type": "object", "title": SAID})]}
    given |= {"telemetry_metadata": {"note": SAID, "model": SAID, "turn": SAID}}
    try:
        assert beam.run(local(model), handler=tool, **given).text == SAID
    except (LoopFailed, ProviderFailed):
        assert ending in ("guard", "nonsense", "failure")
    assert len(recorder.spans) == 4
    assert SAID not in everything(recorder)


def test_a_note_of_the_callers_is_told_where_it_is_asked_for() -> None:
    recorder = Recorder()
    detach = tracing.attach(recorder, also=["team", "none"])
    try:
        notes = {"team": "Team A, first floor", "other": "no"}
        beam.run(Polled(says()), handler=add, telemetry_metadata=notes)
    finally:
        detach()
    assert [one.attributes["beam.team"] for one in recorder.spans] == ["Team A, first floor"] * 2
    assert "other" not in everything(recorder)


def test_what_is_open_ends_when_nobody_listens_any_more() -> None:
    recorder = Recorder()
    detach = tracing.attach(recorder)

    def detached(name: str, given: Any, context: Any) -> str:
        detach()
        return "fine"

    beam.run(Polled(asks(use()), says()), handler=detached)
    detach()
    assert [(one.name, one.ends) for one in recorder.spans] == [
        ("invoke_agent", 1),
        ("chat", 1),
        ("execute_tool add", 1),
    ]


def test_without_an_sdk_it_does_nothing() -> None:
    detach = tracing.attach()
    try:
        assert beam.run(Polled(says()), handler=add).text == "done"
    finally:
        detach()
