"""`kill -9` of a program that uses the facades: what was acknowledged is there again (G11)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from beam import Fleet
from beam.backends import function
from tests.volume import scaled

ROOT = Path(__file__).parents[2]

# Says each thing that it was told is done, on a line of its own.
PROGRAM = """
import itertools, json, sys
import beam

def say(*what):
    sys.stdout.write(json.dumps(what) + "\\n")
    sys.stdout.flush()

with beam.Fleet(sys.argv[1], backends={"agent": beam.function(str.upper)}) as fleet:
    router, runtime, control = fleet.router, fleet.runtime, fleet.control
    session = router.start_session({"backend": "agent"})
    say("session", session.id)
    runtime.set_provider_config(session, {"id": "openai", "api_key": "sk-1"})
    say("provider", "openai")
    for number in itertools.count():
        text = f"text {number}"
        say("said", router.query(session, text)[-1].content)
        control.set_config(session, "number", number)
        say("config", number)
        control.submit_feedback(session, {"text": text})
        say("feedback", text)
        control.store_pending_request(session, text, {"question": text})
        say("asked", text)
        control.resolve_pending_request(session, text, {"answer": number})
        say("resolved", text)
        thread = router.thread_start(session, {"name": text})
        say("thread", thread.thread_id)
        bound = {"policy": "sticky", "affinity_key": text}
        say("bound", text, router.select_backend(bound).backend)
        say("run", fleet.runs.start_run(session).run_id)
"""


def acknowledged(store: Path, lines: int) -> list[list[Any]]:
    """Run the program, kill it after so many lines, and return what it had said by then."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(store)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as program:
        assert program.stdout is not None
        said = [json.loads(program.stdout.readline()) for _ in range(lines)]
        program.kill()
        # Its last lines may have come meanwhile; one that was cut off was not said.
        rest = program.stdout.read().splitlines(keepends=True)
    return said + [json.loads(line) for line in rest if line.endswith("\n")]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("lines", range(3, 3 + scaled(60)))
def test_what_was_acknowledged_before_a_kill_9_is_there_again(tmp_path: Path, lines: int) -> None:
    store = tmp_path / "fleet.db"
    said = acknowledged(store, 7 * lines)
    of: dict[str, list[Any]] = {}
    for kind, *what in said:
        of.setdefault(kind, []).append(what)
    [[session_id]] = of["session"]
    with Fleet(store, backends={"agent": function(str.upper)}) as fleet:
        router, runtime, control = fleet.router, fleet.runtime, fleet.control
        told = [one.content for one in router.get_session_messages(session_id)]
        assert [text for [text] in of["said"]] == told[: len(of["said"])]
        assert len(told) - len(of["said"]) in (0, 1)  # The last may not have been said yet.
        assert control.get_config(session_id, "number") - of["config"][-1][0] in (0, 1)
        given = [one["text"] for one in control.get_feedback(session_id)]
        assert {text for [text] in of["feedback"]} <= set(given)
        requests = {one["request_id"]: one for one in control.list_pending_requests(session_id)}
        assert {text for [text] in of["asked"]} <= set(requests)
        for [text] in of["resolved"]:
            assert requests[text]["status"] == "resolved"
        threads = {one.thread_id for one in router.thread_list(session_id)}
        assert {thread for [thread] in of["thread"]} <= threads
        for text, backend in of["bound"]:
            bound = router.select_backend({"policy": "sticky", "affinity_key": text})
            assert bound.backend == backend
        runs = {one.run_id for one in fleet.runs.list_runs()}
        assert {run for [run] in of["run"]} <= runs
        assert runtime.current_provider(session_id) == "openai"
        assert runtime.get_provider_config(session_id)["api_key"] == "redacted"
        session = fleet.start_session(session_id=session_id)
        assert session.query("and on").get(timeout=30.0) == "AND ON"
