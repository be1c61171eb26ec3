"""`beam.providers.agentcore`: section 8.1, by the numbers of its checks, with a client in hand."""

from __future__ import annotations

import asyncio
import threading

import pytest

import beam
from beam.errors import InvalidInput, LoopFailed, ProviderFailed
from beam.providers import OpenOptions, Tool
from beam.providers.agentcore import AgentCore, agentcore
from beam.providers.harness_events import ATTEMPT
from tests.providers.stubs import HastyPace, VirtualPace
from tests.providers.test_harness_events import piece, start, stop, text

ARN = "arn:aws:bedrock-agentcore:eu-central-1:123456789012:harness/reviewer-0123456789"
PATIENCE = 60.0


class EventStreamError(Exception):
    """What the official client raises for an error frame, under its name."""

    def __init__(self, code, message):
        super().__init__(message)
        self.response = {"Error": {"Code": code, "Message": message}}


class Refusal(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.response = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"retry-after": "7"}},
        }


class ReadTimeoutError(Exception):
    pass


class Stream:
    """An answer; an exception in it is raised there, a function is called."""

    def __init__(self, events):
        self.events = events
        self.closed = threading.Event()

    def __iter__(self):
        for event in self.events:
            if isinstance(event, BaseException):
                raise event
            if callable(event):
                event(self)
            else:
                yield event

    def close(self):
        self.closed.set()


