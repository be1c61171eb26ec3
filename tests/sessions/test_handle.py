"""`beam.sessions.handle`: a session as its user holds it, in both ways of waiting."""

from __future__ import annotations

import asyncio
import threading
import warnings

import pytest

from beam.backends.backend import Query
from beam.errors import (
    CallTimeout,
    Interrupted,
    InvalidInput,
    QueryInProgress,
    SessionClosed,
    SessionRefused,
)
from beam.otp import Future, context
from beam.otp.context import BlockingCallWarning
from tests.sessions.scripted import (
    NOT_NOW,
    PATIENCE,
    Scripted,
    failure,
    fleet_of,
    kill,
    shout,
    types,
    wait_for,
)


def test_a_handle_is_known_by_its_id_and_its_fleet(fleets):
    one, other = fleets(Scripted(shout)), fleets(Scripted(shout))
    session = one.start_session(session_id="ada")
    assert one.session("ada") == session
    assert hash(one.session("ada")) == hash(session)
    assert other.start_session(session_id="ada") != session
    assert session != "ada"
    assert repr(session) == "<session ada: live>"


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda session: session.query(3), "prompt"),
        (lambda session: session.query("x", timeuot=3), "option"),
        (lambda session: session.submit("x", metadata={"x": object()}), "metadata"),
        (lambda session: session.stream("x", params="abc"), "params"),
        (lambda session: session.set_model(""), "model"),
        (lambda session: session.set_permission_mode(3), "permission_mode"),
    ],
    ids=["prompt", "term", "metadata", "params", "model", "mode"],
)
def test_bad_input_is_refused_by_name_before_anything_has_changed(shouting, ask, field):
    session = shouting.start_session()
    with pytest.raises(InvalidInput) as refused:
        ask(session)
    assert refused.value.field == field
    assert types(session) == ["session_started"]


def test_odd_text_comes_back_as_it_was(fleets, store):
    odd = "\x00 \ud800 \u2028 é"
    backend = Scripted(lambda agent, query: agent.complete(query, query.prompt))
    fleet = fleets(backend, store)
    session = fleet.start_session(on_crash="retry", metadata={"of": odd})
    assert session.query(odd, metadata={"of": odd}).get(timeout=PATIENCE) == odd
    kill(fleet, session.id)
    assert session.query("again").get(timeout=PATIENCE) == "again"
    assert session.messages()[0].content == odd


def test_the_transcript_is_of_the_session_or_of_one_run(shouting):
    session = shouting.start_session()
    runs = [session.submit(word) for word in ("one", "two")]
    for run in runs:
        run.get(timeout=PATIENCE)
    said = [[message.content for message in session.messages(run)] for run in runs]
    assert said == [["one", "ONE"], ["two", "TWO"]]
    assert [m.content for m in session.messages(runs[1].run_id)] == ["two", "TWO"]
    assert [m.content for m in session.messages()] == ["one", "ONE", "two", "TWO"]


def test_a_long_session_is_read_page_by_page(shouting):
    session = shouting.start_session()
    session.query("one two three").get(timeout=PATIENCE)
    whole, read, after = session.history(), [], 0
    while page := session.history(after, limit=2):
        assert len(page) <= 2
        read += page
        after = page[-1].sequence
    assert read == whole
    with pytest.raises(InvalidInput):
        session.history(limit=0)


