"""Processes that never block: run by their callers, on top of each other."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from greenlet import getcurrent

from beam.errors import CallExit
from beam.otp import Server, current_process, exit, monitor
from beam.otp.turn import INLINE_DEPTH
from tests.otp.actors import SOON, Echo, Gate, InlineEcho, at_once, death_of, hold_up
from tests.volume import scaled

pytestmark = [
    pytest.mark.usefixtures("node"),
    # Where each process has a thread of its own, none is run by another.
    pytest.mark.schedulers("pool", "simulation"),
]

on_threads = pytest.mark.schedulers("pool")


def there() -> tuple[int, int]:
    """Return what runs here: a thread, and in a simulation a fiber on it."""
    return threading.get_ident(), id(getcurrent())


def test_an_idle_one_is_run_by_its_caller() -> None:
    process = InlineEcho.start()
    assert process.ask(("do", there)) == there()
    caller = Echo.start()
    callers, its = caller.ask(("do", lambda: (there(), process.ask(("do", there)))))
    assert callers == its != there()


def test_a_future_is_settled_when_ask_returns_it() -> None:
    call = InlineEcho.start().ask("hello", block=False)
    assert call.done
    assert call.get() == "hello"


def test_inside_it_it_is_the_current_process_and_outside_it_is_not() -> None:
    process = InlineEcho.start()
    assert process.ask(("do", current_process)) is process
    assert current_process() is None
    with pytest.raises(CallExit):
        process.ask(("crash", ValueError()))
    assert current_process() is None


def test_a_busy_one_is_waited_for() -> None:
    process = InlineEcho.start()
    gate = hold_up(process)
    call = process.ask(("do", there), block=False)
    assert not call.done
    gate.open()
    assert call.get(timeout=SOON) != there()


def test_what_is_told_is_not_run_by_the_teller() -> None:
    seen: list[Any] = []
    process = InlineEcho.start()
    process.cast(("do", lambda: seen.append(there())))
    process.ask("sync")
    process.stop()
    assert len(seen) == 1


def test_mail_that_waits_is_handled_before_the_call() -> None:
    process = InlineEcho.start()
    gate = hold_up(process)
    process.tell("before")
    gate.open()
    process.tell("before too")
    assert process.ask("told") == ["before", "before too"]


class Deep(Server):
    """Asks the one below it."""

    blocking = False

    def init(self, below: Any) -> None:
        self.below = below

    def threads(self) -> list[Any]:
        deeper = self.below.proxy().threads().get(timeout=SOON) if self.below else []
        return [there(), *deeper]


def tower(height: int) -> Any:
    top = None
    for _ in range(height):
        top = Deep.start(top)
    return top


def test_at_most_so_many_run_on_top_of_each_other() -> None:
    threads = tower(INLINE_DEPTH + 10).proxy().threads().get(timeout=SOON)
    assert INLINE_DEPTH == 32
    assert threads[:INLINE_DEPTH] == [there()] * INLINE_DEPTH
    assert there() not in threads[INLINE_DEPTH:]


def test_on_the_pools_threads_too() -> None:
    top = tower(INLINE_DEPTH + 10)
    caller = Echo.start()
    here, threads = caller.ask(
        ("do", lambda: (there(), top.proxy().threads().get(timeout=SOON))), timeout=SOON
    )
    assert threads[:INLINE_DEPTH] == [here] * INLINE_DEPTH
    assert here not in threads[INLINE_DEPTH:]


def test_the_depth_is_given_back() -> None:
    top = tower(5)
    for _ in range(INLINE_DEPTH):
        assert top.proxy().threads().get() == [there()] * 5
        with pytest.raises(CallExit):
            InlineEcho.start().ask(("crash", ValueError()))
    assert tower(INLINE_DEPTH).proxy().threads().get() == [there()] * INLINE_DEPTH


def test_a_crash_of_one_does_not_reach_the_one_below_it() -> None:
    failing, caller = InlineEcho.start(), InlineEcho.start()
    with pytest.raises(CallExit) as caught:
        caller.ask(("call", failing, ("crash", ValueError("no"))))
    # It did not catch the exit of the call: its own crash, as for any other process.
    assert isinstance(caught.value.reason.exception, CallExit)
    assert not failing.is_alive()
    survivor = InlineEcho.start()

    def survive() -> str:
        with pytest.raises(CallExit):
            InlineEcho.start().ask(("crash", ValueError("no")))
        return "lives"

    assert survivor.ask(("do", survive)) == "lives"


def test_one_that_is_killed_while_it_runs_ends_after_its_handler() -> None:
    process, killer, gate = InlineEcho.start(), Echo.start(), Gate()

    def kill_me() -> str:
        killer.cast(("do", lambda: (exit(process, "kill"), gate.open())))
        gate()
        return "answer"

    assert process.ask(("do", kill_me)) == "answer"
    assert death_of(process) in {"killed", "noproc"}


def test_its_caller_may_be_killed_while_it_runs() -> None:
    caller, callee, done = Echo.start(), InlineEcho.start(), []

    def kill_the_caller() -> None:
        exit(caller, "enough")
        done.append("whole")

    # The caller's own handler ends as well, and answers, before the signal acts.
    assert caller.ask(("call", callee, ("do", kill_the_caller)), timeout=None) is None
    assert death_of(caller) == "enough"
    assert done == ["whole"]
    assert callee.ask("alive") == "alive"


def test_a_caller_that_monitors_it_hears_of_its_end() -> None:
    watcher, process = Echo.start(), InlineEcho.start()
    watcher.ask(("do", lambda: monitor(process)))
    process.ask(("stop", "done"))
    assert [down.reason for down in watcher.ask("told")] == ["done"]


def test_a_caller_is_not_kept_by_the_mail_of_others() -> None:
    # It runs the callee until it has its answer, however much mail there is behind that.
    process = InlineEcho.start()
    gate = hold_up(process)
    flood = threading.Event()

    def flooding() -> None:
        if not flood.is_set():
            process.cast(("do", flooding))

    process.cast(("do", flooding))
    gate.open()
    assert process.ask("hello", timeout=SOON) == "hello"
    flood.set()


@on_threads
@pytest.mark.usefixtures("fine_switching")
def test_many_threads_climb_the_same_tower() -> None:
    top, each = tower(8), scaled(4_000)

    def climb() -> None:
        for _ in range(each):
            assert len(top.proxy().threads().get(timeout=SOON)) == 8

    at_once(climb, climb, climb)
