"""G19: a mailbox with a bound against a model, and under the races of real threads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from beam.errors import MailboxFull
from beam.otp import Call, Down, Exit, Mailbox, Node, Ref, Server, exit, monitor, sys
from beam.testing import Simulation, settle
from tests.otp.actors import at_once
from tests.volume import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp import Future

pytestmark = pytest.mark.usefixtures("unlogged")

POLICIES = ("refuse", "drop_oldest", "drop_newest")


class Keeper(Server):
    """Keeps what it is sent."""

    def init(self, *watched: Ref[Any]) -> None:
        self.trap_exit = True
        self.kept: list[Any] = []
        for each in watched:
            monitor(each)

    def handle_call(self, message: Any, caller: Call) -> Any:
        self.kept.append(message)
        return ("answer", message)

    def handle_cast(self, message: Any) -> None:
        self.kept.append(message)

    def handle_info(self, message: Any) -> None:
        self.kept.append(message)


# Against a model


class MailboxAgainstTheModel(RuleBasedStateMachine):
    """Sends what it likes to a process that is held up; the model is a list with a policy."""

    node: Node

    @initialize(limit=st.integers(1, 4), overflow=st.sampled_from(POLICIES))
    def begin(self, limit: int, overflow: str) -> None:
        declared = {"mailbox_limit": limit, "mailbox_overflow": overflow}
        self.node = Node()
        self.node.__enter__()
        self.limit, self.overflow = limit, overflow
        self.keeper: Ref[Any] = type("Model", (Keeper,), declared).start()
        sys.suspend(self.keeper)
        self.next = 0
        self.waiting: list[Any] = []
        self.kept: list[Any] = []
        self.lost = Counter[str]()
        self.calls: dict[int, tuple[Future[Any], str]] = {}

    def teardown(self) -> None:
        if hasattr(self, "node"):
            self.node.stop()
            self.node.__exit__(None, None, None)
            for future, fate in self.calls.values():
                assert future.done or fate == "waits"

    def users(self) -> list[Any]:
        return [each for each in self.waiting if isinstance(each, int)]

    def lose(self, number: int) -> None:
        self.lost["refused" if self.overflow == "refuse" else "dropped"] += 1
        if number in self.calls:
            self.calls[number] = (self.calls[number][0], "lost")

    def sent(self, number: int) -> bool:
        """Let the model take a message; return whether it is taken."""
        users = self.users()
        if len(users) < self.limit:
            self.waiting.append(number)
            return True
        if self.overflow == "drop_oldest":
            self.waiting.remove(users[0])
            self.waiting.append(number)
            self.lose(users[0])
            return True
        self.lose(number)
        return self.overflow == "drop_newest"

    def send(self, how: Callable[[int], object]) -> None:
        number, self.next = self.next, self.next + 1
        if self.sent(number):
            how(number)
        else:
            with pytest.raises(MailboxFull):
                how(number)

    @rule()
    def cast(self) -> None:
        self.send(self.keeper.cast)

    @rule()
    def tell(self) -> None:
        self.send(self.keeper.tell)

    @rule()
    def ask(self) -> None:
        number, self.next = self.next, self.next + 1
        future = self.keeper.ask(number, block=False, timeout=None)
        self.calls[number] = (future, "waits")
        self.sent(number)

    @rule()
    def signal(self) -> None:
        with Mailbox():  # Outside, its parent would be the sender, whom it follows.
            exit(self.keeper, ("signal", self.next))
        self.waiting.append(("signal", self.next))

    @rule()
    def handle(self) -> None:
        """Let the process handle what waits, and hold it up again."""
        sys.resume(self.keeper)
        sys.suspend(self.keeper)
        for each in self.waiting:
            if each in self.calls:
                self.calls[each] = (self.calls[each][0], "answered")
        self.kept += self.waiting
        self.waiting = []

    @invariant()
    def is_as_the_model_says(self) -> None:
        if not hasattr(self, "keeper"):
            return
        status = sys.get_status(self.keeper)
        assert (status.refused, status.dropped) == (self.lost["refused"], self.lost["dropped"])
        assert status.mailbox == len(self.waiting)
        found = [each.reason if isinstance(each, Exit) else each for each in status.state["kept"]]
        assert found == self.kept
        for number, (future, fate) in self.calls.items():
            assert future.done == (fate != "waits")
            if fate == "answered":
                assert future.get() == ("answer", number)
            elif fate == "lost":
                with pytest.raises(MailboxFull):
                    future.get()


def test_a_bounded_mailbox_is_a_list_with_a_policy() -> None:
    run_state_machine_as_test(
        MailboxAgainstTheModel,
        settings=settings(
            max_examples=scaled(400), stateful_step_count=40, deadline=None, database=None
        ),
    )


# On real threads


class Busy(Keeper):
    """Counts what it handles."""

    def init(self, *watched: Ref[Any]) -> None:
        super().init(*watched)
        self.counts = Counter[str]()

    def handle_call(self, message: Any, caller: Call) -> Any:
        self.counts["call"] += 1
        return message

    def handle_cast(self, message: Any) -> None:
        self.counts["cast"] += 1

    def handle_info(self, message: Any) -> None:
        self.counts[type(message).__name__ if isinstance(message, (Down, Exit)) else "info"] += 1


@pytest.mark.parametrize("blocking", [None, False, True], ids=["pool", "inline", "thread"])
@pytest.mark.parametrize("overflow", POLICIES)
def test_whatever_races_nothing_is_lost_that_is_not_counted(
    overflow: str, blocking: bool | None, fine_switching: None
) -> None:
    declared = {"mailbox_limit": 50, "mailbox_overflow": overflow, "blocking": blocking}
    rounds = scaled(20_000)
    with Node() as real:
        watched = [Keeper.start() for _ in range(rounds // 10)]
        busy = type("Racing", (Busy,), declared).start(*watched)

        def send(function: Callable[[int], object]) -> Callable[[], Counter[str]]:
            def run() -> Counter[str]:
                seen = Counter[str]()
                with real.entered():
                    for at in range(rounds):
                        try:
                            function(at)
                            seen["sent"] += 1
                        except MailboxFull:
                            seen["full"] += 1
                return seen

            return run

        def end() -> Counter[str]:
            with real.entered(), Mailbox():
                for each in watched:
                    exit(each, "kill")
                    exit(busy, "signal")
            return Counter()

        def hold_up() -> Counter[str]:
            with real.entered():
                for _ in range(rounds // 100):
                    sys.suspend(busy, timeout=None)
                    sys.resume(busy, timeout=None)
            return Counter()

        casts, tells, asks, *_ = at_once(
            send(busy.cast), send(busy.tell), send(busy.ask), end, hold_up
        )
        settle(real)
        status = sys.get_status(busy)
        handled = status.state["counts"]
    users = handled["call"] + handled["cast"] + handled["info"]
    assert users + status.refused + status.dropped == 3 * rounds
    assert status.mailbox == 0
    assert (handled["Down"], handled["Exit"]) == (len(watched), len(watched))
    assert handled["call"] == asks["sent"]
    if overflow == "refuse":
        assert handled["cast"] == casts["sent"]
        assert handled["info"] == tells["sent"]
        assert status.refused == casts["full"] + tells["full"] + asks["full"]
    else:
        assert casts["full"] == tells["full"] == 0


# In a simulation, where mail may be late


@pytest.mark.parametrize("overflow", POLICIES)
def test_a_bound_holds_in_a_simulation_with_its_faults(overflow: str) -> None:
    declared = {"mailbox_limit": 5, "mailbox_overflow": overflow}
    for seed in range(scaled(400)):
        with Simulation(seed) as sim:
            busy = type("Simulated", (Busy,), declared).start()
            sim.delay_messages(busy, probability=0.3)
            refused = 0
            for at in range(40):
                try:
                    (busy.cast, busy.tell)[at % 2](at)
                except MailboxFull:
                    refused += 1
                if at % 10 == 0:
                    sim.run(0.05)
            sim.settle(within=60.0)
            status = sys.get_status(busy)
            handled = sum(status.state["counts"].values())
            assert handled + status.refused + status.dropped == 40
            # What was late when it was refused had no sender left to hear it.
            assert status.refused >= refused
            assert status.mailbox == 0
