"""Twenty real agents of five kinds do two hundred tasks while some of them are killed."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import psutil
import pytest

from beam import Fleet
from beam.chaos import parse_chaos
from beam.chaos.saboteur import Attempt, Saboteur
from beam.log import replay
from beam.otp import Backoff, Restarts
from beam.state.journal import Journal, event_of
from tests.agents import claude_sessions, codex_sessions
from tests.agents.acp_agents import AGENTS
from tests.agents.claude_sessions import SOON

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agents.fake_model import FakeModel

SESSIONS = 20
TASKS = 200
PATIENCE = 600.0
MIB = 1024 * 1024


class Memory:
    """The most that this process's descendants have used together."""

    def __init__(self) -> None:
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            used = 0
            for child in psutil.Process().children(recursive=True):
                try:
                    used += child.memory_info().rss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, used)


def backends(model: FakeModel, folder: Path) -> dict[str, Any]:
    """Return the five, each with a folder of its own."""
    made: dict[str, Any] = {
        "claude": claude_sessions.backend(model, folder / "claude"),
        "codex": codex_sessions.backend(model, folder / "codex"),
    }
    for name, agent in AGENTS.items():
        (folder / name).mkdir()
        made[name] = agent.backend(model.url, folder / name)
    return made


class Chaos:
    """Tells a saboteur of each attempt that begins."""

    def __init__(self, fleet: Fleet, kills: Any) -> None:
        with fleet.node.entered():
            self._saboteur = Saboteur.start(kills, name="saboteur")
        Journal.of(fleet.node).store.on_append(self._heard)

    def _heard(self, records: Any) -> None:
        for record in records:
            if record.type == "run_started":
                event = event_of(record)
                attempt = event.data["attempt"]
                self._saboteur.cast(
                    Attempt(event.run_id, attempt, event.session_id, event.run_id or "")
                )


@pytest.mark.timeout(900)  # twenty programs start at once, on two cores
def test_each_task_is_answered_once(
    model: FakeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").mkdir()
    began = time.monotonic()
    with (
        Memory() as memory,
        Fleet(
            tmp_path / "fleet.db",
            backends=backends(model, tmp_path),
            session_budget=Restarts(1_000_000, per=1.0),
            session_backoff=Backoff(0.01, 5.0, jitter=0.2),
        ) as fleet,
    ):
        Chaos(fleet, parse_chaos("kill=0.15,seed=5"))
        kinds = itertools.cycle(["claude", "codex", *AGENTS])
        hands = [
            fleet.start_session(
                backend=next(kinds), cwd=str(tmp_path / "work"), on_crash="retry", backoff=SOON,
                init_timeout=300.0,
            )
            for _ in range(SESSIONS)
        ]  # fmt: skip
        runs = [
            hands[number % SESSIONS].submit(f"[[say answer-{number}]]", timeout=PATIENCE)
            for number in range(TASKS)
        ]
        answers = [run.get(timeout=PATIENCE) for run in runs]
        took = time.monotonic() - began
        store = Journal.of(fleet.node).store
        events = [event_of(record) for record in replay(store)]
    assert answers == [f"answer-{number}" for number in range(TASKS)]
    ended = Counter(event.run_id for event in events if event.type == "run_completed")
    assert ended == {run.run_id: 1 for run in runs}
    kills = [event for event in events if event.type == "fault_injected"]
    assert kills
    with capsys.disabled():
        print(
            f"\n{SESSIONS} real sessions, {TASKS} tasks, {len(kills)} kills: {took:.0f} s, "
            f"{memory.peak / MIB:.0f} MiB at most"
        )
