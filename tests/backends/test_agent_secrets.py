"""`beam.backends.agent_secrets`: what is told of an agent, without its keys."""

from __future__ import annotations

from beam.backends.agent_secrets import hidden
from beam.backends.effects import Deliver, Failed
from beam.model.exit_reasons import ExitReason
from beam.model.messages import ErrorMessage, Message, ToolMessage

KEY = "sk-hunter2"
SECRETS = frozenset({KEY, f"{KEY}-and-more", "short"})


def test_a_failure_loses_them_in_its_words_its_facts_and_its_line() -> None:
    message = ErrorMessage(content=f"no {KEY}", raw={"data": [{"key": KEY, "code": 7}]})
    told = hidden(Failed("q", "auth", message, False, ExitReason("auth", detail=KEY)), SECRETS)
    assert isinstance(told, Failed)
    assert told.message.content == "no redacted"
    assert told.message.raw == {"data": [{"key": "redacted", "code": 7}]}
    assert told.exit == ExitReason("auth", detail="redacted")


def test_so_does_what_a_tool_has_given_the_longer_one_first() -> None:
    given = ToolMessage("tool_result", f"A={KEY} B={KEY}-and-more short", tool_use_id="t")
    told = hidden(Deliver("q", given), SECRETS)
    assert isinstance(told, Deliver)
    assert told.message.content == "A=redacted B=redacted short"


def test_so_does_a_piece_of_what_a_command_writes() -> None:
    subtype = "item_command_execution_output_delta"
    piece = Message("stream_event", f"A={KEY}", subtype=subtype, raw={"params": {"delta": KEY}})
    told = hidden(Deliver("q", piece), SECRETS)
    assert isinstance(told, Deliver)
    assert told.message.content == "A=redacted"
    assert told.message.raw == {"params": {"delta": "redacted"}}


def test_an_answer_is_left_as_it_is_and_its_pieces() -> None:
    whole = Message("text", KEY)
    piece = Message("stream_event", KEY, event_type="content_block_delta")
    for answer in (Deliver("q", whole), Deliver("q", piece)):
        assert hidden(answer, SECRETS) is answer


def test_without_secrets_nothing_is_looked_at() -> None:
    given = Deliver("q", ToolMessage("tool_result", KEY))
    assert hidden(given, ()) is given
