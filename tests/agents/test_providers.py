"""Model servers by their official clients do what every backend must do, and what the loop asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

import beam
from beam.backends import Backend
from beam.errors import Interrupted, InvalidInput, ProviderFailed, RunFailed
from beam.providers.chat import chat
from beam.providers.messages import messages
from beam.providers.provider import OpenOptions, Provider
from beam.providers.responses import responses
from beam.sessions.loop_backend import provider_backend
from beam.testing import BackendConformance
from tests.agents.fake_model import DISTINCT, FakeModel
from tests.agents.saying_server import Start

SECRET = "sk-test-0123456789"
NAMES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")

Make = Callable[..., Provider]


def chat_of(url: str, **options: Any) -> Provider:
    return chat("fake", base_url=f"{url}/v1", **options)


def responses_of(url: str, **options: Any) -> Provider:
    return responses("fake", base_url=f"{url}/v1", **options)


def messages_of(url: str, **options: Any) -> Provider:
    return messages("fake", base_url=url, **options)


ALL = pytest.mark.parametrize("make", [chat_of, responses_of, messages_of])


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, alone: Path) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, SECRET)


def write_file(path: str) -> str:
    """Write a file."""
    Path(path).write_text("made")
    return "made"


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class _Provider(BackendConformance):
    lacks: ClassVar[dict[str, str]] = {"program": "the model is a server elsewhere"}
    secrets = (SECRET,)
    charges = DISTINCT.buckets()
    session_options: ClassVar[dict[str, Any]] = {"tools": [write_file]}
    make: Make

    def setup_method(self) -> None:
        self.model = FakeModel(tokens=DISTINCT)
        self.model.__enter__()
        super().setup_method()

    def teardown_method(self) -> None:
        super().teardown_method()
        self.model.__exit__()

    def backend(self) -> Backend:
        provider = type(self).make(self.model.url, retry_wait=0.01)
        return provider_backend(provider, ask_permission=["write_file"])

    def writes(self, path: Path) -> str:
        return f"[[tool write_file {json.dumps({'path': str(path)})}]]"


class TestChat(_Provider):
    make = staticmethod(chat_of)


class TestResponses(_Provider):
    make = staticmethod(responses_of)


class TestMessages(_Provider):
    make = staticmethod(messages_of)


@ALL
def test_a_tool_is_run_and_its_result_told(make: Make, model: FakeModel) -> None:
    result = beam.run(make(model.url), tools=[add], prompt='[[tool add {"a": 2, "b": 3}]]')
    assert (result.text, result.turns, result.terminal) == ("tool said: 5", 2, "end_turn")
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (20, 10)


@ALL
def test_an_answer_that_was_cut_is_no_answer_and_says_so(make: Make, model: FakeModel) -> None:
    with beam.Fleet(backends={"model": provider_backend(make(model.url))}) as fleet:
        session = fleet.start_session()
        with pytest.raises(RunFailed) as failed:
            session.query("[[cut half of it]]").get(timeout=60)
        assert failed.value.reason == "truncated"
        assert session.query("[[say on]]").get(timeout=60) == "on"


@ALL
def test_a_conversation_goes_on_from_its_transcript(make: Make, model: FakeModel) -> None:
    first = beam.run(make(model.url), handler=print, prompt="[[say one]]")
    again = beam.run(
        make(model.url), handler=print, prompt="[[history]]", history=first.transcript or ()
    )
    assert again.text == "one"


@ALL
def test_what_a_user_adds_to_the_body_is_sent_beside_the_conversation(
    make: Make, model: FakeModel
) -> None:
    provider = make(model.url, params={"extra_body": {"top_k": 3}})
    assert beam.run(provider, tools=[add], prompt="[[say hi]]").text == "hi"
    body = model.calls[0].body
    assert body["top_k"] == 3
    assert "[[say hi]]" in json.dumps(body.get("messages") or body["input"])
    assert "add" in json.dumps(body["tools"])


@ALL
@pytest.mark.parametrize(
    ("status", "kind", "calls"),
    [(400, "invalid_request", 1), (401, "auth", 1), (429, "throttled", 1), (529, "overloaded", 4)],
)
def test_a_refusal_has_its_reason_and_what_may_pass_is_tried_again(
    make: Make, model: FakeModel, status: int, kind: str, calls: int
) -> None:
    with pytest.raises(ProviderFailed) as caught:
        beam.run(make(model.url, retry_wait=0.001), handler=print, prompt=f"[[fail {status}]]")
    assert caught.value.reason == ("status", status)
    assert caught.value.exit.kind == kind
    assert len(model.calls) == calls


@ALL
@pytest.mark.parametrize("said", [b"", b": nothing\n\n", b"<html>a gateway</html>"])
def test_a_stream_that_ends_without_an_answer_is_a_drop_and_is_asked_again(
    make: Make, start: Start, said: bytes
) -> None:
    server = start(said)
    with pytest.raises(ProviderFailed) as caught:
        beam.run(make(server.url, retry_wait=0.001), handler=print, prompt="Hi.")
    assert caught.value.exit.kind == "overloaded"
    assert server.calls == 4


def _events(*events: dict[str, Any]) -> bytes:
    told = (f"event: {one.get('type')}\ndata: {json.dumps(one)}\n\n" for one in events)
    return "".join(told).encode()


_EMPTY: dict[str, Any] = {"id": "m", "role": "assistant", "model": "fake", "content": []}
_HALF = {
    chat_of: _events({"choices": [{"index": 0, "delta": {"content": "half"}}]}),
    responses_of: _events(
        {"type": "response.output_text.delta", "delta": "half", "item_id": "i", "output_index": 0}
    ),
    messages_of: _events(
        {"type": "message_start", "message": {"type": "message", "usage": {}, **_EMPTY}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
    ),
}


@ALL
def test_a_stream_that_breaks_off_in_the_middle_is_a_drop_and_not_told_twice(
    make: Make, start: Start
) -> None:
    server = start(_HALF[make])
    with pytest.raises(ProviderFailed) as caught:
        beam.run(make(server.url, retry_wait=0.001), handler=print, prompt="Hi.")
    assert caught.value.exit.kind == "overloaded"
    assert server.calls == 1


@ALL
def test_what_is_no_json_breaks_the_protocol(make: Make, start: Start) -> None:
    server = start(b"event: response.created\ndata: {not json\n\n")
    if make is messages_of:
        server.said = b"event: message_start\ndata: {not json\n\n"
    with pytest.raises(ProviderFailed) as caught:
        beam.run(make(server.url, retry_wait=0.001), handler=print, prompt="Hi.")
    assert caught.value.exit.kind == "protocol"


@ALL
def test_a_server_that_is_not_there_is_told_by_name(make: Make) -> None:
    provider = make("http://127.0.0.1:9", retry_wait=0.001)
    with pytest.raises(ProviderFailed) as caught:
        beam.run(provider, handler=print, prompt="Hi.")
    assert caught.value.reason == "not_connected"
    assert caught.value.exit.kind == "overloaded"


@ALL
def test_the_key_is_in_the_request_and_nowhere_else(make: Make, model: FakeModel) -> None:
    provider = make(model.url)
    with pytest.raises(ProviderFailed) as caught:
        beam.run(provider, handler=print, prompt="[[fail 401]]")
    headers = " ".join(model.calls[0].headers.values())
    assert SECRET in headers
    error = caught.value
    shown = (repr(provider), str(error), repr(error.exit), repr(error.__cause__))
    assert SECRET not in " ".join(shown)


@ALL
def test_a_key_comes_from_a_secret_file_if_one_is_named(
    make: Make, model: FakeModel, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text("sk-from-the-file")
    path.chmod(0o600)
    beam.run(make(model.url, secret_file=path), handler=print, prompt="[[say hi]]")
    assert "sk-from-the-file" in " ".join(model.calls[0].headers.values())


@ALL
def test_a_key_that_others_may_read_is_refused(
    make: Make, model: FakeModel, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text("sk-from-the-file")
    path.chmod(0o644)
    with pytest.raises(InvalidInput, match="secret_file"):
        make(model.url, secret_file=path).check(OpenOptions())


@pytest.mark.parametrize("provider", [messages("fake"), responses("fake"), chat("fake")])
def test_without_a_key_nothing_begins(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name)
    with pytest.raises(InvalidInput, match="api_key"):
        provider.check(OpenOptions())


@ALL
def test_an_interrupt_ends_the_call_of_the_model(
    make: Make, model: FakeModel, fleet_with: Callable[..., beam.Fleet]
) -> None:
    fleet = fleet_with(provider_backend(make(model.url)))
    session = fleet.start_session(backend="agent")
    heard = threading.Event()

    def listen() -> None:
        with suppress(Interrupted):
            for message in session.stream("[[slow 60]]"):
                if message.type == "text":
                    heard.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert heard.wait(30.0)
    session.interrupt()
    listener.join(30.0)
    assert session.query("[[say two]]").get(timeout=30.0) == "two"


@ALL
def test_conversations_share_a_client_and_the_last_one_closes_it(
    make: Make, model: FakeModel, fleet_with: Callable[..., beam.Fleet]
) -> None:
    provider: Any = make(model.url)
    fleet = fleet_with(provider_backend(provider))
    sessions = [fleet.start_session(backend="agent") for _ in range(3)]
    for session in sessions:
        assert session.query("[[say hi]]").get(timeout=30.0) == "hi"
    assert len(provider.clients) == 1
    fleet.close()
    assert len(provider.clients) == 0
