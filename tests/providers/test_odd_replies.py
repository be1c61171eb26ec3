"""Replies of model servers that are not as OpenAI's and Anthropic's own, and what is sent back."""

from __future__ import annotations

import json

import pytest

import beam
from beam.errors import InvalidInput
from beam.providers import Tool
from beam.providers.chat import ChatReply, chat
from beam.providers.chat_dialect import ChatDialect
from beam.providers.local import local
from beam.providers.messages import MessagesDialect, messages
from beam.providers.responses import ResponsesDialect, responses
from tests.providers.test_local import Model, reply

TOOLS = [Tool("add"), Tool("mul")]


def call(name, arguments, index=0, call_id=None, **more):
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": call_id, "function": function, **more}


def streamed(*deltas, finish="tool_calls"):
    whole = ChatReply()
    for delta in deltas:
        whole.add({"choices": [{"index": 0, "delta": delta}]})
    whole.add({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return whole.whole()


def asked(*replies, **options):
    """Run a request; return what the handler was asked, the model's function, and the result."""
    model, calls = Model(*replies), []

    def handler(name, given, context):
        calls.append((name, dict(given)))
        return "fine"

    result = beam.run(local(model), handler=handler, tools=TOOLS, prompt="Go.", **options)
    return calls, model, result


def answers(model):
    """Return the ids that the model called by, and those that it was answered by."""
    *_, said = [each for each in model.last if each.get("tool_calls")]
    told = [each["tool_call_id"] for each in model.last if each["role"] == "tool"]
    return [each["id"] for each in said["tool_calls"]], told


@pytest.mark.parametrize(
    "deltas",
    [
        [{"tool_calls": [call("add", '{"a":1}'), call("mul", '{"a":2}', 1)]}],
        [{"tool_calls": [call("add", '{"a":1}')]}, {"tool_calls": [call("mul", '{"a":2}')]}],
        [{"tool_calls": [call("add", '{"a":1}'), call("mul", '{"a":2}')]}],
        [{"tool_calls": [call("add", '{"a":1}', 0, "x"), call("mul", '{"a":2}', 1, "x")]}],
        [{"tool_calls": [call("add", '{"a":1}', 0, ""), call("mul", '{"a":2}', 0, "")]}],
    ],
    ids=["no ids", "no ids, all counted as 0", "in one piece", "the same id", "empty ids"],
)
def test_calls_beside_each_other_are_told_apart_whatever_their_ids_are(deltas):
    calls, model, _ = asked(streamed(*deltas))
    assert sorted(calls) == [("add", {"a": 1}), ("mul", {"a": 2})]
    called, told = answers(model)
    assert len(set(called)) == 2
    assert sorted(told) == sorted(called)


def test_a_call_whose_name_comes_in_every_piece_is_one():
    pieces = [{"tool_calls": [call("add", part)]} for part in ('{"a"', ":", "1}")]
    assert asked(streamed(*pieces))[0] == [("add", {"a": 1})]


@pytest.mark.parametrize("call_id", ["functions.x:0", None])
def test_an_id_that_comes_again_in_the_next_answer_is_another_call(call_id):
    calls, model, result = asked(
        streamed({"tool_calls": [call("add", '{"a":1}', 0, call_id)]}),
        streamed({"tool_calls": [call("mul", '{"a":2}', 0, call_id)]}),
        terminal_tool="mul",
        require_terminal_tool=True,
    )
    assert [name for name, _ in calls] == ["add", "mul"]
    assert [use.name for use in result.custom_tool_uses] == ["add", "mul"]
    assert (result.stop_reason, result.turns) == ("stop", 3)
    assert len(set(answers(model)[1])) == 2


@pytest.mark.parametrize(("arguments", "given"), [("", {}), ("null", {}), ({"a": 1}, {"a": 1})])
def test_arguments_that_are_no_text_or_nothing_are_understood(arguments, given):
    calls, model, _ = asked(streamed({"tool_calls": [call("add", arguments)]}))
    assert calls == [("add", given)]
    assert json.loads(model.last[-2]["tool_calls"][0]["function"]["arguments"]) == given


def test_arguments_that_are_no_json_are_sent_back_as_json():
    calls, model, _ = asked(streamed({"tool_calls": [call("add", '{"a": 1,,}')]}))
    assert calls == [("add", {"malformed_arguments": '{"a": 1,,}'})]
    assert json.loads(model.last[-2]["tool_calls"][0]["function"]["arguments"]) == calls[0][1]


@pytest.mark.parametrize("arguments", ["", '{"path": "a", "text": "hal'])
@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_a_call_that_was_cut_is_not_run(arguments, finish):
    cut = streamed({"tool_calls": [call("add", arguments)]}, finish=finish)
    calls, model, result = asked(cut)
    assert (calls, result.terminal, result.stop_reason) == ([], "terminated", finish)
    again, model, _ = asked(reply("well"), history=result.transcript)
    assert again == []
    assert answers(model)[0] == answers(model)[1]


def test_what_a_server_says_of_its_thoughts_and_calls_is_told_it_again():
    signed = {"extra_content": {"google": {"thought_signature": "sig"}}}
    _, model, _ = asked(
        streamed(
            {"reasoning_content": "let me "},
            {"reasoning_content": "see", "reasoning_details": [{"text": "see"}]},
            {"tool_calls": [call("add", "{}", **signed)]},
        )
    )
    message = model.last[-2]
    assert message["reasoning_content"] == "let me see"
    assert message["reasoning_details"] == [{"text": "see"}]
    assert message["tool_calls"][0]["extra_content"] == signed["extra_content"]


def test_thoughts_before_an_answer_without_calls_are_not_told_again():
    said = streamed({"reasoning_content": "hm"}, {"content": "4"}, finish="stop")
    assert ChatDialect().reply_items(said) == [{"role": "assistant", "content": "4"}]


def test_an_empty_answer_is_sent_back_as_text():
    assert asked(reply(None))[2].transcript[-1] == {"role": "assistant", "content": ""}


def test_an_answer_in_parts_is_put_together():
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    pieces = ChatReply()
    first = pieces.add({"choices": [{"delta": {"content": [thinking]}}]})
    part = {"content": [{"type": "text", "text": "four"}]}
    second = pieces.add({"choices": [{"delta": part, "finish_reason": "stop"}]})
    assert (first, second) == (("", "hm"), ("four", ""))
    assert ChatDialect().text(pieces.whole()) == "four"


@pytest.mark.parametrize("word", ["max_tokens", "refusal", "model_context_window_exceeded"])
def test_a_message_that_was_cut_asks_for_no_tool(word):
    block = {"type": "tool_use", "id": "t1", "name": "add", "input": {"path": "a"}}
    cut = {"content": [block], "stop_reason": word}
    dialect = MessagesDialect()
    assert dialect.uses(cut) == []
    assert dialect.stop(cut) == ("terminated", word)
    assert [use.id for use in dialect.unanswered(dialect.reply_items(cut))] == ["t1"]
    assert dialect.uses({**cut, "stop_reason": "tool_use"})


def test_a_response_that_was_cut_asks_for_no_tool():
    item = {"type": "function_call", "call_id": "c1", "name": "add", "arguments": ""}
    cut = {"status": "incomplete", "output": [item]}
    assert ResponsesDialect().uses(cut) == []
    assert ResponsesDialect().uses({**cut, "status": "completed"})


@pytest.mark.parametrize("make", [chat, messages, responses])
@pytest.mark.parametrize("option", [{"timeout": 0}, {"timeout": "1"}, {"params": []}])
def test_an_option_of_a_server_that_is_wrong_is_refused_at_once(make, option):
    with pytest.raises(InvalidInput) as refused:
        make("small", **option)
    assert refused.value.field in option


@pytest.mark.parametrize("most", [0, True, 2.5])
def test_a_limit_of_tokens_is_a_whole_number(most):
    with pytest.raises(InvalidInput, match="max_tokens"):
        messages("large", max_tokens=most)


@pytest.mark.parametrize(("option", "value"), [("history", ["Hi."]), ("tempreature", 1)])
def test_what_a_chat_function_cannot_use_is_refused_before_it_is_asked(option, value):
    model = Model()
    with pytest.raises(InvalidInput, match=option):
        beam.run(local(model), handler=print, prompt="Go.", **{option: value})
    assert model.asked == []
