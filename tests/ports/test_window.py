"""How far the reader may run ahead."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from beam.errors import InvalidInput
from beam.ports.window import Window

LINES, SIZE = 3, 10


class Windows(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.window = Window(LINES, SIZE)
        self.sent: list[int] = []

    @precondition(lambda self: self.window.open)
    @rule(size=st.integers(0, 25))
    def send(self, size: int) -> None:
        self.window.sent(size)
        self.sent.append(size)

    @rule(count=st.integers(0, 4))
    def acknowledge(self, count: int) -> None:
        if count > len(self.sent):
            with pytest.raises(InvalidInput):
                self.window.acknowledge(count)
        else:
            self.window.acknowledge(count)
            del self.sent[:count]

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.window.paused = paused

    @invariant()
    def it_never_holds_more_than_its_bounds_and_one(self) -> None:
        assert len(self.sent) <= LINES
        assert sum(self.sent[:-1]) < SIZE

    @invariant()
    def it_is_open_when_there_is_room_and_nobody_paused(self) -> None:
        room = not self.sent or (len(self.sent) < LINES and sum(self.sent) < SIZE)
        assert self.window.open == (room and not self.window.paused)
        assert self.window.outstanding == len(self.sent)


TestWindow = Windows.TestCase
