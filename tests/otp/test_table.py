"""Tables: who owns them, who may do what, who inherits them, what outlives whom."""

from __future__ import annotations

import contextlib
import copy
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from beam.errors import Exited, InvalidInput, TableRefused
from beam.otp import (
    END_OF_TABLE,
    Atom,
    Down,
    Mailbox,
    Node,
    Supervisor,
    Table,
    TableTransfer,
    child,
    exit,
    monitor,
    send_after,
)
from beam.otp.kinds import KINDS
from beam.otp.search import Spec
from beam.otp.table import Access, Kind
from tests.otp.actors import KINDS as PROCESSES
from tests.otp.actors import SOON, Echo, Gate, at_once, eventually, hold_up
from tests.otp.tables import by, kill, made_by, refused, told

pytestmark = pytest.mark.usefixtures("node")

accesses = pytest.mark.parametrize("access", ["public", "protected", "private"])
kinds = pytest.mark.parametrize("kind", list(KINDS))
processes = pytest.mark.parametrize("process", PROCESSES)

# Whatever a table does it does where it is asked; who may do it, one scheduler tells.
on_one = pytest.mark.schedulers("pool")

SPEC: Spec = [(("$1", "$2"), [], ["$2"])]
READS: dict[str, Callable[[Table], Any]] = {
    "lookup": lambda table: table.lookup("a"),
    "lookup_element": lambda table: table.lookup_element("a", 2),
    "member": lambda table: table.member("a"),
    "len": len,
    "first": lambda table: table.first(),
    "last": lambda table: table.last(),
    "next": lambda table: table.next("a"),
    "prev": lambda table: table.prev("a"),
    "slot": lambda table: table.slot(0),
    "match": lambda table: table.match(("$1", 1)),
    "match_object": lambda table: table.match_object(("a", "_")),
    "select": lambda table: table.select(SPEC),
    "select_reverse": lambda table: table.select_reverse(SPEC),
    "select_count": lambda table: table.select_count(SPEC),
    "tab2list": lambda table: table.tab2list(),
    "foldl": lambda table: table.foldl(lambda _row, count: count + 1, 0),
    "foldr": lambda table: table.foldr(lambda _row, count: count + 1, 0),
    "fix": lambda table: table.fix(),
    "release": lambda table: table.release(),
}
WRITES: dict[str, Callable[[Table], Any]] = {
    "insert": lambda table: table.insert(("b", 2)),
    "insert_new": lambda table: table.insert_new(("b", 2)),
    "take": lambda table: table.take("a"),
    "delete": lambda table: table.delete("a"),
    "delete_object": lambda table: table.delete_object(("a", 1)),
    "delete_all_objects": lambda table: table.delete_all_objects(),
    "update_element": lambda table: table.update_element("a", (2, 5)),
    "update_counter": lambda table: table.update_counter("a", 1),
    "match_delete": lambda table: table.match_delete(("a", "_")),
    "select_delete": lambda table: table.select_delete(SPEC),
    "select_replace": lambda table: table.select_replace([("_", [], ["$_"])]),
    "rename": lambda table: table.rename("other"),
    "drop": lambda table: table.drop(),
}
OWNERS: dict[str, Callable[[Table], Any]] = {
    "set_heir": lambda table: table.set_heir(None),
    "give_away": lambda table: table.give_away(Echo.start()),
}
ANYBODY: dict[str, Callable[[Table], Any]] = {"info": lambda table: table.info()}
EVERYTHING = READS | WRITES | OWNERS | ANYBODY


# Owners and access


@processes
def test_the_owner_is_the_process_that_makes_the_table(process: type[Echo]) -> None:
    owner = process.start()
    table = made_by(owner, ("a", 1))
    assert table.owner is owner
    assert table.info()["owner"] is owner


@on_one
def test_outside_any_process_the_owner_is_init_on_every_thread(node: Node) -> None:
    table = Table.new()
    assert table.owner is node.init.ref
    assert at_once(lambda: table.insert(("a", 1))) == [True]
    with Mailbox(), refused("no_access"):
        table.insert(("b", 1))


