"""Alarms: handlers that run too long, mailboxes that grow too long."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from beam.errors import CallExit, Deadlock, InvalidInput
from beam.otp import (
    Call,
    Cast,
    Mailbox,
    Node,
    Ref,
    Server,
    StateMachine,
    exit,
    receive,
    reply,
    spawn,
    state,
    stay,
    sys,
)
from beam.otp.alarms import LongMailbox, SlowHandler
from beam.testing.schedulers import node_on
from tests.otp.actors import KINDS, SOON, Echo, StandingClock, death_of, hold_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from beam.testing.schedulers import SchedulerName

kinds = pytest.mark.parametrize("kind", KINDS)

LIMIT = 10
SHORT = 0.05
"""Seconds that a handler may run in these tests."""


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs() as logs:
        yield logs


@pytest.fixture
def node(scheduler: SchedulerName, logs: list[Any]) -> Iterator[Node]:
    """A node with alarms."""
    with node_on(scheduler, long_mailbox=LIMIT, slow_handler=SHORT) as node:
        yield node


def until(node: Node, condition: Callable[[], Any]) -> None:
    """Let the node's time pass until the condition holds."""
    end = node.clock.now() + SOON
    while not condition():
        assert node.clock.now() < end
        node.sleep(SHORT / 4)


def events(logs: list[Any], name: str) -> list[Any]:
    return [log for log in logs if log["event"] == name]


def slow(logs: list[Any], process: Ref[Any]) -> list[Any]:
    """Return what was said of the handlers of this process that were too slow."""
    return [log for log in events(logs, "slow_handler") if log["process"] == str(process)]


class Waits(Echo):
    """Waits in its handlers for an answer that never comes."""

    def init(self, silent: Ref[Any]) -> None:  # type: ignore[override]
        super().init()
        self.silent = silent

    def handle_cast(self, message: Any) -> None:
        self.wait_in_vain()

    def handle_info(self, message: Any) -> None:
        self.wait_in_vain()

    def handle_call(self, message: Any, caller: Call) -> Any:
        if message == "continue":
            self.continue_with("question")
            return "continuing"
        return self.wait_in_vain()

    def handle_continue(self, message: Any) -> None:
        self.wait_in_vain()

    def wait_in_vain(self) -> None:
        try:
            self.silent.ask("never", timeout=None)
        except CallExit:
            self.told.append("went on")


def waiting() -> tuple[Ref[Any], Ref[Any]]:
    """Return a process whose handlers wait until the other ends."""
    silent = Echo.start()
    return Waits.start(silent), silent


# Mailboxes


@kinds
def test_a_mailbox_that_grows_too_long_is_an_alarm_until_half_of_it_is_gone(
    kind: type[Echo], node: Node, logs: list[Any]
) -> None:
    echo = kind.start()
    sys.suspend(echo)
    for at in range(LIMIT):
        echo.cast(at)
    assert node.alarms() == []
    echo.cast("one more")
    (alarm,) = node.alarms()
    assert isinstance(alarm, LongMailbox)
    assert (alarm.process, alarm.limit) == (echo, LIMIT)
    assert alarm.length > LIMIT
    assert alarm.since <= node.clock.now()
    echo.cast("another")
    assert len(node.alarms()) == 1
    until(node, lambda: events(logs, "long_mailbox"))
    sys.resume(echo)
    sys.get_state(echo)
    assert node.alarms() == []
    until(node, lambda: events(logs, "long_mailbox_cleared"))
    assert node.alarm_counts["long_mailbox"] == 1
    (set_, cleared) = events(logs, "long_mailbox") + events(logs, "long_mailbox_cleared")
    assert (set_["log_level"], set_["process"], set_["limit"]) == ("warning", str(echo), LIMIT)
    assert (cleared["log_level"], cleared["process"]) == ("info", str(echo))
    assert cleared["length"] <= LIMIT // 2 < LIMIT < set_["length"]


def test_a_mailbox_that_stays_about_the_limit_rings_once(node: Node) -> None:
    with Mailbox() as me:
        for at in range(LIMIT + 1):
            me.ref.tell(at)
        for at in range(10):
            me.receive(timeout=0)
            me.ref.tell(at)
        assert node.alarm_counts["long_mailbox"] == 1
        for _ in range(LIMIT):
            me.receive(timeout=0)
        assert node.alarms() == []
        for at in range(LIMIT):
            me.ref.tell(at)
        assert node.alarm_counts["long_mailbox"] == 2


