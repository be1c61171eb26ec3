"""`beam.log.actor`: the log's process, and the store that it opens, closes and follows."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from beam.errors import CallExit, CallTimeout, InvalidInput, NotFound, Refused, StoreClosed
from beam.log import Follow, Log, MemoryStore, Record, Shelf, SqliteStore, log_of, store_of
from beam.log import actor as actor_module
from beam.otp import Down, Mailbox, Node, exit, monitor
from tests.volume import scaled

PATIENCE = 30.0


def record(number, stream="a"):
    return Record(f"{stream}-{number}", stream, "said", 0, str(number))


def bodies(records):
    return [one.body for one in records]


def end(node, process, how):
    with node.entered(), Mailbox() as me:
        monitor(process)
        how()
        down = me.receive(timeout=PATIENCE)
        assert isinstance(down, Down)


class Opening:
    """Counts how often a store is opened."""

    def __init__(self, make):
        self.make = make
        self.stores = []

    def __call__(self):
        store = self.make()
        self.stores.append(store)
        return store


@contextmanager
def running(make=MemoryStore, **options):
    opening = Opening(make)
    shelf = Shelf(opening, **options)
    with Node() as node:
        yield node, shelf, opening
    shelf.close()


# The shelf


def test_the_store_that_is_open_already_is_taken_first():
    first = MemoryStore()
    opening = Opening(MemoryStore)
    shelf = Shelf(opening, first)
    assert shelf.store is shelf.take() is first
    assert opening.stores == []
    second = shelf.take()
    assert [second] == opening.stores
    with pytest.raises(StoreClosed):
        first.streams()


def test_a_store_that_is_put_back_is_closed():
    shelf = Shelf(MemoryStore)
    store = shelf.take()
    shelf.put_back()
    with pytest.raises(StoreClosed):
        store.streams()
    with pytest.raises(StoreClosed):
        shelf.store  # noqa: B018 - that there is none is the test


def test_a_lasting_store_serves_every_life_until_the_shelf_is_closed():
    opening = Opening(MemoryStore)
    shelf = Shelf(opening, lasting=True)
    store = shelf.take()
    shelf.put_back()
    assert shelf.take() is shelf.store is store
    assert opening.stores == [store]
    shelf.close()
    shelf.close()
    with pytest.raises(StoreClosed):
        store.streams()


# The process


def test_the_process_answers_with_its_store():
    with running() as (node, shelf, _):
        with pytest.raises(NotFound) as missing:
            log_of(node)
        assert missing.value.reason == "no_log"
        log = Log.start(shelf, name="log")
        assert log_of(node) is log
        assert store_of(node) is shelf.store


def test_it_refuses_what_it_does_not_know_and_lives():
    with running() as (_, shelf, _):
        log = Log.start(shelf, name="log")
        with pytest.raises(Refused):
            log.ask("what?")
        log.tell("what?")
        assert log.ask("store") is shelf.store


def test_what_is_there_is_answered_at_once_a_page_at_a_time(monkeypatch):
    monkeypatch.setattr(actor_module, "PAGE", 3)
    with running() as (_, shelf, _):
        log = Log.start(shelf, name="log")
        shelf.store.append_wait([record(number) for number in range(7)])
        assert bodies(log.ask(Follow("a", 0))) == ["0", "1", "2"]
        assert bodies(log.ask(Follow("a", 3))) == ["3", "4", "5"]
        assert bodies(log.ask(Follow("a", 6))) == ["6"]


def test_a_follower_waits_for_its_own_stream_only(monkeypatch):
    monkeypatch.setattr(actor_module, "PAGE", 3)
    with running() as (_, shelf, _):
        log = Log.start(shelf, name="log")
        waiting = log.ask(Follow("a", 0), block=False, timeout=PATIENCE)
        later = log.ask(Follow("a", 2), block=False, timeout=PATIENCE)
        shelf.store.append_wait([record(1, "b")])
        log.ask("store")
        assert not waiting.done
        shelf.store.append_wait([record(number) for number in range(5)])
        assert bodies(waiting.get()) == ["0", "1", "2"]
        assert bodies(later.get()) == ["2", "3", "4"]


def test_a_follower_that_is_ahead_waits_on():
    with running() as (_, shelf, _):
        log = Log.start(shelf, name="log")
        ahead = log.ask(Follow("a", 2), block=False, timeout=PATIENCE)
        shelf.store.append_wait([record(1)])
        shelf.store.append_wait([record(2)])
        log.ask("store")
        assert not ahead.done
        shelf.store.append_wait([record(3)])
        assert bodies(ahead.get()) == ["3"]


def of_type(kind, number):
    return Record(f"a-{number}", "a", kind, 0, str(number))


def test_a_follower_of_some_types_is_not_woken_for_others():
    with running() as (_, shelf, _):
        log = Log.start(shelf, name="log")
        shelf.store.append_wait([of_type("step", 0), of_type("step", 1)])
        waiting = log.ask(Follow("a", 0, {"end"}), block=False, timeout=PATIENCE)
        shelf.store.append_wait([of_type("step", 2)])
        log.ask("store")
        assert not waiting.done
        shelf.store.append_wait([of_type("step", 3), of_type("end", 4), of_type("step", 5)])
        assert bodies(waiting.get()) == ["4"]
        assert bodies(log.ask(Follow("a", 1, {"end"}))) == ["4"]


def test_a_page_of_what_is_not_wanted_is_passed_by_its_last_record(monkeypatch):
    monkeypatch.setattr(actor_module, "PAGE", 3)
    with running() as (_, shelf, _):
        log = Log.start(shelf, name="log")
        shelf.store.append_wait([of_type("step", number) for number in range(5)])
        shelf.store.append_wait([of_type("end", 5)])
        assert bodies(log.ask(Follow("a", 0, {"end"}))) == ["2"]
        assert bodies(log.ask(Follow("a", 3, {"end"}))) == ["5"]


@pytest.mark.parametrize("types", [None, frozenset({"even"})])
def test_a_reader_who_goes_on_after_what_he_was_told_misses_nothing(types, monkeypatch):
    monkeypatch.setattr(actor_module, "SWEEP", 2)
    kinds = ["even" if number % 2 == 0 else "odd" for number in range(scaled(2000))]
    wanted = [number for number, kind in enumerate(kinds) if types is None or kind in types]
    with running() as (_, shelf, _):
        log = Log.start(shelf, name="log")

        def write():
            for number, kind in enumerate(kinds):
                others = [record(number, stream) for stream in "bcd"]
                shelf.store.append_wait([of_type(kind, number), *others])

        writer = threading.Thread(target=write)
        writer.start()
        after, heard = 0, []
        while len(heard) < len(wanted):
            for stream in "bcd":
                log.ask(Follow(stream, 0), timeout=PATIENCE)
            records = log.ask(Follow("a", after, types), timeout=PATIENCE)
            after = records[-1].sequence
            heard += [int(one.body) for one in records if types is None or one.type in types]
        writer.join()
        assert heard == wanted


@pytest.mark.parametrize(
    "wanted", [Follow("a", -1), Follow("a", "x"), Follow("", 0), Follow(3, 0), Follow([], 0)]
)
def test_what_cannot_be_followed_is_an_answer_and_the_log_lives(wanted):
    with running() as (_, shelf, _):
        log = Log.start(shelf, name="log")
        with pytest.raises(InvalidInput):
            log.ask(wanted)
        assert log.is_alive()


def test_followers_who_have_gone_are_forgotten(monkeypatch):
    monkeypatch.setattr(actor_module, "SWEEP", 10)
    with running() as (_, shelf, _):
        log = Log.start(shelf, name="log")
        for number in range(100):
            with pytest.raises(CallTimeout):
                log.ask(Follow(f"stream {number}", 0), timeout=0.0001)
        assert len(log.control.actor._followers) <= 20


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize("reason", ["kill", "bug"])
def test_nothing_is_lost_when_the_log_dies(tmp_path, kind, reason):
    lasting = kind == "memory"

    def make():
        return MemoryStore() if lasting else SqliteStore.open(tmp_path / "log.db")

    with running(make, lasting=lasting) as (node, shelf, opening):
        log = Log.start(shelf, name="log")
        store = store_of(node)
        store.append_wait([record(1)])
        waiting = log.ask(Follow("a", 1), block=False, timeout=PATIENCE)
        how = (lambda: exit(log, "kill")) if reason == "kill" else (lambda: log.stop(reason="bug"))
        end(node, log, how)
        with pytest.raises(CallExit):
            waiting.get()
        again = Log.start(shelf, name="log")
        assert bodies(again.ask(Follow("a", 0))) == ["1"]
        assert len(opening.stores) == (1 if lasting else 2)
        store_of(node).append_wait([record(2)])
        assert bodies(again.ask(Follow("a", 1))) == ["2"]


def test_a_log_that_was_killed_listens_no_more():
    with running(lasting=True) as (node, shelf, _):
        log = Log.start(shelf, name="log")
        store = shelf.store
        for _ in range(5):
            end(node, log, lambda log=log: exit(log, "kill"))
            log = Log.start(shelf, name="log")
        store.append_wait([record(1)])
        assert len(store._listeners._listeners) == 1


def test_a_store_that_is_closed_with_the_log_has_stored_what_was_handed_to_it(tmp_path):
    path = tmp_path / "log.db"
    with running(lambda: SqliteStore.open(path)) as (node, shelf, _):
        log = Log.start(shelf, name="log")
        answers = []
        for number in range(scaled(2000)):
            store_of(node).append([record(number)], answers.append)
        end(node, log, lambda: log.stop(reason="shutdown"))
        assert len(answers) == scaled(2000)
        assert not [one for one in answers if isinstance(one, BaseException)]
    with SqliteStore.open(path, read_only=True) as reader:
        assert reader.last_sequence("a") == scaled(2000)


def test_each_record_reaches_a_follower_once_and_in_order_however_it_races(tmp_path):
    count = scaled(4000)
    with running(lambda: SqliteStore.open(tmp_path / "log.db")) as (_, shelf, _):
        log = Log.start(shelf, name="log")
        store = shelf.store

        def write():
            for number in range(count):
                store.append([record(number)], lambda _: None, PATIENCE)

        writer = threading.Thread(target=write)
        writer.start()
        heard = []
        while len(heard) < count:
            heard += log.ask(Follow("a", len(heard)), timeout=PATIENCE)
        writer.join()
        assert bodies(heard) == [str(number) for number in range(count)]