@on_one
@accesses
@pytest.mark.parametrize("operation", list(EVERYTHING))
def test_the_owner_may_do_everything(access: Access, operation: str) -> None:
    owner = Echo.start()
    table = made_by(owner, ("a", 1), access=access)
    by(owner, EVERYTHING[operation], table)


@on_one
@accesses
@pytest.mark.parametrize("operation", list(EVERYTHING))
def test_others_may_do_what_the_access_says(access: Access, operation: str) -> None:
    table = made_by(Echo.start(), ("a", 1), access=access)
    other = Echo.start()
    may = (
        operation
        in {
            "public": {*READS, *WRITES, *ANYBODY},
            "protected": {*READS, *ANYBODY},
            "private": {*ANYBODY},
        }[access]
    )
    with contextlib.nullcontext() if may else refused("no_access"):
        by(other, EVERYTHING[operation], table)
    if not may:
        assert (table.info()["size"], table.name) == (1, None)


def test_a_refusal_names_the_table_and_its_owner() -> None:
    owner = Echo.start()
    table = made_by(owner)
    with pytest.raises(TableRefused) as caught:
        table.insert(("a", 1))
    assert (caught.value.table, caught.value.owner) == (table, owner)


@on_one
def test_who_has_waited_and_may_not_any_more_is_refused() -> None:
    gate, waiting = Gate(), threading.Event()

    class Slow:
        def __eq__(self, _other: object) -> bool:
            gate()
            return False

        __hash__ = object.__hash__

    def wait() -> None:
        waiting.set()
        with refused("no_access"):
            table.insert(("late", 1))

    table = Table.new(kind="duplicate_bag")
    table.insert(("a", Slow()))
    held = threading.Thread(target=table.delete_object, args=(("a", Slow()),))
    late = threading.Thread(target=wait)
    held.start()
    gate.reached()
    late.start()
    assert waiting.wait(SOON)
    table.give_away(Echo.start())
    gate.open()
    for thread in (held, late):
        thread.join(SOON)
        assert not thread.is_alive()
    assert not table.member("late")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"kind": "tree"}, "kind"),
        ({"access": "secret"}, "access"),
        ({"keypos": 0}, "keypos"),
        ({"heir": "me"}, "heir"),
        ({"heir": (1, 2)}, "heir"),
        ({"named": True}, "name"),
        ({"name": ["a"], "named": True}, "name"),
    ],
)
def test_an_option_that_is_none_is_refused_before_anything_is_made(
    options: dict[str, Any], field: str, node: Node
) -> None:
    with pytest.raises(InvalidInput) as caught:
        Table.new(**options)
    assert caught.value.field == field
    assert node.tables == {}


@kinds
def test_info_says_what_the_table_is(kind: Kind) -> None:
    owner, heir = Echo.start(), Echo.start()
    row = (1, "key")
    table = made_by(
        owner, row, name="t", kind=kind, access="private", keypos=2, heir=heir, named=True
    )
    assert table.info() == {
        "type": kind,
        "keypos": 2,
        "size": 1,
        "fixed": False,
        "name": "t",
        "named": True,
        "access": "private",
        "owner": owner,
        "heir": heir,
    }


# Reads beside the owner


@processes
def test_reads_answer_while_the_owner_is_stuck_in_a_handler(process: type[Echo]) -> None:
    owner, other = process.start(), process.start()
    table = made_by(owner, ("a", 1))
    gate = hold_up(owner)
    for read in READS.values():
        read(table)
        by(other, read, table)
    assert table.lookup("a") == [("a", 1)]
    gate.open()


@on_one
@kinds
def test_reads_of_one_key_wait_for_no_other_operation(kind: Kind) -> None:
    gate = Gate()

    class Slow:
        def __lt__(self, _other: object) -> bool:
            gate()
            return False

    def search() -> list[Any]:
        return table.select([(("$1", "$2"), [("<", "$2", ("const", Slow()))], [True])])

    table = Table.new(kind=kind)
    table.insert(("a", Slow()))
    searching = threading.Thread(target=search)
    searching.start()
    gate.reached()
    assert len(table.lookup("a")) == 1
    assert table.lookup_element("a", 1) in ("a", ["a"])
    assert table.member("a")
    gate.open()
    searching.join(SOON)


