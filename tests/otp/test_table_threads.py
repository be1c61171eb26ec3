"""Tables under many threads: no update is lost, no reader sees half of a row, no end is missed."""

from __future__ import annotations

import functools
import os
import random
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from beam.otp import END_OF_TABLE, Mailbox, Node, Table, TableTransfer
from beam.otp.kinds import KINDS
from tests.otp.actors import SOON, Echo, ThreadEcho, at_once
from tests.otp.tables import by, kill, made_by, outcome
from tests.volume import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from beam.otp import Ref
    from beam.otp.table import Kind

pytestmark = [
    pytest.mark.usefixtures("node", "_restless"),
    pytest.mark.schedulers("pool"),  # The threads that race are the test's own.
]

THREADS = 4

kinds = pytest.mark.parametrize("kind", list(KINDS))
sets = pytest.mark.parametrize("kind", ["set", "ordered_set"])


@pytest.fixture
def _restless(node: Node) -> Iterator[None]:
    """Have threads take turns at any line and call, so that races are met."""

    def give_way(*_: Any) -> Any:
        # Not each time: in lockstep nobody would do two things while another does one.
        if random.random() < 0.1:
            os.sched_yield()
        return give_way

    traced, profiled = threading.gettrace(), threading.getprofile()
    threading.settrace(give_way)
    threading.setprofile(give_way)
    yield
    threading.settrace(traced)
    threading.setprofile(profiled)


def beside(work: Callable[[], None], *others: Callable[[], Any]) -> None:
    """Do the work, while others do theirs over and over."""
    done = threading.Event()

    def first() -> None:
        try:
            work()
        finally:
            done.set()

    def again(other: Callable[[], Any]) -> None:
        while not done.is_set():
            other()

    at_once(first, *(functools.partial(again, other) for other in others))


# Writers


@sets
def test_no_count_of_many_threads_is_lost(kind: Kind) -> None:
    table = Table.new(kind=kind, access="public")
    each = scaled(100_000) // THREADS

    def count() -> list[int]:
        return [table.update_counter("hits", 1, ("hits", 0)) for _ in range(each)]

    values = at_once(*[count] * THREADS)
    assert table.lookup("hits") == [("hits", each * THREADS)]
    assert sorted(value for found in values for value in found) == [*range(1, each * THREADS + 1)]


@sets
def test_no_count_of_many_processes_is_lost(kind: Kind) -> None:
    table = Table.new(kind=kind, access="public")
    each = scaled(20_000) // THREADS

    def count() -> None:
        for n in range(each):
            table.update_counter(n % 7, [(2, 1), (3, -1)], (None, 0, 0))

    processes = [kind.start() for kind in (Echo, ThreadEcho, Echo, ThreadEcho)]
    at_once(*(functools.partial(by, process, count) for process in processes))
    rows = table.tab2list()
    assert sum(row[1] for row in rows) == -sum(row[2] for row in rows) == each * THREADS


@kinds
def test_of_many_that_insert_a_new_key_one_does(kind: Kind) -> None:
    table = Table.new(kind=kind, access="public")
    keys = scaled(10_000) // THREADS

    def insert(who: int) -> list[int]:
        return [key for key in range(keys) if table.insert_new((key, who), ((key, "x"), who))]

    won = at_once(*(functools.partial(insert, who) for who in range(THREADS)))
    assert sorted(key for mine in won for key in mine) == [*range(keys)]
    assert all(table.lookup(key) == [(key, who)] for who in range(THREADS) for key in won[who])


@kinds
def test_of_many_that_take_a_row_one_gets_it(kind: Kind) -> None:
    table = Table.new(kind=kind, access="public")
    keys = scaled(10_000) // THREADS
    table.insert(*((key, "row") for key in range(keys)))

    def take() -> list[Any]:
        return [row for key in range(keys) for row in table.take(key)]

    taken = Counter(row for mine in at_once(*[take] * THREADS) for row in mine)
    assert taken == Counter((key, "row") for key in range(keys))
    assert len(table) == 0


