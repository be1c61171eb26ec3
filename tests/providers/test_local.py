"""`beam.providers.local`: section 8.2's rules, by the numbers of their acceptance checks."""

from __future__ import annotations

import asyncio
import json

import pytest

import beam
from beam.errors import InvalidInput, InvalidOption, LoopFailed, ProviderFailed, ToolFailed
from beam.providers import OpenOptions, Outcome, Tool, ToolResult
from beam.providers.failures import failed_as, transient
from beam.providers.local import local
from tests.providers.stubs import VirtualPace


def reply(content=None, *calls, finish="stop", usage=None):
    message = {"role": "assistant", "content": content}
    if calls:
        message["tool_calls"] = [
            {
                "id": name,
                "type": "function",
                "function": {"name": tool, "arguments": json.dumps(given)},
            }
            for name, tool, given in calls
        ]
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}


class Model:
    """A chat function that answers as it is told, and keeps what it was asked."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        answer = self.replies.pop(0) if self.replies else reply("done")
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def last(self):
        return self.asked[-1]["messages"]


def run(chat_fun, handler=lambda name, given, context: "fine", **options):
    return beam.run(local(chat_fun), handler=handler, prompt="Go.", **options)


def users(messages):
    return [each["content"] for each in messages if each["role"] == "user"]


def test_check_67_it_is_told_the_system_prompt_the_tools_and_the_conversation():
    model = Model(reply(None, ("c1", "add", {"a": 1})), reply("2"))
    result = run(model, system="Be brief.", model="small", tools=[Tool("add", "Adds.")])
    assert result.text == "2"
    assert model.asked[0] == {
        "model": "small",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Go."},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "add",
                    "description": "Adds.",
                    "parameters": {"type": "object"},
                },
            }
        ],
    }
    assert model.last[-1] == {"role": "tool", "tool_call_id": "c1", "content": "fine"}
    assert result.session_id.startswith("local_")
    assert len(result.session_id) == len("local_") + 16


def test_check_68_the_same_call_again_is_answered_here():
    ran = []
    model = Model(
        reply(None, ("c1", "add", {"a": 1, "b": 2})),
        reply(None, ("c2", "add", {"b": 2, "a": 1})),
        reply("done"),
    )
    result = run(model, lambda name, given, context: ran.append(given))
    assert (len(ran), result.text, result.turns) == (1, "done", 3)
    assert [each.id for each in result.custom_tool_uses] == ["c1"]
    notice = model.last[-1]
    assert (notice["role"], notice["tool_call_id"]) == ("tool", "c2")
    assert "duplicate" in notice["content"]


def test_a_turn_with_a_new_call_and_a_repeated_one_runs_the_new_one():
    model = Model(
        reply(None, ("c1", "add", {"a": 1})),
        reply(None, ("c2", "add", {"a": 1}), ("c3", "add", {"a": 2})),
        reply("done"),
    )
    result = run(model)
    assert [each.id for each in result.custom_tool_uses] == ["c1", "c3"]
    assert [each["tool_call_id"] for each in model.last if each["role"] == "tool"] == [
        "c1",
        "c2",
        "c3",
    ]


@pytest.mark.parametrize(("second", "told"), [(True, 1), (False, 0)])
def test_check_69_two_errors_in_a_row_are_pointed_out(second, told):
    model = Model(*(reply(None, (f"c{n}", "add", {"a": n})) for n in range(3)), reply("done"))
    fails = iter([True, second, not second])

    def handler(name, given, context):
        if next(fails):
            raise ToolFailed(name, "no")
        return "yes"

    run(model, handler)
    assert sum("failed 2 times" in text for text in users(model.last)) == told


def test_check_70_the_last_poll_is_announced_and_no_other():
    model = Model(*(reply(None, (f"c{n}", "add", {"a": n})) for n in range(2)), reply("done"))
    run(model, max_turns=3, terminal_tool="submit")
    assert [len(users(each["messages"])) for each in model.asked] == [1, 1, 2]
    assert "submit" in users(model.last)[-1]


def test_check_71_tool_calls_win_over_stop():
    model = Model(reply("text", ("c1", "add", {}), finish="stop"), reply("done"))
    assert run(model).turns == 2


def test_check_72_an_answer_that_was_cut_is_terminated():
    result = run(Model(reply("half", finish="length")))
    assert (result.terminal, result.stop_reason, result.text) == ("terminated", "length", "half")


def test_check_73_a_usage_of_nulls_is_none():
    nulls = {"prompt_tokens": None, "completion_tokens": None}
    assert run(Model(reply("x", usage=nulls))).usage is None
    some = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    usage = run(Model(reply("x", usage=some))).usage
    assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens) == (6, 4, 5)


def test_check_74_a_new_request_begins_anew():
    provider = local(Model())
    asyncio.run(_two_requests(provider))
    model = provider.chat_fun
    # The same call is run in both; the last poll of neither is announced.
    tools = [each for each in model.last if each["role"] == "tool"]
    assert [each["content"] for each in tools] == ["fine", "fine"]
    assert users(model.last) == ["one", "two"]


async def _two_requests(provider):
    provider.chat_fun.replies = [
        reply(None, ("c1", "add", {"a": 1})),
        reply("1"),
        reply(None, ("c2", "add", {"a": 1})),
        reply("2"),
    ]

    async def forward(event): ...

    conn = await provider.open(OpenOptions(max_turns=3))
    for text in ("one", "two"):
        events, conn = await provider.poll_turn(conn, provider.user_input(text), forward)
        (use,) = provider.normalize(events).custom_tool_uses
        given = provider.resume_input([use], [ToolResult(use.id, "fine")])
        _, conn = await provider.poll_turn(conn, given, forward)


def test_check_75_an_error_is_told_as_json_that_says_so():
    def handler(name, given, context):
        raise ToolFailed(name, "no such file")

    model = Model(reply(None, ("c1", "add", {})), reply("done"))
    run(model, handler)
    content = next(each["content"] for each in model.last if each["role"] == "tool")
    assert json.loads(content) == {"error": "no such file", "isError": True}


def test_check_76_outcomes_are_refused():
    with pytest.raises(InvalidOption) as caught:
        run(Model(), outcome=Outcome("a poem"))
    assert caught.value.reason == "outcome_unsupported"


async def polled(model, *waits, retry_wait=0.1):
    pace = VirtualPace()
    task = asyncio.ensure_future(
        beam.aio.run(local(model, retry_wait=retry_wait), handler=print, pace=pace, timeout=None)
    )
    for wait in waits:
        await pace.sleeping(wait)
        pace.advance(wait)
    await asyncio.wait([task])
    return task, pace


def test_check_77_a_poll_that_may_do_better_is_tried_again_after_waits_that_double():
    model = Model(ProviderFailed(("status", 503)), TimeoutError(), reply("there"))
    task, pace = asyncio.run(polled(model, 0.1, 0.2))
    assert task.result().text == "there"
    assert [each for each in pace.slept if each < 1.0] == [0.1, 0.2]


def test_check_77_four_calls_are_all_there_are():
    model = Model(*(ProviderFailed(("status", 500)) for _ in range(5)))
    task, _ = asyncio.run(polled(model, 1.0, 2.0, 4.0, retry_wait=1.0))
    assert task.exception().reason == ("status", 500)
    assert len(model.asked) == 4


def test_check_77_a_refusal_is_not_tried_again():
    model = Model(ProviderFailed(("status", 401)))
    task, _ = asyncio.run(polled(model))
    assert task.exception().reason == ("status", 401)
    assert len(model.asked) == 1


class Answered(Exception):
    def __init__(self, status):
        super().__init__(f"HTTP {status}")
        self.status_code = status


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        pytest.param(Answered(408), True, id="408"),
        pytest.param(Answered(500), True, id="500"),
        pytest.param(Answered(503), True, id="503"),
        pytest.param(TimeoutError(), True, id="timeout"),
        pytest.param(ConnectionRefusedError(), True, id="refused"),
        pytest.param(ConnectionResetError(), True, id="reset"),
        pytest.param(ConnectionAbortedError(), True, id="closed"),
        pytest.param(Answered(429), False, id="429"),
        pytest.param(Answered(404), False, id="404"),
        pytest.param(ValueError(), False, id="other"),
    ],
)
def test_check_78_what_may_pass_is_known(error, passes):
    assert transient(failed_as(error)) is passes


def test_check_79_a_history_is_kept_as_it_is_and_an_empty_one_is_none():
    history = [{"role": "user", "content": "Hi.", "name": "ada"}]
    model = Model()
    first = run(model, history=history)
    assert model.last == [*history, {"role": "user", "content": "Go."}]
    second = run(model, history=first.transcript)
    assert len(second.transcript) == len(first.transcript) + 2
    assert users(model.last) == ["Hi.", "Go.", "Go."]
    run(model, history=[])
    assert model.last == [{"role": "user", "content": "Go."}]


def test_a_history_without_a_prompt_is_nothing_to_do():
    with pytest.raises(LoopFailed) as caught:
        beam.run(local(Model()), handler=print, history=[{"role": "user", "content": "Hi."}])
    assert caught.value.reason == ("invalid_opts", "prompt")


@pytest.mark.parametrize("body", [{"error": "?"}, {"choices": []}, {"choices": [{}]}, 5, None])
def test_a_reply_without_sense_fails_by_name(body):
    with pytest.raises(ProviderFailed) as caught:
        run(Model(body or {}))
    word, told = caught.value.reason
    assert (word, told) == ("malformed_chat_response", body or {})
    assert caught.value.exit.kind == "protocol"


def test_what_the_function_raises_itself_is_told_as_it_is():
    with pytest.raises(LoopFailed) as caught:
        run(Model(LookupError("no model")))
    assert isinstance(caught.value.reason[1], LookupError)


def test_what_a_tool_came_to_is_not_lost_with_a_poll_that_fails():
    with pytest.raises(LoopFailed) as caught:
        run(Model(reply(None, ("c1", "add", {})), LookupError("no model")))
    transcript = caught.value.result.transcript
    assert transcript[-1] == {"role": "tool", "tool_call_id": "c1", "content": "fine"}
    model = Model()
    run(model, history=transcript)
    assert [each["role"] for each in model.last] == ["user", "assistant", "tool", "user"]


def test_a_function_that_wants_to_end_the_program_does_not():
    with pytest.raises(LoopFailed) as caught:
        run(Model(SystemExit(1)))
    assert "SystemExit: 1" in str(caught.value.reason[1])


def test_nor_does_one_that_is_async():
    async def model(request):
        raise SystemExit(1)

    with pytest.raises(LoopFailed) as caught:
        run(model)
    assert "SystemExit: 1" in str(caught.value.reason[1])


def test_a_function_that_returns_a_coroutine_is_awaited():
    async def answer():
        return reply("later")

    assert run(lambda request: answer()).text == "later"


@pytest.mark.parametrize(
    "events",
    [[], [5], [{}], [{"type": "reply"}], [{"type": "reply", "reply": {"choices": [5]}}]],
)
def test_check_67_whatever_the_events_are_they_come_to_a_turn(events):
    assert local(Model()).normalize(events).terminal == "terminated"


def test_what_is_no_function_is_refused():
    with pytest.raises(InvalidInput, match="chat_fun"):
        local(5)
    with pytest.raises(InvalidInput, match="retry_wait"):
        local(print, retry_wait=-1)