# Names


def test_a_named_table_is_found_by_its_name_in_its_node(node: Node) -> None:
    owner = Echo.start()
    table = made_by(owner, name="users", named=True)
    assert Table.whereis("users") is table
    assert by(Echo.start(), Table.whereis, "users") is table
    with Node():
        assert Table.whereis("users") is None
    assert node.tables == {"users": table}


def test_a_table_that_is_not_named_is_not_found_and_may_share_its_name() -> None:
    one, other = Table.new("users"), Table.new("users")
    assert one.name == other.name == "users"
    assert Table.whereis("users") is None


def test_a_name_is_one_tables_only() -> None:
    table = made_by(Echo.start(), name="users", named=True)
    with pytest.raises(TableRefused) as caught:
        Table.new("users", named=True)
    assert caught.value.reason == "name_taken"
    assert (caught.value.name, caught.value.table) == ("users", table)
    assert Table.whereis("users") is table


def test_a_name_is_free_when_its_table_has_gone() -> None:
    owner = Echo.start()
    made_by(owner, name="users", named=True)
    kill(owner)
    table = Table.new("users", named=True)
    table.drop()
    assert Table.whereis("users") is None
    assert Table.new("users", named=True).name == "users"


def test_a_named_table_is_found_by_the_name_it_was_given_last() -> None:
    table = Table.new("old", named=True)
    assert table.rename("new") == "new"
    assert (Table.whereis("old"), Table.whereis("new"), table.name) == (None, table, "new")
    Table.new("old", named=True)


def test_a_named_table_is_not_renamed_to_a_name_that_is_taken() -> None:
    table = Table.new("one", named=True)
    Table.new("two", named=True)
    for name in ("two", "one"):
        with refused("name_taken"):
            table.rename(name)
    for wrong in (None, ["three"]):
        with pytest.raises(InvalidInput):
            table.rename(wrong)
    assert Table.whereis("one") is table


def test_a_table_without_a_name_of_its_own_may_be_called_anything() -> None:
    Table.new("taken", named=True)
    table = Table.new("mine")
    assert table.rename("taken") == "taken"
    assert table.rename(None) is None
    assert Table.whereis("taken") is not table


@pytest.mark.parametrize("name", [None, ["a"]])
def test_what_cannot_be_a_name_is_not_looked_for(name: Any) -> None:
    with pytest.raises(InvalidInput):
        Table.whereis(name)


# Heirs


@processes
@pytest.mark.parametrize("end", ["kill", "stop", "crash", "exit"])
def test_the_heir_gets_the_rows_and_a_message_however_the_owner_ends(
    end: str, process: type[Echo]
) -> None:
    owner, heir = process.start(), process.start()
    table = made_by(owner, ("a", 1), ("b", 2), name="t", heir=(heir, "yours"), named=True)
    match end:
        case "kill":
            exit(owner, "kill")
        case "stop":
            owner.stop()
        case "crash":
            owner.cast(("do", lambda: 1 / 0))
        case "exit":
            owner.cast(("do", lambda: exit("done")))
    assert told(heir) == [TableTransfer(table, owner, "yours")]
    assert table.owner is heir
    assert Table.whereis("t") is table
    assert table.tab2list() == [("a", 1), ("b", 2)]
    assert by(heir, table.insert, ("c", 3)) is True


def test_the_heir_has_the_table_before_anybody_hears_of_the_death() -> None:
    with Mailbox() as me:
        owner = Echo.start()
        table = made_by(owner, heir=me.ref)
        monitor(owner)
        exit(owner, "kill")
        first, second = me.receive(timeout=SOON), me.receive(timeout=SOON)
        assert first == TableTransfer(table, owner, None)
        assert isinstance(second, Down)


