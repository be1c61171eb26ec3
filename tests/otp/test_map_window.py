"""`beam.otp.map_window`: how much is at work, how much waits, and what comes next."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from beam.otp.map_window import AHEAD, Window


class WindowAgainstLists(RuleBasedStateMachine):
    """A window, against a list of what has begun and a list of what has ended."""

    @initialize(most=st.integers(1, 5), ordered=st.booleans())
    def make(self, most: int, ordered: bool) -> None:
        self.window: Window[int] = Window(most, ordered=ordered)
        self.most, self.ordered = most, ordered
        self.begun = 0
        self.ended: list[int] = []
        self.taken: list[int] = []

    @precondition(lambda self: self.window.wants_more())
    @rule()
    def begin(self) -> None:
        assert self.window.begin(self.begun) == self.begun
        self.begun += 1

    @precondition(lambda self: self.window.at_work)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.window.at_work)))
        self.window.end(number)
        self.ended.append(number)

    @rule()
    def take(self) -> None:
        due = self.due()
        assert self.window.take() == due
        if due is not None:
            self.taken.append(due)

    def due(self) -> int | None:
        if self.ordered:
            return len(self.taken) if len(self.taken) in self.ended else None
        return self.ended[len(self.taken)] if len(self.taken) < len(self.ended) else None

    @invariant()
    def it_never_holds_too_much_and_says_what_is_due(self) -> None:
        at_work = self.begun - len(self.ended)
        waiting = len(self.ended) - len(self.taken)
        assert at_work <= self.most
        assert self.window.is_due() is (self.due() is not None)
        if self.window.wants_more():
            assert at_work < self.most
            assert waiting < (self.most if self.due() is not None else AHEAD)
        if self.ordered and at_work and self.due() is None:
            assert self.window.awaited() == len(self.taken)


TestWindowAgainstLists = WindowAgainstLists.TestCase
TestWindowAgainstLists.settings = settings(stateful_step_count=40)


@given(st.integers(1, 20))
def test_nothing_begins_ahead_of_a_result_that_is_there_but_as_many_as_may_be_at_work(
    most: int,
) -> None:
    window: Window[int] = Window(most, ordered=False)
    while window.wants_more():
        window.end(window.begin(0))
    assert window.take() == 0
    begun = 0
    while window.wants_more():
        window.begin(0)
        begun += 1
    assert begun == 1


def test_g19_no_more_than_so_many_results_wait_for_an_earlier_one() -> None:
    window: Window[str] = Window(4, ordered=True)
    window.begin("slow")
    begun = 0
    while window.wants_more():
        window.end(window.begin("quick"))
        begun += 1
    assert begun == AHEAD
    assert window.awaited() == "slow"


def test_which_one_is_awaited_is_known_in_order_or_when_it_is_the_last() -> None:
    window: Window[str] = Window(4, ordered=False)
    assert window.awaited() is None
    first = window.begin("first")
    window.begin("second")
    assert window.awaited() is None
    window.end(first)
    assert window.awaited() == "second"
