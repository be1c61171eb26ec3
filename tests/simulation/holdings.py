"""The auditors of what processes hold: names, entries of registries, tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from beam.errors import AlreadyExists, TableRefused
from beam.otp import Table
from tests.simulation.ledger import Auditor

if TYPE_CHECKING:
    from beam.otp import Ref, TableTransfer
    from beam.otp.registry import RegistryRef
    from tests.simulation.ledger import Ledger

NAMES = "a name has one live holder, and goes with it"
ENTRIES = "a registry has the entries of the living that were made and not taken back"
UNIQUE = "a unique key has one holder"
NEWS = "what is sent to a topic comes once for each entry"
OWNER = "a table has a live owner, and passes to its heir"
ROWS = "a table has the rows that were written"
TRANSFER = "who gets a table is told, once"


class Names(Auditor):
    """Knows who was started under which name."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._names: dict[Ref[Any], str] = {}

    def named(self, ref: Ref[Any], name: str) -> None:
        """Take note of a name; its holder begins."""
        self._names[ref] = name
        self._check(ref, name)

    def _check(self, ref: Ref[Any], name: str) -> None:
        holder = self.ledger.node.whereis(name)
        if holder is not ref:
            self.ledger.object(NAMES, name, ref, holder)

    def died(self, ref: Ref[Any], reason: Any) -> None:
        name = self._names.pop(ref, None)
        if name is not None and self.ledger.node.whereis(name) is ref:
            self.ledger.object(NAMES, name, ref, "dead")

    def looks(self) -> None:
        for ref, name in self._names.items():
            self._check(ref, name)


