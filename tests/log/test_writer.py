"""`beam.log.writer`: group commit, its queue, its failures and its end, with a store in hand."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self

import pytest

from beam.errors import (
    QueueFull,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreTimeout,
)
from beam.log import Limits, Record
from beam.log.completion import Completion
from beam.log.intake import Request
from beam.log.listeners import Listeners
from beam.log.numbering import Numbered, number
from beam.log.writer import GroupCommit
from tests.log.conformance import PATIENCE, some
from tests.names import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Disk:
    """A store in hand: each commit waits for the test, which says how it ends."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.begun: SimpleQueue[list[int]] = SimpleQueue()
        self.endings: SimpleQueue[BaseException | None] = SimpleQueue()
        self.position = 0
        self.lost: list[tuple[str, int]] = []
        self.ended = threading.Event()
        self.listeners = Listeners(0)
        limits = limits or Limits()
        self.writer = GroupCommit(self.commit, self.listeners, limits, self.ended.set, "the file")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _ in range(100):
            self.endings.put(None)
        self.writer.close(PATIENCE)

    def commit(self, appends: Sequence[Sequence[Record]]) -> Numbered:
        self.begun.put([len(records) for records in appends])
        ending = self.endings.get(timeout=PATIENCE)
        if ending is not None:
            raise ending
        numbered = number(appends, self.position, {}.get, {}.get)
        self.position += len(numbered.fresh)
        return numbered

    def append(self, count: int = 1, timeout: float = 0.0) -> Completion:
        completion = Completion()
        self.writer.submit(Request(tuple(some(count)), completion.done), timeout)
        return completion

    def note(self, count: int = 1) -> None:
        self.writer.note(some(count), self.lose)

    def lose(self, error: BaseException, notes: int) -> None:
        self.lost.append((str(error), notes))

    def hold(self) -> Completion:
        """Return an append whose commit is under way."""
        completion = self.append()
        assert self.begun.get(timeout=PATIENCE) == [1]
        return completion

    def let(self, ending: BaseException | None = None) -> None:
        """End the commit that is under way, or the next."""
        self.endings.put(ending)