def test_stopping_ends_everything_once(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    runs = [session.submit(word) for word in ("one", "two")]
    agent.hear(Query)
    session.stop()
    session.stop()
    for run in runs:
        cut = failure(run)
        assert isinstance(cut, Interrupted)
        assert cut.reason == "session_closed"
    assert agent.gone.is_set()
    assert session.status() == session.health() == "closed"
    assert types(session)[-1] == "session_stopped"
    assert types(session).count("session_stopped") == 1
    assert fleet.sessions() == []
    for ask in (session.info, session.interrupt, lambda: session.set_model("x")):
        with pytest.raises(SessionClosed):
            ask()
    assert isinstance(failure(session.query("more")), SessionClosed)
    assert isinstance(failure(session.submit("more")), SessionClosed)
    with pytest.raises(SessionClosed):
        list(session.stream("more"))


def test_a_session_is_stopped_also_while_its_process_waits_for_its_restart(fleets):
    backend = Scripted()
    fleet = fleets(backend, session_backoff=NOT_NOW)
    session = fleet.start_session(on_crash="retry")
    run = session.submit("one")
    backend.agent().hear(Query)
    kill(fleet, session.id)
    left = session.submit("two")
    session.stop()
    assert isinstance(failure(run), Interrupted)
    assert isinstance(failure(left), SessionClosed)
    assert fleet.whereis("session_supervisor").count_children().specs == 0


def test_what_a_session_asked_is_denied_when_it_is_stopped(fleet, backend):
    answer = threading.Event()

    def decide(method, params, context):
        answer.wait(PATIENCE)
        return "allow"

    session = fleet.start_session(permission_handler=decide)
    session.query("hello")
    agent = backend.agent()
    agent.permission(agent.hear(Query), "p-1")
    wait_for(session, "permission_requested")
    session.stop()
    answer.set()
    [resolved] = session.history(types=["permission_resolved"])
    assert resolved.data["decision"]["decision"] == "deny"
    [request] = fleet.control.list_pending_requests(session)
    assert request["status"] == "resolved"


def test_a_handle_of_a_closed_fleet_says_so():
    with fleet_of(Scripted()) as fleet:
        session = fleet.start_session()
    for ask in (
        session.info,
        session.history,
        session.messages,
        session.stop,
        session.interrupt,
        lambda: session.query("x").get(timeout=PATIENCE),
        lambda: session.submit("x").get(timeout=PATIENCE),
        lambda: list(session.stream("x")),
        lambda: next(session.events()),
    ):
        with pytest.raises(SessionClosed) as refused:
            ask()
        assert refused.value.reason == "fleet_closed"
    assert session.status() == "closed"


# asyncio


def test_each_blocking_function_has_a_coroutine_twin(fleet, backend):
    session = fleet.start_session()

    async def main():
        agent = await asyncio.to_thread(backend.agent)
        run = session.query("hello")
        query = await asyncio.to_thread(agent.hear, Query)
        info = await session.aio.info()
        assert info.state == await session.aio.health() == "active_query"
        assert await session.aio.set_model("large") == "large"
        assert await session.aio.set_permission_mode("plan") == "plan"
        agent.text(query, "word")
        await session.aio.interrupt(run)
        with pytest.raises(Interrupted):
            await run
        assert [event.type for event in await session.aio.history(limit=1)] == ["session_started"]
        assert isinstance(await session.aio.messages(), list)
        await session.aio.stop()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert sorted(dir(session.aio)) == [
        "conversations",
        "health",
        "history",
        "info",
        "interrupt",
        "messages",
        "receive_message",
        "set_model",
        "set_permission_mode",
        "steer",
        "stop",
    ]
    with pytest.raises(AttributeError, match="query"):
        session.aio.query  # noqa: B018 - that it is not there is the test


@pytest.mark.parametrize("ask", ["info", "health", "interrupt", "set_model"])
def test_a_twin_that_waits_leaves_the_loop_alone(fleets, ask):
    backend = Scripted()
    backend.gate = Future()
    session = fleets(backend).start_session()
    assert backend.at_gate.wait(PATIENCE)
    session.submit("hello")

    async def main():
        arguments = ("large",) if ask == "set_model" else ()
        waiting = asyncio.create_task(getattr(session.aio, ask)(*arguments))
        for _ in range(100):
            await asyncio.sleep(0)
        # The session is in the middle of connecting, and nobody but the loop can let it go on.
        assert not waiting.done()
        backend.gate.set()
        await asyncio.wait({waiting})
        return waiting.exception()

    error = asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert error is None or error.reason == "no_active_query"


def test_awaiting_a_run_does_not_block_the_loop(fleet, backend):
    session = fleet.start_session()

    async def main():
        run = session.query("hello")
        agent = await asyncio.to_thread(backend.agent)
        query = await asyncio.to_thread(agent.hear, Query)
        waiting = asyncio.create_task(_wait(run))
        for _ in range(100):
            await asyncio.sleep(0)
        # The answer comes from the loop itself: were it blocked, there would be none.
        agent.complete(query)
        return await waiting

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == "done"


async def _wait(future):
    return await future


def test_cancelling_an_awaiting_task_abandons_the_call_not_the_work(fleet, backend):
    session = fleet.start_session()

    async def main():
        run = session.query("hello")
        agent = await asyncio.to_thread(backend.agent)
        query = await asyncio.to_thread(agent.hear, Query)
        waiting = asyncio.create_task(_wait(run))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        agent.complete(query)
        return await run

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == "done"


def test_derived_futures_of_runs_can_be_awaited(shouting):
    session, other = shouting.start_session(), shouting.start_session()

    async def main():
        length = await session.query("hello").map(len)
        both = await session.query("one").join(other.query("two"))
        return length, both

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == (5, ["ONE", "TWO"])


def test_many_sessions_are_awaited_at_once(shouting):
    sessions = [shouting.start_session() for _ in range(50)]

    async def main():
        runs = [session.query(f"number {n}") for n, session in enumerate(sessions)]
        return await asyncio.gather(*runs)

    answers = asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert answers == [f"NUMBER {n}" for n in range(50)]


@pytest.mark.parametrize(
    ("call", "twin"),
    [
        (lambda session: session.info(), "await session.aio.info(...)"),
        (lambda session: session.health(), "await session.aio.health(...)"),
        (lambda session: session.set_model("x"), "await session.aio.set_model(...)"),
        (lambda session: session.history(), "await session.aio.history(...)"),
        (lambda session: session.messages(), "await session.aio.messages(...)"),
        (lambda session: session.query("x").get(timeout=PATIENCE), "await run"),
        (lambda session: list(session.stream("x")), "await anext(stream)"),
        (lambda session: next(session.events()), "await anext(events)"),
        (lambda session: session.stop(), "await session.aio.stop(...)"),
    ],
    ids=["info", "health", "set", "history", "messages", "get", "stream", "events", "stop"],
)
def test_a_blocking_form_on_the_loop_works_and_warns_once_naming_its_twin(
    shouting, monkeypatch, call, twin
):
    monkeypatch.setattr(context, "_warned", set())
    sessions = [shouting.start_session() for _ in range(2)]

    async def main():
        for session in sessions:
            call(session)

    with pytest.warns(BlockingCallWarning) as warned:
        asyncio.run(main())
    assert len(warned) == 1
    assert twin in str(warned[0].message)
    assert warned[0].filename == __file__


def test_a_run_that_is_not_answered_in_time_is_a_timeout_and_goes_on(fleet, backend):
    session = fleet.start_session()
    run = session.query("hello")
    agent = backend.agent()
    query = agent.hear(Query)
    with pytest.raises(CallTimeout):
        run.get(timeout=0.01)

    async def main():
        await asyncio.wait_for(_wait(run), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    agent.complete(query)
    assert run.get(timeout=PATIENCE) == "done"


def test_a_refusal_can_be_awaited(fleet, backend):
    session = fleet.start_session()
    session.submit("one")
    backend.agent().hear(Query)

    async def main():
        with pytest.raises(QueryInProgress):
            await session.query("two")
        with pytest.raises(QueryInProgress):
            await anext(session.stream("three"))
        with pytest.raises(SessionRefused):
            await session.aio.interrupt("run_unknown")

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
