"""`beam.log.intake`: the queue before the writer, against a plain list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from beam.errors import InvalidInput
from beam.log import Limits, Record
from beam.log.intake import Intake, Notes, Request

if TYPE_CHECKING:
    from collections.abc import Callable


def request(records: int, size: int = 1) -> Request:
    made = tuple(Record(f"e{n}", "a", "t", 0, "x" * size) for n in range(records))
    return Request(made, print)


@pytest.mark.parametrize("limit", ["queued_records", "queued_bytes", "batch_records"])
@pytest.mark.parametrize("bad", [0, -1, 1.5, True, None])
def test_a_bad_limit_is_named(limit, bad):
    with pytest.raises(InvalidInput, match=limit):
        Limits(**{limit: bad})


def test_an_append_larger_than_the_queue_is_let_into_an_empty_one():
    intake = Intake(Limits(queued_records=2, queued_bytes=10))
    assert intake.has_room(request(3, 100))
    intake.put(request(3, 100))
    assert not intake.has_room(request(1))
    assert not intake.has_room(request(0))


class IntakeMachine(RuleBasedStateMachine):
    limits = Limits(queued_records=12, queued_bytes=120, batch_records=5)

    def __init__(self) -> None:
        super().__init__()
        self.intake = Intake(self.limits)
        self.waiting: list[Request | Notes] = []

    @rule(records=st.integers(0, 9), size=st.integers(0, 30))
    def offer(self, records: int, size: int) -> None:
        offered = request(records, size)
        counted = sum(len(each.records) for each in self.waiting) + records
        bytes_ = sum(each.size for each in self.waiting) + offered.size
        room = not self.waiting or (counted <= 12 and bytes_ <= 120)
        assert self.intake.has_room(offered) == room
        if room:
            self.intake.put(offered)
            self.waiting.append(offered)

    @rule(records=st.integers(0, 3), size=st.integers(0, 30), lost=st.sampled_from([print, repr]))
    def note(self, records: int, size: int, lost: Callable[..., object]) -> None:
        note = request(records, size)
        last = self.waiting[-1] if self.waiting else None
        counted = sum(len(each.records) for each in self.waiting) + records
        bytes_ = sum(each.size for each in self.waiting) + note.size
        beside = isinstance(last, Notes) and last.lost is lost and len(last.records) + records <= 5
        joins = beside and counted <= 12 and bytes_ <= 120
        notes = Notes(lost, note.records)
        assert self.intake.join(note.records, lost) == joins
        # What joined is in the last, which the model shares with the queue.
        if not joins and self.intake.has_room(notes):
            self.intake.put(notes)
            self.waiting.append(notes)

    @rule()
    def take(self) -> None:
        batch = self.intake.take()
        assert batch == self.waiting[: len(batch)]
        assert bool(batch) == bool(self.waiting)
        records = sum(len(each.records) for each in batch)
        following = self.waiting[len(batch) : len(batch) + 1]
        assert records <= 5 or len(batch) == 1
        assert not following or records + len(following[0].records) > 5
        self.waiting = self.waiting[len(batch) :]

    @rule()
    def drain(self) -> None:
        assert self.intake.drain() == self.waiting
        self.waiting = []

    @invariant()
    def what_waits_is_counted(self) -> None:
        assert len(self.intake) == len(self.waiting)
        assert self.intake.records == sum(len(each.records) for each in self.waiting)
        assert self.intake.size == sum(each.size for each in self.waiting)
        assert self.intake.high_water >= self.intake.records


TestIntake = IntakeMachine.TestCase