def test_a_mailbox_with_a_bound_has_the_alarm_too(node: Node) -> None:
    class Bounded(Echo):
        mailbox_limit = 5
        mailbox_overflow = "drop_newest"
        long_mailbox = 3

    bounded = Bounded.start()
    sys.suspend(bounded)
    for at in range(10):
        bounded.cast(at)
    (alarm,) = node.alarms()
    assert isinstance(alarm, LongMailbox)
    assert (alarm.length, alarm.limit) == (5, 3)
    sys.resume(bounded)
    assert bounded.ask("told") == [0, 1, 2, 3, 4]
    assert node.alarms() == []


def test_a_class_says_its_own_limit(node: Node) -> None:
    class Patient(Echo):
        long_mailbox = 1000

    patient = Patient.start()
    sys.suspend(patient)
    for at in range(100):
        patient.cast(at)
    assert node.alarms() == []
    sys.resume(patient)


def test_the_alarm_of_a_process_that_ends_is_cleared(node: Node) -> None:
    echo = Echo.start()
    sys.suspend(echo)
    for at in range(LIMIT + 5):
        echo.cast(at)
    assert len(node.alarms()) == 1
    exit(echo, "kill")
    assert death_of(echo) == "killed"
    until(node, lambda: node.alarms() == [])


def test_a_flood_of_the_dead_is_an_alarm_too(node: Node) -> None:
    with Mailbox(trap_exit=True) as me:
        for _ in range(LIMIT + 1):
            exit(me.ref, "signal")
        (alarm,) = node.alarms()
        assert alarm.process is me.ref


# Handlers


@pytest.mark.parametrize("form", ["call", "cast", "info", "continue"])
def test_a_handler_that_hangs_is_seen_while_it_hangs(
    form: str, node: Node, logs: list[Any]
) -> None:
    waits, silent = waiting()
    if form == "call":
        waits.ask("question", block=False, timeout=None)
    elif form == "continue":
        assert waits.ask("continue") == "continuing"
    else:
        (waits.cast if form == "cast" else waits.tell)("question")

    def seen_there() -> list[SlowHandler]:
        """Return the alarm, once the handler has come to where it hangs."""
        alarms = [alarm for alarm in node.alarms() if isinstance(alarm, SlowHandler)]
        hangs = [line for alarm in alarms for line in alarm.where if "wait_in_vain" in line]
        return alarms if any("test_alarms.py" in line for line in hangs) else []

    until(node, seen_there)
    (alarm,) = seen_there()
    assert (alarm.process, alarm.form, alarm.message) == (waits, form, "'question'")
    assert (alarm.limit, alarm.seconds >= SHORT) == (SHORT, True)
    exit(silent, "kill")
    until(node, lambda: not node.alarms())
    (said,) = slow(logs, waits)
    assert said["process"] == str(waits)
    assert (said["form"], said["message"], said["running"]) == (form, "'question'", True)
    assert said["where"]
    assert said["seconds"] >= said["limit"] == SHORT
    until(node, lambda: events(logs, "slow_handler_ended"))


def test_a_handler_is_an_alarm_once_and_the_next_one_is_another(
    node: Node, logs: list[Any]
) -> None:
    waits, silent = waiting()
    waits.cast("first")
    until(node, node.alarms)
    until(node, lambda: node.alarms()[0].seconds > 3 * SHORT)  # type: ignore[union-attr]
    assert len(slow(logs, waits)) == 1
    exit(silent, "kill")
    until(node, lambda: not node.alarms())
    sys.replace_state(waits, lambda kept: {**kept, "silent": Echo.start()})
    waits.cast("second")
    until(node, node.alarms)
    assert len(slow(logs, waits)) == 2
    assert node.alarm_counts["slow_handler"] >= 2


def test_handlers_that_hang_at_one_time_are_all_seen(node: Node) -> None:
    silent = Echo.start()
    several = [Waits.start(silent) for _ in range(5)]
    for each in several:
        each.cast("question")
        node.sleep(SHORT / 10)
    until(node, lambda: len(node.alarms()) == 5)
    assert {alarm.process for alarm in node.alarms()} == set(several)
    exit(silent, "kill")
    until(node, lambda: not node.alarms())


