"""Amazon Bedrock AgentCore by its official client, against a server of our own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import beam
from beam.errors import ProviderFailed
from beam.providers import OpenOptions, SessionResult, Tool
from beam.providers.agentcore import agentcore
from beam.providers.provision_spec import AgentSpec
from beam.providers.provisioner import Provisioner
from tests.agents.harness_server import DROP, HANG, Broken, HarnessServer, Refuse
from tests.providers.stubs import HastyPace
from tests.providers.test_harness_events import piece, start, stop, text

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0
SECRET = "wJalr-of-a-test"
ARN = "arn:aws:bedrock-agentcore:eu-central-1:123456789012:harness/reviewer-0123456789"
ROLE = "arn:aws:iam::123456789012:role/harness"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.fixture
def server() -> Iterator[HarnessServer]:
    with HarnessServer() as server:
        yield server


def provider_of(server: HarnessServer, **given: Any) -> Any:
    return agentcore(region="eu-central-1", endpoint_url=server.url, **given)


def run(server: HarnessServer, **options: Any) -> SessionResult:
    given: dict[str, Any] = {"prompt": "Go.", "agent_id": ARN, "pace": HastyPace(), **options}
    provider = given.pop("provider", None) or provider_of(server)
    return beam.run(provider, handler=lambda name, given, context: "3", **given)


def failure(server: HarnessServer, **options: Any) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as failed:
        run(server, **options)
    return failed.value


def usage(read: int, written: int) -> dict[str, Any]:
    said = {"inputTokens": read, "outputTokens": written, "totalTokens": read + written}
    return {"metadata": {"usage": said, "metrics": {"latencyMs": 1}}}


def test_a_tool_is_run_here_and_the_conversation_goes_on(server: HarnessServer) -> None:
    server.script = [
        [start(0, "u1"), piece(0, '{"a":'), piece(0, " 1}"), stop("tool_use"), usage(10, 2)],
        [text("It is "), text("3."), stop(), usage(5, 1)],
    ]
    result = run(server, model="amazon.nova", max_iterations=3)
    assert (result.text, result.turns, result.terminal) == ("It is 3.", 2, "end_turn")
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (15, 3)
    (query, headers, first), (_, _, second) = server.asked
    assert query["harnessArn"] == ARN
    session = "x-amzn-bedrock-agentcore-runtime-session-id"
    assert headers[session] == result.session_id
    assert first["messages"] == [{"role": "user", "content": [{"text": "Go."}]}]
    assert (first["model"], first["maxIterations"]) == (
        {"bedrockModelConfig": {"modelId": "amazon.nova"}}, 3,
    )  # fmt: skip
    assert second["messages"][0]["content"] == [
        {"toolUse": {"toolUseId": "u1", "name": "add", "input": {"a": 1}}}
    ]


def test_check_80_both_tools_of_an_index_that_is_used_again_are_run(server: HarnessServer) -> None:
    server.script = [
        [start(0, "u1"), piece(0, "{}"), {"contentBlockStop": {"contentBlockIndex": 0}},
         start(0, "u2", "sub"), piece(0, "{}"), stop("tool_use")],
        [stop()],
    ]  # fmt: skip
    assert [use.id for use in run(server).custom_tool_uses] == ["u1", "u2"]


def test_check_81_an_error_frame_is_told_and_not_tried_again(server: HarnessServer) -> None:
    server.script = [[text("ha"), Broken("runtimeClientError", "it broke")]]
    failed = failure(server)
    assert failed.reason == ("harness_stream_error", "runtimeClientError", "it broke")
    assert len(server.asked) == 1


@pytest.mark.parametrize("broken", [[text("ha"), DROP], [text("ha")], [DROP]])
def test_check_81_what_has_no_end_is_asked_for_again(server: HarnessServer, broken: Any) -> None:
    server.script = [broken, broken, [text("whole"), stop()]]
    assert run(server).text == "whole"
    server.script = [broken] * 3
    assert failure(server).reason in ("early_termination", "not_connected")
    assert server.script == []


def test_a_refused_request_is_told_with_what_to_do(server: HarnessServer) -> None:
    server.script = [[Refuse(429, "ThrottlingException")]]
    failed = failure(server)
    assert (failed.reason, failed.exit.kind) == (("status", 429), "throttled")
    assert len(server.asked) == 1


def test_a_service_that_is_not_there_is_told() -> None:
    with HarnessServer() as gone:
        pass
    assert failure(gone).reason == "not_connected"


def test_a_silent_answer_is_given_up(server: HarnessServer) -> None:
    server.script = [[text("one"), HANG]]
    failed = failure(server, provider=provider_of(server, idle_timeout=0.2))
    assert failed.reason == "stream_idle_timeout"


def test_what_is_cancelled_ends_the_request(server: HarnessServer) -> None:
    server.script = [[text("one"), HANG]]

    async def cut() -> bool:
        provider = provider_of(server)
        conn = await provider.open(OpenOptions(agent_id=ARN))
        heard = asyncio.Event()

        async def forward(_: Any) -> None:
            heard.set()

        polling = asyncio.ensure_future(
            provider.poll_turn(conn, provider.user_input("Go."), forward)
        )
        await asyncio.wait_for(heard.wait(), PATIENCE)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        return polling.cancelled()

    assert asyncio.run(cut())
    assert server.gone.get(timeout=PATIENCE)


def test_credentials_stand_in_nothing_that_is_shown(server: HarnessServer) -> None:
    server.script = [[Refuse(403, "AccessDeniedException")]]
    provider = provider_of(server)
    failed = failure(server, provider=provider)
    shown = [repr(provider), str(failed), repr(failed), repr(failed.exit)]
    assert all(SECRET not in one and "AKIA" not in one for one in shown)


def test_checks_83_86_a_harness_is_made_found_and_removed(server: HarnessServer) -> None:
    server.states = ["CREATING", "READY"]
    provider = provider_of(server)
    options = {"execution_role_arn": ROLE, "pace": HastyPace(), "poll_interval": 1.0}
    spec = AgentSpec("Code reviewer", "amazon.nova", "Review.", (Tool("add", "Adds."),))

    async def provision() -> None:
        first = await Provisioner().ensure(provider, spec, options)
        again = await Provisioner().ensure(provider, spec, options)
        assert first.agent_id == again.agent_id
        assert (first.details["adopted"], again.details["adopted"]) == (False, True)
        assert len(server.created) == 1
        for n in range(2):
            await Provisioner().ensure(provider, AgentSpec("Code reviewer", f"m{n}"), options)
        provisioner = Provisioner()
        removed = await provisioner.prune(provider, "Code reviewer", keep=1, options=options)
        assert len(removed) == 2
        assert removed[0] == first.details["name"]
        assert len(server.harnesses) == 1

    asyncio.run(provision())


def test_check_84_a_harness_that_fails_is_deleted_again(server: HarnessServer) -> None:
    server.states = ["CREATE_FAILED"]
    options = {"execution_role_arn": ROLE, "pace": HastyPace(), "poll_interval": 1.0}
    with pytest.raises(ProviderFailed) as failed:
        asyncio.run(provider_of(server).provision(AgentSpec("a"), options))
    word, facts = failed.value.reason
    assert (word, facts["last_status"]) == ("harness_not_ready", "CREATE_FAILED")
    assert server.harnesses == {}