def in_a_thread(work: Callable[[], object]) -> SimpleQueue[object]:
    """Run `work` in a thread; return where what it returns or raises will be."""
    outcome: SimpleQueue[object] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put(work())
        except StoreError as error:
            outcome.put(error)
        except QueueFull as error:
            outcome.put(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


def waiting_producers(disk: Disk, count: int) -> None:
    """Return when so many appends have had to wait for room."""
    turn = threading.Event()
    for _ in range(int(PATIENCE / 0.005)):
        if disk.writer.stats().waited >= count:
            return
        turn.wait(0.005)
    raise AssertionError("nobody waits")


def test_appends_made_during_a_commit_are_committed_together():
    with Disk() as disk:
        first = disk.hold()
        rest = [disk.append(n) for n in (2, 0, 3)]
        disk.let()
        assert disk.begun.get(timeout=PATIENCE) == [2, 0, 3]
        disk.let()
        assert [len(each.result(PATIENCE)) for each in [first, *rest]] == [1, 2, 0, 3]


def test_a_transaction_has_a_greatest_size_but_for_a_larger_append():
    with Disk(Limits(batch_records=4)) as disk:
        disk.hold()
        for n in (3, 2, 2, 9, 1):
            disk.append(n)
        begun = []
        for _ in range(4):
            disk.let()
            begun.append(disk.begun.get(timeout=PATIENCE))
        assert begun == [[3], [2, 2], [9], [1]]


def test_nothing_is_answered_before_it_is_committed():
    with Disk() as disk:
        heard = []
        disk.listeners.add(heard.extend)
        append = disk.hold()
        with pytest.raises(StoreTimeout, match="not answered in time"):
            append.result(0.02)
        assert heard == []
        disk.let()


def test_notes_that_wait_beside_each_other_are_one_append():
    with Disk() as disk:
        disk.hold()
        for _ in range(3):
            disk.note(2)
        disk.append(1)
        disk.note()
        disk.note()
        disk.writer.note(some(1), print)
        disk.let()
        assert disk.begun.get(timeout=PATIENCE) == [6, 1, 2, 1]
        disk.let()
    assert disk.lost == []


def test_a_note_joins_none_whose_commit_is_under_way():
    with Disk() as disk:
        disk.note()
        assert disk.begun.get(timeout=PATIENCE) == [1]
        disk.note()
        disk.let()
        assert disk.begun.get(timeout=PATIENCE) == [1]
        disk.let()


def test_no_more_notes_become_one_append_than_fit_a_statement_and_a_transaction():
    for limits, sizes in ((Limits(), [128, 72]), (Limits(batch_records=100), [100])):
        with Disk(limits) as disk:
            disk.hold()
            for _ in range(200):
                disk.note()
            disk.let()
            assert disk.begun.get(timeout=PATIENCE) == sizes
            disk.let()


def test_who_gave_notes_that_are_lost_hears_how_many():
    with Disk() as disk:
        disk.hold()
        for count in (1, 2, 1):
            disk.note(count)
        disk.let()
        assert disk.begun.get(timeout=PATIENCE) == [4]
        disk.let(StoreFull("no room", "f"))
        disk.append(0)
        disk.let()
    ((error, notes),) = disk.lost
    assert "no room" in error
    assert notes == 3


@pytest.mark.parametrize("limits", [Limits(queued_records=3), Limits(queued_bytes=30)])
def test_notes_find_a_full_queue_as_appends_do(limits):
    with Disk(limits) as disk:
        disk.hold()
        for _ in range(3):
            disk.note()
        assert disk.writer.stats().queued == disk.writer.stats().high_water == 3
        with pytest.raises(QueueFull):
            disk.note()
        assert (disk.writer.stats().queued, disk.writer.stats().refused) == (3, 1)


def test_a_full_queue_refuses_with_its_name_and_measure():
    with Disk(Limits(queued_records=5)) as disk:
        disk.hold()
        disk.append(4)
        with pytest.raises(QueueFull) as error:
            disk.append(2)
        facts = (error.value.reason, error.value.queue, error.value.length, error.value.limit)
        assert facts == ("queue_full", "log.append", 4, 5)
        assert (disk.writer.stats().refused, disk.writer.stats().waited) == (1, 0)
        disk.append(1)
        assert disk.writer.stats().queued == disk.writer.stats().high_water == 5


def test_a_queue_is_full_by_bytes_too():
    with Disk(Limits(queued_bytes=20)) as disk:
        disk.hold()
        disk.append(2)
        with pytest.raises(QueueFull):
            disk.append(2)


def test_an_append_waits_for_room_until_its_deadline():
    with Disk(Limits(queued_records=1)) as disk:
        disk.hold()
        disk.append()
        with pytest.raises(QueueFull) as error:
            disk.append(timeout=0.02)
        assert error.value.waited == 0.02
        stats = disk.writer.stats()
        assert (stats.waited, stats.refused) == (1, 1)


def test_an_append_that_waits_for_room_gets_it():
    with Disk(Limits(queued_records=1)) as disk:
        disk.hold()
        disk.append()
        later = in_a_thread(lambda: disk.append(timeout=PATIENCE).result(PATIENCE))
        waiting_producers(disk, 1)
        for _ in range(3):
            disk.let()
        assert len(later.get(timeout=PATIENCE)) == 1


def test_an_append_of_a_listener_does_not_wait_for_room():
    with Disk(Limits(queued_records=1)) as disk:
        errors = []

        def greedy(_):
            for _ in range(2):
                try:
                    disk.append(timeout=PATIENCE)
                except QueueFull as error:
                    errors.append(error)

        disk.listeners.add(greedy)
        append = disk.hold()
        disk.let()
        append.result(PATIENCE)
        assert len(errors) == 1


@pytest.mark.parametrize("passing", [StoreFull("no room", "f"), StoreLocked("taken", "f", 7)])
def test_a_failure_that_passes_answers_all_who_wait_and_passes(passing):
    with Disk() as disk:
        waiting = [disk.hold(), disk.append(2), disk.append(3)]
        disk.let(passing)
        for each in waiting:
            with pytest.raises(type(passing), match=str(passing)):
                each.result(PATIENCE)
        later = disk.append()
        disk.let()
        assert [each.position for each in later.result(PATIENCE)] == [1]
        assert disk.writer.stats().failed == 3


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (StoreError("disk I/O error", "f"), StoreError),
        (StoreCorrupt("malformed", "f"), StoreCorrupt),
        (MemoryError("much"), StoreError),
        (SystemExit(1), StoreError),
    ],
    ids=shown,
)
def test_any_other_failure_is_answered_and_remembered(failure, answer):
    with Disk() as disk:
        waiting = [disk.hold(), disk.append(2)]
        disk.let(failure)
        errors = []
        for each in waiting:
            with pytest.raises(answer) as error:
                each.result(PATIENCE)
            errors.append(error.value)
        with pytest.raises(answer) as later:
            disk.append()
        assert str(failure.args[0]) in str(later.value)
        assert len({id(error) for error in [*errors, later.value]}) == 3


