"""`beam.sessions.stream`: messages and events as they come, each once and in order (G13)."""

from __future__ import annotations

import asyncio
import threading

import pytest

from beam.backends.backend import Abandon, Interrupt, Query
from beam.errors import (
    CallTimeout,
    DeadlineExpired,
    Interrupted,
    QueryInProgress,
    RunFailed,
    SessionClosed,
    SessionRefused,
)
from beam.otp import Mailbox, Server, exit, monitor, spawn
from tests.sessions.scripted import (
    NOT_NOW,
    PATIENCE,
    Scripted,
    end,
    failure,
    fleet_of,
    kill,
    shout,
    types,
    wait_for,
)


def contents(messages):
    return [message.content for message in messages]


async def ticks():
    """Let everybody else on the loop have some turns."""
    for _ in range(10):
        await asyncio.sleep(0)


# Messages


def test_the_query_begins_at_the_call_and_its_messages_come_in_order(fleet, backend):
    session = fleet.start_session()
    stream = session.stream("hello")
    agent = backend.agent()
    query = agent.hear(Query)
    agent.text(query, "one", "two")
    agent.complete(query, "done")
    assert contents(stream) == ["one", "two", "done"]
    assert stream.run.get(timeout=PATIENCE) == "done"


def test_a_stream_gives_each_message_when_it_is_said(fleet, backend):
    session = fleet.start_session()
    stream = iter(session.stream("hello"))
    agent = backend.agent()
    query = agent.hear(Query)
    for word in ("one", "two", "three"):
        agent.text(query, word)
        assert next(stream).content == word
    agent.complete(query)
    assert contents(stream) == ["done"]


def test_a_run_that_fails_ends_its_stream_after_the_last_message(fleet, backend):
    session = fleet.start_session()
    stream = session.stream("hello")
    agent = backend.agent()
    query = agent.hear(Query)
    agent.text(query, "one")
    agent.fail(query, "quota")
    heard = []
    with pytest.raises(RunFailed) as failed:
        heard.extend(message.content for message in stream)
    assert failed.value.reason == "quota"
    assert failed.value.run_id == stream.run.run_id
    with pytest.raises(RunFailed):
        next(stream)


