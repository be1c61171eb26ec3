"""Suspended processes: only system messages, stops and exit signals; the rest waits its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from beam.errors import CallExit, CallTimeout
from beam.otp import (
    Call,
    Cast,
    DynamicSupervisor,
    Exit,
    Info,
    Mailbox,
    Node,
    Ref,
    Server,
    StateMachine,
    StateTimeout,
    Supervisor,
    Timeout,
    child,
    exit,
    goto,
    link,
    monitor,
    reply,
    send_after,
    state,
    state_timeout,
    stay,
    sys,
    timeout,
)
from tests.otp.actors import KINDS, SOON, Echo, death_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Reports are kept from being shown, but not from being captured."""
    with capture_logs():
        yield


class Ending(Echo):
    """Says how it ends."""

    def init(self, to: Ref[Any], *, trap_exit: bool = False) -> None:  # type: ignore[override]
        super().init(trap_exit=trap_exit)
        self._to = to

    def terminate(self, reason: Any) -> None:
        self._to.tell(("terminated", reason, list(self.told)))


@kinds
def test_mail_waits_and_is_handled_in_its_order_after_that(kind: type[Echo]) -> None:
    echo = kind.start()
    sys.suspend(echo)
    echo.cast(1)
    echo.tell(2)
    asked = echo.ask("told", block=False)
    echo.cast(3)
    assert sys.get_state(echo) == {"told": []}
    assert sys.get_status(echo).mailbox == 4
    assert not asked.done
    sys.resume(echo)
    echo.cast(4)
    assert asked.get(timeout=SOON) == [1, 2]
    assert echo.ask("told") == [1, 2, 3, 4]


@kinds
def test_mail_that_comes_between_resume_and_its_turn_comes_after_what_waited(
    kind: type[Echo],
) -> None:
    echo = kind.start()
    for at in range(0, 300, 3):
        sys.suspend(echo)
        echo.cast(at)
        echo.cast(at + 1)
        sys.resume(echo)
        echo.cast(at + 2)
    assert echo.ask("told") == list(range(300))


@kinds
def test_a_call_ends_by_its_deadline_while_its_callee_is_suspended(kind: type[Echo]) -> None:
    echo = kind.start()
    sys.suspend(echo)
    with pytest.raises(CallTimeout):
        echo.ask("hello", timeout=0.01)
    sys.resume(echo)
    assert echo.ask("again") == "again"


@kinds
def test_a_call_is_answered_once_after_it_has_waited(kind: type[Echo]) -> None:
    echo = kind.start()
    sys.suspend(echo)
    answers = [echo.ask(at, block=False) for at in range(10)]
    sys.resume(echo)
    assert [answer.get(timeout=SOON) for answer in answers] == list(range(10))
    assert sys.get_status(echo).mailbox == 0


def test_suspensions_do_not_nest() -> None:
    echo = Echo.start()
    sys.suspend(echo)
    sys.suspend(echo)
    echo.cast("waits")
    assert sys.get_status(echo).suspended
    sys.resume(echo)
    assert not sys.get_status(echo).suspended
    assert echo.ask("told") == ["waits"]


def test_what_is_not_suspended_goes_on_when_it_is_resumed() -> None:
    echo = Echo.start()
    sys.resume(echo)
    assert echo.ask("hello") == "hello"


def test_a_state_that_is_replaced_meanwhile_is_what_the_mail_finds() -> None:
    echo = Echo.start()
    sys.suspend(echo)
    echo.cast("second")
    sys.replace_state(echo, lambda _state: {"told": ["first"]})
    sys.resume(echo)
    assert echo.ask("told") == ["first", "second"]


# How a suspended process ends


def test_a_stop_ends_it_at_once_and_its_cleanup_runs() -> None:
    with Mailbox() as me:
        process = Ending.start(me.ref)
        sys.suspend(process)
        process.cast("never handled")
        asked = process.ask("never answered", block=False)
        assert process.stop(reason="enough")
        assert me.receive(timeout=SOON) == ("terminated", "enough", [])
    with pytest.raises(CallExit) as failed:
        asked.get()
    assert failed.value.reason == "enough"


@pytest.mark.parametrize("reason", ["killed", "bad"])
@kinds
def test_a_signal_that_is_not_trapped_ends_it_and_the_calls_that_wait(
    kind: type[Echo], reason: str
) -> None:
    echo = kind.start()
    sys.suspend(echo)
    answers = [echo.ask(at, block=False) for at in range(5)]
    assert sys.get_status(echo).mailbox == 5
    late = echo.ask("late", block=False)
    exit(echo, "kill" if reason == "killed" else reason)
    assert death_of(echo) == reason
    for answer in [*answers, late]:
        with pytest.raises(CallExit) as failed:
            answer.get()
        assert failed.value.reason == reason


def test_a_signal_that_is_trapped_waits_as_other_mail() -> None:
    with Mailbox() as me:
        echo = Echo.start(trap_exit=True)
        sys.suspend(echo)
        exit(echo, "hello")
        assert sys.get_state(echo)["told"] == []
        sys.resume(echo)
        assert echo.ask("told") == [Exit(me.ref, "hello")]


