"""Registries: keys of processes, which go when the processes do."""

from __future__ import annotations

import asyncio
import functools
import math
import threading
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from beam.errors import (
    AlreadyExists,
    CallExit,
    InvalidInput,
    NotAProcess,
    NotFound,
    NotSupported,
    StartError,
)
from beam.otp import Mailbox, Node, Ref, Server, exit, monitor, whereis
from beam.otp.entries import Entries
from beam.otp.registry import Registry
from tests.otp.actors import SOON, at_once, death_of
from tests.otp.stateful import Inhabited, check, seeds
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")


class Holder(Server):
    """Does with registries what it is told."""

    def init(self, *keys: Any, registry: Any = None) -> None:
        for key in keys:
            registry.register(key, value=("value", key))

    def do(self, registry: Any, function: str, *args: Any) -> Any:
        return getattr(registry, function)(*args)


def do(holder: Ref[Any], registry: Any, function: str, *args: Any) -> Any:
    """Have `holder` call a function of `registry`."""
    return holder.proxy().do(registry, function, *args).get()


# Unique keys


def test_a_process_is_found_under_its_key_with_its_value() -> None:
    names = Registry.start()
    holder = Holder.start("ada", registry=names)
    assert names.whereis("ada") is holder
    assert names.lookup("ada") == [(holder, ("value", "ada"))]
    assert names.whereis("bob") is None
    assert names.lookup("bob") == []


def test_a_process_may_have_many_keys_and_lists_its_own() -> None:
    names = Registry.start()
    holder = Holder.start("a", ("b", 2), None, registry=names)
    assert names.keys(holder) == ["a", ("b", 2), None]
    assert do(holder, names, "keys") == ["a", ("b", 2), None]
    assert names.count() == 3


def test_a_unique_key_has_one_holder_and_who_comes_late_is_told_who() -> None:
    names = Registry.start()
    first = Holder.start("ada", registry=names)
    second = Holder.start()
    for late in (second, first):
        with pytest.raises(AlreadyExists) as taken:
            do(late, names, "register", "ada")
        assert (taken.value.reason, taken.value.key, taken.value.holder) == (
            "already_registered",
            "ada",
            first,
        )
    assert names.count() == 1


def test_a_key_is_free_again_when_it_is_taken_back_and_only_its_holder_can() -> None:
    names = Registry.start()
    first, second = Holder.start("ada", registry=names), Holder.start()
    assert do(second, names, "unregister", "ada") == 0
    assert do(first, names, "unregister", "ada") == 1
    do(second, names, "register", "ada")
    assert names.whereis("ada") is second
    assert names.keys(first) == []


def test_a_holder_can_replace_its_value() -> None:
    names = Registry.start()
    first, second = Holder.start("ada", registry=names), Holder.start()
    assert do(first, names, "update", "ada", lambda old: (*old, "more")) == ("value", "ada", "more")
    assert names.lookup("ada") == [(first, ("value", "ada", "more"))]
    for nobody in ("ada", "bob"):
        with pytest.raises(NotFound) as refused:
            do(second, names, "update", nobody, str)
        assert refused.value.reason == "not_registered"


def test_equal_keys_are_one_key_as_in_a_dict() -> None:
    names = Registry.start()
    holder = Holder.start(1, registry=names)
    assert names.whereis(1.0) is names.whereis(True) is holder
    assert do(holder, names, "unregister", 1.0) == 1
    do(holder, names, "register", math.nan)
    assert do(holder, names, "unregister", math.nan) == 1


def test_another_process_can_be_registered_from_outside() -> None:
    names = Registry.start()
    holder = Holder.start()
    names.register("ada", 36, process=holder)
    assert names.lookup("ada") == [(holder, 36)]
    assert names.unregister("ada", process=holder) == 1


# Duplicate keys


def test_a_group_is_found_in_the_order_in_which_its_members_came() -> None:
    groups = Registry.start(keys="duplicate")
    members = [Holder.start("group", registry=groups) for _ in range(5)]
    assert [member for member, _ in groups.lookup("group")] == members
    do(members[1], groups, "unregister", "group")
    do(members[1], groups, "register", "group")
    expected = [*members[:1], *members[2:], members[1]]
    assert [member for member, _ in groups.lookup("group")] == expected


