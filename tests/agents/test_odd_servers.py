"""Model servers that answer otherwise than in a whole stream, by their official clients."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

import beam
from beam.errors import LoopFailed, ProviderFailed
from beam.providers.chat import chat
from beam.providers.messages import messages
from beam.providers.responses import responses
from tests.agents.saying_server import Start

KEY = {"model_config": {"api_key": "sk-test-0123456789"}}
WHOLE = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}
    ],
}  # fmt: skip


def events(*told: dict[str, Any]) -> bytes:
    return b"".join(
        f"event: {each.get('type')}\ndata: {json.dumps(each)}\n\n".encode() for each in told
    )


def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def ask(provider: Any, **options: Any) -> Any:
    return beam.run(provider, handler=lambda *_: "fine", prompt="Hi.", **KEY, **options)


def asked_of_chat(server: Any) -> Any:
    return ask(chat("m", base_url=f"{server.url}/v1", retry_wait=0.001))


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (json.dumps(WHOLE).encode(), "application/json"),
        (events(piece(content="whole"), piece("stop")), "application/json; charset=utf-8"),
        (events(piece(content="whole"), piece("stop")) + b"data: [DONE]\n\n", "text/plain"),
    ],
    ids=["no stream", "a stream by another name", "a stream as plain text"],
)
def test_an_answer_is_taken_in_whatever_way_it_comes(start: Start, said: bytes, kind: str) -> None:
    assert asked_of_chat(start(said, kind)).text == "whole"


@pytest.mark.parametrize(
    ("said", "kind", "word"),
    [
        (b"<html>Please log in to the network.</html>", "text/html", "protocol"),
        (b'{"error": {"message": "The model is overloaded"}}', "application/json", "overloaded"),
        (b'{"result": 4}', "application/json", "protocol"),
    ],
)
def test_what_is_no_answer_at_all_is_not_asked_for_again(
    start: Start, said: bytes, kind: str, word: str
) -> None:
    server = start(said, kind)
    with pytest.raises(ProviderFailed) as caught:
        asked_of_chat(server)
    assert caught.value.reason == ("malformed_chat_response", said.decode())
    assert caught.value.exit.kind == word
    assert server.calls == 1


def test_a_piece_that_makes_no_sense_breaks_the_protocol(start: Start) -> None:
    with pytest.raises(ProviderFailed) as caught:
        asked_of_chat(start(b"data: [1, 2]\n\n"))
    assert caught.value.exit.kind == "protocol"


def test_what_the_client_does_not_expect_in_an_answer_is_not_warned_of(start: Start) -> None:
    part = [{"type": "text", "text": "a secret"}]
    server = start(events(piece(content=part), piece("stop")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asked_of_chat(server).text == "a secret"


_EMPTY = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
BEGUN = {"type": "message_start", "message": {**_EMPTY, "usage": {"input_tokens": 1}}}
USE = {"type": "tool_use", "id": "t1", "name": "add", "input": {}}


def failing(kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": "It did not work."}}


@pytest.mark.parametrize(
    ("kind", "word", "calls"),
    [("overloaded_error", "overloaded", 4), ("api_error", "overloaded", 4),
     ("rate_limit_error", "throttled", 1), ("new_error", "agent_error", 1)],
)  # fmt: skip
def test_an_error_in_a_stream_of_messages_is_told_by_its_name(
    start: Start, kind: str, word: str, calls: int
) -> None:
    server = start(events(failing(kind)))
    with pytest.raises(ProviderFailed) as caught:
        ask(messages("m", base_url=server.url, retry_wait=0.001))
    assert caught.value.reason == ("stream_error", kind)
    assert caught.value.exit.kind == word
    assert server.calls == calls


def test_an_error_after_the_first_words_is_not_asked_about_again(start: Start) -> None:
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}
    delta = {"type": "content_block_delta", "index": 0}
    text = {"type": "text_delta", "text": "half"}
    block["content_block"] |= {"text": ""}  # type: ignore[operator]
    server = start(events(BEGUN, block, {**delta, "delta": text}, failing("overloaded_error")))
    with pytest.raises(ProviderFailed) as caught:
        ask(messages("m", base_url=server.url, retry_wait=0.001))
    assert caught.value.exit.kind == "overloaded"
    assert server.calls == 1


def test_a_tool_input_that_is_no_json_breaks_the_protocol(start: Start) -> None:
    said = {"type": "input_json_delta", "partial_json": '{"a": nope}'}
    block = {"type": "content_block_start", "index": 0, "content_block": USE}
    delta = {"type": "content_block_delta", "index": 0, "delta": said}
    server = start(events(BEGUN, block, delta, {"type": "message_stop"}))
    with pytest.raises(ProviderFailed) as caught:
        ask(messages("m", base_url=server.url, retry_wait=0.001))
    assert caught.value.exit.kind == "protocol"
    assert server.calls == 1


@pytest.mark.parametrize(
    "said",
    [
        {"type": "error", "code": "server_error", "message": "It did not work."},
        {"type": "response.failed", "response": {
            "id": "r", "status": "failed", "output": [],
            "error": {"code": "server_error", "message": "It did not work."}}},
    ],
    ids=["an error", "a failed response"],
)  # fmt: skip
def test_a_response_that_failed_on_the_servers_side_may_do_better(
    start: Start, said: dict[str, Any]
) -> None:
    server = start(events(said))
    with pytest.raises(ProviderFailed) as caught:
        ask(responses("m", base_url=f"{server.url}/v1"))
    assert caught.value.reason == ("response_failed", "server_error")
    assert (caught.value.exit.kind, caught.value.exit.retryable) == ("overloaded", True)


def test_halves_of_characters_do_not_break_a_conversation(start: Start) -> None:
    halves = (piece(content="\ud83d"), piece(content="\ude00 \ud800"), piece("stop"))
    server = start(events(*halves))
    provider = chat("m", base_url=f"{server.url}/v1")
    first = beam.run(provider, handler=print, prompt="Hi \ud800.")
    beam.run(provider, handler=print, prompt="Go on.", history=first.transcript)
    told = json.loads(server.asked[-1])["messages"]
    assert [each["content"] for each in told] == ["Hi \ufffd.", "\U0001f600 \ufffd", "Go on."]


def test_a_tool_result_with_half_a_character_is_told(start: Start) -> None:
    call = {"index": 0, "id": "c1", "function": {"name": "add", "arguments": "{}"}}
    server = start(events(piece(tool_calls=[call]), piece("stop")))
    provider = chat("m", base_url=f"{server.url}/v1")
    with pytest.raises(LoopFailed):
        beam.run(provider, handler=lambda *_: "a\ud800", prompt="Hi.", max_turns=1)
    assert json.loads(server.asked[1])["messages"][-1]["content"] == "a\ufffd"
