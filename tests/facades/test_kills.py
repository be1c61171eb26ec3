"""Any actor of the tree may be killed at any moment, while fifty sessions work: nothing is lost."""

from __future__ import annotations

import itertools
import random
import threading
from typing import Any

import psutil
import pytest

from beam import Fleet
from beam.backends import function
from beam.errors import BeamError, SessionClosed
from beam.otp import exit
from tests.otp.actors import eventually
from tests.sessions.scripted import PATIENCE, Scripted, fleet_of, kill, shout
from tests.volume import scaled

SESSIONS = 50
WORKERS = 3


class Work:
    """What one thread does with a fleet, and what of it was acknowledged.

    A call that fails with an error of ours was not acknowledged; any other error is a defect.
    """

    def __init__(self, fleet: Fleet, sessions: list[Any], seed: int) -> None:
        self.fleet = fleet
        self.sessions = sessions
        self.chance = random.Random(seed)
        self.numbers = itertools.count()
        self.seed = seed
        self.stopped = threading.Event()
        self.runs: list[tuple[str, Any]] = []
        self.feedback: set[tuple[str, str]] = set()
        self.requests: set[tuple[str, str]] = set()
        self.resolved: set[tuple[str, str]] = set()
        self.config: dict[tuple[str, str], int] = {}
        self.acknowledged = self.refused = 0
        self.defects: list[BaseException] = []
        self.thread = threading.Thread(target=self._go, daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Stop, and wait for the last call: none hangs."""
        self.stopped.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        assert self.defects == []

    def _go(self) -> None:
        doings = (self._submit, self._say, self._ask, self._configure, self._choose, self._look)
        while not self.stopped.is_set():
            session = self.chance.choice(self.sessions)
            name = f"{self.seed}-{next(self.numbers)}"
            try:
                self.chance.choice(doings)(session, name)
                self.acknowledged += 1
            except BeamError:
                self.refused += 1
            except BaseException as defect:  # noqa: BLE001 - told by the thread that ends us
                self.defects.append(defect)
                return

    def _submit(self, session: Any, name: str) -> None:
        run = session.submit(name)
        run.accepted(timeout=PATIENCE)
        self.runs.append((name, run))

    def _say(self, session: Any, name: str) -> None:
        self.fleet.control.submit_feedback(session, {"text": name})
        self.feedback.add((session.id, name))

    def _ask(self, session: Any, name: str) -> None:
        self.fleet.control.store_pending_request(session, name, {"question": name})
        self.requests.add((session.id, name))
        self.fleet.control.resolve_pending_request(session, name, {"answer": name})
        self.resolved.add((session.id, name))

    def _configure(self, session: Any, name: str) -> None:
        key = f"key-{self.seed}"
        value = next(self.numbers)
        self.config.pop((session.id, key), None)  # Until it is acknowledged, either may be there.
        self.fleet.control.set_config(session, key, value)
        self.config[session.id, key] = value

    def _choose(self, session: Any, name: str) -> None:
        self.fleet.router.select_backend({"policy": "sticky", "affinity_key": session.id})

    def _look(self, session: Any, name: str) -> None:
        self.fleet.router.session_info(session)
        self.fleet.control.list_pending_requests(session)
        self.fleet.runtime.get_state(session)


def victims(fleet: Fleet) -> list[Any]:
    """Return what the processes of the fleet's own tree are called, without the sessions."""
    sessions = {one.id for one in fleet.sessions()}
    names = {fleet.node.whereis(name): name for name in fleet.node.registered()}
    ours = [one.process for one in fleet.tree().walk() if one.process is not fleet.whereis("fleet")]
    ours_named = [names[one] for one in ours if one in names and names[one] not in sessions]
    return sorted(ours_named, key=str)


def check(fleet: Fleet, works: list[Work]) -> None:
    """Check that what was acknowledged is there, once."""
    said, asked, answered = set(), set(), set()
    for session in fleet.sessions():
        texts = [one["text"] for one in fleet.control.get_feedback(session)]
        assert len(texts) == len(set(texts))
        said |= {(session.id, text) for text in texts}
        for one in fleet.control.list_pending_requests(session):
            asked.add((session.id, one["request_id"]))
            if one["status"] == "resolved":
                answered.add((session.id, one["request_id"]))
    for work in works:
        assert work.feedback <= said
        assert work.resolved <= answered
        assert work.requests <= asked
        for (session_id, key), value in work.config.items():
            assert fleet.control.get_config(session_id, key) == value


def working(fleet: Fleet) -> tuple[list[Any], list[Work]]:
    sessions = [fleet.start_session(on_crash="retry") for _ in range(SESSIONS)]
    return sessions, [Work(fleet, sessions, seed) for seed in range(WORKERS)]


@pytest.mark.timeout(3600)
def test_any_actor_is_killed_again_and_again_and_no_call_hangs_and_nothing_is_lost(tmp_path):
    with fleet_of(Scripted(shout), tmp_path / "fleet.db", max_restarts=100_000) as fleet:
        sessions, works = working(fleet)
        names = [*victims(fleet), sessions[0].id]
        assert {"log", "ports", "keeper", "control", "runtime", "runs", "router"} <= set(names)
        for number in range(scaled(200, 50)):
            for name in (*names, sessions[number % SESSIONS].id):
                before = sum(work.acknowledged for work in works)
                eventually(lambda: fleet.whereis(name))  # noqa: B023
                kill(fleet, name)
                # They work on in between, so that each kill meets them somewhere else.
                eventually(lambda: sum(work.acknowledged for work in works) > before + WORKERS)  # noqa: B023
        for work in works:
            work.end()
        eventually(lambda: {*names} <= {*fleet.node.registered()})
        for name, run in itertools.chain.from_iterable(work.runs for work in works):
            assert run.get(timeout=PATIENCE) == name.upper()
        check(fleet, works)
        assert sum(len(work.runs) + len(work.feedback) for work in works) > 0


def test_a_budget_that_is_exceeded_ends_the_fleet_in_order_and_loses_nothing(tmp_path):
    path = tmp_path / "fleet.db"
    with Fleet(path, backends={"agent": function(str.upper)}, max_restarts=3) as fleet:
        sessions, works = working(fleet)
        root = fleet.whereis("fleet")
        for name in itertools.cycle(("control", "router", "runtime", "log")):
            process = fleet.whereis(name)
            if process is not None:
                exit(process, "kill")
            if not root.is_alive():
                break
        for work in works:
            work.end()
        eventually(lambda: sessions[0].status() == "closed")
        session = sessions[0]
        for call in (
            fleet.tree,
            fleet.start_session,
            session.info,
            lambda: fleet.control,
            lambda: fleet.router,
            lambda: session.query("more").get(timeout=PATIENCE),
        ):
            with pytest.raises(SessionClosed) as refused:
                call()
            assert refused.value.reason == "noproc"
    assert psutil.Process().children(recursive=True) == []
    with fleet_of(Scripted(shout), path) as fleet:
        for session in sessions:
            fleet.start_session(session_id=session.id)
        check(fleet, works)