def test_a_process_may_hold_a_duplicate_key_several_times() -> None:
    groups = Registry.start("duplicate")
    holder = Holder.start("x", "y", "x", registry=groups)
    assert groups.keys(holder) == ["x", "y", "x"]
    assert len(groups.lookup("x")) == 2
    assert do(holder, groups, "unregister", "x") == 2
    assert groups.entries() == [("y", holder, ("value", "y"))]


@pytest.mark.parametrize("function", ["whereis", "update"])
def test_what_needs_unique_keys_says_so(function: str) -> None:
    groups = Registry.start(keys="duplicate")
    with Mailbox(), pytest.raises(NotSupported) as refused:
        getattr(groups, function)(*["x", str][: 1 if function == "whereis" else 2])
    assert refused.value.reason == "duplicate_keys"


def test_a_dispatch_hands_over_the_whole_group_at_once_and_nothing_if_there_is_none() -> None:
    groups = Registry.start(keys="duplicate")
    members = [Holder.start("group", registry=groups) for _ in range(3)]
    handed: list[Any] = []
    assert groups.dispatch("group", handed.append) == 3
    assert groups.dispatch("nobody", handed.append) == 0
    assert handed == [[(member, ("value", "group")) for member in members]]


def test_what_a_dispatched_function_raises_is_raised() -> None:
    groups = Registry.start(keys="duplicate")
    Holder.start("group", registry=groups)
    with pytest.raises(ZeroDivisionError):
        groups.dispatch("group", lambda _entries: 1 / 0)
    assert groups.count() == 1


def test_a_broadcast_reaches_each_entry_and_the_dead_trouble_nobody() -> None:
    groups = Registry.start(keys="duplicate")
    with Mailbox() as me:
        dying = Holder.start("news", registry=groups)
        for _ in range(2):
            groups.register("news")
        exit(dying, "kill")
        death_of(dying)
        assert groups.broadcast("news", "hello") == 2
        assert [me.receive(timeout=SOON) for _ in range(2)] == ["hello", "hello"]


# Death


def test_g5_the_entries_of_a_process_are_gone_before_its_down_is_delivered() -> None:
    groups = Registry.start(keys="duplicate")
    names = Registry.start()
    stay = Holder.start("stays", registry=names)
    with Mailbox() as me:
        for number in range(scaled(40_000)):
            holder = Holder.start(number, "group", registry=groups)
            names.register(number, process=holder)
            monitor(holder)
            exit(holder, "shutdown")
            assert me.receive(timeout=SOON).process is holder
            assert groups.entries() == []
            assert names.whereis(number) is None
            assert names.keys(holder) == []
    assert names.entries() == [("stays", stay, ("value", "stays"))]


def test_g5_the_entries_of_a_process_are_gone_before_a_link_hears_of_its_death() -> None:
    names = Registry.start()
    with Mailbox(trap_exit=True) as me:
        holder = Holder.start_link("x", registry=names)
        exit(holder, "shutdown")
        assert me.receive(timeout=SOON).process is holder
        assert names.lookup("x") == []


def test_a_key_of_a_dead_process_can_be_taken_at_once() -> None:
    names = Registry.start()
    for _ in range(50):
        holder = Holder.start("one", registry=names)
        exit(holder, "kill")
        death_of(holder)
    assert names.count() == 0


def test_a_dead_process_cannot_be_registered() -> None:
    names = Registry.start()
    holder = Holder.start()
    holder.stop()
    with pytest.raises(NotFound) as refused:
        names.register("x", process=holder)
    assert refused.value.reason == "noproc"
    assert names.count() == 0


def test_a_process_that_does_not_start_leaves_no_entry() -> None:
    names = Registry.start()

    class Failing(Server):
        def init(self) -> None:
            names.register("x")
            raise LookupError

    with pytest.raises(StartError):
        Failing.start()
    assert names.count() == 0


def test_when_a_registry_ends_its_holders_live_and_its_functions_say_so() -> None:
    names = Registry.start(name="names")
    other = Registry.start()
    holder = Holder.start("x", registry=names)
    other.register("y", process=holder)
    names.register("itself", process=names)
    names.stop()
    assert whereis("names") is None
    for use in (
        lambda: names.lookup("x"),
        lambda: names.register("z", process=holder),
        lambda: names.unregister("x", process=holder),
        names.count,
        names.entries,
    ):
        with pytest.raises(CallExit) as failed:
            use()
        assert (failed.value.reason, failed.value.process) == ("noproc", names)
    assert holder.is_alive()
    assert other.keys(holder) == ["y"]
    exit(holder, "kill")
    death_of(holder)
    assert other.count() == 0


