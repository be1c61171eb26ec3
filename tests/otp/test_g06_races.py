"""G6: calls that race with the end of their callee end, every one of them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from beam.errors import (
    CallExit,
)
from beam.otp import Server, exit, noreply
from tests.otp.actors import (
    KINDS,
    SOON,
    Echo,
    at_once,
    eventually,
)
from tests.volume import scaled

pytestmark = [
    pytest.mark.usefixtures("node"),
    pytest.mark.schedulers("pool", "thread"),  # Threads race here.
]

kinds = pytest.mark.parametrize("kind", KINDS)
blockings = pytest.mark.parametrize(
    "blocking", [None, False, True], ids=["pool", "inline", "thread"]
)


def ask_until_dead(process: Any, timeout: float | None) -> int:
    """Ask until the process is dead; each answer is to its own question. Return how many calls."""
    for at in itertools.count():
        try:
            assert process.ask(("question", at), timeout=timeout) == ("question", at)
        except CallExit as gone:
            assert gone.reason in {"ended", "noproc"}  # noqa: PT017
            if gone.reason == "noproc":
                return at + 1
    raise AssertionError


def end(process: Any, how: int) -> None:
    """End a process by a signal, by a request, or have it end itself."""
    match how % 3:
        case 0:
            exit(process, "ended")
        case 1:
            process.stop(reason="ended", timeout=SOON)
        case 2:
            process.cast(("do", lambda: exit("ended")))


@blockings
@pytest.mark.usefixtures("fine_switching")
def test_g6_of_a_million_calls_that_race_with_stops_none_waits_for_ever(
    blocking: bool | None,
) -> None:
    # Without deadlines: a call that is forgotten hangs here. A third of the million for each kind.
    calls, wanted = 0, scaled(340_000, 50)
    kind = type("Callee", (Echo,), {"blocking": blocking})
    while calls < wanted:
        process = kind.start()

        def several(process: Any = process) -> int:
            futures = [process.ask(at, block=False, timeout=None) for at in range(20)]
            for at, future in enumerate(futures):
                try:
                    assert future.get(timeout=SOON) == at
                except CallExit as gone:
                    assert gone.reason in {"ended", "noproc"}  # noqa: PT017
            return len(futures) + ask_until_dead(process, None)

        def stop(process: Any = process, turn: int = calls) -> int:
            for at in range(turn % 50):
                assert process.ask(at, timeout=SOON) == at
            end(process, turn)
            return turn % 50

        calls += sum(at_once(several, several, stop))


@blockings
@pytest.mark.usefixtures("fine_switching")
def test_g6_of_calls_by_processes_that_race_with_stops_none_waits_for_ever(
    blocking: bool | None,
) -> None:
    calls, wanted = 0, scaled(50_000)
    kind = type("Callee", (Echo,), {"blocking": blocking})
    callers = [each.start() for each in (*KINDS, *KINDS)]
    while calls < wanted:
        process = kind.start()

        def ask(process: Any = process) -> int:
            return ask_until_dead(process, None)

        begun = [caller.ask(("do", ask), block=False, timeout=None) for caller in callers[:1]]
        others = [
            lambda caller=caller, ask=ask: caller.ask(("do", ask), timeout=None)
            for caller in callers[1:]
        ]
        ended = at_once(*others, lambda process=process: process.stop(reason="noproc"))[:-1]
        ended += [call.get(timeout=SOON) for call in begun]
        calls += sum(ended)


@pytest.mark.usefixtures("fine_switching")
def test_g6_answers_that_race_with_the_end_are_one_or_the_other() -> None:
    class Keeps(Server):
        def init(self) -> None:
            self.kept: list[Any] = []

        def handle_call(self, message: Any, caller: Any) -> Any:
            message.append(caller)
            return noreply

    for _ in range(scaled(4_000)):
        process, callers = Keeps.start(), list[Any]()
        calls = [process.ask(callers, block=False, timeout=None) for _ in range(3)]
        eventually(lambda callers=callers: len(callers) == 3)

        def answer(callers: list[Any] = callers) -> None:
            for caller in callers:
                caller.reply("answered")

        at_once(answer, answer, lambda process=process: exit(process, "gone"))
        for call in calls:
            try:
                assert call.get(timeout=SOON) == "answered"
            except CallExit as gone:
                assert gone.reason == "gone"  # noqa: PT017