def test_leaving_the_loop_early_changes_nothing(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    stream = session.stream("hello")
    query = agent.hear(Query)
    agent.text(query, "one", "two")
    for message in stream:
        assert message.content == "one"
        break
    agent.complete(query)
    assert stream.run.get(timeout=PATIENCE) == "done"
    assert contents(session.messages(stream.run)) == ["one", "two", "done"]
    assert agent.heard.empty()


def test_unread_messages_of_a_finished_run_can_be_read(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    stream = session.stream("hello")
    query = agent.hear(Query)
    agent.text(query, "one")
    agent.complete(query)
    stream.run.get(timeout=PATIENCE)
    later = session.query("again")
    agent.complete(agent.hear(Query), "again")
    later.get(timeout=PATIENCE)
    assert contents(stream) == ["one", "done"]
    assert contents(session.receive(stream.run)) == ["one", "done"]
    assert contents(session.receive(later)) == ["again"]


@pytest.mark.parametrize("how", ["close", "with"])
def test_closing_a_stream_interrupts_its_run(fleet, backend, how):
    session = fleet.start_session()
    agent = backend.agent()
    stream = session.stream("hello")
    query = agent.hear(Query)
    agent.text(query, "one")
    if how == "close":
        stream.close()
    else:
        with stream:
            assert next(stream).content == "one"
    assert agent.hear(Interrupt).query_id == query.query_id
    assert isinstance(failure(stream.run), Interrupted)
    assert list(stream) == []
    stream.close()
    assert types(session).count("run_interrupted") == 1


def test_closing_a_stream_that_has_ended_changes_nothing(shouting):
    session = shouting.start_session()
    with session.stream("hello") as stream:
        assert contents(stream) == ["hello", "HELLO"]
    assert types(session)[-1] == "run_completed"


def test_closing_takes_no_offence_at_a_session_that_has_ended(fleet):
    session = fleet.start_session()
    stream = session.stream("hello")
    session.stop()
    stream.close()


def test_a_second_iterator_is_refused(shouting):
    session = shouting.start_session()
    stream = session.stream("hello")
    first = iter(stream)
    with pytest.raises(SessionRefused) as refused:
        iter(stream)
    assert refused.value.reason == "receiver_taken"
    with pytest.raises(SessionRefused):
        stream.__aiter__()
    assert contents(first) == ["hello", "HELLO"]


def test_a_second_receiver_is_refused_until_the_first_has_ended(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    stream = session.stream("hello")
    with pytest.raises(SessionRefused) as refused:
        session.receive(stream.run)
    assert refused.value.reason == "receiver_taken"
    agent.complete(agent.hear(Query))
    assert contents(stream) == ["done"]
    assert contents(session.receive(stream.run)) == ["done"]


def test_a_second_receiver_is_refused_after_a_restart_of_the_session_too(fleet, backend):
    session = fleet.start_session(on_crash="retry")
    stream = session.stream("hello")
    backend.agent().hear(Query)
    kill(fleet, session.id)
    session.info()
    with pytest.raises(SessionRefused) as refused:
        session.receive(stream.run)
    assert refused.value.reason == "receiver_taken"


def test_a_stream_that_nobody_has_any_more_hinders_nobody(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    run = session.stream("hello").run
    query = agent.hear(Query)
    other = session.receive(run)
    agent.complete(query)
    assert contents(other) == ["done"]


def test_the_claim_of_a_consumer_whose_process_has_died_is_free(fleet, backend):
    session = fleet.start_session()
    agent = backend.agent()
    streams, taken = [], threading.Event()

    def consume():
        stream = session.stream("hello")
        streams.append(stream)
        taken.set()
        for _ in stream:
            raise AssertionError("nothing was said")

    with fleet.node.entered():
        consumer = spawn(consume)
    assert taken.wait(PATIENCE)
    query = agent.hear(Query)
    with pytest.raises(SessionRefused):
        session.receive(streams[0].run)
    end(fleet.node, consumer, lambda: exit(consumer, "kill"))
    other = session.receive(streams[0].run)
    agent.text(query, "one")
    agent.complete(query)
    assert contents(other) == ["one", "done"]


def test_a_run_of_another_session_cannot_be_received(shouting):
    one, other = shouting.start_session(), shouting.start_session()
    run = one.query("hello")
    with pytest.raises(ValueError, match="run: expected a run of"):
        other.receive(run)


def test_a_refused_stream_says_so_at_once(fleet, backend):
    session = fleet.start_session()
    session.submit("hello")
    backend.agent().hear(Query)
    stream = session.stream("more")
    failure(stream.run)
    with pytest.raises(QueryInProgress):
        next(stream)


@pytest.mark.parametrize("victim", ["session", "log", "runs", "control", "sessions"])
def test_a_stream_goes_on_over_the_death_of(fleets, store, victim):
    backend = Scripted()
    fleet = fleets(backend, store)
    session = fleet.start_session(on_crash="retry")
    stream = session.stream("hello")
    agent = backend.agent()
    query = agent.hear(Query)
    agent.text(query, "one")
    assert next(stream).content == "one"
    kill(fleet, session.id if victim == "session" else victim)
    if victim in ("session", "log"):
        agent = backend.agent()
        query = agent.hear(Query)
        assert query.attempt == 2
    agent.text(query, "two")
    assert next(stream).content == "two"
    agent.complete(query)
    assert contents(stream) == ["done"]
    assert stream.run.get(timeout=PATIENCE) == "done"


def test_a_stream_ends_with_its_fleet():
    backend = Scripted()
    with fleet_of(backend) as fleet:
        session = fleet.start_session()
        stream = session.stream("hello")
        backend.agent().hear(Query)
        caught, waiting = [], threading.Event()

        def read():
            waiting.set()
            try:
                next(stream)
            except Interrupted as error:
                caught.append(error.reason)

        reader = threading.Thread(target=read)
        reader.start()
        assert waiting.wait(PATIENCE)
    reader.join(PATIENCE)
    assert caught == ["fleet_closed"]
    with pytest.raises(Interrupted):
        next(stream)


def test_a_stream_that_is_read_for_long_gathers_nothing_on_its_run(fleet, backend):
    session = fleet.start_session()
    stream = session.stream("hello")
    agent = backend.agent()
    query = agent.hear(Query)
    for number in range(20):
        agent.text(query, f"word {number}")
        assert next(stream).content == f"word {number}"
    assert len(stream.run.waiters or ()) == 0


def test_a_reader_in_a_call_stops_when_its_caller_has_gone(fleet, backend):
    session = fleet.start_session()
    outcomes = []

    class Reader(Server):
        def read(self):
            try:
                next(session.stream("hello"))
            except DeadlineExpired as expired:
                outcomes.append(type(expired))
                raise

    with fleet.node.entered():
        reader = Reader.start()
        with Mailbox(), pytest.raises(CallTimeout):
            reader.proxy().read().get(timeout=0.05)
        with Mailbox() as me:
            monitor(reader)
            reader.stop(block=False)
            me.receive(timeout=PATIENCE)
    assert outcomes == [DeadlineExpired]


# The same with asyncio


def test_an_async_stream_never_blocks_the_loop(fleets):
    backend = Scripted()
    fleet = fleets(backend)
    session = fleet.start_session()

    async def main():
        stream = session.stream("hello")
        agent = await asyncio.to_thread(backend.agent)
        query = await asyncio.to_thread(agent.hear, Query)
        heard = []
        read = asyncio.Event()

        async def speak():
            # Each word is said by a task of the loop that the reader waits on.
            for word in ("one", "two", "three"):
                await ticks()
                read.clear()
                agent.text(query, word)
                await read.wait()
            await ticks()
            agent.complete(query)

        speaker = asyncio.create_task(speak())
        async for message in stream:
            heard.append(message.content)
            read.set()
        await speaker
        return heard

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == ["one", "two", "three", "done"]


def test_leaving_an_async_with_block_interrupts_the_run(fleet, backend):
    session = fleet.start_session()

    async def main():
        async with session.stream("hello") as stream:
            agent = await asyncio.to_thread(backend.agent)
            await asyncio.to_thread(agent.hear, Query)
        with pytest.raises(Interrupted):
            await stream.run
        return [type(await asyncio.to_thread(agent.hear)) for _ in range(2)]

    assert asyncio.run(main()) == [Interrupt, Abandon]


def test_a_cancelled_reader_loses_nothing(fleet, backend):
    session = fleet.start_session()

    async def main():
        stream = session.stream("hello")
        agent = await asyncio.to_thread(backend.agent)
        query = await asyncio.to_thread(agent.hear, Query)
        for number in range(5):
            waiting = asyncio.create_task(anext(stream))
            await ticks()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            agent.text(query, f"word {number}")
            assert (await anext(stream)).content == f"word {number}"
        agent.complete(query)
        return [message.content async for message in stream]

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == ["done"]


# Events


def test_events_come_from_any_sequence_on_and_go_on_as_they_happen(shouting):
    session = shouting.start_session()
    session.query("hello").get(timeout=PATIENCE)
    known = session.history()
    for after in range(len(known) + 1):
        stream = session.events(after, timeout=PATIENCE)
        rest = [next(stream) for _ in range(len(known) - after)]
        assert rest == known[after:]
    later = session.events(len(known), types=["run_completed"], timeout=PATIENCE)
    session.query("again")
    assert next(later).data["output"] == "AGAIN"


def test_every_event_comes_once_and_in_order_across_restarts(fleets, store):
    backend = Scripted(shout)
    fleet = fleets(backend, store)
    session = fleet.start_session(on_crash="retry")
    heard, done = [], threading.Event()

    def read():
        for event in session.events(timeout=PATIENCE):
            heard.append(event)
            if event.type == "run_completed" and event.data["output"] == "LAST":
                done.set()
                return

    reader = threading.Thread(target=read)
    reader.start()
    for victim in (session.id, "log", "runs", "sessions", "session_supervisor", session.id):
        session.submit(f"before {victim}").get(timeout=PATIENCE)
        kill(fleet, victim)
    session.submit("last").get(timeout=PATIENCE)
    assert done.wait(PATIENCE)
    reader.join(PATIENCE)
    assert [event.sequence for event in heard] == list(range(1, len(heard) + 1))
    assert heard == session.history()[: len(heard)]


def test_many_readers_hear_the_same(shouting):
    session = shouting.start_session()
    streams = [session.events(timeout=PATIENCE) for _ in range(20)]
    session.query("hello").get(timeout=PATIENCE)
    known = session.history()
    for stream in streams:
        assert [next(stream) for _ in known] == known


def test_a_wait_for_events_ends_when_its_time_is_over(fleet):
    session = fleet.start_session()
    stream = session.events(1, timeout=0.02)
    for _ in range(2):
        with pytest.raises(CallTimeout):
            next(stream)

    async def main():
        await anext(session.events(1, timeout=0.02))

    with pytest.raises(CallTimeout):
        asyncio.run(main())


def test_events_end_when_the_session_has_been_stopped(fleet):
    session = fleet.start_session()
    stream = session.events(timeout=PATIENCE)
    session.stop()
    heard = [event.type for event in stream]
    assert heard == ["session_started", "session_stopped"]
    assert list(session.events(types=["message"], timeout=PATIENCE)) == []

    async def main():
        return [event.type async for event in session.events(timeout=PATIENCE)]

    assert asyncio.run(main()) == heard


def test_events_go_on_when_a_session_that_was_stopped_is_taken_up_again(fleet):
    session = fleet.start_session(session_id="ada")
    session.stop()
    fleet.start_session(session_id="ada")
    stream = session.events(timeout=PATIENCE)
    heard = [next(stream).type for _ in range(3)]
    assert heard == ["session_started", "session_stopped", "session_restarted"]


def test_events_end_with_their_fleet():
    backend = Scripted()
    with fleet_of(backend, session_backoff=NOT_NOW) as fleet:
        session = fleet.start_session()
        stream = session.events(timeout=None)
        assert next(stream).type == "session_started"
        caught = []

        def read():
            try:
                next(stream)
            except SessionClosed as closed:
                caught.append(closed.reason)

        reader = threading.Thread(target=read)
        reader.start()
    reader.join(PATIENCE)
    assert caught == ["fleet_closed"]


@pytest.mark.parametrize("after", [-1, "x", None, 1.5, True], ids=repr)
def test_a_sequence_that_is_none_is_refused_and_the_log_lives(fleet, after):
    session = fleet.start_session()
    log = fleet.whereis("log")
    for follow in (session.events, session.history):
        with pytest.raises(ValueError, match="after"):
            follow(after)
    assert fleet.whereis("log") is log
    assert log.is_alive()


@pytest.mark.parametrize("types_", ["message", ["massage"], 3, [["message"]]], ids=repr)
def test_types_that_are_none_are_refused(fleet, types_):
    session = fleet.start_session()
    for follow in (session.events, session.history):
        with pytest.raises(ValueError, match="types"):
            follow(types=types_)


def test_a_page_of_many_events_is_followed_by_the_next(fleets):
    backend = Scripted()
    session = fleets(backend).start_session()
    agent = backend.agent()
    run = session.query("hello")
    query = agent.hear(Query)
    agent.text(query, *(f"word {n}" for n in range(1200)))
    agent.complete(query)
    run.get(timeout=PATIENCE)
    assert contents(session.receive(run)) == [f"word {n}" for n in range(1200)] + ["done"]
    assert len(session.messages()) == 1201
    assert len(session.history()) == 1205
    assert len(session.history(limit=10)) == 10
    wait_for(session, "message", count=1201)