@kinds
def test_what_many_threads_write_is_all_there(kind: Kind) -> None:
    table = Table.new(kind=kind, access="public")
    each = scaled(20_000) // THREADS

    def write(who: int) -> None:
        for n in range(each):
            table.insert((n * THREADS + who, who))
            if n % 3 == 0:
                table.delete(n * THREADS + who)

    at_once(*(functools.partial(write, who) for who in range(THREADS)))
    kept = [n * THREADS + who for n in range(each) for who in range(THREADS) if n % 3]
    assert sorted(table.match(("$1", "_"))) == [[key] for key in sorted(kept)]
    assert len(table) == len(kept)


# Readers beside a writer


@kinds
def test_readers_beside_a_writer_see_whole_rows(kind: Kind) -> None:
    table, rounds = Table.new(kind=kind), scaled(10_000)
    table.insert(("steady", 0, 0))

    def write() -> None:
        for n in range(rounds):
            table.insert(("moving", n, n), (n, n, n))
            table.delete("moving")
            table.delete(n)

    def read_keys() -> None:
        rows = table.lookup("moving") + table.lookup("steady")
        assert all(row[1] == row[2] for row in rows)
        assert table.lookup_element("steady", 2) in (0, [0])

    def read_all() -> None:
        rows = table.tab2list()
        assert all(row[1] == row[2] for row in rows)
        assert table.match_object(("steady", "_", "_")) == [("steady", 0, 0)]
        assert table.select_count([(("_", "$1", "$1"), [], [True])]) in (1, 2, 3)
        assert table.first() is not END_OF_TABLE

    beside(write, read_keys, read_all)


@pytest.mark.parametrize("walked", [False, True])
def test_the_rows_of_one_insert_come_to_a_set_all_at_once(walked: bool) -> None:
    table, rounds = Table.new(), scaled(10_000)
    table.insert(("a", 0), ("b", 0))
    if walked:
        table.fix()

    def write() -> None:
        for n in range(1, rounds):
            table.insert(("a", n), ("b", n)) if n % 2 else table.insert(("b", n), ("a", n))

    def read(first: str, second: str) -> None:
        before = table.lookup_element(first, 2)
        assert table.lookup_element(second, 2) >= before

    beside(write, functools.partial(read, "a", "b"), functools.partial(read, "b", "a"))


@kinds
def test_a_walk_beside_writers_visits_what_stays_exactly_once(kind: Kind) -> None:
    table, size = Table.new(kind=kind, access="public"), scaled(4_000)
    table.insert(*((key, 0) for key in range(size)))
    turn = iter(range(10**9))

    def change() -> None:
        key = next(turn) % size | 1
        table.delete(key)
        table.insert((key, 1))

    def walk() -> None:
        for _ in range(5):
            visited, key = Counter[int](), table.first()
            while key is not END_OF_TABLE:
                visited[key] += 1
                key = table.next(key)
            assert all(visited[key] == 1 for key in range(0, size, 2))

    def search() -> None:
        for _ in range(5):
            found, more = table.match(("$1", "_"), 50)
            while more is not None:
                part, more = table.match(more)
                found += part
            seen = Counter(key for (key,) in found)
            assert all(seen[key] == 1 for key in range(0, size, 2))

    for read in (walk, search):
        table.fix()
        beside(read, change)
        table.release()


def test_as_many_releases_as_fixes_release_a_table() -> None:
    table, rounds = Table.new(), scaled(20_000)

    def fix_and_release() -> None:
        for _ in range(rounds):
            table.fix()
            table.release()

    at_once(*[fix_and_release] * THREADS)
    assert not table.info()["fixed"]
    by(Echo.start(), table.fix)
    table.release()
    assert table.info()["fixed"]


# Ends


def test_of_many_that_drop_a_table_one_does() -> None:
    for _ in range(scaled(2_000)):
        table = Table.new(access="public")
        outcomes = Counter(at_once(*[functools.partial(outcome, table.drop)] * THREADS))
        assert outcomes == {None: 1, "no_table": THREADS - 1}