class Registries(Auditor):
    """Keeps the entries of a registry with unique keys, and of one of topics."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.seats: RegistryRef | None = None
        self.topics: RegistryRef | None = None
        self._seats: dict[Any, tuple[Ref[Any], Any]] = {}
        self._topics: list[tuple[Any, Ref[Any]]] = []
        self._news: dict[tuple[Ref[Any], int], int] = {}
        self._number = 0
        self._partly: dict[int, None] = {}

    def opens(self, key: str, registry: RegistryRef) -> None:
        """Take note of a registry, which is empty."""
        if key == "seats":
            self.seats, self._seats = registry, {}
        else:
            self.topics, self._topics = registry, []

    def take_seat(self, me: Ref[Any], key: Any, value: Any) -> None:
        """Register a process under a unique key."""
        self.ledger.catch_up()
        if self.seats is None or not self.seats.is_alive():
            return
        holder = self._seats.get(key)
        try:
            self.seats.register(key, value)
        except AlreadyExists as taken:
            if holder is None or taken.holder is not holder[0]:
                self.ledger.object(UNIQUE, me, key, holder, taken.holder)
        else:
            if holder is not None:
                self.ledger.object(UNIQUE, me, key, holder)
            self._seats[key] = (me, value)

    def leave_seat(self, me: Ref[Any], key: Any) -> None:
        """Take back what a process has registered under a unique key."""
        self.ledger.catch_up()
        if self.seats is None or not self.seats.is_alive():
            return
        holder = self._seats.get(key)
        mine = holder is not None and holder[0] is me
        if self.seats.unregister(key) != int(mine):
            self.ledger.object(ENTRIES, me, key, holder)
        if mine:
            del self._seats[key]

    def join(self, me: Ref[Any], topic: Any) -> None:
        """Register a process under a topic, once more perhaps."""
        if self.topics is not None and self.topics.is_alive():
            self.topics.register(topic)
            self._topics.append((topic, me))

    def announce(self, topic: Any) -> None:
        """Send to all that hold a topic."""
        self.ledger.catch_up()
        if self.topics is None or not self.topics.is_alive():
            return
        self._number += 1
        holders = [ref for one, ref in self._topics if one == topic]
        for ref in holders:
            self._news[ref, self._number] = self._news.get((ref, self._number), 0) + 1
        self._partly[self._number] = None
        count = self.topics.broadcast(topic, ("news", self._number))
        del self._partly[self._number]  # Else who sent it has been made to crash on the way.
        if count != len(holders):
            self.ledger.object(ENTRIES, topic, holders)

    def news_came(self, me: Ref[Any], number: int) -> None:
        """Take note that it has come."""
        left = self._news[me, number] = self._news.get((me, number), 0) - 1
        if left < 0:
            self.ledger.object(NEWS, me, number)

    def died(self, ref: Ref[Any], reason: Any) -> None:
        self._seats = {key: seat for key, seat in self._seats.items() if seat[0] is not ref}
        self._topics = [entry for entry in self._topics if entry[1] is not ref]

    def looks(self) -> None:
        if self.seats is not None and self.seats.is_alive():
            seats = {key: (ref, value) for key, ref, value in self.seats.entries()}
            if seats != self._seats:
                self.ledger.object(ENTRIES, seats, dict(self._seats))
        if self.topics is not None and self.topics.is_alive():
            found = Counter((key, ref) for key, ref, _ in self.topics.entries())
            if found != Counter(self._topics):
                self.ledger.object(ENTRIES, found, list(self._topics))

    def rests(self) -> None:
        for (ref, number), left in self._news.items():
            if left > 0 and ref in self.ledger.alive and number not in self._partly:
                self.ledger.object(NEWS, ref, number, left)


@dataclass(slots=True, eq=False)
class Chest:
    """What is known of a table."""

    table: Table
    name: str
    owner: Ref[Any] | None
    heir: Ref[Any] | None
    rows: dict[Any, Any] = field(default_factory=dict)


class Chests(Auditor):
    """Keeps a copy of each table, and whose it is."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._chests: dict[Table, Chest] = {}
        self._transfers: dict[Ref[Any], list[tuple[Table, Ref[Any], Any]]] = {}

    def open(self, me: Ref[Any], name: str, heir: Ref[Any] | None) -> None:
        """Make a table of a process's own, unless it is there."""
        if self._find(name) is not None:
            return
        kind: Any = ("set", "ordered_set")[int(name[-1]) % 2]
        given = (heir, name) if heir is not None else None
        table = Table.new(name, kind=kind, named=True, access="public", heir=given)
        heir = heir if heir is not None and heir.is_alive() else None
        self._chests[table] = Chest(table, name, me, heir)

    def name_heir(self, me: Ref[Any], name: str, heir: Ref[Any] | None) -> None:
        """Name another heir, if the table is this process's."""
        chest = self._find(name)
        if chest is not None and chest.owner is me:
            chest.table.set_heir(heir, name)
            chest.heir = heir if heir is not None and heir.is_alive() else None

    def give(self, me: Ref[Any], name: str, to: Ref[Any]) -> None:
        """Give a table away, if it is this process's."""
        chest = self._find(name)
        if chest is not None and chest.owner is me and to is not me and to.is_alive():
            chest.table.give_away(to, "given")
            chest.owner = to
            self._transfers.setdefault(to, []).append((chest.table, me, "given"))

    def write(self, name: str, key: Any, value: Any) -> None:
        """Write a row, and count how many were written."""
        chest = self._find(name)
        if chest is None:
            return
        try:
            chest.table.insert((key, value))
            written = chest.table.update_counter("written", 1, ("written", 0))
        except TableRefused as refused:
            self.ledger.object(OWNER, name, refused.reason)
            return
        chest.rows[key] = value
        chest.rows["written"] = chest.rows.get("written", 0) + 1
        if written != chest.rows["written"]:
            self.ledger.object(ROWS, name, written, chest.rows["written"])

    def erase(self, name: str, key: Any) -> None:
        """Erase a row."""
        chest = self._find(name)
        if chest is not None:
            chest.table.delete(key)
            chest.rows.pop(key, None)

    def _find(self, name: str) -> Chest | None:
        self.ledger.catch_up()
        table = Table.whereis(name)
        known = [chest for chest in self._chests.values() if chest.name == name and chest.owner]
        if (known[0].table if known else None) is not table:
            self.ledger.object(OWNER, name, table, known)
            return None
        return known[0] if known else None

    def transfer_came(self, me: Ref[Any], message: TableTransfer) -> None:
        """Take note that a process is told of a table."""
        self.ledger.catch_up()
        expected = self._transfers.get(me, [])
        got = (message.table, message.process, message.data)
        if got not in expected:
            self.ledger.object(TRANSFER, me, message, list(expected))
        else:
            expected.remove(got)

    def died(self, ref: Ref[Any], reason: Any) -> None:
        for chest in self._chests.values():
            if chest.owner is not ref:
                continue
            heir = chest.heir
            if heir is None or not heir.is_alive():
                chest.owner = None
            else:
                chest.owner = heir
                self._transfers.setdefault(heir, []).append((chest.table, ref, chest.name))

    def looks(self) -> None:
        for chest in self._chests.values():
            if chest.table.owner is not chest.owner:
                self.ledger.object(OWNER, chest.name, chest.table.owner, chest.owner)

    def rests(self) -> None:
        for chest in self._chests.values():
            if chest.owner is not None:
                rows = dict(chest.table.tab2list())
                if rows != chest.rows:
                    self.ledger.object(ROWS, chest.name, rows, chest.rows)
        for ref, expected in self._transfers.items():
            if expected and ref in self.ledger.alive:
                self.ledger.object(TRANSFER, ref, expected)
