"""`Table`: rows by key, held by an owner process and read by anybody, as Erlang's `ets`.

    >>> from beam.otp import Table
    >>> users = Table.new("users", kind="ordered_set")
    >>> users.insert(("ada", 36), ("bob", 41))
    True
    >>> users.lookup("bob"), users.match(("$1", 36)), users.update_counter("ada", 1)
    ([('bob', 41)], [['ada']], 37)
    >>> users.drop()

The owner is the process that makes the table, the node's `init` outside any. A table lives as long
as its owner, whoever refers to it, unless it has an heir, which gets it with a `TableTransfer`
message when the owner dies, before any link or monitor hears of the death. Who may do what is said
by `access`: `"public"`, everybody reads and writes; `"protected"`, the owner writes and everybody
reads; `"private"`, the owner does both. Others are refused, as OTP's `badarg`. Everybody may ask
for `info`, the owner alone gives the table away and names the heir.

Every operation runs where its caller runs, none passes through the owner's mailbox. Reads of one
key (`lookup`, `lookup_element`, `member`) take no lock and wait for nobody. All others run under
the table's lock, one after the other: a search of many rows holds up the writers for as long as it
takes. What the operations do is told in `beam.otp.storage`.

Limits: rows are handed out as they are stored, not copied. A method of the table that was kept
(`look = table.lookup`) reads the rows as they were when the table went, instead of being refused.
Code outside any process has no identity: it acts as `init` of the table's node, on any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, Self

from beam.errors import Exited, InvalidInput, TableRefused
from beam.otp.context import here
from beam.otp.control import Control, Life
from beam.otp.interrupt import uninterrupted
from beam.otp.kinds import new_storage
from beam.otp.mail import Info
from beam.otp.node import check_name, current_node
from beam.otp.operations import Operations
from beam.otp.reasons import TableTransfer
from beam.otp.ref import Ref
from beam.otp.table_lock import TableLock

if TYPE_CHECKING:
    from beam.otp.node import Node
    from beam.otp.storage import Storage

__all__ = ["Access", "Kind", "Table"]

Kind = Literal["set", "ordered_set", "bag", "duplicate_bag"]
Access = Literal["public", "protected", "private"]
ACCESS: Final[tuple[Access, ...]] = ("public", "protected", "private")

# Reads of one key, which need no lock; see `beam.otp.storage`.
_FREE_READS: Final = ("lookup", "lookup_element", "member")


class Table(Operations):
    """A table; made by `Table.new`. A reference: it may be passed around, and outlives the rows.

    Every operation raises `TableRefused`: `no_table` if the table is gone, `no_access` if the
    calling process may not do it.
    """

    def __init__(self, node: Node, name: Any, storage: Storage, access: Access) -> None:
        self._node = node
        self._name = name
        self._named = False
        self._access: Access = access
        self._owner: Control = node.init
        self._heir: tuple[Control, Any] | None = None
        self._storage: Storage | None = storage
        self._fixers = {}
        self._lock = TableLock()
        self._number = node.next_serial()
        if access != "private":
            # Bound to the rows themselves: such a read costs what it costs there.
            for read in _FREE_READS:
                setattr(self, read, getattr(storage, read))

    @classmethod
    def new(
        cls,
        name: Any = None,
        *,
        kind: Kind = "set",
        access: Access = "protected",
        keypos: int = 1,
        heir: Ref[Any] | tuple[Ref[Any], Any] | None = None,
        named: bool = False,
    ) -> Table:
        """Make a table, owned by the calling process (`ets:new/2`).

        Args:
            name: what to call it; need not be unique unless it is `named`.
            kind: `"set"`, `"ordered_set"`, `"bag"` or `"duplicate_bag"`.
            access: who may do what; see the module.
            keypos: which element of a row is its key, from 1 on.
            heir: who gets it when the owner dies, and with a second value the data of the
                `TableTransfer`; see `set_heir`.
            named: whether `Table.whereis(name)` finds it, in its node.

        Raises:
            InvalidInput: an argument is not what it must be.
            TableRefused: `name_taken`: another named table has the name.
        """
        if access not in ACCESS:
            raise InvalidInput("access", access, " or ".join(map(repr, ACCESS)))
        if named:
            check_name(name)
        successor = _heir(heir)
        node = current_node()
        table = cls(node, name, new_storage(kind, keypos), access)
        with uninterrupted(node.lock):
            me = table._me()
            if me.life is Life.DEAD:
                raise Exited(me.exit_reason)  # Given up, and at it still (G9).
            if named:
                table._take_name(name)
                table._named = True
            table._heir = _if_alive(successor)
            table._enter(me)
        return table

    @classmethod
    def whereis(cls, name: Any) -> Table | None:
        """Return the named table of the current node that is called `name`, `None` if none is.

        Raises:
            InvalidInput: `name` cannot be a name.
        """
        check_name(name)
        return current_node().tables.get(name)

    def __repr__(self) -> str:
        return f"<Table {self._name!r} #{self._number}>"

    def __bool__(self) -> bool:
        """Return True: it is a table, however few its rows; `len` counts them."""
        return True

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} belongs to this Python process and cannot be pickled")

    @property
    def __term_order__(self) -> tuple[str, int]:
        return (self._node.name, self._number)

    @property
    def name(self) -> Any:
        """What the table is called."""
        return self._name

    @property
    def owner(self) -> Ref[Any] | None:
        """The process that owns it, `None` if it is gone."""
        return self._owner.ref if self._storage is not None else None

    def info(self) -> dict[str, Any]:
        """Return what the table is, to anybody, of a private table too (`ets:info/1`).

        Returns:
            `type`, `keypos`, `size`, `fixed`, `name`, `named`, `access`, `owner` and `heir`; the
            last two are refs, the heir `None` if there is none.

        Raises:
            TableRefused: `no_table`.
        """
        with self._lock:
            storage = self._storage
            if storage is None:
                raise self._refusal()
            self._release_for_the_dead(storage)
            found = storage.info()
        heir = self._heir
        return {
            **found,
            "name": self._name,
            "named": self._named,
            "access": self._access,
            "owner": self._owner.ref,
            "heir": heir[0].ref if heir is not None else None,
        }

    # Changing hands

    def give_away(self, to: Ref[Any], data: Any = None) -> None:
        """Make another process the owner; it gets a `TableTransfer` (`ets:give_away/3`).

        Args:
            to: the process.
            data: what the message says.

        Raises:
            InvalidInput: `to` is no ref.
            TableRefused: `noproc` (it is dead), `already_owner`, `no_access` (the calling process
                is not the owner), `no_table`.
        """
        taker = _control_of("to", to)
        with uninterrupted(self._node.lock):
            giver = self._must_own()
            if taker is giver:
                raise TableRefused("already_owner", table=self, process=to)
            if taker.life is Life.DEAD:
                raise TableRefused("noproc", table=self, process=to)
            self._leave(giver)
            self._enter(taker)
            taker.post(Info(TableTransfer(self, giver.ref, data)))

    def set_heir(self, heir: Ref[Any] | None, data: Any = None) -> None:
        """Say who gets the table when its owner dies (`ets:setopts/2`).

        It stays the heir when it has inherited, or was given the table; but nobody is his own.

        Args:
            heir: the process; `None`, or one that is dead, for nobody.
            data: what its `TableTransfer` will say.

        Raises:
            InvalidInput: `heir` is neither a ref nor `None`.
            TableRefused: `no_access` (the calling process is not the owner), `no_table`.
        """
        successor = _heir(None if heir is None else (heir, data))
        with uninterrupted(self._node.lock):
            self._must_own()
            before, self._heir = self._heir, _if_alive(successor)
        del before  # Not under the lock: its data may run code as it goes.

    def drop(self) -> None:
        """Let the table go, with its rows and its name (`ets:delete/1`). Who may write may.

        Raises:
            TableRefused: `no_access`, `no_table`.
        """
        with uninterrupted(self._node.lock):
            self._writable()
            self._leave(self._owner)
            remains = self._end()
        del remains  # Not under the lock: rows may be many, and run code as they go.

    def rename(self, name: Any) -> Any:
        """Call the table otherwise, and return the name (`ets:rename/2`). Who may write may.

        Raises:
            InvalidInput: the table is named, and `name` cannot be a name.
            TableRefused: `name_taken` (by a named table, perhaps this one), `no_access`,
                `no_table`.
        """
        if self._named:
            check_name(name)
        with uninterrupted(self._node.lock):
            self._writable()
            if self._named:
                self._take_name(name)
                del self._node.tables[self._name]
            self._name = name
        return name

    def holder_died(self, holder: Control) -> None:
        """Pass to the heir, or go; called by the kernel under the node's lock."""
        if self._heir is None or self._heir[0].life is Life.DEAD:
            assert holder.holdings is not None
            holder.holdings[self] = self._end()
            return
        heir, data = self._heir
        self._enter(heir)
        heir.post(Info(TableTransfer(self, holder.ref, data)))

    def _take_name(self, name: Any) -> None:
        tables = self._node.tables
        if name in tables:
            raise TableRefused("name_taken", name=name, table=tables[name])
        tables[name] = self

    def _enter(self, owner: Control) -> None:
        self._owner = owner
        if owner.holdings is None:
            owner.holdings = {}
        owner.holdings[self] = None

    def _leave(self, owner: Control) -> None:
        if owner.holdings is not None:
            owner.holdings.pop(self, None)

    def _end(self) -> object:
        """Close the table for everybody; return what must go where no lock is held."""
        remains = (self._storage, self._heir)
        self._storage = self._heir = None
        for read in _FREE_READS:
            self.__dict__.pop(read, None)
        if self._named:
            del self._node.tables[self._name]
        return remains

    # Who may

    def _me(self) -> Control:
        return here.control if here.control is not None else self._node.init

    def _readable(self) -> Storage:
        storage = self._storage
        if storage is None or (self._access == "private" and self._me() is not self._owner):
            raise self._refusal()
        return storage

    def _writable(self) -> Storage:
        storage = self._storage
        if storage is None or (self._access != "public" and self._me() is not self._owner):
            raise self._refusal()
        return storage

    def _must_own(self) -> Control:
        owner = self._owner
        if self._storage is None or self._me() is not owner:
            raise self._refusal()
        return owner

    def _refusal(self) -> TableRefused:
        if self._storage is None:
            return TableRefused("no_table", table=self)
        return TableRefused("no_access", table=self, owner=self._owner.ref)


def _heir(given: Any) -> tuple[Control, Any] | None:
    if given is None:
        return None
    ref, data = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    if not isinstance(ref, Ref):
        raise InvalidInput("heir", given, "a ref, or a ref and data, or None")
    return ref.control, data


def _if_alive(heir: tuple[Control, Any] | None) -> tuple[Control, Any] | None:
    return heir if heir is not None and heir[0].life is not Life.DEAD else None


def _control_of(field: str, process: Any) -> Control:
    if not isinstance(process, Ref):
        raise InvalidInput(field, process, "a ref")
    return process.control
