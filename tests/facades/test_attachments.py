"""Attachments of a query, from `fleet.router` to the agent, and in the log."""

from __future__ import annotations

import os

import pytest

from beam.backends.backend import Query
from beam.errors import InvalidInput
from beam.sessions.terms import PROMPT_BYTES
from tests.sessions.scripted import kill


@pytest.fixture
def notes(tmp_path):
    """A file in the session's folder."""
    file = tmp_path / "notes.txt"
    file.write_text("Buy milk.")
    return file


def submitted(fleet, session):
    return fleet.journal().read(session.id, types=("run_submitted",))


def test_an_agent_gets_what_is_attached_with_its_prompt(shouting, notes):
    session = shouting.start_session(cwd=str(notes.parent))
    attachments = [{"type": "file", "path": "notes.txt"}]
    said = shouting.router.query(session, "hello", params={"attachments": attachments})
    assert said[-1].content == (
        "HELLO\n\nATTACHMENTS (1):\n\n[1] FILE NOTES.TXT, TEXT/PLAIN, 9 BYTES\nBUY MILK."
    )


def test_the_agent_finds_the_blocks_and_the_manifest_among_the_params(fleet, backend, notes):
    session = fleet.start_session()
    attachments = [{"type": "file", "path": str(notes)}]
    fleet.router.send_query(session, "hello", {"attachments": attachments, "max_turns": 3}, None)
    params = backend.agent().hear(Query).params
    assert "attachments" not in params
    assert (params["max_turns"], params["attachment_blocks"][0]["text"]) == (3, "Buy milk.")
    assert params["attachment_manifest"][0]["how"] == "embedded"


def test_the_log_says_what_was_attached_and_holds_the_content_once(shouting, notes):
    session = shouting.start_session()
    attachments = [{"type": "file", "path": str(notes)}]
    shouting.router.query(session, "hello", params={"attachments": attachments, "mode": "fast"})
    [event] = submitted(shouting, session)
    assert (event.data["prompt"], event.data["params"]) == ("hello", {"mode": "fast"})
    assert event.data["attachments"]["manifest"][0]["name"] == "notes.txt"
    assert repr(event.data).count("Buy milk.") == 1


def test_a_retry_after_a_crash_sends_what_the_file_held_when_it_was_asked(fleet, backend, notes):
    session = fleet.start_session(on_crash="retry")
    attachments = [{"type": "file", "path": str(notes)}]
    fleet.router.send_query(session, "hello", {"attachments": attachments}, None)
    first = backend.agent().hear(Query)
    notes.write_text("Sell milk.")
    kill(fleet, session.id)
    again = backend.agent().hear(Query)
    assert again.prompt == first.prompt
    assert again.prompt.endswith("Buy milk.")
    assert again.params == first.params


def test_the_limit_is_the_sessions(shouting, notes):
    session = shouting.start_session(attachment_limit=8)
    attachments = [{"type": "file", "path": str(notes)}]
    said = shouting.router.query(session, "hello", params={"attachments": attachments})
    assert "LARGER THAN 8 BYTES, REJECTED" in said[-1].content


@pytest.mark.parametrize("empty", [None, [], ()])
def test_no_attachments_leave_the_prompt_as_it_is(shouting, empty):
    session = shouting.start_session()
    said = shouting.router.query(session, "hello", params={"attachments": empty})
    assert said[-1].content == "HELLO"
    assert "attachments" not in submitted(shouting, session)[0].data


def test_bad_attachments_are_refused_by_name_and_nothing_is_asked(fleet):
    session = fleet.start_session()
    with pytest.raises(InvalidInput) as refused:
        fleet.router.query(session, "hello", params={"attachments": [{"type": "file"}]})
    assert refused.value.field == "attachments[0]"
    assert submitted(fleet, session) == []


def test_attachments_that_the_log_has_no_room_for_are_refused(fleet, tmp_path):
    size = PROMPT_BYTES // 3
    (tmp_path / "big.bin").write_bytes(bytes(size))
    session = fleet.start_session(cwd=str(tmp_path), attachment_limit=size)
    attachments = [{"type": "file", "path": "big.bin"}] * 3
    with pytest.raises(InvalidInput) as refused:
        fleet.router.query(session, "hello", params={"attachments": attachments})
    assert refused.value.field == "attachments"
    assert submitted(fleet, session) == []


def test_a_folder_or_a_pipe_is_described_and_nobody_waits_for_it(shouting, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    session = shouting.start_session(cwd=str(tmp_path))
    attachments = [{"type": "file", "path": name} for name in ("pipe", ".", "none", "\0")]
    shouting.router.query(session, "hello", params={"attachments": attachments})
    manifest = submitted(shouting, session)[0].data["attachments"]["manifest"]
    assert [entry["how"] for entry in manifest] == ["described"] * 4