def test_nothing_of_a_registry_stays_with_processes_that_hold_nothing() -> None:
    names = Registry.start()
    holder = Holder.start("x", "y", registry=names)
    assert do(holder, names, "unregister", "x") == 1
    assert holder.control.holdings
    assert do(holder, names, "unregister", "y") == 1
    assert not holder.control.holdings


# What is refused


@pytest.mark.parametrize("keys", ["unqiue", None, 1])
def test_g20_a_registry_of_another_kind_is_refused_by_name(keys: Any) -> None:
    for start in (Registry.start, lambda **options: Registry.start(options["keys"])):
        with pytest.raises(InvalidInput) as refused:
            start(keys=keys)
        assert (refused.value.field, refused.value.value) == ("keys", keys)
    with Mailbox():
        with pytest.raises(InvalidInput):
            Registry.start_link(keys=keys)
        with pytest.raises(InvalidInput):
            Registry.start_monitor(keys=keys)


def test_g20_a_key_that_cannot_be_hashed_is_refused_by_name() -> None:
    names = Registry.start()
    for use in (names.lookup, names.whereis, names.register, names.unregister):
        with Mailbox(), pytest.raises(InvalidInput) as refused:
            use(["a", "list"])
        assert refused.value.field == "key"


def test_registering_is_for_processes() -> None:
    names = Registry.start()
    for use in (names.register, names.unregister):
        with pytest.raises(NotAProcess):
            use("x")
    with pytest.raises(NotAProcess):
        names.keys()
    with pytest.raises(NotAProcess):
        names.update("x", str)


def test_a_registry_declines_calls_and_survives_any_message() -> None:
    names = Registry.start()
    with pytest.raises(NotSupported):
        names.ask("x")
    names.cast("x")
    names.tell("x")
    assert dir(names.proxy()) == ["actor_ref"]
    assert names.stop()


# Around it


def test_a_registry_is_linked_and_monitored_as_every_process_is() -> None:
    with Mailbox(trap_exit=True) as me:
        linked = Registry.start_link(name="linked")
        watched, watch = Registry.start_monitor(keys="duplicate")
        linked.stop()
        assert me.receive(timeout=SOON).process is linked
        watched.stop()
        assert me.receive(timeout=SOON).monitor is watch


@pytest.mark.schedulers("pool")  # An event loop waits for what is real.
def test_a_registry_is_started_and_used_in_an_event_loop() -> None:
    async def use() -> Any:
        names = await Registry.aio.start()
        names.register("x", process=Holder.start(registry=names))
        return names.count()

    with pytest.warns(match="Holder"):
        assert asyncio.run(use()) == 1


def test_with_a_registry_ends_it() -> None:
    with Registry.start(name="names") as names:
        assert whereis("names") is names
    assert not names.is_alive()
    assert names.exit_reason == "shutdown"


@pytest.mark.schedulers("pool", "thread")  # A simulation is of one node.
def test_processes_of_two_nodes_may_share_a_registry() -> None:
    names = Registry.start()
    with Node():
        there = Holder.start("there", registry=names)
        assert names.whereis("there") is there
    assert names.count() == 0


# Against a plain model


