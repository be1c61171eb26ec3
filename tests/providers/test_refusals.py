"""A model that declines, in each shape that has a field for it, has given no answer."""

from __future__ import annotations

from beam.providers.chat import ChatReply
from beam.providers.chat_dialect import ChatDialect
from beam.providers.responses import ResponsesDialect

NO = "I can't help with that."


def responded(*parts):
    message = {"type": "message", "role": "assistant", "content": list(parts)}
    return {"status": "completed", "output": [message]}


def test_a_chat_message_with_a_refusal_is_no_answer():
    reply = {"choices": [{"message": {"content": None, "refusal": NO}, "finish_reason": "stop"}]}
    assert ChatDialect().stop(reply) == ("terminated", "refusal")
    assert ChatDialect().text(reply) == NO


def test_a_chat_message_whose_refusal_is_null_is_an_answer():
    reply = {"choices": [{"message": {"content": "4", "refusal": None}, "finish_reason": "stop"}]}
    assert ChatDialect().stop(reply) == ("end_turn", "stop")
    assert ChatDialect().text(reply) == "4"


def test_a_refusal_that_comes_in_pieces_is_one():
    reply = ChatReply()
    reply.add({"choices": [{"delta": {"refusal": NO[:5]}}]})
    reply.add({"choices": [{"delta": {"refusal": NO[5:]}, "finish_reason": "stop"}]})
    assert ChatDialect().stop(reply.whole()) == ("terminated", "refusal")
    assert ChatDialect().text(reply.whole()) == NO


def test_a_response_with_a_refusal_in_it_is_no_answer():
    reply = responded({"type": "refusal", "refusal": NO})
    assert ResponsesDialect().stop(reply) == ("terminated", "refusal")
    assert ResponsesDialect().text(reply) == NO


def test_a_response_of_text_alone_is_an_answer():
    reply = responded({"type": "output_text", "text": "4"})
    assert ResponsesDialect().stop(reply) == ("end_turn", "completed")