def test_readers_of_a_table_that_goes_read_it_or_are_refused() -> None:
    for _ in range(scaled(1_000)):
        owner = Echo.start()
        table = made_by(owner, ("a", 1))

        def read(table: Table = table) -> None:
            while (found := outcome(lambda: table.lookup("a"))) != "no_table":
                assert found == [("a", 1)]
            assert outcome(table.tab2list) == "no_table"

        at_once(functools.partial(kill, owner), read, read)


@pytest.mark.parametrize("who", ["owner first", "heir first", "both"])
def test_a_table_never_outlives_both_its_owner_and_its_heir(who: str, node: Node) -> None:
    for _ in range(scaled(2_000)):
        owner, heir = Echo.start(), Echo.start()
        table = made_by(owner, name="t", heir=heir, named=True)
        match who:
            case "owner first":
                kill(owner)
                kill(heir)
            case "heir first":
                kill(heir)
                kill(owner)
            case _:
                at_once(functools.partial(kill, owner), functools.partial(kill, heir))
        assert table.owner is None
        assert node.tables == {}


def test_what_is_given_to_a_dying_process_stays_or_goes_but_is_not_lost(node: Node) -> None:
    for _ in range(scaled(1_000)):
        giver, taker = ThreadEcho.start(), Echo.start()
        tables = [made_by(giver, name=n, named=True) for n in range(20)]

        def give(tables: list[Table] = tables, taker: Ref[Any] = taker) -> list[Any]:
            return [outcome(table.give_away, taker) for table in tables]

        given, _ = at_once(functools.partial(by, giver, give), functools.partial(kill, taker))
        kept = [table for table, what in zip(tables, given, strict=True) if what == "noproc"]
        assert all(table.owner is (giver if table in kept else None) for table in tables)
        assert list(node.tables.values()) == kept
        kill(giver)
        assert node.tables == {}


def test_tables_may_be_dropped_while_their_owner_dies(node: Node) -> None:
    for _ in range(scaled(1_000)):
        owner = Echo.start()
        tables = [made_by(owner, name=n, named=True, access="public") for n in range(20)]

        def drop(tables: list[Table] = tables) -> None:
            assert {outcome(table.drop) for table in tables} <= {None, "no_table"}

        at_once(functools.partial(kill, owner), drop)
        assert {table.owner for table in tables} == {None}
        assert node.tables == {}


def test_a_table_handed_round_always_has_the_owner_who_was_told_last() -> None:
    rounds = scaled(10_000)

    class Hands(Echo):
        """Gives each table that it gets to the next one."""

        def handle_info(self, message: Any) -> None:
            if not isinstance(message, TableTransfer):
                super().handle_info(message)
                return
            count = message.table.update_counter("rounds", 1)
            to = self.told[0] if count < rounds else message.data
            message.table.give_away(to, message.data)

    with Mailbox() as me:
        ring: list[Ref[Hands]] = [Hands.start() for _ in range(3)]
        for at, hands in enumerate(ring):
            hands.tell(ring[(at + 1) % 3])
        table = Table.new()
        table.insert(("rounds", 0))
        table.give_away(ring[0], me.ref)
        last = me.receive(timeout=10 * SOON)
        assert (last.table, table.owner) == (table, me.ref)
        assert table.lookup("rounds") == [("rounds", rounds)]
        assert last.process in ring


def test_names_are_taken_by_one_of_many(node: Node) -> None:
    processes = [ThreadEcho.start() for _ in range(THREADS)]
    for _ in range(scaled(2_000)):
        made = at_once(
            *(
                functools.partial(by, process, outcome, Table.new, "t", named=True)
                for process in processes
            )
        )
        (table,) = [each for each in made if each != "name_taken"]
        assert node.tables == {"t": table}
        by(table.owner, table.drop)


def test_an_owner_may_die_while_it_makes_tables(node: Node) -> None:
    for _ in range(scaled(1_000)):
        owner = ThreadEcho.start()
        made: list[Table] = []

        def make(made: list[Table] = made) -> None:
            made.extend(Table.new(n, named=True) for n in range(50))

        owner.cast(("do", make))
        kill(owner)
        assert {table.owner for table in made} <= {None}
        assert node.tables == {}
