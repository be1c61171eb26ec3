"""`beam.Fleet`: the tree as a whole, whichever part of it dies, and both ways of using it."""

from __future__ import annotations

import ast
import asyncio
import re
import sys
import threading
import warnings
from pathlib import Path

import psutil
import pytest

import beam
from beam import Fleet, function
from beam.backends.backend import Query
from beam.errors import (
    InvalidInput,
    NotFound,
    RunFailed,
    SessionClosed,
    StoreClosed,
    StoreForeign,
    StoreLocked,
)
from beam.otp import Backoff, Mailbox, Node, Restarts, context, exit, whereis
from beam.otp.context import BlockingCallWarning
from beam.sessions.messages import GetConnection
from tests.names import shown
from tests.sessions.conftest import backend, fleet, fleets, shouting, store, unlogged
from tests.sessions.scripted import (
    PATIENCE,
    Scripted,
    end,
    failure,
    fleet_of,
    kill,
    shout,
    types,
)
from tests.volume import scaled

__all__ = ["backend", "fleet", "fleets", "shouting", "store", "unlogged"]

ROOT = Path(__file__).parent.parent


def upper(prompt):
    return prompt.upper()


# Whatever dies

PARTS = [
    "log",
    "ports",
    "recorder",
    "keeper",
    "control",
    "runtime",
    "runs",
    "router",
    "session_supervisor",
    "sessions",
]
# What is started after these is started again with them.
TAKES_ALL_ALONG = {"log", "ports"}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("reason", ["kill", "bug"])
def test_runs_survive_the_death_of_any_part_of_the_tree(fleets, store, part, reason):
    backend = Scripted()
    fleet = fleets(backend, store)
    session, other = fleet.start_session(on_crash="retry"), fleet.start_session()
    stream = session.stream("at work")
    waiting = session.submit("waits")
    agent, idle = backend.agent(session), backend.agent(other)
    query = agent.hear(Query)
    agent.text(query, "word")
    assert next(stream).content == "word"
    done = other.query("before")
    idle.complete(idle.hear(Query), "done before")
    assert done.get(timeout=PATIENCE) == "done before"
    process = fleet.whereis(part)
    # Whoever is still at it goes on, whoever was restarted begins anew: all of it is answered.
    backend.answer = shout
    if reason == "kill":
        kill(fleet, part)
    else:
        end(fleet.node, process, lambda: process.stop(reason=reason))
    if part in TAKES_ALL_ALONG or part == "session_supervisor":
        assert stream.run.get(timeout=PATIENCE) == "AT WORK"
    else:
        agent.complete(query, "AT WORK")
    assert waiting.get(timeout=PATIENCE) == "WAITS"
    assert other.query("after").get(timeout=PATIENCE) == "AFTER"
    assert list(stream)[-1].content == "AT WORK"
    assert [one.id for one in fleet.sessions()] == [session.id, other.id]
    for one in (session, other):
        assert fleet.whereis(one.id) is not None
        events = one.history()
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        for kind in ("run_submitted", "run_completed"):
            ids = [event.run_id for event in events if event.type == kind]
            assert len(set(ids)) == len(ids)
    assert other.messages()[0].content == "done before"
    assert fleet.whereis(part) not in (None, process)


def test_a_backend_s_own_process_may_die_and_who_waits_hears_of_it(fleets):
    begun, let_go = threading.Event(), threading.Event()

    def work(prompt):
        if prompt == "hang":
            begun.set()
            let_go.wait(PATIENCE)
        return prompt.upper()

    fleet = fleets(function(work))
    session = fleet.start_session()
    run = session.query("hang")
    assert begun.wait(PATIENCE)
    kill(fleet, ("function_threads", "agent"))
    failed = failure(run)
    let_go.set()
    assert isinstance(failed, RunFailed)
    assert (failed.reason, failed.retryable) == ("backend_error", True)
    assert session.query("again").get(timeout=PATIENCE) == "AGAIN"
    assert session.info().restarts == 0


def test_everything_dies_again_and_again_and_every_run_is_answered_once(fleets, store):
    fleet = fleets(Scripted(shout), store)
    sessions = [fleet.start_session(on_crash="retry") for _ in range(4)]
    runs = []
    for number in range(3):
        for victim in (*PARTS, *(session.id for session in sessions)):
            prompt = f"{number} {victim}"
            runs += [(prompt, session.submit(prompt)) for session in sessions]
            process = fleet.whereis(victim)
            if process is not None:
                exit(process, "kill")
    for prompt, run in runs:
        assert run.get(timeout=PATIENCE) == prompt.upper()
    for session in sessions:
        submitted = [one.run_id for one in session.history(types=["run_submitted"])]
        completed = [one.run_id for one in session.history(types=["run_completed"])]
        assert sorted(submitted) == sorted(completed)
        assert len(set(completed)) == len(completed) == len(runs) / len(sessions)