class Parent(Server):
    """Has a suspended child, and leaves."""

    def init(self, to: Ref[Any]) -> None:
        self.child = Ending.start_link(to, trap_exit=True)
        sys.suspend(self.child)
        self.child.cast("never handled")

    def handle_call(self, message: Any, caller: Call) -> Any:
        return self.child


def test_the_end_of_its_parent_ends_it_though_it_traps_exits() -> None:
    with Mailbox() as me:
        parent = Parent.start(me.ref)
        orphan = parent.ask("child")
        exit(parent, "gone")
        assert me.receive(timeout=SOON) == ("terminated", "gone", [])
        assert death_of(orphan) == "gone"


def test_a_node_that_stops_ends_what_is_suspended() -> None:
    with Node() as inner:
        echo = Echo.start(trap_exit=True)
        sys.suspend(echo)
        asked = echo.ask("never", block=False)
        assert inner.processes() == [echo]
    assert echo.exit_reason == "shutdown"
    with pytest.raises(CallExit):
        asked.get()


# Timers and state machines


def test_the_message_of_a_timer_waits() -> None:
    echo = Echo.start()
    sys.suspend(echo)
    with Mailbox() as me:
        send_after(0.0, echo, "tick")
        send_after(0.01, me.ref, "later")
        assert me.receive(timeout=SOON) == "later"
    assert sys.get_state(echo) == {"told": []}
    sys.resume(echo)
    assert echo.ask("told") == ["tick"]


class Slow(StateMachine):
    """Keeps what it handles."""

    def init(self) -> Any:
        self.seen: list[Any] = []
        return self.idle

    @state
    def idle(self, event: Any) -> Any:
        if isinstance(event, Cast):
            return goto(self.busy, state_timeout(0.02, "state"), timeout("n", 0.01, "named"))
        return stay()

    @state
    def busy(self, event: Any) -> Any:
        match event:
            case Call("seen", caller):
                return stay(reply(caller, list(self.seen)))
            case StateTimeout(content) | Timeout(_, content) | Cast(content) | Info(content):
                self.seen.append(content)
        return stay()


def test_the_timeouts_of_a_machine_wait_and_come_in_their_order_among_the_mail() -> None:
    machine = Slow.start()
    machine.cast("go")
    sys.suspend(machine)
    before = list(sys.get_state(machine).data["seen"])  # Nothing, unless this took its time.
    with Mailbox() as me:
        send_after(0.05, me.ref, "later")
        machine.cast("first")
        assert me.receive(timeout=SOON) == "later"
    machine.cast("last")
    assert sys.get_state(machine) == ("busy", {"seen": before})
    sys.resume(machine)
    seen = machine.ask("seen")
    assert sorted(seen) == ["first", "last", "named", "state"]
    assert seen.index("first") < seen.index("last")
    assert seen[-1] == "last"


# Supervisors


class Kid(Server):
    """A child."""

    def handle_cast(self, message: Any) -> None:
        raise RuntimeError(message)


def test_a_suspended_supervisor_restarts_when_it_is_resumed() -> None:
    with Supervisor.start([child(Kid, id="kid")], max_restarts=5) as tree:
        (before,) = tree.which_children()
        sys.suspend(tree)
        before.process.cast("crash")
        death_of(before.process)
        asked = sys.get_state(tree)
        assert [info.process for info in asked] == [before.process]
        sys.resume(tree)
        (after,) = tree.which_children()
        assert after.process is not before.process
        assert after.process.is_alive()


def test_a_suspended_supervisor_starts_no_child_until_it_is_resumed() -> None:
    with DynamicSupervisor.start() as pool:
        sys.suspend(pool)
        with pytest.raises(CallTimeout):
            pool.start_child(child(Kid), timeout=0.01)
        assert sys.get_state(pool) == []
        sys.resume(pool)
        # What was asked for is done, although nobody waits for it any more.
        assert pool.count_children().active == 1


def test_a_crash_is_reported_though_the_suspended_supervisor_ends_before_it_looks() -> None:
    with capture_logs() as logs:
        tree = Supervisor.start([child(Kid, id="kid")])
        (kid,) = tree.which_children()
        sys.suspend(tree)
        kid.process.cast("crash")
        death_of(kid.process)
        sys.get_state(tree)
        tree.stop(reason="shutdown")
    assert [log["event"] for log in logs if log["event"] == "process_crashed"] == [
        "process_crashed"
    ]


def test_links_and_monitors_of_a_suspended_process_are_as_ever() -> None:
    with Mailbox(trap_exit=True) as me:
        echo = Echo.start()
        sys.suspend(echo)
        link(echo)
        watch = monitor(echo)
        exit(echo, "over")
        got = [me.receive(timeout=SOON), me.receive(timeout=SOON)]
        assert Exit(echo, "over") in got
        assert [one.reason for one in got if getattr(one, "monitor", None) is watch] == ["over"]
