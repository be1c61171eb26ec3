"""`time_left`: code that runs under a deadline sees how much is left."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from beam.errors import CallTimeout
from beam.otp import (
    Call,
    Mailbox,
    Node,
    Server,
    StateMachine,
    Supervisor,
    child,
    current_process,
    noreply,
    spawn,
    state,
)
from beam.testing import SCHEDULERS, node_on
from tests.otp.actors import SOON, Echo, death_of, eventually


@pytest.fixture(params=SCHEDULERS, autouse=True)
def node(request: Any, unlogged: None) -> Iterator[Node]:
    with node_on(request.param) as node:
        yield node


class Clerk(Server):
    """Says how much time is left for what it is at."""

    def init(self, told: Any = None) -> None:
        self.told: list[Any] = [] if told is None else told
        self.told.append(self.time_left())
        self.kept: Any = None

    def left(self) -> float | None:
        return self.time_left()

    def ask_other(self, other: Any, timeout: float | None) -> float | None:
        left: float | None = other.ask("left", timeout=timeout)
        return left

    def keep(self) -> Any:
        self.kept = self.caller
        return noreply

    def have_kept(self, other: Any) -> None:
        other.proxy().keep().get()

    def kept_left(self) -> Any:
        return self.kept.time_left()

    def handle_call(self, message: Any, caller: Call) -> Any:
        return caller.time_left()

    def handle_cast(self, message: Any) -> None:
        self.told.append(self.time_left())

    def terminate(self, reason: Any) -> None:
        self.told.append(self.time_left())


class TrappingClerk(Clerk):
    trap_exit = True


def between(low: float, value: float | None, high: float) -> bool:
    return value is not None and low <= value <= high


def test_a_handler_sees_how_long_its_caller_waits() -> None:
    clerk = Clerk.start()
    assert between(1.0, clerk.proxy().left().get(), 5.0)  # Unless said otherwise.
    assert between(1.0, clerk.ask("left", timeout=60.0), 60.0)
    assert clerk.ask("left", timeout=None) is None


def test_where_nobody_waits_nothing_is_left_to_count() -> None:
    told: list[Any] = []
    clerk = Clerk.start(told)
    clerk.cast("say")
    assert clerk.proxy().told.get() == [None, None]
    assert clerk.time_left() is None


def test_the_nearest_of_the_callers_counts() -> None:
    outer, inner = Clerk.start(), Clerk.start()
    ask = outer.proxy().ask_other
    assert between(1.0, ask(inner, 60.0).get(timeout=20.0), 20.0)
    assert between(1.0, ask(inner, 20.0).get(timeout=60.0), 20.0)
    assert between(1.0, ask(inner, None).get(timeout=20.0), 20.0)
    assert ask(inner, None).get(timeout=math.inf) is None


def test_a_caller_may_change_its_mind() -> None:
    clerk = Clerk.start()
    kept = clerk.proxy().keep()
    asked = clerk.proxy().kept_left
    assert between(0.0, asked().get(), 5.0)
    waiting = spawn(lambda: kept.get(timeout=100.0))
    eventually(lambda: between(6.0, asked().get(), 100.0))
    clerk.proxy().kept.get().reply("done")
    assert death_of(waiting) == "normal"
    assert asked().get() == 0.0  # It has been answered.


def test_nothing_is_left_when_the_caller_has_gone(node: Node) -> None:
    echo, left = Echo.start(), list[Any]()

    def late() -> None:
        node.sleep(0.02)
        left.append(echo.time_left())

    with pytest.raises(CallTimeout):
        echo.ask(("do", late), timeout=0.01)
    assert echo.ask("next", timeout=SOON) == "next"
    assert left == [0.0]


def test_a_state_machine_sees_it_too() -> None:
    class Machine(StateMachine):
        def init(self) -> Any:
            return self.only

        @state
        def only(self, event: Any) -> Any:
            event.caller.reply((self.time_left(), event.caller.time_left()))

    left, same = Machine.start().ask("left", timeout=60.0)
    assert between(1.0, left, 60.0)
    assert between(1.0, same, 60.0)


def test_an_init_sees_how_long_it_may_take() -> None:
    told: list[Any] = []
    clerk = Clerk.start(told, timeout=30.0)
    assert between(1.0, told[0], 30.0)
    assert clerk.time_left() is None  # That is over.


def test_a_cleanup_sees_how_long_it_has_before_it_is_killed() -> None:
    told: list[Any] = []
    with Supervisor.start([child(TrappingClerk, told, shutdown=30.0)]):
        pass
    assert between(1.0, told[-1], 30.0)
    with Supervisor.start([child(TrappingClerk, told, shutdown=None)]):
        pass
    assert told[-1] is None


def test_a_cleanup_sees_how_long_whoever_stops_it_waits() -> None:
    told: list[Any] = []
    Clerk.start(told).stop(timeout=30.0)
    assert between(1.0, told[-1], 30.0)
    Clerk.start(told).stop()
    assert told[-1] is None


def test_a_function_asks_its_own_process() -> None:
    with Mailbox() as me:
        spawn(lambda: me.ref.tell(current_process().time_left()))  # type: ignore[union-attr]
        assert me.receive(timeout=SOON) is None


def test_one_may_look_at_another() -> None:
    clerk, other = Clerk.start(), Clerk.start()
    assert clerk.time_left() is None
    waiting = clerk.proxy().have_kept(other)
    eventually(lambda: other.proxy().kept.get() is not None)
    assert between(0.001, clerk.time_left(), 5.0)
    other.proxy().kept.get().reply()
    waiting.get()