# Its life


def test_a_fleet_leaves_nothing_behind(tmp_path):
    before = threading.enumerate()
    with fleet_of(function(upper), tmp_path / "fleet.db") as fleet:
        fleet.start_session().query("hello").get(timeout=PATIENCE)
    assert fleet.node.processes() == []
    ours = [thread for thread in threading.enumerate() if thread not in before]
    for thread in ours:
        thread.join(PATIENCE)
    assert [thread for thread in ours if thread.is_alive()] == []
    assert psutil.Process().children(recursive=True) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["fleet.db", "fleet.db.ports"]


def test_a_fleet_can_be_closed_twice_and_is_not_started_again():
    fleet = fleet_of(Scripted())
    fleet.start()
    assert fleet.start() is fleet
    assert "running" in repr(fleet)
    fleet.close()
    fleet.close()
    assert "closed" in repr(fleet)
    for ask in (fleet.start, fleet.start_session, fleet.tree, lambda: fleet.control):
        with pytest.raises(SessionClosed) as refused:
            ask()
        assert refused.value.reason == "fleet_closed"


def test_a_fleet_that_was_not_started_says_so():
    fleet = fleet_of(Scripted())
    assert "new" in repr(fleet)
    for ask in (fleet.start_session, fleet.tree, lambda: fleet.router):
        with pytest.raises(SessionClosed) as refused:
            ask()
        assert refused.value.reason == "fleet_not_started"
    fleet.close()


def test_a_fleet_that_does_not_start_leaves_nothing_behind(tmp_path):
    class Odd(Scripted):
        def children(self, name):
            raise OSError("no room")

    path = tmp_path / "fleet.db"
    with pytest.raises(OSError, match="no room"):
        fleet_of(Odd(), path).start()
    with fleet_of(Scripted(shout), path) as fleet:
        assert fleet.start_session().query("hello").get(timeout=PATIENCE) == "HELLO"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"store": 3}, "store"),
        ({"backends": ["echo"]}, "backends"),
        ({"backends": {"": function(upper)}}, "backends"),
        ({"backends": {3: function(upper)}}, "backends"),
        ({"backends": {"echo": upper}}, "backends['echo']"),
        ({"backends": {"auto": function(upper)}}, "backend"),
        ({"max_restarts": -1}, "max_restarts"),
        ({"max_restarts": "x"}, "max_restarts"),
        ({"max_seconds": 0}, "max_seconds"),
        ({"session_budget": 3}, "session_budget"),
        ({"session_backoff": 3}, "session_backoff"),
    ],
    ids=shown,
)
def test_bad_arguments_are_refused_by_name_before_anything_has_changed(tmp_path, options, field):
    path = tmp_path / "fleet.db"
    with pytest.raises(InvalidInput) as refused:
        Fleet(**{"store": path, **options})
    assert refused.value.field == field
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_pickled_is_refused_by_name_when_the_fleet_is_made(tmp_path):
    with pytest.raises(InvalidInput) as refused:
        Fleet(tmp_path / "fleet.db", backends={"f": function(lambda prompt: prompt, process=True)})
    assert "pickled" in refused.value.expected
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_used_is_refused_before_a_fleet_starts(tmp_path):
    foreign = tmp_path / "notes.txt"
    foreign.write_text("not a log, and not to be touched")
    with pytest.raises(StoreForeign):
        Fleet(foreign)
    assert foreign.read_text() == "not a log, and not to be touched"
    path = tmp_path / "fleet.db"
    with fleet_of(Scripted(), path), pytest.raises(StoreLocked):
        Fleet(path)
    with pytest.raises(InvalidInput) as refused:
        Fleet(path, durability="none")
    assert refused.value.field == "durability"


# Two fleets


def test_two_fleets_do_not_see_each_other(fleets):
    one, other = fleets(Scripted(shout)), fleets(Scripted(shout))
    first, second = (each.start_session(session_id="ada") for each in (one, other))
    assert one.whereis("ada") is not other.whereis("ada")
    assert one.node.name != other.node.name
    assert one.whereis("ada").actor_urn != other.whereis("ada").actor_urn
    first.query("hello").get(timeout=PATIENCE)
    assert types(second) == ["session_started"]
    one.control.set_config("ada", "colour", "red")
    with pytest.raises(NotFound):
        other.control.get_config("ada", "colour")
    kill(one, "ada")
    assert first.info().restarts == 1
    assert second.info().restarts == 0
    assert whereis("ada") is None
    one.close()
    assert second.query("hello").get(timeout=PATIENCE) == "HELLO"


