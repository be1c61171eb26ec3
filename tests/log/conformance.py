"""What every store of the log promises (`beam.log.store`), as tests that any store can be put to.

    class TestMine(StoreConformance):
        @pytest.fixture
        def store(self):
            with MyStore() as store:
                yield store

`StoreMachine` walks a store and a plain model of it through any history that hypothesis can think
of; a store that keeps its log overrides `reopen`.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from beam.errors import InvalidInput, StoreClosed, StoreError
from beam.log import Record, StoredRecord, replay
from tests.names import shown
from tests.volume import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from beam.log import Store

PATIENCE = 60.0
"""Seconds that a wait may take before it counts as hung."""

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
timestamps = (
    st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(1e9, 2e9)
)


def record(
    id_: str, stream: str = "a", type_: str = "said", at: float = 0, body: str | bytes = "{}"
) -> Record:
    return Record(id_, stream, type_, at, body)


def some(count: int, stream: str = "a", prefix: str = "e") -> list[Record]:
    return [record(f"{prefix}{n}", stream) for n in range(1, count + 1)]


def fields(stored: StoredRecord) -> tuple[object, ...]:
    """Return what was given, to the type."""
    given = (stored.id, stored.stream, stored.type, stored.timestamp, stored.body)
    return tuple((type(value), repr(value)) for value in given)


class StoreConformance:
    """The promises, one test each; a subclass has the fixture `store`, an empty store."""

    # Numbers

    def test_sequences_start_at_one_in_each_stream(self, store: Store) -> None:
        store.append_wait([record("e1", "a"), record("e2", "b"), record("e3", "a")])
        assert [each.sequence for each in store.read("a")] == [1, 2]
        assert [each.sequence for each in store.read("b")] == [1]

    def test_positions_grow_over_the_whole_log(self, store: Store) -> None:
        store.append_wait([record("e1", "a"), record("e2", "b")])
        store.append_wait([record("e3", "a")])
        positions = [each.position for each in store.read_all()]
        assert positions == sorted(set(positions))

    def test_an_append_is_answered_in_the_order_given(self, store: Store) -> None:
        given = [record("e2", "b"), record("e1", "a"), record("e3", "b")]
        assert [each.id for each in store.append_wait(given)] == ["e2", "e1", "e3"]

    def test_the_records_of_an_append_are_neighbours(self, store: Store) -> None:
        store.append_wait(some(2, "a"))
        stored = store.append_wait(some(3, "a", "f"))
        assert [each.sequence for each in stored] == [3, 4, 5]
        assert [each.position - stored[0].position for each in stored] == [0, 1, 2]

    def test_an_empty_append_is_answered_with_nothing(self, store: Store) -> None:
        assert store.append_wait([]) == []
        assert store.last_position() == 0

    def test_an_append_of_many_is_whole(self, store: Store) -> None:
        count = 2_500
        stored = store.append_wait(
            [record(f"e{n}", f"s{n % 7}") for n in range(count)], timeout=PATIENCE
        )
        assert store.read_all() == stored
        assert sum(store.streams().values()) == count

    # Ids

    def test_an_id_that_is_stored_gives_back_what_is_stored(self, store: Store) -> None:
        first = store.append_wait([record("e1", "a", "said", 1, "first")])
        again = store.append_wait([record("e1", "b", "done", 2, b"second")])
        assert again == first
        assert store.read_all() == first

    def test_an_id_that_is_stored_uses_no_number(self, store: Store) -> None:
        store.append_wait(some(2))
        assert [each.sequence for each in store.append_wait(some(3))] == [1, 2, 3]
        assert [each.position for each in store.read_all()] == [1, 2, 3]

    def test_an_id_twice_in_an_append_is_stored_once(self, store: Store) -> None:
        one, two, three = store.append_wait([record("e1"), record("e1", "b"), record("e2")])
        assert one == two
        assert [one.sequence, three.sequence] == [1, 2]

    def test_many_ids_can_be_repeated_at_once(self, store: Store) -> None:
        first = store.append_wait(some(300))
        again = store.append_wait([*some(300, "b", "f"), *some(300)])
        assert again[300:] == first
        assert store.streams() == {"a": 300, "b": 300}

    # What was given

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(stream=names, type_=names, at=timestamps, body=texts | st.binary())
    def test_a_record_comes_back_as_it_was_given(
        self, store: Store, stream: str, type_: str, at: float, body: str | bytes
    ) -> None:
        given_ = Record(f"e{store.last_position()}", stream, type_, at, body)
        (answer,) = store.append_wait([given_], timeout=PATIENCE)
        found = store.read(stream, after=answer.sequence - 1)
        assert fields(answer) == fields(found[0])
        assert fields(answer) == fields(StoredRecord(0, stream, 0, given_.id, type_, at, body))

    def test_a_large_body_comes_back_whole(self, store: Store) -> None:
        bodies = ["é" * 5_000_000, b"\x00\xff" * 4_000_000, "small"]
        store.append_wait([record(f"e{n}", body=body) for n, body in enumerate(bodies)], PATIENCE)
        assert [each.body for each in store.read("a")] == bodies

    @pytest.mark.parametrize("bad", ["e1", None, ("e1", "a", "said", 0, "{}")])
    def test_what_is_no_record_is_refused_with_all_beside_it(
        self, store: Store, bad: Record
    ) -> None:
        answers: list[object] = []
        with pytest.raises(InvalidInput, match=r"records\[1\]: expected a Record"):
            store.append([record("e1"), bad], answers.append)
        assert store.append_wait([]) == []
        assert (answers, store.last_position()) == ([], 0)

    # Reading

    def test_an_empty_log_has_nothing(self, store: Store) -> None:
        assert store.read_all() == store.read("a") == []
        assert store.last_position() == store.last_sequence("a") == 0
        assert store.streams() == {}

    def test_a_stream_is_read_after_a_sequence_up_to_a_limit(self, store: Store) -> None:
        for n in range(1, 6):
            store.append_wait([record(f"e{n}"), record(f"x{n}", "b")])
        assert [each.id for each in store.read("a", after=2)] == ["e3", "e4", "e5"]
        assert [each.id for each in store.read("a", after=2, limit=2)] == ["e3", "e4"]
        assert store.read("a", after=5) == []
        assert store.read("a", after=2**40) == []

    def test_the_whole_log_is_read_after_a_position_up_to_a_limit(self, store: Store) -> None:
        stored = store.append_wait([record(f"e{n}", f"s{n % 2}") for n in range(6)])
        assert store.read_all(after_position=stored[1].position, limit=3) == stored[2:5]
        assert store.read_all(after_position=stored[5].position) == []

    def test_a_limit_counts_the_records_of_the_types(self, store: Store) -> None:
        kinds = ["x", "y", "z", "x", "y", "z", "x"]
        store.append_wait([record(f"e{n}", type_=kind) for n, kind in enumerate(kinds)])
        wanted = store.read("a", types={"x", "z"}, limit=3)
        assert [each.id for each in wanted] == ["e0", "e2", "e3"]
        assert [each.id for each in store.read_all(types=["y"])] == ["e1", "e4"]
        assert store.read_all(types=["nothing"]) == store.read_all(types=[]) == []

    def test_a_read_is_as_long_as_it_has_to_be(self, store: Store) -> None:
        given_ = [record(f"e{n}", f"s{n % 2}", f"t{n % 3}") for n in range(6_300)]
        stored = store.append_wait(given_, PATIENCE)
        assert store.read_all() == stored
        assert store.read_all(types=["t2"]) == stored[2::3]
        assert store.read("s1") == stored[1::2]
        assert store.read("s1", limit=1_500) == stored[1::2][:1_500]
        assert store.read("s1", types=["t1"]) == stored[1::6]

    def test_a_log_can_be_replayed_page_by_page(self, store: Store) -> None:
        stored = store.append_wait([record(f"e{n}", type_=f"t{n % 3}") for n in range(100)])
        assert list(replay(store, page=7)) == stored
        after = replay(store, after_position=stored[10].position, types=["t1"], page=7)
        assert list(after) == [each for each in stored[11:] if each.type == "t1"]

    def test_a_record_is_found_by_its_id_whatever_its_stream(self, store: Store) -> None:
        stored = store.append_wait([*some(3), *some(3, "b", prefix="\u00e9")])
        assert [store.find(each.id) for each in stored] == stored
        assert store.find("e") is store.find("e4") is None

    @pytest.mark.parametrize("bad", ["", "\ud800", None, 7, b"e1", "e" * 513], ids=ascii)
    def test_a_bad_id_to_find_is_named(self, store: Store, bad: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            store.find(bad)
        assert refused.value.field == "record_id"

    def test_streams_are_listed_as_they_appeared(self, store: Store) -> None:
        store.append_wait([record("e1", "z"), record("e2", "a"), record("e3", "z")])
        store.append_wait([record("e4", "m"), record("e5", "a")])
        assert list(store.streams().items()) == [("z", 2), ("a", 2), ("m", 1)]
        assert store.last_sequence("z") == 2

    @pytest.mark.parametrize("bad", [-1, 1.0, True, "1", None, 2**63], ids=shown)
    def test_a_bad_number_to_read_after_is_named(self, store: Store, bad: int) -> None:
        with pytest.raises(InvalidInput, match="after"):
            store.read("a", after=bad)
        with pytest.raises(InvalidInput, match="after_position"):
            store.read_all(after_position=bad)

    @pytest.mark.parametrize("bad", [0, -1, 1.5, False, "3"], ids=shown)
    def test_a_bad_limit_is_named(self, store: Store, bad: int) -> None:
        for read in (lambda: store.read("a", limit=bad), lambda: store.read_all(limit=bad)):
            with pytest.raises(InvalidInput, match="limit"):
                read()

    @pytest.mark.parametrize(
        ("bad", "field"),
        [
            ("said", "types"),
            (b"said", "types"),
            (["said", ""], r"types\[1\]"),
            ([7], r"types\[0\]"),
            ([f"t{n}" for n in range(501)], "types"),
        ],
        ids=["text", "bytes", "empty", "number", "too many"],
    )
    def test_bad_types_are_named(self, store: Store, bad: list[str], field: str) -> None:
        for read in (lambda: store.read("a", types=bad), lambda: store.read_all(types=bad)):
            with pytest.raises(InvalidInput, match=field):
                read()

    @pytest.mark.parametrize("bad", ["", None, 7, "x" * 513, "\ud800"], ids=ascii)
    def test_a_bad_stream_is_named(self, store: Store, bad: str) -> None:
        for operation in (store.read, store.last_sequence):
            with pytest.raises(InvalidInput, match="stream"):
                operation(bad)

    # Answers

    def test_an_append_is_answered_once_with_what_is_stored(self, store: Store) -> None:
        answers: list[object] = []
        answered = threading.Event()

        def done(outcome: object) -> None:
            answers.append((outcome, store.read_all()))
            answered.set()

        store.append(some(2), done, timeout=PATIENCE)
        assert answered.wait(PATIENCE)
        store.append_wait([record("e9")])
        ((outcome, held),) = answers
        assert outcome == held
        assert [each.id for each in held] == ["e1", "e2"]

    def test_appends_of_one_thread_keep_their_order(self, store: Store) -> None:
        answers: list[str] = []
        for n in range(500):
            store.append(
                [record(f"e{n}")], lambda outcome: answers.append(outcome[0].id), timeout=PATIENCE
            )
        store.append_wait([record("last")])
        given_ = [f"e{n}" for n in range(500)]
        assert answers == given_
        assert [each.id for each in store.read("a")] == [*given_, "last"]

    def test_notes_are_stored_in_their_order_among_appends(self, store: Store) -> None:
        given = [record(f"e{n}", "ab"[n % 2]) for n in range(400)]
        lost: list[object] = []

        def note_lost(error: BaseException, notes: int) -> None:
            lost.append((error, notes))

        for n, each in enumerate(given):
            if n % 7 == 3:
                store.append([each], lambda _: None, PATIENCE)
            else:
                store.note([each], note_lost)
        store.append_wait([], timeout=PATIENCE)
        assert [each.id for each in store.read_all()] == [each.id for each in given]
        assert lost == []

    def test_a_note_of_some_records_is_whole(self, store: Store) -> None:
        heard: list[int] = []
        store.on_append(lambda fresh: heard.append(len(fresh)))
        for n in range(50):
            store.note([record(f"a{n}"), record(f"b{n}"), record(f"c{n}")], lambda *_: None)
        store.append_wait([], timeout=PATIENCE)
        assert sum(heard) == 150
        assert [size % 3 for size in heard] == [0] * len(heard)

    def test_who_hears_of_lost_notes_is_called(self, store: Store) -> None:
        with pytest.raises(InvalidInput, match="lost"):
            store.note([record("e1")], None)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="records"):
            store.note(["e1"], lambda *_: None)  # type: ignore[list-item]
        assert store.last_position() == 0

    @pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3), KeyboardInterrupt()])
    def test_an_answer_that_raises_harms_nobody(self, store: Store, error: BaseException) -> None:
        def done(_: object) -> None:
            raise error

        store.append([record("e1")], done)
        assert [each.sequence for each in store.append_wait([record("e2")])] == [2]
        assert store.stats().callback_failures == 1

    def test_a_bad_deadline_is_named(self, store: Store) -> None:
        for bad in (-1, float("nan"), float("inf"), "1", None, True):
            with pytest.raises(InvalidInput, match="timeout"):
                store.append_wait([record("e1")], timeout=bad)
            with pytest.raises(InvalidInput, match="timeout"):
                store.wait_for(1, timeout=bad)
        assert store.last_position() == 0

    # Listeners

    def test_a_listener_hears_of_new_records_before_they_are_answered(self, store: Store) -> None:
        heard: list[StoredRecord] = []
        store.on_append(heard.extend)
        assert heard == store.append_wait(some(2))
        store.append_wait(some(2))
        assert store.append_wait([record("e2"), record("e3")])[1:] == heard[2:]

    def test_a_listener_hears_an_append_whole(self, store: Store) -> None:
        heard: list[Sequence[StoredRecord]] = []
        store.on_append(heard.append)
        stored = store.append_wait([record("e1", "a"), record("e2", "b"), record("e3", "a")])
        assert [list(each) for each in heard] == [stored]

    def test_a_listener_and_a_read_up_to_since_leave_no_gap(self, store: Store) -> None:
        count, heard = scaled(4_000), []
        begun = threading.Event()

        def work() -> None:
            for n in range(count):
                store.append_wait([record(f"e{n}")], timeout=PATIENCE)
                if n == count // 4:
                    begun.set()

        with ThreadPoolExecutor() as pool:
            working = pool.submit(work)
            assert begun.wait(PATIENCE)
            listener = store.on_append(heard.extend)
            before = [each for each in store.read_all() if each.position <= listener.since]
            working.result(PATIENCE)
        assert [each.position for each in [*before, *heard]] == list(range(1, count + 1))

    def test_a_cancelled_listener_hears_no_more(self, store: Store) -> None:
        heard: list[StoredRecord] = []
        listener = store.on_append(heard.extend)
        other: list[StoredRecord] = []
        store.on_append(other.extend)
        store.append_wait([record("e1")])
        listener.cancel()
        listener.cancel()
        store.append_wait([record("e2")])
        assert [each.id for each in heard] == ["e1"]
        assert [each.id for each in other] == ["e1", "e2"]

    def test_a_listener_may_cancel_itself(self, store: Store) -> None:
        heard: list[StoredRecord] = []

        def once(fresh: tuple[StoredRecord, ...]) -> None:
            heard.extend(fresh)
            listener.cancel()

        listener = store.on_append(once)
        store.append_wait([record("e1")])
        store.append_wait([record("e2")])
        assert [each.id for each in heard] == ["e1"]

    @pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3)])
    def test_a_listener_that_raises_harms_nobody_and_hears_on(
        self, store: Store, error: BaseException
    ) -> None:
        heard: list[StoredRecord] = []

        def bad(fresh: tuple[StoredRecord, ...]) -> None:
            heard.extend(fresh)
            raise error

        store.on_append(bad)
        other: list[StoredRecord] = []
        store.on_append(other.extend)
        store.append_wait([record("e1")])
        store.append_wait([record("e2")])
        assert [each.id for each in heard] == [each.id for each in other] == ["e1", "e2"]
        assert store.stats().callback_failures == 2

    def test_a_listener_may_append(self, store: Store) -> None:
        heard: list[str] = []
        answered = threading.Event()

        def echo(fresh: tuple[StoredRecord, ...]) -> None:
            for each in fresh:
                if each.stream == "a":
                    store.append([record(f"{each.id}-echo", "b")], lambda _: answered.set())

        store.on_append(echo)
        store.on_append(lambda fresh: heard.extend(each.id for each in fresh))
        store.append_wait([record("e1")])
        assert answered.wait(PATIENCE)
        assert heard == ["e1", "e1-echo"]

    def test_an_answer_may_append(self, store: Store) -> None:
        answered = threading.Event()
        store.append(
            [record("e1")],
            lambda _: store.append([record("e2")], lambda _: answered.set()),
        )
        assert answered.wait(PATIENCE)
        assert [each.id for each in store.read("a")] == ["e1", "e2"]

    def test_waiting_for_an_append_in_a_listener_is_refused(self, store: Store) -> None:
        errors: list[StoreError] = []

        def bad(_: object) -> None:
            try:
                store.append_wait([record("e2")])
            except StoreError as error:
                errors.append(error)

        store.on_append(bad)
        store.append_wait([record("e1")])
        assert "would wait for itself" in str(errors[0])
        assert store.last_position() == 1

    def test_only_what_can_be_called_can_listen(self, store: Store) -> None:
        with pytest.raises(InvalidInput, match="callback"):
            store.on_append("me")
        with pytest.raises(InvalidInput, match="done"):
            store.append([record("e1")], None)
        assert store.append_wait([]) == []
        assert store.last_position() == 0

    # Waiting

    def test_a_position_that_is_reached_is_not_waited_for(self, store: Store) -> None:
        assert store.wait_for(0, timeout=0)
        store.append_wait(some(3))
        assert store.wait_for(2, timeout=0)
        assert store.wait_for(3, timeout=PATIENCE)

    def test_a_position_that_is_not_reached_is_waited_for_until_the_deadline(
        self, store: Store
    ) -> None:
        store.append_wait(some(3))
        assert not store.wait_for(4, timeout=0)
        assert not store.wait_for(4, timeout=0.02)

    def test_a_waiter_finds_the_record_that_it_waited_for(self, store: Store) -> None:
        def wait() -> list[StoredRecord]:
            assert store.wait_for(2, timeout=PATIENCE)
            return store.read_all(after_position=1)

        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(wait)
            store.append_wait([record("e1")])
            store.append_wait([record("e2")])
            assert waiting.result(PATIENCE)[0].id == "e2"

    @pytest.mark.parametrize("bad", [-1, 1.5, None, True])
    def test_a_bad_position_is_named(self, store: Store, bad: int) -> None:
        with pytest.raises(InvalidInput, match="position"):
            store.wait_for(bad, timeout=0)

    # The end

    def test_a_closed_store_refuses_everything(self, store: Store) -> None:
        store.append_wait([record("e1")])
        store.close()
        answers: list[object] = []
        for operation in (
            lambda: store.append([record("e2")], answers.append),
            lambda: store.append_wait([record("e2")]),
            lambda: store.note([record("e2")], lambda *told: answers.append(told)),
            lambda: store.read("a"),
            store.read_all,
            store.last_position,
            lambda: store.last_sequence("a"),
            lambda: store.find("e1"),
            store.streams,
            lambda: store.wait_for(1, timeout=0),
            lambda: store.on_append(print),
        ):
            with pytest.raises(StoreClosed):
                operation()
        assert answers == []

    def test_a_store_can_be_closed_twice(self, store: Store) -> None:
        store.close()
        store.close()

    def test_closing_answers_what_was_handed_over(self, store: Store) -> None:
        answers: list[object] = []
        heard: list[StoredRecord] = []
        store.on_append(heard.extend)
        for n in range(200):
            store.append([record(f"e{n}")], answers.append, timeout=PATIENCE)
        store.close(timeout=PATIENCE)
        assert [each.id for (each,) in answers] == [f"e{n}" for n in range(200)]
        assert [each.id for each in heard] == [f"e{n}" for n in range(200)]

    def test_closing_wakes_who_waits(self, store: Store) -> None:
        waiting = threading.Event()

        def wait() -> None:
            waiting.set()
            store.wait_for(1, timeout=PATIENCE)

        with ThreadPoolExecutor() as pool:
            outcome = pool.submit(wait)
            assert waiting.wait(PATIENCE)
            store.close()
            with pytest.raises(StoreClosed):
                outcome.result(PATIENCE)

    def test_a_listener_may_close_the_store(self, store: Store) -> None:
        store.on_append(lambda _: store.close())
        assert [each.sequence for each in store.append_wait([record("e1")])] == [1]
        store.close()
        with pytest.raises(StoreClosed):
            store.append_wait([record("e2")])

    # Many at once

    def test_appends_of_many_threads_leave_no_gap(self, store: Store) -> None:
        threads, each_makes = 16, scaled(4_000)
        heard: list[StoredRecord] = []
        store.on_append(heard.extend)

        def work(thread: int) -> None:
            for n in range(each_makes):
                own = record(f"own-{thread}-{n}", f"s{thread}")
                stored = store.append_wait([own, record(f"{thread}-{n}", "shared")], PATIENCE)
                assert stored[0].sequence == n + 1
                assert stored[1].position == stored[0].position + 1

        with ThreadPoolExecutor(threads) as pool:
            for working in [pool.submit(work, thread) for thread in range(threads)]:
                working.result(PATIENCE * 10)
        total = threads * each_makes
        everything = store.read_all()
        assert [each.position for each in everything] == list(range(1, 2 * total + 1))
        assert everything == heard
        shared = store.read("shared")
        assert [each.sequence for each in shared] == list(range(1, total + 1))
        for thread in range(threads):
            mine = [each.id for each in shared if each.id.startswith(f"{thread}-")]
            assert mine == [f"{thread}-{n}" for n in range(each_makes)]

    def test_an_id_appended_by_many_threads_is_stored_once(self, store: Store) -> None:
        threads, rounds = 8, scaled(1_000)
        together = threading.Barrier(threads, timeout=PATIENCE)

        def work(thread: int) -> list[StoredRecord]:
            together.wait()
            stored: list[StoredRecord] = []
            for n in range(rounds):
                stored += store.append_wait([record(f"e{n}", f"s{thread}")], PATIENCE)
            return stored

        with ThreadPoolExecutor(threads) as pool:
            answers = list(pool.map(work, range(threads)))
        assert all(answer == answers[0] for answer in answers)
        assert store.last_position() == rounds

    def test_reads_beside_appends_see_whole_appends_in_order(self, store: Store) -> None:
        done = threading.Event()

        def read() -> Iterator[int]:
            while not done.is_set():
                found = store.read_all()
                assert [each.position for each in found] == list(range(1, len(found) + 1))
                counts = Counter(each.stream for each in found)
                assert counts["a"] == counts["b"]
                yield len(found)

        with ThreadPoolExecutor() as pool:
            seen = pool.submit(lambda: list(read()))
            for n in range(scaled(4_000)):
                store.append_wait([record(f"a{n}", "a"), record(f"b{n}", "b")], PATIENCE)
            done.set()
            assert seen.result(PATIENCE) == sorted(seen.result())

    # Counts

    def test_the_counts_say_what_was_done(self, store: Store) -> None:
        store.append_wait(some(3))
        store.append_wait(some(4))
        store.append_wait([])
        stats = store.stats()
        assert (stats.requests, stats.appended, stats.commits, stats.failed) == (3, 4, 2, 0)
        assert (stats.largest_commit, stats.queued, stats.refused) == (3, 0, 0)


class StoreMachine(RuleBasedStateMachine):
    """Any history of appends, repeats, reads, listeners and reopenings, against a plain list."""

    streams = st.sampled_from(["a", "b", "c"])
    kinds = st.sampled_from(["x", "y"])
    ids = st.integers(0, 60).map("e{}".format)
    records = st.builds(Record, ids, streams, kinds, timestamps, texts | st.binary())

    def __init__(self) -> None:
        super().__init__()
        self.log: list[StoredRecord] = []
        self.heard: list[StoredRecord] = []
        self.since = 0
        self.store = self.open()
        self.listen()

    def open(self) -> Store:
        """Return a new, empty store."""
        raise NotImplementedError

    def reopen(self) -> Store | None:
        """Close the store and return it opened again, or `None` if it does not keep its log."""
        return None

    def listen(self) -> None:
        self.heard = []
        self.since = self.store.on_append(self.heard.extend).since

    def append_to_model(self, records: Sequence[Record]) -> list[StoredRecord]:
        answer = []
        for given_ in records:
            known = next((each for each in self.log if each.id == given_.id), None)
            if known is None:
                known = StoredRecord(
                    len(self.log) + 1,
                    given_.stream,
                    1 + sum(each.stream == given_.stream for each in self.log),
                    given_.id,
                    given_.type,
                    given_.timestamp,
                    given_.body,
                )
                self.log.append(known)
            answer.append(known)
        return answer

    @rule(records=st.lists(records, max_size=6))
    def append_and_wait(self, records: list[Record]) -> None:
        assert self.store.append_wait(records, PATIENCE) == self.append_to_model(records)

    @rule(appends=st.lists(st.lists(records, max_size=4), min_size=2, max_size=5))
    def append_together(self, appends: list[list[Record]]) -> None:
        answers: list[object] = []
        for records in appends:
            self.store.append(records, answers.append, timeout=PATIENCE)
        self.store.append_wait([], PATIENCE)
        assert answers == [self.append_to_model(records) for records in appends]

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def append_again(self, data: st.DataObject) -> None:
        known = data.draw(st.sampled_from(self.log))
        (answer,) = self.store.append_wait([record(known.id, "elsewhere")], PATIENCE)
        assert fields(answer) == fields(known)
        assert answer == known

    @rule(
        stream=streams,
        after=st.integers(0, 12),
        limit=st.none() | st.integers(1, 8),
        types=st.none() | st.sets(kinds),
    )
    def read_a_stream(
        self, stream: str, after: int, limit: int | None, types: set[str] | None
    ) -> None:
        expected = [
            each
            for each in self.log
            if each.stream == stream
            and each.sequence > after
            and (types is None or each.type in types)
        ]
        found = self.store.read(stream, after=after, limit=limit, types=types)
        assert found == expected[:limit]

    @rule(after=st.integers(0, 40), limit=st.none() | st.integers(1, 8))
    def read_the_log(self, after: int, limit: int | None) -> None:
        found = self.store.read_all(after_position=after, limit=limit)
        assert found == self.log[after:][:limit]

    @rule()
    def open_again(self) -> None:
        reopened = self.reopen()
        if reopened is not None:
            self.store = reopened
            self.listen()

    @invariant()
    def the_log_is_as_the_model(self) -> None:
        assert self.store.read_all() == self.log
        assert self.heard == self.log[self.since :]
        assert self.store.streams() == Counter(each.stream for each in self.log)
        assert self.store.last_position() == len(self.log)
        assert self.store.wait_for(len(self.log), timeout=0)
        assert not self.store.wait_for(len(self.log) + 1, timeout=0)

    def teardown(self) -> None:
        self.store.close(PATIENCE)
