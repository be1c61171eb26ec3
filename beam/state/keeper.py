"""The keeper of tables: while an owner restarts, its table waits here, with every row.

    >>> from beam.otp import Node, exit
    >>> class Notes(TableOwner):
    ...     def init(self):
    ...         self._table = self._take_table("notes")
    ...     def note(self, key, what):
    ...         self._table.insert((key, what))
    >>> with Node() as node:
    ...     _ = TableKeeper.start(name="keeper")
    ...     first = Notes.start(name="notes")
    ...     first.proxy().note("colour", "red").get()
    ...     exit(first, "kill")
    ...     _ = Notes.start(name="notes")
    ...     table_of(node, "notes").lookup("colour")
    [('colour', 'red')]

The keeper is the heir of each table. It does nothing but hold what it inherits and give it to the
process that next starts under the owner's name; so it has nothing to crash of, and is started
before the owners. If it dies all the same, the next keeper offers itself to the owners that live.
Only if a table's owner dies while there is no keeper, the table is lost.

A table can be read all the time, whoever owns it. One that is new because the old one was lost has
few rows at first: who misses one there waits until it is filled (`filled_table_of`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from beam.errors import NotFound, Refused
from beam.otp import Ref, Server, Table, TableTransfer
from beam.state.answering import AnsweringServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from beam.otp import Call, Node

    Running = Callable[[], None]

__all__ = ["KEEPER", "POSITION", "TableKeeper", "TableOwner", "filled_table_of", "table_of"]

KEEPER = "keeper"
"""The name of the process."""

POSITION = ("position",)
"""The key under which a table that is read back from the log has the position up to which it is
true; put there last, so that a table without it is being filled."""

# Seconds that a reader waits for a table that is being filled, and between two looks at it.
PATIENCE = 5.0
LOOK_AGAIN = 0.005


@dataclass(frozen=True, slots=True)
class _Claim:
    """An owner's call: give me the table that is mine."""

    name: str


@dataclass(frozen=True, slots=True)
class _NewKeeper:
    """Mail to an owner: name me the heir of your table."""

    keeper: Ref[Any]


class TableKeeper(Server):
    """The process `keeper`."""

    blocking: ClassVar[bool | None] = False

    def init(self, owners: Sequence[str] = ()) -> None:
        """Begin with no table.

        Args:
            owners: the names of the processes whose tables are kept, for the case that they live
                longer than the keeper before this one.
        """
        self._kept: dict[str, Table] = {}
        for name in owners:
            owner = self.node.whereis(name)
            if owner is not None:
                owner.cast(_NewKeeper(self.actor_ref))

    def handle_call(self, message: Any, caller: Call) -> Any:
        """Give a table back to the process that claims it; `None` if there is none."""
        if not isinstance(message, _Claim) or caller.process is None:
            raise Refused("unknown_request", request=repr(message))
        table = self._kept.get(message.name)
        if table is not None:
            # Before it is given away, in case the process dies while it takes it over.
            table.set_heir(self.actor_ref, message.name)
            table.give_away(caller.process, message.name)
            del self._kept[message.name]
        return table

    def handle_info(self, message: Any) -> None:
        """Take what an owner has left."""
        if isinstance(message, TableTransfer):
            self._kept[message.data] = message.table
        else:
            super().handle_info(message)


class TableOwner(AnsweringServer, framework=True):
    """A server that owns a table, and takes it over from the one that had its name before."""

    _owned: Table | None = None

    def _take_table(self, name: str) -> Table:
        """Return the table of this name, now this process's: as it was left, or new.

        Raises:
            NotFound: `no_keeper`.
        """
        keeper = self.node.whereis(KEEPER)
        if keeper is None:
            raise NotFound("no_keeper", node=self.node.name)
        table: Table | None = keeper.ask(_Claim(name))
        if table is None:
            table = Table.new(name, heir=(keeper, name), named=True)
        self._owned = table
        return table

    def _receive_cast(self, message: Any) -> None:
        if not isinstance(message, _NewKeeper):
            super()._receive_cast(message)
        elif self._owned is not None:
            self._owned.set_heir(message.keeper, self._owned.name)

    def _receive_info(self, message: Any) -> None:
        if not isinstance(message, TableTransfer):  # What the keeper gave back is here already.
            super()._receive_info(message)


def table_of(node: Node, name: str, running: Running | None = None) -> Table:
    """Return the table of this name, for reading; its owner may be restarting.

    Args:
        node: where the owner runs.
        name: the table's.
        running: if given, a table that was lost is waited for, 5 s at most; it raises what ends the
            wait, if the fleet is over.

    Raises:
        NotFound: `no_table`; `restarting`: nobody had a new one by then.
    """
    table = node.tables.get(name)
    if table is None:
        if running is None:
            raise NotFound("no_table", table=name, node=node.name)
        return _new_table_of(node, name, running)
    return table


def _new_table_of(node: Node, name: str, running: Running) -> Table:
    until = node.clock.now() + PATIENCE
    while (table := node.tables.get(name)) is None:
        running()
        if node.clock.now() >= until:
            raise NotFound("restarting", name=name)
        node.sleep(LOOK_AGAIN)
    return table


def filled_table_of(
    node: Node, name: str, patience: float = PATIENCE, running: Running | None = None
) -> Table:
    """Return the table of this name once its owner has read back what the log knows.

    Args:
        node: where the owner runs.
        name: the table's.
        patience: how many seconds to wait for that.
        running: as of `table_of`.

    Raises:
        NotFound: `no_table`; `restarting`: it was not done with reading by then.
    """
    table = table_of(node, name, running)
    if table.member(POSITION):
        return table
    until = node.clock.now() + patience
    while not table.member(POSITION):
        if node.clock.now() >= until:
            raise NotFound("restarting", name=name)
        node.sleep(LOOK_AGAIN)
        table = table_of(node, name, running)
    return table
