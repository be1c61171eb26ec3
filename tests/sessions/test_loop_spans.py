"""Telemetry of the agent loop: each request and each turn has a beginning and an end."""

from __future__ import annotations

import asyncio
import threading

import pytest

import beam
from beam import telemetry
from beam.errors import LoopFailed, ProviderFailed
from beam.providers.local import local
from beam.sessions.loop_options import LoopOptions
from beam.sessions.loop_session import LoopSession
from tests.providers.stubs import Polled, Streamed, VirtualPace, asks, says, use
from tests.sessions.test_loop_run import late

BOTH = pytest.mark.parametrize("stub", [Polled, Streamed])


def add(name, given, context):
    return "fine"


@pytest.fixture
def heard():
    """What is told of requests, turns and tools, as (name, measured, about)."""
    told = []

    def hear(event, measured, about):
        if event[1] in ("request", "turn", "tool"):
            told.append(("_".join(event[1:]), dict(measured), dict(about)))

    detach = telemetry.attach(("loop",), hear)
    yield told
    detach()


def names(heard):
    return [name for name, _, _ in heard]


def facts(heard, wanted):
    return [(measured, about) for name, measured, about in heard if name == wanted]


@BOTH
def test_turns_and_tools_are_told_between_the_ends_of_their_request(stub, heard):
    beam.run(stub(asks(use()), says()), handler=add)
    assert names(heard) == [
        "request_start",
        "turn_start",
        "turn_stop",
        "tool_start",
        "tool_stop",
        "turn_start",
        "turn_stop",
        "request_stop",
    ]
    assert len({about["request_id"] for _, _, about in heard}) == 1


def test_tokens_are_those_of_the_turn_and_in_the_end_their_sum(heard):
    usages = (10, 2, 3, 4, 5), (1, 1)
    beam.run(Polled(asks(use(), usage=usages[0]), says(usage=usages[1])), handler=add)
    first, second = (measured for measured, _ in facts(heard, "turn_stop"))
    assert (first["input_tokens"], first["output_tokens"]) == (10, 2)
    assert first["cache_read_tokens"] == 3
    assert (second["input_tokens"], second["cache_read_tokens"]) == (1, 0)
    ((measured, about),) = facts(heard, "request_stop")
    assert (measured["input_tokens"], measured["turns"]) == (11, 2)
    assert (about["terminal"], about["stop_reason"]) == ("end_turn", "end_turn")


def test_where_the_provider_does_not_say_no_tokens_are_told(heard):
    beam.run(Polled(says()), handler=add)
    assert all("input_tokens" not in measured for _, measured, _ in heard)


def test_what_is_asked_for_is_told_at_the_beginning(heard):
    beam.run(Polled(says()), handler=add, model="large", agent_id="agent_1")
    ((_, about),) = facts(heard, "turn_start")
    assert (about["model"], about["agent_id"]) == ("large", "agent_1")


def test_a_poll_that_fails_ends_its_turn_and_its_request_with_a_word(heard):
    with pytest.raises(ProviderFailed):
        beam.run(Polled(ProviderFailed(("status", 503), "what somebody said")), handler=add)
    assert names(heard) == ["request_start", "turn_start", "turn_exception", "request_exception"]
    assert [about["reason"] for _, _, about in heard[2:]] == ["status_503", "status_503"]


@pytest.mark.parametrize(
    ("provider", "options", "reason"),
    [
        (Polled(ZeroDivisionError("said")), {}, "provider_error"),
        (Polled(says()), {"turn_guard": lambda _: ("halt", "said")}, "halted"),
        (Polled(asks(use()), asks(use())), {"max_turns": 1}, "max_turns_exceeded"),
    ],
)
def test_a_reason_is_its_first_word(provider, options, reason, heard):
    with pytest.raises(LoopFailed):
        beam.run(provider, handler=add, **options)
    ((_, about),) = facts(heard, "request_exception")
    assert about["reason"] == reason
    assert "said" not in repr(heard)


def test_a_run_that_is_late_ends_after_its_tool(heard):
    begun, leave = threading.Event(), threading.Event()

    def slow(name, given, context):
        begun.set()
        leave.wait()
        return "late"

    try:
        asyncio.run(late(Polled(asks(use())), begun, handler=slow))
    finally:
        leave.set()
    assert names(heard)[-2:] == ["tool_exception", "request_exception"]
    ((measured, about),) = facts(heard, "request_exception")
    assert (measured["duration"], about["reason"]) == (100.0, "timeout")


def test_an_interrupted_request_has_an_end_and_the_next_one_a_name_of_its_own(heard):
    async def work():
        ends = asyncio.Queue()
        polling = asyncio.Event()

        async def hang(given, forward):
            polling.set()
            await asyncio.get_running_loop().create_future()

        options = LoopOptions.of({"handler": add, "pace": VirtualPace()})
        session = LoopSession(Polled(hang, says()), options, ends.put_nowait, live=True)
        await session.open()
        await polling.wait()
        session.interrupt()
        assert (await ends.get()).reason == "interrupted"
        session.message("again")
        assert (await ends.get()).text == "done"
        await session.close()

    asyncio.run(work())
    assert names(heard) == [
        "request_start",
        "turn_start",
        "turn_exception",
        "request_exception",
        "request_start",
        "turn_start",
        "turn_stop",
        "request_stop",
    ]
    assert len({about["request_id"] for _, _, about in heard}) == 2


def test_a_turn_that_nobody_asked_for_begins_and_ends_at_once(heard):
    async def work():
        ends = asyncio.Queue()
        provider = Streamed()
        options = LoopOptions.of({"handler": add, "pace": VirtualPace()})
        session = LoopSession(provider, options, ends.put_nowait, live=True, kickoff=False)
        await session.open()
        await session.taken_up.wait()
        provider.say(says("by itself", "e-1"))
        assert (await ends.get()).text == "by itself"
        await session.close()

    asyncio.run(work())
    assert names(heard) == ["request_start", "turn_start", "turn_stop", "request_stop"]
    assert facts(heard, "turn_stop")[0][0]["duration"] == 0.0


def test_nothing_that_anybody_said_is_told(heard):
    def model(request):
        last = request["messages"][-1]
        if last["role"] == "tool":
            return {"choices": [{"message": None, "finish_reason": "SAID"}]}
        function = {"name": "add", "arguments": '{"a": "SAID"}'}
        call = {"id": "call_1", "type": "function", "function": function}
        message = {"role": "assistant", "content": "SAID", "tool_calls": [call]}
        return {"choices": [{"message": message, "finish_reason": "tool_calls"}]}

    with pytest.raises(ProviderFailed) as caught:
        beam.run(
            local(model), handler=lambda *_: "SAID", prompt="SAID", system="SAID", context="SAID"
        )
    assert "SAID" in repr(caught.value)
    assert "tool_stop" in names(heard)
    assert "SAID" not in repr(heard)