def test_the_owner_may_name_another_heir_and_none() -> None:
    owner, heir = Echo.start(), Echo.start()
    kept, lost = made_by(owner), made_by(owner, heir=heir)
    by(owner, kept.set_heir, heir, {"data": 1})
    by(owner, lost.set_heir, None)
    assert (kept.info()["heir"], lost.info()["heir"]) == (heir, None)
    kill(owner)
    assert told(heir) == [TableTransfer(kept, owner, {"data": 1})]
    assert lost.owner is None


def test_a_dead_process_is_no_heir() -> None:
    dead = Echo.start()
    dead.stop()
    owner = Echo.start()
    table = made_by(owner, heir=dead)
    assert table.info()["heir"] is None
    by(owner, table.set_heir, dead)
    assert table.info()["heir"] is None


def test_a_table_goes_with_its_owner_if_the_heir_died_before() -> None:
    owner, heir = Echo.start(), Echo.start()
    table = made_by(owner, heir=heir)
    kill(heir)
    kill(owner)
    with refused("no_table"):
        table.lookup("a")


@pytest.mark.parametrize("way", ["inherited", "given", "named himself"])
def test_an_heir_stays_the_heir_but_nobody_is_his_own(way: str) -> None:
    owner, heir = Echo.start(), Echo.start()
    table = made_by(owner, heir=heir)
    match way:
        case "inherited":
            kill(owner)
        case "given":
            by(owner, table.give_away, heir)
        case _:
            by(owner, table.give_away, heir)
            by(heir, table.set_heir, heir)
    assert table.owner is table.info()["heir"] is heir
    kill(heir)
    assert table.owner is None


def test_a_table_passes_from_heir_to_heir() -> None:
    line = [Echo.start() for _ in range(5)]
    table = made_by(line[0], ("a", 1), heir=line[1])
    for owner, heir, next_heir in zip(line[:-1], line[1:], [*line[2:], None], strict=True):
        kill(owner)
        assert told(heir) == [TableTransfer(table, owner, None)]
        by(heir, table.set_heir, next_heir)
    assert table.lookup("a") == [("a", 1)]


@on_one
def test_an_heir_may_live_in_another_node() -> None:
    with Node():
        heir = Echo.start()
        elsewhere = Table.new("t", named=True)
        with Node():
            owner = Echo.start()
            table = made_by(owner, ("a", 1), name="t", heir=heir, named=True)
        assert told(heir) == [TableTransfer(table, owner, None)]
        assert by(heir, table.insert, ("b", 2)) is True
        assert Table.whereis("t") is elsewhere


# Giving away


def test_who_is_given_a_table_owns_it_and_is_told() -> None:
    giver, taker = Echo.start(), Echo.start()
    table = made_by(giver, ("a", 1))
    by(giver, table.give_away, taker, "gift")
    assert told(taker) == [TableTransfer(table, giver, "gift")]
    assert table.owner is taker
    with refused("no_access"):
        by(giver, table.insert, ("b", 2))
    kill(giver)
    assert by(taker, table.insert, ("b", 2)) is True
    kill(taker)
    assert table.owner is None


def test_a_table_is_not_given_to_the_dead_nor_to_its_owner() -> None:
    owner, dead = Echo.start(), Echo.start()
    table = made_by(owner, ("a", 1))
    kill(dead)
    for to, reason in ((dead, "noproc"), (owner, "already_owner")):
        with refused(reason):
            by(owner, table.give_away, to)
    assert table.owner is owner


@pytest.mark.parametrize("other", ["init", None, 1])
def test_a_table_is_given_and_left_to_processes_only(other: Any) -> None:
    table = Table.new()
    with pytest.raises(InvalidInput) as caught:
        table.give_away(other)
    assert caught.value.field == "to"
    if other is not None:
        with pytest.raises(InvalidInput) as caught:
            table.set_heir(other)
        assert caught.value.field == "heir"