def test_a_fleet_lives_in_a_node_that_it_was_given():
    node = Node("mine")
    with fleet_of(Scripted(shout), node=node) as fleet:
        assert fleet.node is node
        assert fleet.whereis("log").node is node
        assert fleet.start_session().query("hello").get(timeout=PATIENCE) == "HELLO"


def test_code_inside_a_process_may_use_a_fleet(shouting):
    answers = []
    with shouting.node.entered(), Mailbox():
        session = shouting.start_session()
        answers.append(session.query("hello").get(timeout=PATIENCE))
        answers += [message.content for message in session.stream("again")]
    assert answers == ["HELLO", "again", "AGAIN"]


# What is in it


def test_the_tree_is_that_of_the_architecture(fleets):
    fleet = fleets(function(upper))
    session = fleet.start_session()
    lines = [line.partition("  (")[0] for line in str(fleet.tree()).splitlines()]
    assert lines == [
        "fleet",
        "├── Log",
        "├── Ports",
        "├── State",
        "│   ├── recorder",
        "│   ├── keeper",
        "│   ├── runtime",
        "│   ├── control",
        "│   ├── runs",
        "│   ├── store",
        "│   └── bus",
        "├── Backends",
        "│   └── ('function_threads', 'agent')",
        "└── Work",
        "    ├── Router",
        "    ├── SessionSupervisor",
        f"    │   └── {session.id}",
        "    └── Directory",
    ]


def test_sessions_are_found_by_their_ids_oldest_first(shouting):
    sessions = [shouting.start_session() for _ in range(5)]
    assert shouting.sessions() == sessions
    assert shouting.session(sessions[3].id) == sessions[3]
    with pytest.raises(NotFound):
        shouting.session("unknown")
    sessions[0].stop()
    assert shouting.sessions() == sessions[1:]
    assert shouting.session(sessions[0].id).status() == "closed"
    assert f"{len(sessions) - 1} sessions" in repr(shouting)


def test_the_journal_is_read_from_outside(shouting):
    session = shouting.start_session()
    journal = shouting.journal()
    assert [event.type for event in journal.read(session.id)] == ["session_started"]
    kill(shouting, "log")
    session.info()
    assert shouting.journal().read(session.id)[0].type == "session_started"


def test_reports_on_backends_reach_the_router(shouting):
    failed = RunFailed("backend_error")
    for _ in range(10):
        shouting.report("agent", failed)
    shouting.report("agent", None)
    shouting.report("agent", RunFailed("interrupted"))
    kill(shouting, "router")
    shouting.report("agent", failed)


@pytest.mark.parametrize("volume", [10_000])
def test_ten_thousand_function_sessions_live_in_one_fleet_and_each_answers(volume):
    count = scaled(volume)
    threads = threading.active_count()
    with fleet_of(function(upper, queue=count)) as fleet:
        sessions = [fleet.start_session() for _ in range(count)]
        assert len(fleet.sessions()) == count
        runs = [session.query(f"number {n}") for n, session in enumerate(sessions)]
        for number, run in enumerate(runs):
            assert run.get(timeout=600) == f"NUMBER {number}"
        assert threading.active_count() - threads < 100
        kill(fleet, "session_supervisor")
        runs = [session.submit("again") for session in sessions]
        for run in runs:
            assert run.get(timeout=600) == "AGAIN"


# asyncio


def test_a_fleet_is_an_async_context_manager_and_leaves_the_loop_alone():
    backend = Scripted()

    async def main():
        turns = 0

        async def tick():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        ticker = asyncio.create_task(tick())
        async with fleet_of(backend) as fleet:
            started = turns
            session = await fleet.aio.start_session(session_id="ada")
            agent = await asyncio.to_thread(backend.agent)
            run = session.query("hello")
            query = await asyncio.to_thread(agent.hear, Query)
            # Said by the loop's own thread while the run is awaited.
            asyncio.get_running_loop().call_soon(agent.complete, query)
            answer = await run
            sessions = await fleet.aio.sessions()
            tree = await fleet.aio.tree()
            served = turns
        ticker.cancel()
        return answer, sessions == [session], tree.id, 0 < started < served

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert outcome == ("done", True, "fleet", True)


