"""Tables of processes that come and go, against a plain model of who owns what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from beam.otp import Table, TableTransfer
from tests.otp.actors import InlineEcho
from tests.otp.stateful import Inhabited, check, seeds
from tests.otp.tables import by, kill, outcome
from tests.volume import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp import Ref
    from beam.otp.table import Access

NAMES = ("a", "b")
KEYS = (1, 2, 3)

numbers = st.integers(0, 1000)
names = st.sampled_from(NAMES)
keys = st.sampled_from(KEYS)


@dataclass(eq=False)
class Person:
    """A process, as the model knows it: what it owns, oldest first, and what it was told."""

    ref: Ref[Any]
    owns: list[Thing] = field(default_factory=list)
    told: list[TableTransfer] = field(default_factory=list)


@dataclass(eq=False)
class Thing:
    """A table, as the model knows it; without an owner when it is gone."""

    table: Table
    name: str
    named: bool
    access: Access
    owner: Person | None
    heir: tuple[Person, int] | None = None
    rows: dict[int, int] = field(default_factory=dict)
    fixes: dict[Person, int] = field(default_factory=dict)


class OwnersMachine(Inhabited):
    """Processes make tables, use them, hand them on and die."""

    @initialize(seed=seeds)
    def begin(self, seed: int) -> None:
        self.enter(seed)
        self.alive: list[Person] = []
        self.dead: list[Person] = []
        self.things: list[Thing] = []
        for _ in range(3):
            self.start()

    # Who and what, by number

    def person(self, number: int) -> Person:
        return self.alive[number % len(self.alive)]

    def anybody(self, number: int) -> Person:
        everybody = self.alive + self.dead
        return everybody[number % len(everybody)]

    def thing(self, number: int) -> Thing:
        return self.things[number % len(self.things)]

    def named(self, name: str) -> Thing | None:
        found = [each for each in self.things if each.owner and each.named and each.name == name]
        assert len(found) <= 1
        return found[0] if found else None

    def refusal(self, who: Person, thing: Thing, need: str) -> str | None:
        """Return the reason for which the model refuses, `None` if it does not."""
        if thing.owner is None:
            return "no_table"
        open_to_all = {"read": ("public", "protected"), "write": ("public",), "own": ()}[need]
        return None if who is thing.owner or thing.access in open_to_all else "no_access"

    def do(
        self, who: Person, thing: Thing, need: str, function: Callable[..., Any], *args: Any
    ) -> Any:
        """Have `who` do it; return what came of it, `refused` if the model refuses too."""
        result = by(who.ref, outcome, function, *args)
        refusal = self.refusal(who, thing, need)
        if refusal is None:
            return result
        assert result == refusal
        return "refused"

    # Processes

    @rule()
    @precondition(lambda self: len(self.alive) < 5)
    def start(self) -> None:
        self.alive.append(Person(InlineEcho.start()))

    @rule(who=numbers)
    @precondition(lambda self: len(self.alive) > 1)
    def die(self, who: int) -> None:
        person = self.person(who)
        kill(person.ref)
        self.alive.remove(person)
        self.dead.append(person)
        for thing in person.owns:
            if thing.heir is None or thing.heir[0] in self.dead:
                thing.owner = None
            else:
                self.pass_on(thing, person, *thing.heir)
        for thing in self.things:
            thing.fixes.pop(person, None)

    def pass_on(self, thing: Thing, giver: Person, taker: Person, data: Any) -> None:
        thing.owner = taker
        taker.owns.append(thing)
        taker.told.append(TableTransfer(thing.table, giver.ref, data))

    # Tables

    @rule(
        who=numbers,
        name=names,
        named=st.booleans(),
        access=st.sampled_from(["public", "protected", "private"]),
        heir=st.none() | numbers,
    )
    def make(self, who: int, name: str, named: bool, access: Access, heir: int | None) -> None:
        owner = self.person(who)
        successor = None if heir is None else (self.anybody(heir), heir)
        given = None if successor is None else (successor[0].ref, successor[1])
        options = {"access": access, "heir": given, "named": named}
        made = by(owner.ref, outcome, Table.new, name, **options)
        if named and self.named(name) is not None:
            assert made == "name_taken"
            return
        thing = Thing(made, name, named, access, owner, self.if_alive(successor))
        self.things.append(thing)
        owner.owns.append(thing)

    def if_alive(self, heir: tuple[Person, int] | None) -> tuple[Person, int] | None:
        return None if heir is None or heir[0] in self.dead else heir

    @rule(who=numbers, what=numbers, to=numbers)
    @precondition(lambda self: self.things)
    def give_away(self, who: int, what: int, to: int) -> None:
        giver, thing, taker = self.person(who), self.thing(what), self.anybody(to)
        result = self.do(giver, thing, "own", thing.table.give_away, taker.ref, to)
        if result == "refused":
            return
        if taker is giver or taker in self.dead:
            assert result == ("already_owner" if taker is giver else "noproc")
            return
        giver.owns.remove(thing)
        self.pass_on(thing, giver, taker, to)

    @rule(who=numbers, what=numbers, heir=st.none() | numbers)
    @precondition(lambda self: self.things)
    def set_heir(self, who: int, what: int, heir: int | None) -> None:
        owner, thing = self.person(who), self.thing(what)
        successor = None if heir is None else (self.anybody(heir), heir)
        ref = None if successor is None else successor[0].ref
        if self.do(owner, thing, "own", thing.table.set_heir, ref, heir) is None:
            thing.heir = self.if_alive(successor)

    @rule(who=numbers, what=numbers, name=names)
    @precondition(lambda self: self.things)
    def rename(self, who: int, what: int, name: str) -> None:
        thing = self.thing(what)
        taken = thing.named and self.named(name) is not None
        result = self.do(self.person(who), thing, "write", thing.table.rename, name)
        if result != "refused":
            assert result == ("name_taken" if taken else name)
            thing.name = thing.name if taken else name

    @rule(who=numbers, what=numbers)
    @precondition(lambda self: self.things)
    def drop(self, who: int, what: int) -> None:
        thing = self.thing(what)
        if self.do(self.person(who), thing, "write", thing.table.drop) is None:
            assert thing.owner is not None
            thing.owner.owns.remove(thing)
            thing.owner = None

    # Rows

    @rule(who=numbers, what=numbers, key=keys, value=numbers)
    @precondition(lambda self: self.things)
    def insert(self, who: int, what: int, key: int, value: int) -> None:
        thing = self.thing(what)
        if self.do(self.person(who), thing, "write", thing.table.insert, (key, value)) is True:
            thing.rows[key] = value

    @rule(who=numbers, what=numbers, key=keys)
    @precondition(lambda self: self.things)
    def count(self, who: int, what: int, key: int) -> None:
        thing = self.thing(what)
        counter = thing.table.update_counter
        result = self.do(self.person(who), thing, "write", counter, key, 1)
        if result != "refused":
            assert result == (thing.rows[key] + 1 if key in thing.rows else "bad_key")
            if key in thing.rows:
                thing.rows[key] += 1

    @rule(who=numbers, what=numbers, key=keys)
    @precondition(lambda self: self.things)
    def delete(self, who: int, what: int, key: int) -> None:
        thing = self.thing(what)
        if self.do(self.person(who), thing, "write", thing.table.delete, key) is True:
            thing.rows.pop(key, None)

    @rule(who=numbers, what=numbers, key=keys)
    @precondition(lambda self: self.things)
    def look(self, who: int, what: int, key: int) -> None:
        thing, person = self.thing(what), self.person(who)
        row = [(key, thing.rows[key])] if key in thing.rows else []
        assert self.do(person, thing, "read", thing.table.lookup, key) in (row, "refused")
        assert self.do(person, thing, "read", thing.table.member, key) in (bool(row), "refused")
        everything = self.do(person, thing, "read", thing.table.tab2list)
        assert everything == "refused" or sorted(everything) == sorted(thing.rows.items())

    @rule(who=numbers, what=numbers)
    @precondition(lambda self: self.things)
    def fix(self, who: int, what: int) -> None:
        thing, person = self.thing(what), self.person(who)
        if self.do(person, thing, "read", thing.table.fix) is None:
            thing.fixes[person] = thing.fixes.get(person, 0) + 1

    @rule(who=numbers, what=numbers)
    @precondition(lambda self: self.things)
    def release(self, who: int, what: int) -> None:
        thing, person = self.thing(what), self.person(who)
        if self.do(person, thing, "read", thing.table.release) is None:
            thing.fixes[person] = max(0, thing.fixes.get(person, 0) - 1)

    # What must hold

    @invariant()
    def everything_is_as_in_the_model(self) -> None:
        if not hasattr(self, "node"):
            return
        for thing in self.things:
            if thing.owner is None:
                assert outcome(thing.table.info) == "no_table"
                assert thing.table.owner is None
                continue
            assert thing.table.info() == {
                "type": "set",
                "keypos": 1,
                "size": len(thing.rows),
                "fixed": any(thing.fixes.values()),
                "name": thing.name,
                "named": thing.named,
                "access": thing.access,
                "owner": thing.owner.ref,
                "heir": thing.heir[0].ref if thing.heir is not None else None,
            }
        for name in NAMES:
            found = self.named(name)
            assert Table.whereis(name) is (None if found is None else found.table)
        for person in self.alive:
            assert person.ref.ask("told") == person.told


@pytest.mark.usefixtures("unlogged")
@pytest.mark.schedulers("simulation", "pool")
def test_tables_and_their_owners_do_what_the_model_does(scheduler: Any) -> None:
    check(OwnersMachine, scheduler, examples=scaled(500))