def test_a_table_can_be_given_back_to_init(node: Node) -> None:
    table = Table.new()
    owner = Echo.start()
    table.give_away(owner)
    by(owner, table.give_away, node.init.ref)
    assert table.owner is node.init.ref
    kill(owner)
    assert table.insert(("a", 1)) is True


# The end of a table


@on_one
@accesses
@pytest.mark.parametrize("operation", list(EVERYTHING))
@pytest.mark.parametrize("end", ["drop", "kill"])
def test_a_table_that_is_gone_refuses_everything(end: str, operation: str, access: Access) -> None:
    owner = Echo.start()
    table = made_by(owner, ("a", 1), access=access)
    if end == "drop":
        by(owner, table.drop)
    else:
        kill(owner)
    assert table.owner is None
    for process in (owner, Echo.start()):
        if process.is_alive():
            with refused("no_table"):
                by(process, EVERYTHING[operation], table)
    with refused("no_table"):
        EVERYTHING[operation](table)


def test_all_tables_of_a_process_go_with_it() -> None:
    owner, heir = Echo.start(), Echo.start()
    tables = [made_by(owner, name=n, named=True) for n in range(50)]
    kept = [made_by(owner, name=("kept", n), named=True, heir=(heir, n)) for n in range(50)]
    kill(owner)
    assert {table.owner for table in tables} == {None}
    assert {table.owner for table in kept} == {heir}
    messages = told(heir)
    assert [message.table for message in messages] == kept
    assert [message.data for message in messages] == [*range(50)]


def test_a_method_that_was_kept_reads_what_was_there_when_the_table_went() -> None:
    table = Table.new()
    table.insert(("a", 1))
    look = table.lookup
    table.drop()
    assert look("a") == [("a", 1)]
    with refused("no_table"):
        table.lookup("a")


def test_a_continuation_ends_with_its_table() -> None:
    table = Table.new()
    table.insert(*((n,) for n in range(10)))
    _, more = table.select([(("$1",), [], ["$1"])], 2)
    assert more is not None
    assert len(table.select(more)[0]) == 2
    table.drop()
    with refused("no_table"):
        table.select(more)


@pytest.mark.parametrize("way", ["drop", "kill", "forget the heir"])
def test_what_goes_with_a_table_may_use_processes_as_it_goes(way: str, node: Node) -> None:
    gone: list[int] = []

    class Last:
        def __del__(self) -> None:
            gone.append(len(node.processes()))

    owner, heir = Echo.start(), Echo.start()
    table = made_by(owner, ("a", Last()))
    by(owner, table.set_heir, heir, Last())
    match way:
        case "drop":
            by(owner, table.drop)
        case "kill":
            kill(heir)
            kill(owner)
        case _:
            by(owner, table.set_heir, None)
    eventually(lambda: len(gone) == (1 if way == "forget the heir" else 2))


def test_a_process_that_was_given_up_has_no_tables_any_more() -> None:
    heir = Echo.start()
    with Supervisor.start([child(Echo, id="stuck", shutdown="brutal")]) as tree:
        stuck = tree.which_children()[0].process
        kept, lost = made_by(stuck, heir=heir), made_by(stuck)
        outcomes: list[Any] = []
        gate = Gate()

        def work() -> None:
            gate()
            for attempt in (lambda: kept.insert(("a", 1)), lost.first, Table.new):
                try:
                    attempt()
                except (TableRefused, Exited) as error:
                    outcomes.append(error.reason)

        stuck.cast(("do", work))
        gate.reached()
        tree.terminate_child("stuck")
        assert (kept.owner, lost.owner) == (heir, None)
        gate.open()
        eventually(lambda: outcomes == ["no_access", "no_table", "killed"])


# Walks


@kinds
def test_a_walk_of_a_fixed_table_survives_what_others_do(kind: Kind) -> None:
    table = Table.new(kind=kind, access="public")
    table.insert(*((n, 0) for n in range(100)))
    other = Echo.start()
    table.fix()
    visited, key = [], table.first()
    while key is not END_OF_TABLE:
        visited.append(key)
        gone = (visited[-1], (visited[-1] * 7) % 100 | 1)
        by(other, list, map(table.delete, gone))
        key = table.next(key)
    table.release()
    assert len(visited) == len(set(visited))
    assert set(visited) >= set(range(0, 100, 2))


