"""`beam.sessions.recorder`: the file of a recorded session has what the log has, whatever dies."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from beam import Fleet
from beam.cli.reading import print_log
from beam.errors import AlreadyExists, InvalidInput
from beam.log import SqliteStore
from beam.sessions.delivery import named
from beam.sessions.recorder import RECORDER
from beam.sessions.recording import line_of
from beam.testing import settle
from tests.otp.actors import eventually
from tests.sessions.scripted import PATIENCE, Scripted, fleet_of, kill, shout
from tests.volume import scaled

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "session.jsonl"


def ask(session: Any, prompt: str = "hello") -> None:
    session.query(prompt, on_crash="retry").get(timeout=PATIENCE)


def in_log(fleet: Fleet, session: Any) -> list[str]:
    """Return the lines that a recording of the session must have."""
    return [line_of(record) for record in fleet.journal().store.read(session.id)]


def lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines()


def test_a_recording_is_what_beam_log_prints_of_the_session(file, tmp_path):
    store = tmp_path / "fleet.db"
    with fleet_of(Scripted(shout), store) as fleet:
        session = fleet.start_session(record=file)
        other = fleet.start_session()
        for one in (session, other, session):
            ask(one, "hello \N{SNOWMAN} \ud800")
    printed = io.StringIO()
    options: Any = {"types": [], "as_json": True, "follow": False}
    print_log(store, session=session.id, write=lambda one: printed.write(f"{one}\n"), **options)
    assert file.read_text("utf-8") == printed.getvalue()
    assert '"sequence": 1,' in lines(file)[0]


def test_what_the_session_did_not_write_is_in_it_too(fleets, file):
    fleet = fleets(Scripted(shout))
    session = fleet.start_session(record=file)
    fleet.control.set_config(session.id, "depth", 3)
    fleet.control.request_permission(session.id, "write", {"path": "a"}, {})
    session.stop()
    written = [json.loads(line)["type"] for line in lines(file)]
    assert {"config_set", "permission_requested", "permission_resolved"} <= {*written}


def test_a_recording_is_whole_when_stop_returns(fleets, file):
    fleet = fleets(Scripted(shout))
    for _ in range(scaled(100)):
        session = fleet.start_session(record=file)
        ask(session)
        session.stop()
        assert lines(file) == in_log(fleet, session)
        assert json.loads(lines(file)[-1])["type"] == "session_stopped"
        file.unlink()


def test_a_recording_is_whole_when_the_fleet_is_closed(file):
    for _ in range(scaled(100)):
        with fleet_of(Scripted(shout)) as fleet:
            session = fleet.start_session(record=file)
            ask(session)
            session.submit("and one more that nobody waits for")
        sequences = [json.loads(line)["sequence"] for line in lines(file)]
        assert sequences == [*range(1, len(sequences) + 1)]
        file.unlink()


def test_a_file_store_is_recorded_to_its_end(file, tmp_path):
    path = tmp_path / "fleet.db"
    with fleet_of(Scripted(shout), path) as fleet:
        session = fleet.start_session(record=file)
        for _ in range(20):
            session.submit("hello")
    with contextlib.closing(SqliteStore.open(path)) as log:
        assert lines(file) == [line_of(record) for record in log.read(session.id)]


@pytest.mark.parametrize("victim", [RECORDER, "log", "session", "control"])
def test_a_kill_while_a_session_is_recorded_loses_no_line_and_doubles_none(
    fleets, file, tmp_path, victim
):
    fleet = fleets(Scripted(shout), tmp_path / "fleet.db")
    session = fleet.start_session(record=file)
    for _ in range(scaled(100)):
        runs = [session.submit(f"number {n}", on_crash="retry") for n in range(5)]
        kill(fleet, session.id if victim == "session" else victim)
        for run in runs:
            run.get(timeout=PATIENCE)
    named(fleet.node, RECORDER)
    session.stop()
    eventually(lambda: lines(file) == in_log(fleet, session))


def test_a_session_that_is_taken_up_goes_on_in_its_recording(file, tmp_path):
    path = tmp_path / "fleet.db"
    for number in range(3):
        with fleet_of(Scripted(shout), path) as fleet:
            session = fleet.start_session(session_id="s", record=file)
            ask(session, f"number {number}")
            expected = in_log(fleet, session)
    assert lines(file)[: len(expected)] == expected
    restarts = [line for line in lines(file) if '"type": "session_restarted"' in line]
    assert len(restarts) == 2


def test_a_line_that_a_crash_has_cut_is_written_anew(file, tmp_path):
    path = tmp_path / "fleet.db"
    with fleet_of(Scripted(shout), path) as fleet:
        ask(fleet.start_session(session_id="s", record=file))
    whole = file.read_bytes()
    for cut in (1, 30, len(whole) // 2, len(whole) - 5):
        file.write_bytes(whole[:-cut])
        with fleet_of(Scripted(shout), path) as fleet:
            fleet.start_session(session_id="s", record=file)
        assert file.read_bytes().startswith(whole)
        with contextlib.closing(SqliteStore.open(path)) as log:
            assert lines(file) == [line_of(record) for record in log.read("s")]


def test_a_file_that_is_deleted_meanwhile_is_written_anew(fleets, file):
    fleet = fleets(Scripted(shout))
    session = fleet.start_session(record=file)
    ask(session)
    eventually(file.exists)
    file.unlink()
    ask(session)
    session.stop()
    assert lines(file) == in_log(fleet, session)


def test_a_folder_that_is_away_for_a_while_costs_no_line(fleets, tmp_path):
    fleet = fleets(Scripted(shout))
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "session.jsonl"
    session = fleet.start_session(record=file)
    ask(session)
    eventually(file.exists)
    folder.rename(tmp_path / "away")
    ask(session)
    (tmp_path / "away").rename(folder)
    ask(session)
    eventually(lambda: lines(file) == in_log(fleet, session))


@pytest.mark.parametrize("content", ["hello\n", "hello", '{"position": 1}\n', "[]\n", "\n", "{}"])
def test_a_file_that_is_no_recording_is_refused_and_left_alone(fleets, file, content):
    fleet = fleets(Scripted(shout))
    file.write_text(content, "utf-8")
    with pytest.raises(InvalidInput) as caught:
        fleet.start_session(session_id="s", record=file)
    assert caught.value.field == "record"
    assert file.read_text("utf-8") == content
    assert fleet.sessions() == []
    assert fleet.journal().read("s") == []


def test_a_recording_of_another_session_or_another_log_is_refused(fleets, file):
    with fleet_of(Scripted(shout)) as fleet:
        fleet.start_session(session_id="s", record=file)
    before = file.read_bytes()
    fleet = fleets(Scripted(shout))
    for session_id in ("s", "t", None):
        with pytest.raises(InvalidInput, match="the recording of"):
            fleet.start_session(session_id=session_id, record=str(file))
    assert file.read_bytes() == before


def test_two_sessions_cannot_have_one_file(fleets, file, tmp_path):
    fleet = fleets(Scripted(shout))
    fleet.start_session(session_id="s", record=file)
    link = tmp_path / "link.jsonl"
    link.symlink_to(file)
    for path in (file, link):
        with pytest.raises(InvalidInput, match="not that of s"):
            fleet.start_session(record=path)
    with pytest.raises(AlreadyExists):
        fleet.start_session(session_id="s", record=file)
    ask(fleet.session("s"))
    eventually(lambda: lines(file) == in_log(fleet, fleet.session("s")))


def test_credentials_are_in_no_recording_not_even_sealed(fleets, file):
    fleet = fleets(Scripted(shout))
    provider = {"api_key": "sk-1", "base_url": "http://a"}
    session = fleet.start_session(record=file, provider=provider, metadata={"password": "sk-2"})
    fleet.control.set_config(session.id, "port", {"token": "sk-3"})
    session.stop()
    text = file.read_text("utf-8")
    assert "sk-" not in text
    assert '"sealed"' not in text
    assert "http://a" in text


def test_nobody_listens_to_the_log_where_nobody_is_recorded(fleets, file):
    fleet = fleets(Scripted(shout))
    ask(fleet.start_session())
    settle(fleet.node)
    assert recorder_of(fleet)._listener is None
    session = fleet.start_session(record=file)
    ask(session)
    session.stop()
    assert recorder_of(fleet)._listener is None


def recorder_of(fleet: Fleet) -> Any:
    return named(fleet.node, RECORDER).control.actor