def test_a_failure_answers_those_who_wait_for_room():
    with Disk(Limits(queued_records=1)) as disk:
        disk.hold()
        disk.append()
        waiting = in_a_thread(lambda: disk.append(timeout=PATIENCE))
        waiting_producers(disk, 1)
        disk.let(StoreError("disk I/O error", "f"))
        assert "disk I/O error" in str(waiting.get(timeout=PATIENCE))


def test_closing_commits_what_waits():
    with Disk() as disk:
        appends = [disk.hold(), disk.append(2)]
        closing = in_a_thread(lambda: disk.writer.close(PATIENCE))
        disk.let()
        disk.let()
        assert closing.get(timeout=PATIENCE) is None
        assert [len(each.result(0)) for each in appends] == [1, 2]
        assert disk.ended.is_set()


def test_closing_ends_at_its_deadline_and_answers_what_was_not_begun():
    with Disk() as disk:
        begun, waiting = disk.hold(), disk.append()
        with pytest.raises(StoreTimeout, match="under way"):
            disk.writer.close(0.02)
        with pytest.raises(StoreClosed, match="before this was stored"):
            waiting.result(0)
        assert not disk.ended.is_set()
        disk.let()
        assert len(begun.result(PATIENCE)) == 1
        assert disk.ended.wait(PATIENCE)
        disk.writer.close(PATIENCE)


def test_closing_refuses_those_who_wait_for_room():
    with Disk(Limits(queued_records=1)) as disk:
        disk.hold()
        disk.append()
        waiting = in_a_thread(lambda: disk.append(timeout=PATIENCE))
        waiting_producers(disk, 1)
        closing = in_a_thread(lambda: disk.writer.close(PATIENCE))
        assert isinstance(waiting.get(timeout=PATIENCE), StoreClosed)
        disk.let()
        disk.let()
        assert closing.get(timeout=PATIENCE) is None


def test_every_append_that_races_with_closing_is_answered_or_refused():
    for _ in range(50):
        with Disk() as disk, ThreadPoolExecutor(4) as pool:
            for _ in range(100):
                disk.let()
            together = threading.Barrier(5, timeout=PATIENCE)

            def append(disk: Disk = disk, together: threading.Barrier = together) -> int:
                together.wait()
                try:
                    return len(disk.append(timeout=PATIENCE).result(PATIENCE))
                except StoreClosed:
                    return 0

            appends = [pool.submit(append) for _ in range(4)]
            together.wait()
            disk.writer.close(PATIENCE)
            assert sum(each.result(PATIENCE) for each in appends) == disk.position