def test_each_process_releases_what_it_has_fixed_itself() -> None:
    one, other = Echo.start(), Echo.start()
    table = made_by(one, ("a", 1))
    by(one, table.fix)
    by(other, table.release)
    assert table.info()["fixed"]
    by(other, table.fix)
    by(one, table.release)
    assert table.info()["fixed"]
    by(other, table.release)
    assert not table.info()["fixed"]


def test_what_a_process_has_fixed_is_released_when_it_dies() -> None:
    table = Table.new()
    table.insert(("a", 1), ("b", 2))
    walker = Echo.start()
    for _ in range(3):
        by(walker, table.fix)
    table.fix()
    kill(walker)
    assert table.info()["fixed"]
    table.release()
    assert not table.info()["fixed"]


@pytest.mark.parametrize("operation", ["insert", "first"])
def test_the_first_operation_after_a_walkers_death_releases_its_walk(operation: str) -> None:
    table = Table.new()
    table.insert(("a", 1), ("b", 2))
    walker = Echo.start()
    by(walker, table.fix)
    table.delete("a")
    kill(walker)
    EVERYTHING[operation](table)
    with refused("bad_key"):
        table.next("a")


def test_a_fold_may_change_the_table() -> None:
    table = Table.new(kind="ordered_set")
    table.insert((1, "a"), (2, "b"))

    def take(row: Any, taken: list[int]) -> list[int]:
        table.delete(row[0])
        return [*taken, row[0]]

    nothing: list[int] = []
    assert table.foldl(take, nothing) == [1, 2]
    table.insert((1, "a"), (2, "b"))
    assert table.foldr(take, nothing) == [2, 1]
    assert len(table) == 0


# As a value


def test_a_table_is_passed_around_as_itself() -> None:
    table = Table.new("t")
    assert copy.copy(table) is table
    assert copy.deepcopy([table])[0] is table
    assert by(Echo.start(), lambda: table) is table
    assert repr(table).startswith("<Table 't' #")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(table)


def test_an_empty_table_is_true() -> None:
    table = Table.new()
    assert (len(table), bool(table)) == (0, True)
    table.drop()
    assert bool(table)


@kinds
def test_tables_monitors_and_timers_are_keys_each_its_own(kind: Kind) -> None:
    process = Echo.start()
    with Mailbox():
        keys: list[Any] = [Table.new(), Table.new(), process, Echo.start()]
        keys += [monitor(process), monitor(process)]
        keys += [send_after(1000.0, process, "late") for _ in range(2)]
        table = Table.new(kind=kind)
        table.insert(*((key, number) for number, key in enumerate(keys)))
        assert [table.lookup_element(key, 2) for key in keys] in (
            [*range(8)],
            [[n] for n in range(8)],
        )
        assert len(table) == 8
        for timer in keys[6:]:
            timer.cancel()


def test_atoms_and_text_are_different_keys() -> None:
    table = Table.new()
    table.insert((Atom("ok"), 1), ("ok", 2))
    assert (table.lookup(Atom("ok")), table.lookup("ok")) == ([(Atom("ok"), 1)], [("ok", 2)])


# Ctrl-C


@pytest.fixture
def _ctrl_c() -> Iterator[None]:
    """Have Ctrl-C do what it does in Python, whatever the runner of the tests does with it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c")
def test_ctrl_c_waits_until_a_change_is_made() -> None:
    class Impatient:
        def __eq__(self, _other: object) -> bool:
            signal.raise_signal(signal.SIGINT)
            return True

        __hash__ = object.__hash__

    table = Table.new(kind="duplicate_bag")
    table.insert(("a", Impatient()), ("b", 1))
    with pytest.raises(KeyboardInterrupt):
        table.delete_object(("a", Impatient()))
    assert table.tab2list() == [("b", 1)]