def test_blocking_forms_on_the_loop_work_and_warn_once_each(monkeypatch):
    monkeypatch.setattr(context, "_warned", set())

    async def main():
        for _ in range(2):
            with fleet_of(Scripted()) as fleet:
                session = fleet.start_session()
                fleet.tree()
                session.stop()

    with pytest.warns(BlockingCallWarning) as warned:
        asyncio.run(main())
    twins = [re.search(r"await (\S+)", str(one.message))[1] for one in warned]
    assert twins == [
        "fleet.aio.start()`",
        "fleet.aio.start_session(...)`",
        "fleet.aio.tree()`",
        "session.aio.stop(...)`",
        "fleet.aio.close()`",
    ]


# The programs of the architecture

FIRST = """
with beam.Fleet(store="fleet.db", backends={"claude": beam.function(agent)}) as fleet:
    session = fleet.start_session(backend="claude", cwd="repo")
    for message in session.stream("Fix the failing test"):
        print(message.type, message.content)
    answer = session.query("Summarise the change").get()
"""

FIRST_ASYNC = """
async def main():
    async with beam.Fleet(store="fleet.db", backends={"claude": beam.function(agent)}) as fleet:
        session = await fleet.aio.start_session(backend="claude", cwd="repo")
        async for message in session.stream("Fix the failing test"):
            print(message.type, message.content)
        return await session.query("Summarise the change")
"""

SECOND = """
from beam.otp import Server, Supervisor, child

class Counter(Server):
    def init(self, start=0):
        self.count = start
    def increment(self, by=1):
        self.count += by
        return self.count

with Supervisor.start([child(Counter, 10, name="counter")], strategy="one_for_one"):
    answer = beam.whereis("counter").proxy().increment(5).get()
"""

SECOND_ASYNC = """
from beam.otp import Server, Supervisor, child

class Counter(Server):
    def init(self, start=0):
        self.count = start
    def increment(self, by=1):
        self.count += by
        return self.count

async def main():
    tree = await Supervisor.aio.start([child(Counter, 10, name="counter")])
    async with tree:
        return await beam.whereis("counter").proxy().increment(5)
"""


def agent(prompt):
    yield f"Thinking about: {prompt}"
    yield "Done."


def run(program, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    namespace = {"beam": beam, "agent": agent}
    with Node():
        exec(compile(ast.parse(program), "program", "exec"), namespace)
        if "main" in namespace:
            return asyncio.run(asyncio.wait_for(namespace["main"](), PATIENCE))
        return namespace["answer"]


@pytest.mark.parametrize("program", [FIRST, FIRST_ASYNC], ids=["blocking", "asyncio"])
def test_the_first_program_of_the_plan_runs(program, monkeypatch, tmp_path, capsys):
    assert run(program, monkeypatch, tmp_path) == "Done."
    assert capsys.readouterr().out.splitlines() == [
        "text Thinking about: Fix the failing test",
        "text Done.",
        "result Done.",
    ]


@pytest.mark.parametrize("program", [SECOND, SECOND_ASYNC], ids=["blocking", "asyncio"])
def test_the_second_program_of_the_plan_runs(program, monkeypatch, tmp_path):
    assert run(program, monkeypatch, tmp_path) == 15


def test_a_command_agent_serves_a_session(tmp_path):
    program = ROOT / "tests" / "backends" / "programs" / "obedient.py"
    with fleet_of(beam.command([sys.executable, str(program)]), tmp_path / "fleet.db") as fleet:
        session = fleet.start_session()
        assert session.query("echo hello").get(timeout=PATIENCE) == "hello"
        connection = fleet.whereis(session.id).ask(GetConnection())
        psutil.Process(connection.ask("os_process")).kill()
        retried = session.submit("echo again", on_crash="retry")
        assert retried.get(timeout=PATIENCE) == "again"
        kill(fleet, session.id)
        assert session.query("echo once more").get(timeout=PATIENCE) == "once more"
    assert psutil.Process().children(recursive=True) == []


def test_a_fleet_may_be_given_all_its_limits(tmp_path):
    with Fleet(
        tmp_path / "fleet.db",
        backends={"agent": Scripted(shout)},
        durability="power",
        max_restarts=3,
        max_seconds=5,
        session_budget=Restarts(1, per=1.0),
        session_backoff=Backoff(0.01, 0.02),
    ) as fleet:
        assert fleet.start_session().query("hello").get(timeout=PATIENCE) == "HELLO"
    with pytest.raises((StoreClosed, SessionClosed)):
        fleet.journal().read("s")