class Harness:
    """A client whose harness answers as it is told."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.streams = []

    def invoke_harness(self, **given):
        self.asked.append(given)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        self.streams.append(Stream(answer))
        return {"stream": self.streams[-1]}


def run(harness, handler=lambda name, given, context: "3", **options):
    options = {"prompt": "Go.", "agent_id": ARN, "timeout": None, "tool_timeout": None, **options}
    return beam.run(AgentCore(clients=lambda _: harness), handler=handler, **options)


def failure(harness):
    with pytest.raises(ProviderFailed) as failed:
        run(harness, pace=HastyPace())
    return failed.value


ASKS = [text("Let me see."), start(0, "u1"), piece(0, '{"a": 1}'), stop("tool_use")]
DONE = [text("It is "), text("3."), stop()]


def test_a_tool_is_run_here_and_its_result_comes_after_its_use():
    harness = Harness(ASKS, DONE)
    given = []
    result = run(harness, lambda name, given_, context: given.append((name, dict(given_))) or "3")
    assert (result.terminal, result.text, result.turns) == ("end_turn", "It is 3.", 2)
    assert given == [("add", {"a": 1})]
    first, second = harness.asked
    assert first["messages"] == [{"role": "user", "content": [{"text": "Go."}]}]
    assert [one["role"] for one in second["messages"]] == ["assistant", "user"]
    assert first["harnessArn"] == second["harnessArn"] == ARN
    assert first["runtimeSessionId"] == second["runtimeSessionId"] == result.session_id
    assert len(result.session_id) >= 33
    assert set(first) == {"harnessArn", "runtimeSessionId", "messages"}


def test_check_80_both_tools_of_an_index_that_is_used_again_are_run():
    harness = Harness(
        [start(0, "u1"), piece(0, "{}"), start(0, "u2", "sub"), piece(0, "{}"), stop("tool_use")],
        DONE,
    )
    result = run(harness)
    assert [use.name for use in result.custom_tool_uses] == ["add", "sub"]
    assert len(harness.asked[1]["messages"][1]["content"]) == 2


def test_check_81_an_error_frame_is_told_and_not_tried_again():
    harness = Harness([text("ha"), EventStreamError("runtimeClientError", "it broke")])
    failed = failure(harness)
    assert failed.reason == ("harness_stream_error", "runtimeClientError", "it broke")
    assert len(harness.asked) == 1


@pytest.mark.parametrize("broken", [[text("ha")], [], ConnectionResetError("reset"),
                                    [text("ha"), ConnectionResetError("reset")]])  # fmt: skip
def test_check_81_an_answer_without_an_end_is_asked_for_again(broken):
    harness, pace = Harness(broken, broken, DONE), HastyPace()
    result = run(harness, pace=pace)
    assert (result.text, result.turns) == ("It is 3.", 1)
    assert [one["number"] for one in result.events if one.get("type") == ATTEMPT] == [2, 3]
    assert [seconds for seconds in pace.slept if seconds < 5] == [0.5, 1.0]


def test_check_81_three_times_is_enough():
    harness = Harness([text("ha")], [], [text("half")])
    failed = failure(harness)
    assert (failed.reason, failed.exit.kind) == ("early_termination", "overloaded")
    assert harness.answers == []
    harness = Harness(*[ConnectionResetError("reset")] * 3)
    assert failure(harness).reason == "not_connected"


def test_a_silent_answer_is_not_asked_for_again():
    failed = failure(Harness([text("ha"), ReadTimeoutError("300 s")]))
    assert (failed.reason, failed.exit.kind) == ("stream_idle_timeout", "stalled")


def test_a_refused_request_is_told_with_its_status_and_what_to_do():
    failed = failure(Harness(Refusal(429, "ThrottlingException", "slower")))
    assert failed.reason == ("status", 429)
    assert (failed.exit.kind, failed.exit.retry_after) == ("throttled", 7.0)


def test_events_are_told_as_they_come_and_no_faster_than_they_are_taken():
    told = threading.Event()

    class Handler:
        def handle_tool_call(self, name, given, context):
            return "3"

        def handle_event(self, event, context):
            if "contentBlockDelta" in event:
                told.set()

    harness = Harness([text("one"), lambda _: told.wait(PATIENCE) or pytest.fail("late"), stop()])
    assert run(harness, Handler()).text == "one"


def test_what_is_cancelled_lets_go_of_its_connection_and_its_thread():
    reading = threading.Event()

    def hang(stream):
        reading.set()
        assert stream.closed.wait(PATIENCE)

    harness = Harness([text("one"), hang, stop()])
    pace = VirtualPace()

    async def cut():
        provider = AgentCore(clients=lambda _: harness)
        conn = await provider.open(OpenOptions(agent_id=ARN, pace=pace))

        async def forward(event):
            pass

        polling = asyncio.ensure_future(
            provider.poll_turn(conn, provider.user_input("Go."), forward)
        )
        await asyncio.to_thread(reading.wait, PATIENCE)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        return polling.cancelled()

    assert asyncio.run(cut())
    assert harness.streams[0].closed.is_set()


def test_a_named_conversation_is_gone_on_with():
    harness, known = Harness(DONE), "beam-session-" + "0" * 32
    result = run(harness, session_id=known)
    assert result.session_id == known
    assert harness.asked[0]["runtimeSessionId"] == known


def test_what_the_caller_wants_takes_the_place_of_what_the_harness_has():
    harness = Harness(DONE)
    run(
        harness,
        system="Be brief.",
        model="amazon.nova",
        tools=[Tool("add", "Adds.")],
        replace_tools=[{"type": "agentcore_browser"}],
        max_iterations=3,
    )
    given = harness.asked[0]
    assert given["systemPrompt"] == [{"text": "Be brief."}]
    assert given["model"] == {"bedrockModelConfig": {"modelId": "amazon.nova"}}
    assert [one["type"] for one in given["tools"]] == ["agentcore_browser", "inline_function"]
    assert given["maxIterations"] == 3


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"agent_id": None}, "agent_id"),
        ({"session_id": "short"}, "session_id"),
        ({"session_id": "_" * 40}, "session_id"),
        ({"temperature": 1}, "option"),
    ],
)
def test_an_option_that_cannot_be_is_refused_before_any_call(options, field):
    harness = Harness()
    with pytest.raises(InvalidInput) as refused:
        run(harness, **options)
    assert refused.value.field == field
    assert harness.asked == []


@pytest.mark.parametrize("given", [{"region": ""}, {"profile": 7}, {"idle_timeout": 0}])
def test_an_argument_that_cannot_be_is_refused(given):
    with pytest.raises(InvalidInput, match=next(iter(given))):
        agentcore(**given)


def test_a_failure_in_the_middle_of_a_request_says_what_there_was():
    harness = Harness(ASKS, [EventStreamError("validationException", "no")])
    with pytest.raises((ProviderFailed, LoopFailed)):
        run(harness)
    assert len(harness.asked) == 2
