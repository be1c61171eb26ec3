"""The doors of `beam.otp.sys` under the races of real threads: nothing is lost, nobody waits."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import CallExit, CallFailed
from beam.otp import Node, Ref, exit, sys
from tests.otp.actors import KINDS, SOON, Echo, at_once
from tests.volume import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.usefixtures("node", "fine_switching"),
    pytest.mark.schedulers("pool", "thread"),  # Threads race here.
]

kinds = pytest.mark.parametrize("kind", KINDS)


def inside(node: Node, function: Callable[[], Any]) -> Callable[[], Any]:
    """Return a function that does this in the node, whichever thread runs it."""

    def run() -> Any:
        with node.entered():
            return function()

    return run


@kinds
def test_g3_mail_keeps_its_order_while_a_process_is_suspended_and_resumed(
    kind: type[Echo], node: Node
) -> None:
    echo, count = kind.start(), scaled(20_000)

    def send(who: str) -> None:
        for at in range(count):
            (echo.cast if at % 2 else echo.tell)((who, at))

    def ask() -> list[Any]:
        return [echo.ask(("asked", at), timeout=SOON) for at in range(count // 20)]

    def hold_up() -> None:
        for _ in range(count // 20):
            sys.suspend(echo, timeout=SOON)
            sys.get_status(echo, timeout=SOON)
            sys.resume(echo, timeout=SOON)

    senders = [inside(node, lambda who=who: send(who)) for who in "ab"]
    *_, asked, _ = at_once(*senders, inside(node, ask), inside(node, hold_up))
    assert asked == [("asked", at) for at in range(count // 20)]
    told = sys.get_state(echo)["told"]
    for who in "ab":
        assert [at for name, at in told if name == who] == list(range(count))


@kinds
def test_g6_calls_to_a_suspended_process_end_when_it_is_killed(
    kind: type[Echo], node: Node
) -> None:
    for _ in range(scaled(1000)):
        echo = kind.start()

        def ask(echo: Ref[Any] = echo) -> str:
            try:
                return str(echo.ask("hello", timeout=None))
            except CallExit as ended:
                return str(ended.reason)

        def hold_up(echo: Ref[Any] = echo) -> None:
            with contextlib.suppress(CallFailed):
                sys.suspend(echo, timeout=SOON)

        def kill(echo: Ref[Any] = echo) -> None:
            exit(echo, "kill")

        answers = at_once(*(inside(node, one) for one in (ask, ask, hold_up, kill)))
        assert set(answers[:2]) <= {"hello", "killed", "noproc"}


@kinds
def test_what_looks_on_comes_and_goes_and_no_answer_is_lost(kind: type[Echo], node: Node) -> None:
    echo, count = kind.start(), scaled(20_000)
    events: list[sys.TraceEvent] = []

    def ask() -> list[Any]:
        return [echo.ask(at, timeout=SOON) for at in range(count // 10)]

    def look() -> None:
        for _ in range(count // 100):
            sys.statistics(echo, True, timeout=SOON)
            with sys.trace(echo, to=events.append, limit=None, timeout=SOON):
                sys.statistics(echo, timeout=SOON)
            sys.statistics(echo, False, timeout=SOON)

    first, second, *_ = at_once(*(inside(node, one) for one in (ask, ask, look, look)))
    assert first == second == list(range(count // 10))
    assert all(event.value in range(count // 10) for event in events)
    status = sys.get_status(echo)
    assert (status.traces, status.statistics) == (0, None)
    assert echo.control.receiver is echo.control.actor
    assert type(echo) is kind.ref_class