def test_a_handler_that_was_too_long_is_told_though_nobody_looked(logs: list[Any]) -> None:
    clock = StandingClock()

    def take_long() -> None:
        clock.seconds += 100.0

    with Node(clock=clock, slow_handler=30.0) as node:
        echo = Echo.start()
        echo.ask(("do", take_long), timeout=1000.0)
        sys.get_state(echo, timeout=1000.0)
        assert node.alarm_counts == {"long_mailbox": 0, "slow_handler": 1}
        assert node.alarms() == []
    (said,) = events(logs, "slow_handler")
    assert (said["running"], said["seconds"], said["where"]) == (False, 100.0, [])


def test_a_class_says_how_long_its_handlers_may_run(logs: list[Any]) -> None:
    class Hasty(Waits):
        slow_handler = SHORT

    class Patient(Waits):
        slow_handler = math.inf

    with Node() as node:
        silent = Echo.start()
        hasty, patient = Hasty.start(silent), Patient.start(silent)
        patient.cast("question")
        hasty.cast("question")
        until(node, node.alarms)
        assert [alarm.process for alarm in node.alarms()] == [hasty]
        exit(silent, "kill")


def test_the_events_of_a_machine_are_one_handler(node: Node) -> None:
    class Machine(StateMachine):
        def init(self, silent: Ref[Any]) -> Any:
            self.silent = silent
            return self.only

        @state
        def only(self, event: Any) -> Any:
            match event:
                case Cast(_):
                    self.silent.ask("never", timeout=None)
                case Call(_, caller):
                    return stay(reply(caller, "well"))
            return stay()

    silent = Echo.start()
    machine = Machine.start(silent)
    machine.cast("question")
    until(node, node.alarms)
    (alarm,) = node.alarms()
    assert isinstance(alarm, SlowHandler)
    assert (alarm.process, alarm.form) == (machine, "cast")
    assert any("only" in line for line in alarm.where)
    exit(silent, "kill")
    until(node, lambda: not node.alarms())


def test_a_function_and_a_thread_have_no_handlers(node: Node) -> None:
    with Mailbox() as me:
        process = spawn(lambda: me.ref.tell(receive(timeout=SOON)))
        node.sleep(3 * SHORT)
        assert node.alarms() == []
        process.tell("done")
        assert me.receive(timeout=SOON) == "done"
    assert node.alarm_counts["slow_handler"] == 0


def test_a_handler_that_was_given_up_is_an_alarm_until_it_returns(logs: list[Any]) -> None:
    with Node(slow_handler=SHORT) as node:
        echo = Echo.start()
        gate = hold_up(echo)
        until(node, node.alarms)
        inner = echo.stop(block=False)
        with Mailbox() as me:
            exit(echo, "kill")
            assert me.ref.is_alive()
        node.stop(timeout=0.0)
        assert echo.exit_reason == "killed"
        assert inner.done
        assert [alarm.process for alarm in node.alarms()] == [echo]
        gate.open()
        until(node, lambda: not node.alarms())


def test_a_simulation_finds_a_deadlock_though_alarms_are_on(logs: list[Any]) -> None:
    with node_on("simulation", long_mailbox=LIMIT, slow_handler=SHORT) as node:
        waits, _ = waiting()
        with pytest.raises(Deadlock):
            waits.ask("question", timeout=None)
        assert node.alarms() == []  # No time has passed.


# Off


def test_a_node_without_alarms_fits_nothing_out() -> None:
    with Node() as node:
        echo = Echo.start()
        assert type(echo.control.mailbox) is deque
        assert echo.control.receiver is echo.control.actor
        assert node.alarms() == []
        assert node.alarm_counts == {"long_mailbox": 0, "slow_handler": 0}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("long_mailbox", 0),
        ("long_mailbox", 1.5),
        ("long_mailbox", True),
        ("slow_handler", 0),
        ("slow_handler", -1.0),
        ("slow_handler", math.nan),
        ("slow_handler", "soon"),
        ("slow_handler", True),
    ],
)
def test_what_is_no_limit_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=name):
        Node(**{name: value})
    with pytest.raises(TypeError, match=f"Wrong.{name}"):
        type("Wrong", (Server,), {name: value})
