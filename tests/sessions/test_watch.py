"""`beam.sessions.watch` and `commons`: a fleet whose tree gives up leaves nobody waiting."""

from __future__ import annotations

import threading

import pytest

from beam.backends.backend import Query
from beam.errors import Interrupted, SessionClosed, SessionRefused
from tests.sessions.scripted import PATIENCE, Scripted, end, failure, fleet_of, shout


@pytest.fixture
def fallen():
    """A fleet with a run at work and one that waits, whose root then gives up."""
    backend = Scripted()
    with fleet_of(backend) as fleet:
        session = fleet.start_session()
        runs = [session.submit("one"), session.submit("two")]
        agent = backend.agent()
        agent.hear(Query)
        stream = session.receive(runs[0])
        reader = Reading(stream)
        root = fleet.whereis("fleet")
        end(fleet.node, root, lambda: root.stop(reason="shutdown"))
        yield fleet, session, runs, agent, reader


class Reading(threading.Thread):
    """Reads a stream on a thread, and keeps what it ended with."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream
        self.error = None
        self.start()

    def run(self):
        try:
            list(self.stream)
        except SessionRefused as error:
            self.error = error


def test_everybody_who_waits_hears_that_the_fleet_has_failed(fallen):
    _, _, runs, agent, reader = fallen
    for run in runs:
        cut = failure(run)
        assert isinstance(cut, Interrupted)
        assert cut.reason == "fleet_failed"
    reader.join(PATIENCE)
    assert reader.error.reason == "fleet_failed"
    assert agent.gone.wait(PATIENCE)


def test_nothing_more_is_taken(fallen):
    fleet, session, runs, _, _ = fallen
    failure(runs[0])
    for ask in (
        fleet.start_session,
        session.info,
        lambda: session.query("more").get(timeout=PATIENCE),
        lambda: next(session.events()),
        lambda: fleet.control,
        fleet.tree,
    ):
        with pytest.raises(SessionClosed) as refused:
            ask()
        assert (refused.value.reason, refused.value.cause) == ("noproc", "fleet_failed")


def test_a_fleet_that_has_failed_can_be_closed_and_its_work_taken_up(tmp_path):
    backend, path = Scripted(), tmp_path / "fleet.db"
    with fleet_of(backend, path) as fleet:
        session = fleet.start_session(session_id="ada", on_crash="retry")
        run = session.submit("one")
        backend.agent().hear(Query)
        root = fleet.whereis("fleet")
        end(fleet.node, root, lambda: root.stop(reason="shutdown"))
        failure(run)
    with fleet_of(Scripted(shout), path) as fleet:
        session = fleet.start_session(session_id="ada")
        completed = next(session.events(types=["run_completed"], timeout=PATIENCE))
        assert completed.data["output"] == "ONE"


def test_a_fleet_whose_log_fails_too_often_gives_up_and_says_so():
    backend = Scripted()
    with fleet_of(backend, max_restarts=2) as fleet:
        session = fleet.start_session(on_crash="retry")
        run = session.submit("one")
        root = fleet.whereis("fleet")

        def fail():
            while root.is_alive():
                log = fleet.whereis("log")
                if log is not None:
                    log.stop(block=False, reason="broken")

        end(fleet.node, root, fail)
        assert failure(run).reason == "fleet_failed"