class RegistryAgainstModel(Inhabited):
    """Processes that register, take back, update and die, in any order."""

    @initialize(seed=seeds, unique=st.booleans())
    def start(self, seed: int, unique: bool) -> None:
        self.enter(seed)
        self.unique = unique
        self.registry = Registry.start(keys="unique" if unique else "duplicate")
        self.holders = [Holder.start() for _ in range(4)]
        self.entries: list[tuple[Any, Any, Any]] = []
        self.values = 0

    who = st.integers(0, 3)
    what = st.sampled_from(["a", "b", "c", ("d", 1)])

    @rule(at=who, key=what)
    def register(self, at: int, key: Any) -> None:
        self.values += 1
        taken = self.unique and any(entry[0] == key for entry in self.entries)
        try:
            self.registry.register(key, self.values, process=self.holders[at])
        except AlreadyExists:
            assert taken
        else:
            assert not taken
            self.entries.append((key, self.holders[at], self.values))

    @rule(at=who, key=what)
    def unregister(self, at: int, key: Any) -> None:
        left = [entry for entry in self.entries if entry[:2] != (key, self.holders[at])]
        gone = self.registry.unregister(key, process=self.holders[at])
        assert gone == len(self.entries) - len(left)
        self.entries = left

    @precondition(lambda self: self.unique)
    @rule(key=what)
    def update(self, key: Any) -> None:
        held = [at for at, entry in enumerate(self.entries) if entry[0] == key]
        for at in held:
            _, holder, value = self.entries[at]
            assert do(holder, self.registry, "update", key, lambda old: -old) == -value
            self.entries[at] = (key, holder, -value)

    @rule(at=who)
    def die(self, at: int) -> None:
        holder = self.holders[at]
        self.holders[at] = Holder.start()
        exit(holder, "kill")
        assert death_of(holder) == "killed"
        self.entries = [entry for entry in self.entries if entry[1] is not holder]

    @invariant()
    def is_as_the_model(self) -> None:
        assert self.registry.count() == len(self.entries)
        assert sorted(map(str, self.registry.entries())) == sorted(map(str, self.entries))
        for key in ("a", "b", "c", ("d", 1)):
            expected = [entry[1:] for entry in self.entries if entry[0] == key]
            assert self.registry.lookup(key) == expected
            if self.unique:
                assert self.registry.whereis(key) is (expected[0][0] if expected else None)
        for holder in self.holders:
            expected_keys = [entry[0] for entry in self.entries if entry[1] is holder]
            assert self.registry.keys(holder) == expected_keys
            assert bool(holder.control.holdings) == bool(expected_keys)


@pytest.mark.schedulers("simulation", "pool")
def test_a_registry_is_as_its_model(scheduler: Any) -> None:
    check(RegistryAgainstModel, scheduler)


# Many threads


@pytest.mark.schedulers("pool", "thread")
def test_g5_no_entry_outlives_its_process_while_threads_register_and_kill() -> None:
    groups, names = Registry.start(keys="duplicate"), Registry.start()
    rounds, threads = scaled(100_000, 50), 4
    wrong: list[Any] = []
    done = threading.Event()

    def churn(number: int) -> None:
        with Mailbox() as me:
            for round_ in range(rounds // threads):
                holder = Holder.start()
                groups.register("group", round_, process=holder)
                try:
                    names.register(round_ % 7, process=holder)
                except AlreadyExists as taken:
                    wrong.extend([taken] if taken.holder is holder else [])
                monitor(holder)
                exit(holder, "kill")
                me.receive(timeout=SOON)
                found = [*groups.lookup("group"), *((one[1], 0) for one in names.entries())]
                wrong.extend(one for one in found if one[0] is holder)

    def read() -> None:
        while not done.is_set():
            groups.broadcast("group", "hello")
            for key in range(7):
                names.whereis(key)
            assert names.count() <= threads

    reader = threading.Thread(target=read)
    reader.start()
    at_once(*[functools.partial(churn, number) for number in range(threads)])
    done.set()
    reader.join()
    assert wrong == []
    assert groups.entries() == names.entries() == []


@pytest.mark.schedulers("pool", "thread")
def test_one_of_many_threads_that_want_a_key_gets_it() -> None:
    names = Registry.start()
    holders = [Holder.start() for _ in range(8)]
    for key in range(scaled(2000)):

        def wants(holder: Any, key: int = key) -> Any:
            try:
                names.register(key, process=holder)
            except AlreadyExists as taken:
                return taken.holder
            return holder

        told = at_once(*[functools.partial(wants, holder) for holder in holders])
        assert set(told) == {names.whereis(key)}


def test_what_a_registry_holds_is_found_from_either_side() -> None:
    owner, holder = Holder.start().control, Holder.start().control
    entries = Entries(owner, unique=False)
    for key in ("a", "b", "a"):
        assert entries.add(holder, key, None) is None
    assert [entry.key for entry in entries.of_holder(holder)] == ["a", "b", "a"]
    assert (len(entries), len(entries.of_key("a"))) == (3, 2)
    entries.holder_died(holder)
    assert (len(entries), entries.all(), entries.closed) == (0, [], False)
    entries.holder_died(owner)
    assert entries.closed
