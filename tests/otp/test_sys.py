"""The doors of `beam.otp.sys` into any process: its state, its status, its statistics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import (
    BeamError,
    CallCycle,
    CallExit,
    CallTimeout,
    InvalidInput,
    NotSupported,
    Refused,
)
from beam.otp import (
    Call,
    Cast,
    DynamicSupervisor,
    Enter,
    Exited,
    Mailbox,
    Node,
    PartitionSupervisor,
    Registry,
    Server,
    StateMachine,
    Supervisor,
    Tasks,
    child,
    current_process,
    goto,
    noreply,
    postpone,
    receive,
    reply,
    spawn,
    state,
    state_timeout,
    stay,
    sys,
)
from tests.otp.actors import KINDS, SOON, Echo, death_of

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)


class Counter(Server):
    """Counts."""

    trap_exit = False

    def init(self, count: int = 0) -> None:
        self.count = count
        self._steps: list[int] = []

    def add(self, by: int) -> int:
        self.count += by
        self._steps.append(by)
        return self.count


class Door(StateMachine):
    """Opens when it is pushed, and shuts when it is told."""

    def init(self) -> Any:
        self.entered: list[str] = []
        return self.shut

    @state(enter=True)
    def shut(self, event: Any) -> Any:
        match event:
            case Enter():
                self.entered.append("shut")
                return stay()
            case Cast("push"):
                return goto(self.open)
            case Call("where", caller):
                return stay(reply(caller, "shut"))
        return stay(postpone)

    @state(enter=True)
    def open(self, event: Any) -> Any:
        match event:
            case Enter():
                self.entered.append("open")
            case Call(message, caller):
                return stay(reply(caller, ("open", message)))
        return stay()


class Lamp(StateMachine):
    """Its states are numbers."""

    def init(self, brightness: int) -> Any:
        return goto(brightness, state_timeout(1000.0))

    def handle_event(self, event: Any, state: Any) -> Any:
        match event:
            case Call(_, caller):
                return stay(reply(caller, state))
        return stay()


# The state


@kinds
def test_the_state_of_a_server_is_its_attributes(kind: type[Echo]) -> None:
    echo = kind.start(trap_exit=True)
    echo.cast("one")
    echo.tell("two")
    assert sys.get_state(echo) == {"told": ["one", "two"]}


def test_the_attributes_that_begin_with_an_underscore_are_state_too() -> None:
    counter = Counter.start(1)
    counter.proxy().add(2).get()
    assert sys.get_state(counter) == {"count": 3, "_steps": [2]}


def test_a_process_is_found_by_its_name() -> None:
    Counter.start(5, name="counter")
    assert sys.get_state("counter")["count"] == 5


def test_a_name_that_nobody_has_is_no_process() -> None:
    with pytest.raises(CallExit) as failed:
        sys.get_state("nobody")
    assert (failed.value.reason, failed.value.process) == ("noproc", "nobody")


def test_what_cannot_be_a_name_is_refused() -> None:
    with pytest.raises(InvalidInput, match="name"):
        sys.get_state(["counter"])


def test_the_dead_are_no_process() -> None:
    counter = Counter.start()
    counter.stop()
    with pytest.raises(CallExit) as failed:
        sys.get_state(counter)
    assert (failed.value.reason, failed.value.process) == ("noproc", counter)


def test_the_state_of_a_machine_is_the_name_of_its_state_and_its_attributes() -> None:
    door = Door.start()
    door.cast("push")
    assert sys.get_state(door) == ("open", {"entered": ["shut", "open"]})
    assert sys.get_state(door).state == "open"
    assert sys.get_state(door).data == {"entered": ["shut", "open"]}


def test_a_state_that_is_a_value_is_shown_as_it_is() -> None:
    assert sys.get_state(Lamp.start(7)) == (7, {})


@pytest.mark.parametrize(
    ("start", "ids"),
    [
        (lambda: Supervisor.start([child(Counter, id="a"), child(Counter, id="b")]), ["b", "a"]),
        (DynamicSupervisor.start, []),
        (Tasks.start, []),
        (lambda: PartitionSupervisor.start(child(Counter), partitions=2), [1, 0]),
    ],
    ids=["supervisor", "dynamic", "tasks", "partition"],
)
def test_the_state_of_a_supervisor_is_its_children(
    start: Callable[[], Any], ids: list[Any]
) -> None:
    tree = start()
    assert [info.id for info in sys.get_state(tree)] == ids
    with pytest.raises(NotSupported, match="no_replace_state"):
        sys.replace_state(tree, lambda children: children)
    tree.stop(reason="shutdown")


def test_a_registry_has_no_state_to_show() -> None:
    with pytest.raises(NotSupported, match="no_state"):
        sys.get_state(Registry.start())


def test_a_request_is_mail_in_its_place() -> None:
    counter = Counter.start()
    for _ in range(100):
        counter.proxy().add.defer(1)
    assert sys.get_state(counter)["count"] == 100


# Who cannot be asked


def test_a_process_that_hangs_is_asked_until_the_timeout() -> None:
    echo, silent = Echo.start(), Echo.start()
    echo.cast(("do", lambda: silent.ask("never", timeout=None)))
    with pytest.raises(CallTimeout):
        sys.get_state(echo, timeout=0.01)


def test_a_process_that_asks_itself_is_a_ring() -> None:
    echo = Echo.start()

    def ask() -> str:
        with pytest.raises(CallCycle) as ring:
            sys.get_state(echo)
        return str(ring.value.reason)

    assert echo.ask(("do", ask)) == "call_cycle"


def test_a_request_in_a_ring_of_calls_is_refused() -> None:
    first, second = Echo.start(), Echo.start()

    def ask() -> str:
        with pytest.raises(CallCycle):
            sys.get_state(first)
        return "refused"

    assert first.ask(("call", second, ("do", ask))) == "refused"


def test_a_process_may_ask_another() -> None:
    echo, counter = Echo.start(), Counter.start(3)
    assert echo.ask(("do", lambda: sys.get_state(counter)["count"])) == 3


def test_a_request_to_one_that_dies_before_it_comes_to_it_fails_with_the_reason() -> None:
    echo = Echo.start()
    sys.suspend(echo)
    echo.stop(block=False, reason="over")
    with pytest.raises(CallExit) as failed:
        sys.get_state(echo)
    assert failed.value.reason in ("over", "noproc")


def test_a_function_comes_to_its_requests_when_it_receives() -> None:
    process = spawn(receive)
    assert sys.get_status(process).process is process
    with pytest.raises(NotSupported, match="no_state"):
        sys.get_state(process)
    with pytest.raises(NotSupported, match="no_state"):
        sys.replace_state(process, lambda state: state)
    with pytest.raises(NotSupported, match="no_suspend"):
        sys.suspend(process)
    sys.resume(process)
    process.tell("end")
    assert death_of(process) == "normal"


def test_a_thread_with_a_mailbox_comes_to_its_requests_when_it_receives() -> None:
    asked: list[Any] = []
    with Mailbox("me", trap_exit=True) as me:

        def ask() -> None:
            asked.append(sys.get_status(me.ref))
            me.ref.tell("done")

        spawn(ask)
        assert me.receive(timeout=SOON) == "done"
    assert (asked[0].name, asked[0].trap_exit, asked[0].state) == ("me", True, None)


# Replacing it


@kinds
def test_a_state_is_replaced_as_a_whole(kind: type[Echo]) -> None:
    echo = kind.start()
    assert sys.replace_state(echo, lambda state: {"told": ["new"], "more": 1}) == {
        "told": ["new"],
        "more": 1,
    }
    assert echo.ask("told") == ["new"]
    assert sys.replace_state(echo, lambda state: {"told": [state["more"]]}) == {"told": [1]}
    assert sys.get_state(echo) == {"told": [1]}


@kinds
def test_a_function_that_raises_leaves_the_state_and_its_error_comes_back(kind: type[Echo]) -> None:
    echo = kind.start()
    echo.cast("kept")

    def fail(state: dict[str, Any]) -> Any:
        state.clear()
        raise LookupError("in the function")

    with pytest.raises(LookupError, match="in the function"):
        sys.replace_state(echo, fail)
    assert sys.get_state(echo) == {"told": ["kept"]}


@pytest.mark.parametrize("error", [Exited("out"), SystemExit(3)], ids=["exit", "sys.exit"])
def test_what_is_no_exception_ends_neither_the_process_nor_who_asks(error: BaseException) -> None:
    echo, asks = Echo.start(), Echo.start()

    def fail(_state: Any) -> Any:
        raise error

    def ask() -> Any:
        with pytest.raises(Refused, match="callback_failed") as failed:
            sys.replace_state(echo, fail)
        return failed.value.error

    assert asks.ask(("do", ask)) is error
    assert echo.is_alive()


def test_a_refusal_of_the_function_comes_from_the_process() -> None:
    echo = Echo.start()

    def refuse(_state: Any) -> Any:
        raise Refused("not_now")

    with pytest.raises(Refused, match="not_now") as refused:
        sys.replace_state(echo, refuse)
    assert refused.value.process is echo
    assert echo.is_alive()


@pytest.mark.parametrize(
    "wrong", [None, [("told", 1)], {1: 2}, {"_control": None}, {"trap_exit": True}], ids=repr
)
def test_what_is_no_state_of_a_server_is_refused_and_changes_nothing(wrong: Any) -> None:
    echo = Echo.start()
    with pytest.raises(InvalidInput, match="attributes"):
        sys.replace_state(echo, lambda _state: wrong)
    assert sys.get_state(echo) == {"told": []}
    assert echo.ask("well") == "well"


def test_the_flag_that_traps_exits_is_no_state_and_stays() -> None:
    echo = Echo.start(trap_exit=True)
    sys.replace_state(echo, lambda _state: {"told": []})
    assert sys.get_status(echo).trap_exit


def test_the_function_runs_in_the_process() -> None:
    echo = Echo.start()
    ran: list[Any] = []
    sys.replace_state(echo, lambda state: [ran.append(current_process()), state][1])
    assert ran == [echo]


def test_a_machine_is_put_into_a_state_by_its_name_and_nothing_else_happens() -> None:
    door = Door.start()
    postponed = door.ask("postponed", block=False)
    replaced = sys.replace_state(door, lambda pair: ("open", pair.data))
    assert replaced == ("open", {"entered": ["shut"]})
    assert sys.get_state(door) == ("open", {"entered": ["shut"]})
    assert not postponed.done
    assert door.ask("where") == ("open", "where")
    sys.replace_state(door, lambda pair: ("shut", pair.data))
    door.cast("push")
    assert postponed.get(timeout=SOON) == ("open", "postponed")


def test_a_state_that_is_a_value_is_replaced_by_another() -> None:
    lamp = Lamp.start(7)
    assert sys.replace_state(lamp, lambda pair: (8, {"seen": pair.state})) == (8, {"seen": 7})
    assert lamp.ask("brightness") == 8
    assert sys.get_state(lamp) == (8, {"seen": 7})


@pytest.mark.parametrize(
    "wrong", ["open", ("ajar", {}), ("entered", {}), ("open", None), (None, {}), ()], ids=repr
)
def test_what_is_no_state_of_a_machine_is_refused_and_changes_nothing(wrong: Any) -> None:
    door = Door.start()
    with pytest.raises(InvalidInput):
        sys.replace_state(door, lambda _pair: wrong)
    assert sys.get_state(door) == ("shut", {"entered": ["shut"]})
    assert door.ask("where") == "shut"


# The status


def test_the_status_tells_what_there_is_to_know() -> None:
    with Mailbox() as me:
        counter, watching = Counter.start_monitor(4, name="counter")
        status = sys.get_status(counter)
        assert (status.process, status.process_class, status.name) == (counter, Counter, "counter")
        assert (status.parent, status.links, status.watchers, status.monitors) == (me.ref, (), 1, 0)
        assert (status.suspended, status.trap_exit, status.mailbox) == (False, False, 0)
        assert (status.state, status.statistics) == ({"count": 4, "_steps": []}, None)
        assert watching.process is counter


def test_the_status_of_a_child_names_its_supervisor() -> None:
    with Supervisor.start([child(Counter, id="a", name="a")]) as tree:
        status = sys.get_status("a")
        assert (status.parent, status.links) == (tree, (tree,))
        assert [info.id for info in sys.get_status(tree).state] == ["a"]


def test_the_status_counts_what_is_on() -> None:
    counter = Counter.start()
    sys.statistics(counter, True)
    with sys.trace(counter), sys.trace(counter):
        status = sys.get_status(counter)
    assert status.traces == 2
    assert status.statistics is not None


# Statistics


@kinds
def test_statistics_count_messages_and_answers_from_when_they_are_switched_on(
    kind: type[Echo],
) -> None:
    echo = kind.start()
    assert sys.statistics(echo) is None
    echo.ask("before")
    sys.statistics(echo, True)
    echo.ask("asked")
    echo.cast("cast")
    echo.tell("told")
    echo.ask("never", block=False)
    read = sys.statistics(echo)
    assert read is not None
    assert (read.messages_in, read.messages_out, read.handled) == (4, 1, 4)
    assert read.start_time <= read.current_time
    assert read.restarts is None


def test_statistics_that_are_on_stay_as_they_are_when_they_are_switched_on() -> None:
    echo = Echo.start()
    sys.statistics(echo, True)
    echo.ask("once")
    sys.statistics(echo, True)
    read = sys.statistics(echo)
    assert read is not None
    assert read.messages_in == 1


def test_statistics_that_are_switched_off_are_forgotten() -> None:
    echo = Echo.start()
    sys.statistics(echo, True)
    echo.ask("once")
    sys.statistics(echo, False)
    sys.statistics(echo, False)
    assert sys.statistics(echo) is None
    sys.statistics(echo, True)
    read = sys.statistics(echo)
    assert read is not None
    assert read.messages_in == 0


def test_statistics_know_the_fullest_mailbox() -> None:
    echo = Echo.start()
    sys.statistics(echo, True)
    sys.suspend(echo)
    for at in range(7):
        echo.cast(at)
    sys.resume(echo)
    assert echo.ask("done") == "done"
    read = sys.statistics(echo)
    assert read is not None
    assert read.mailbox_high_water >= 7


def test_an_answer_that_is_given_later_is_counted_when_it_is() -> None:
    kept: list[Any] = []

    class Later(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            kept.append(caller)
            return noreply

    later = Later.start()
    sys.statistics(later, True)
    answer = later.ask("when", block=False)
    before = sys.statistics(later)
    kept[0].reply("now")
    after = sys.statistics(later)
    assert before is not None
    assert after is not None
    assert (before.messages_out, after.messages_out, answer.get()) == (0, 1, "now")


def test_a_machine_counts_the_events_that_it_handles() -> None:
    door = Door.start()
    sys.statistics(door, True)
    door.ask("postponed", block=False)
    door.cast("push")
    read = sys.statistics(door)
    assert read is not None
    assert (read.messages_in, read.messages_out, read.handled) == (2, 1, 3)


def test_statistics_of_a_supervisor_know_the_restarts_that_count() -> None:
    with Supervisor.start([child(Echo, id="echo")], max_restarts=5) as tree:
        sys.statistics(tree, True)
        for _ in range(2):
            (info,) = tree.which_children()
            info.process.cast(("do", lambda: 1 / 0))
            death_of(info.process)
            tree.count_children()
        read = sys.statistics(tree)
        assert read is not None
        assert read.restarts == 2


def test_what_is_no_switch_is_refused() -> None:
    with pytest.raises(InvalidInput, match="on"):
        sys.statistics(Echo.start(), "get")  # type: ignore[call-overload]


# Nothing is left of it


@kinds
def test_a_process_that_nobody_looks_at_any_more_pays_nothing(kind: type[Echo]) -> None:
    echo = kind.start()
    before = (echo.control.receiver, type(echo))
    sys.statistics(echo, True)
    sys.suspend(echo)
    with sys.trace(echo):
        assert (echo.control.receiver, type(echo)) != before
    sys.resume(echo)
    sys.statistics(echo, False)
    assert (echo.control.receiver, type(echo)) == before


# Coroutine twins


def test_each_door_has_a_coroutine_twin() -> None:
    async def use() -> Any:
        await sys.aio.suspend(counter)
        status = await sys.aio.get_status(counter)
        await sys.aio.resume(counter)
        await sys.aio.statistics(counter, True)
        await sys.aio.replace_state(counter, lambda state: {**state, "count": 2})
        trace = await sys.aio.trace(counter)
        trace.stop()
        return status.suspended, await sys.aio.get_state(counter)

    with Node():  # An event loop has real threads, and no place in a simulation.
        counter = Counter.start(1)
        assert asyncio.run(use()) == (True, {"count": 2, "_steps": []})


def test_errors_of_the_doors_are_of_the_tree() -> None:
    for wrong in (lambda: sys.get_state("nobody"), lambda: sys.get_state(Registry.start())):
        with pytest.raises(BeamError):
            wrong()
