"""Traces: of one process, or of what two say to each other; they never harm what they trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from beam.errors import CallExit, InvalidInput, Refused
from beam.otp import (
    Call,
    Cast,
    Down,
    Enter,
    Exited,
    Internal,
    Mailbox,
    Ref,
    Server,
    StateMachine,
    StateTimeout,
    exit,
    goto,
    monitor,
    next_event,
    noreply,
    receive,
    reply,
    send_after,
    spawn,
    state,
    state_timeout,
    stay,
    sys,
)
from beam.testing import settle
from tests.otp.actors import KINDS, SOON, Echo, death_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs() as logs:
        yield logs


@pytest.fixture
def unlogged(logs: list[Any]) -> None:
    """Reports are kept."""


def told(events: list[sys.TraceEvent]) -> list[tuple[Any, ...]]:
    """Return what the events say: their kind, form, peer and value."""
    return [(event.kind, event.form, event.peer, event.value) for event in events]


class Refuser(Server):
    """Refuses, answers later, and leaves things to do."""

    def handle_call(self, message: Any, caller: Call) -> Any:
        if message == "refuse":
            raise Refused("no")
        if message == "later":
            self.send_after(0.0, caller)
            return noreply
        self.continue_with("tidy up")
        return message

    def handle_info(self, message: Any) -> None:
        message.reply("now")

    def handle_continue(self, message: Any) -> None:
        self.tidied = message


class Relay(Server):
    """Sends on to another what it is told."""

    def init(self, to: Ref[Any]) -> None:
        self.to = to

    def handle_call(self, message: Any, caller: Call) -> Any:
        return self.to.ask(message)

    def handle_cast(self, message: Any) -> None:
        self.to.cast(message)

    def handle_info(self, message: Any) -> None:
        self.to.tell(message)


class Door(StateMachine):
    """Opens when it is pushed, rings, and shuts after a while."""

    def init(self) -> Any:
        return self.shut

    @state
    def shut(self, event: Any) -> Any:
        match event:
            case Cast("push"):
                return goto(self.open, next_event(Internal("ring")), state_timeout(0.0))
            case Call(_, caller):
                return stay(reply(caller, "shut"))
        return stay()

    @state(enter=True)
    def open(self, event: Any) -> Any:
        match event:
            case Enter() | Internal("ring"):
                return stay()
            case StateTimeout():
                return goto(self.shut)
        return stay()


# One process


@kinds
def test_a_trace_tells_what_comes_and_what_becomes_of_it(kind: type[Echo]) -> None:
    echo = kind.start()
    with sys.trace(echo) as trace:
        assert echo.ask("asked") == "asked"
        echo.cast("cast")
        echo.tell("told")
        sys.get_state(echo)
    assert told(trace.events()) == [
        ("in", "call", None, "asked"),
        ("out", "call", None, "asked"),
        ("in", "cast", None, "cast"),
        ("noreply", "cast", None, "cast"),
        ("in", "info", None, "told"),
        ("noreply", "info", None, "told"),
    ]
    assert [event.number for event in trace.events()] == [1, 2, 3, 4, 5, 6]
    assert {event.process for event in trace.events()} == {echo}
    times = [event.at for event in trace.events()]
    assert times == sorted(times)


def test_a_refusal_is_an_answer_and_what_is_left_to_do_a_message() -> None:
    refuser = Refuser.start()
    with sys.trace(refuser) as trace:
        with pytest.raises(Refused):
            refuser.ask("refuse")
        refuser.ask("hello")
        sys.get_state(refuser)
    events = trace.events()
    assert [(event.kind, event.form) for event in events] == [
        ("in", "call"),
        ("out", "call"),
        ("in", "call"),
        ("out", "call"),
        ("in", "continue"),
        ("noreply", "continue"),
    ]
    assert isinstance(events[1].value, Refused)
    assert (events[4].value, events[4].peer) == ("tidy up", None)


def test_an_answer_that_is_given_later_is_told_when_it_is() -> None:
    refuser = Refuser.start()
    with sys.trace(refuser) as trace:
        assert refuser.ask("later") == "now"
        sys.get_state(refuser)
    assert [(event.kind, event.form) for event in trace.events()] == [
        ("in", "call"),
        ("noreply", "call"),
        ("in", "info"),
        ("out", "call"),
        ("noreply", "info"),
    ]


def test_a_method_that_is_called_by_a_proxy_is_a_call() -> None:
    class Adder(Server):
        def add(self, one: int, other: int) -> int:
            return one + other

    adder = Adder.start()
    with sys.trace(adder) as trace:
        adder.proxy().add(1, 2).get()
    came, went = trace.events()
    assert (came.form, came.value.attr_path, came.value.args) == ("call", ("add",), (1, 2))
    assert went.value == 3


def test_a_machine_tells_its_states_by_name_and_its_timeouts() -> None:
    door = Door.start()
    with sys.trace(door) as trace:
        door.cast("push")
        assert door.ask("where") == "shut"
    events = trace.events()
    states = [(event.old, event.value) for event in events if event.kind == "state"]
    assert states == [("shut", "open"), ("open", "shut")]
    assert [event.kind for event in events] == ["in", "state", "state", "noreply", "in", "out"]


def test_the_timer_of_a_machine_comes_as_a_timeout() -> None:
    class Clock(StateMachine):
        def init(self) -> Any:
            return self.still

        @state
        def still(self, event: Any) -> Any:
            if isinstance(event, Cast):
                return stay(state_timeout(0.001, "tick"))
            return self.stop("ticked")

    clock = Clock.start()
    trace = sys.trace(clock)
    clock.cast("wind")
    assert death_of(clock) == "ticked"
    assert told(trace.events()) == [
        ("in", "cast", None, "wind"),
        ("noreply", "cast", None, "wind"),
        ("in", "timeout", None, "state"),
        ("noreply", "timeout", None, "state"),
        ("exit", None, None, "ticked"),
    ]
    assert not trace.active


@kinds
@pytest.mark.parametrize("how", ["stop", "kill", "crash"])
def test_the_end_of_the_process_is_the_last_event(kind: type[Echo], how: str) -> None:
    echo = kind.start()
    trace = sys.trace(echo)
    if how == "stop":
        echo.stop(reason="over")
    elif how == "kill":
        exit(echo, "kill")
    else:
        with pytest.raises(CallExit):
            echo.ask(("exit", "gone"))
    reason = death_of(echo)
    last = trace.events()[-1]
    assert (last.kind, last.value) == ("exit", reason)
    assert reason == {"stop": "over", "kill": "killed", "crash": "gone"}[how]
    assert not trace.active
    trace.stop()


def test_a_function_is_traced_where_it_receives() -> None:
    def echo(to: Ref[Any]) -> None:
        to.tell(("echo", receive(timeout=SOON)))

    with Mailbox() as me:
        process = spawn(echo, me.ref)
        with sys.trace(process) as trace:
            process.tell("hello")
            assert me.receive(timeout=SOON) == ("echo", "hello")
        assert told(trace.events())[0] == ("in", "info", me.ref, "hello")


def test_what_comes_while_it_is_suspended_is_told_when_it_is_handled() -> None:
    echo = Echo.start()
    with Mailbox() as me, sys.trace(echo) as trace:
        sys.suspend(echo)
        echo.cast("waits")
        sys.get_state(echo)
        assert trace.events() == []
        sys.resume(echo)
        sys.get_state(echo)
        assert told(trace.events())[0] == ("in", "cast", me.ref, "waits")


# Who has sent it


def test_the_sender_of_a_message_is_told_if_it_is_a_process() -> None:
    echo = Echo.start()
    relay = Relay.start(echo)
    with sys.trace(echo) as trace:
        echo.cast("from outside")
        relay.cast("cast")
        relay.tell("told")
        relay.ask("asked")
        with Mailbox() as me:
            echo.tell("mine")
        sys.get_state(echo)
    senders = [(event.value, event.peer) for event in trace.events() if event.kind == "in"]
    assert senders == [
        ("from outside", None),
        ("cast", relay),
        ("told", relay),
        ("asked", relay),
        ("mine", me.ref),
    ]


def test_what_a_handler_sends_on_is_not_from_whom_it_has_it() -> None:
    class Timed(Server):
        def handle_info(self, message: Any) -> None:
            if message == "first":
                send_after(0.0, self.actor_ref, "second")
            else:
                me.ref.tell("done")

    with Mailbox() as me:
        timed = Timed.start()
        relay = Relay.start(timed)
        trace = sys.trace(timed)
        relay.tell("first")
        assert me.receive(timeout=SOON) == "done"
        sys.get_state(timed)
        trace.stop()
    senders = [(event.value, event.peer) for event in trace.events() if event.form == "info"]
    assert senders[::2] == [("first", relay), ("second", None)]


# Two processes


def test_a_trace_of_two_tells_what_they_say_to_each_other_and_nothing_else() -> None:
    first, second = Echo.start(), Echo.start()
    with sys.trace(first, second) as trace:
        first.cast("outside")
        second.ask("outside")
        first.ask(("call", second, "question"))
        second.ask(("do", lambda: first.cast("note")))
        sys.get_state(first)
    assert told(trace.events()) == [
        ("in", "call", first, "question"),
        ("out", "call", first, "question"),
        ("in", "cast", second, "note"),
        ("noreply", "cast", second, "note"),
    ]
    assert [event.process for event in trace.events()] == [second, second, first, first]


def test_a_down_is_from_whom_has_ended() -> None:
    echo, other = Echo.start(), Echo.start()
    echo.ask(("do", lambda: monitor(other)))
    with sys.trace(echo, other) as trace:
        exit(other, "gone")
        death_of(other)
        sys.get_state(echo)
        kinds_told = [(event.kind, event.process) for event in trace.events()]
        assert kinds_told == [("exit", other), ("in", echo), ("noreply", echo)]
        assert isinstance(trace.events()[1].value, Down)
        assert trace.active
        echo.stop()
        assert not trace.active


def test_a_process_may_trace_what_others_say_to_it() -> None:
    echo = Echo.start()
    with Mailbox() as me, sys.trace(echo, me.ref) as trace:
        echo.tell("from me")
        echo.ask(("do", lambda: me.ref.tell("for me")))
        assert me.receive(timeout=SOON) == "for me"
        sys.get_state(echo)
    events = [(event.kind, event.process, event.peer) for event in trace.events()]
    assert ("in", echo, me.ref) in events
    assert ("in", me.ref, echo) in events


# To whom


def test_a_function_is_called_with_each_event() -> None:
    with Mailbox() as me:
        echo = Echo.start()
        trace = sys.trace(echo, to=lambda event: me.ref.tell((event.kind, event.value)))
        echo.ask("hello")
        assert me.messages() == [("in", "hello"), ("out", "hello")]
        assert trace.events() == []
        exit(echo, "kill")
        events = [me.receive(timeout=SOON) for _ in range(3)]
        assert events[2] == ("exit", "killed")
        assert not trace.active


def test_a_process_is_told_each_event() -> None:
    echo = Echo.start()
    with Mailbox() as me:
        sys.trace(echo, to=me.ref)
        echo.cast("hello")
        kinds_told = [me.receive(timeout=SOON).kind for _ in range(2)]
        echo.stop()
        assert [*kinds_told, me.receive(timeout=SOON).kind] == ["in", "noreply", "exit"]


def test_the_log_has_each_event(logs: list[Any]) -> None:
    echo, door = Echo.start(), Door.start()
    with Mailbox() as me, sys.trace(echo, to="log"), sys.trace(door, to="log"):
        echo.ask("hello")
        door.cast("push")
        sys.get_state(door)
        traced = [log for log in logs if log["event"] == "process_traced"]
    assert traced[0] == {
        "event": "process_traced",
        "log_level": "info",
        "process": str(echo),
        "kind": "in",
        "number": 1,
        "form": "call",
        "peer": str(me.ref),
        "value": "'hello'",
    }
    states = [(log["old"], log["value"]) for log in traced if log["kind"] == "state"]
    assert states == [("'shut'", "'open'"), ("'open'", "'shut'")]


def test_two_traces_of_one_process_are_two() -> None:
    echo = Echo.start()
    first = sys.trace(echo)
    echo.ask("one")
    second = sys.trace(echo)
    first.stop()
    echo.ask("two")
    assert [event.value for event in first.events()] == ["one", "one"]
    assert [event.value for event in second.events()] == ["two", "two"]
    second.stop()
    assert sys.get_status(echo).traces == 0


def test_a_buffer_can_be_emptied() -> None:
    echo = Echo.start()
    with sys.trace(echo) as trace:
        echo.ask("one")
        assert [event.value for event in trace.clear()] == ["one", "one"]
        echo.ask("two")
    assert [event.value for event in trace.events()] == ["two", "two"]


# Bounds, and tracers that fail


def test_a_buffer_keeps_the_newest_and_counts_what_it_loses() -> None:
    echo = Echo.start()
    with sys.trace(echo, limit=3) as trace:
        for at in range(5):
            echo.ask(at)
    assert [(event.kind, event.value) for event in trace.events()] == [
        ("out", 3),
        ("in", 4),
        ("out", 4),
    ]
    assert trace.dropped == 7


def test_a_buffer_without_a_limit_keeps_all() -> None:
    echo = Echo.start()
    with sys.trace(echo, limit=None) as trace:
        for at in range(1000):
            echo.ask(at)
    assert (len(trace.events()), trace.dropped) == (2000, 0)


def test_another_tracer_is_taken_off_at_the_limit(logs: list[Any]) -> None:
    echo, events = Echo.start(), list[sys.TraceEvent]()
    trace = sys.trace(echo, to=events.append, limit=3)
    for at in range(5):
        echo.ask(at)
    assert len(events) == 3
    assert not trace.active
    assert sys.get_status(echo).traces == 0
    (removed,) = [log for log in logs if log["event"] == "trace_removed"]
    assert (removed["processes"], removed["reason"]) == ([str(echo)], "limit of 3 events")


@pytest.mark.parametrize(
    "error", [ValueError("in the tracer"), SystemExit(1), Exited("out")], ids=repr
)
def test_a_tracer_that_raises_is_taken_off_and_the_process_does_not_notice(
    error: BaseException, logs: list[Any]
) -> None:
    def fail(_event: sys.TraceEvent) -> None:
        raise error

    echo = Echo.start()
    trace = sys.trace(echo, to=fail)
    assert echo.ask("hello") == "hello"
    assert not trace.active
    assert sys.get_status(echo).traces == 0
    (removed,) = [log for log in logs if log["event"] == "trace_removed"]
    assert removed["reason"] == repr(error)


def test_a_tracer_that_has_ended_is_taken_off() -> None:
    echo, tracer = Echo.start(), Echo.start()
    trace = sys.trace(echo, to=tracer)
    echo.ask("heard")
    tracer.stop()
    echo.ask("not heard")
    assert not trace.active
    assert sys.get_status(echo).traces == 0


def test_what_was_stopped_tells_nothing_more() -> None:
    echo = Echo.start()
    trace = sys.trace(echo)
    trace.stop()
    trace.stop()
    echo.ask("hello")
    echo.stop()
    assert trace.events() == []


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("to", {"to": 3}),
        ("to", {"to": "stdout"}),
        ("limit", {"limit": 0}),
        ("limit", {"limit": 1.5}),
        ("limit", {"limit": True}),
    ],
)
def test_a_wrong_option_is_refused(field: str, options: dict[str, Any]) -> None:
    echo = Echo.start()
    with pytest.raises(InvalidInput, match=field):
        sys.trace(echo, **options)
    assert sys.get_status(echo).traces == 0


def test_nobody_is_told_of_itself_nor_is_its_own_peer() -> None:
    echo = Echo.start()
    with pytest.raises(InvalidInput, match="to"):
        sys.trace(echo, to=echo)
    with pytest.raises(InvalidInput, match="peer"):
        sys.trace(echo, echo)


def test_a_trace_of_two_is_set_on_both_or_on_none() -> None:
    echo, dead = Echo.start(), Echo.start()
    dead.stop()
    with pytest.raises(CallExit):
        sys.trace(echo, dead)
    settle()
    assert sys.get_status(echo).traces == 0
