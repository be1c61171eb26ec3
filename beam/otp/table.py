"""`Table`: rows by key, held by an owner process and read by anybody, as Erlang's `ets`.

    >>> from beam.otp import Table
    >>> users = Table.new("users", kind="ordered_set")
    >>> users.insert(("ada", 36), ("bob", 41))
    True
    >>> users.lookup("bob"), users.match(("$1", 36)), users.update_counter("ada", 1)
    ([('bob', 41)], [['ada']], 37)
    >>> users.drop()

The owner is the process that makes the table, the node's `init` outside any. A table lives as long
as its owner, unless it has an heir, which gets it with a `TableTransfer` message when the owner
dies. Who may do what is said by `access`: `"public"`, everybody; `"protected"`, the owner writes
and everybody reads; `"private"`, the owner alone. Others are refused, as OTP's `badarg`.

Reads run where the caller runs, none passes through the owner's mailbox. Those of one key take no
lock; all else runs under the table's. What the operations do is told in `beam.otp.storage`.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from beam.errors import InvalidInput, TableRefused
from beam.otp.context import here
from beam.otp.control import Control, Life
from beam.otp.kinds import new_storage
from beam.otp.mail import Info
from beam.otp.node import current_node
from beam.otp.reasons import TableTransfer
from beam.otp.ref import Ref
from beam.otp.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.node import Node

__all__ = ["Access", "Kind", "Table"]

A = TypeVar("A")
Kind = Literal["set", "ordered_set", "bag", "duplicate_bag"]
Access = Literal["public", "protected", "private"]
ACCESS: tuple[Access, ...] = ("public", "protected", "private")

# What one key's readers may run without the lock; see `beam.otp.storage`.
_FREE_READS = ("lookup", "lookup_element", "member")


def _locked(name: str, *, write: bool = False) -> Callable[..., Any]:
    """Return the storage's operation `name`, for those who may, under the table's lock."""

    @functools.wraps(getattr(Storage, name))
    def operation(self: Table, *args: Any, **kwargs: Any) -> Any:
        storage = self._writable() if write else self._readable()
        with self._lock:
            return getattr(storage, name)(*args, **kwargs)

    return operation


_read = _locked
_write = functools.partial(_locked, write=True)


class Table:
    """A table; made by `Table.new`. A reference: it may be passed around, and outlives the rows.

    Every operation raises `TableRefused`: `no_table` if the table is gone, `no_access` if the
    calling process may not do it. The operations of `beam.otp.storage` are here under their names.
    """

    def __init__(self, node: Node, name: Any, storage: Storage, access: Access) -> None:
        """Make a table that nobody owns yet; `Table.new` is the way to one that is."""
        self._node = node
        self._name = name
        self._named = False
        self._access: Access = access
        self._owner: Control = node.init
        self._heir: tuple[Control, Any] | None = None
        self._storage: Storage | None = storage
        self._lock = threading.RLock()
        self._number = node.next_serial()
        if access != "private":
            # Bound to the data itself: a read of one key costs what the data's does, 0.1 µs less.
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
        """Make a table, owned by the calling process.

        Args:
            name: what to call it; need not be unique unless it is `named`.
            kind: `"set"`, `"ordered_set"`, `"bag"` or `"duplicate_bag"`.
            access: who may do what; see the module.
            keypos: which element of a row is its key, from 1 on.
            heir: who gets it when the owner dies; with a second value, the data of the
                `TableTransfer`.
            named: whether `Table.whereis(name)` finds it, in its node.

        Raises:
            InvalidInput: an argument is not what it must be.
            TableRefused: `name_taken`; another table has the name.
        """
        if access not in ACCESS:
            raise InvalidInput("access", access, " or ".join(map(repr, ACCESS)))
        if named and name is None:
            raise InvalidInput("name", name, "a name, for a table that is named")
        node = current_node()
        table = cls(node, name, new_storage(kind, keypos), access)
        table._heir = _heir(heir)
        me = here.control if here.control is not None else node.init
        with node.lock:
            if named:
                if name in node.tables:
                    raise TableRefused("name_taken", name=name)
                node.tables[name] = table
                table._named = True
            table._give(me)
        return table

    @classmethod
    def whereis(cls, name: Any) -> Table | None:
        """Return the named table of the current node that is called `name`, `None` if none is."""
        return current_node().tables.get(name)

    def __repr__(self) -> str:
        return f"<Table {self._name!r} #{self._number}>"

    def __copy__(self) -> Table:
        return self

    def __deepcopy__(self, _memo: object) -> Table:
        return self

    @property
    def __term_order__(self) -> tuple[str, int]:
        return (self._node.name, self._number)

    # Ownership

    @property
    def name(self) -> Any:
        """What the table is called."""
        return self._name

    @property
    def owner(self) -> Ref[Any] | None:
        """The process that owns it, `None` if it is gone."""
        return self._owner.ref if self._storage is not None else None

    def _give(self, owner: Control) -> None:
        """Make `owner` the owner; under the node's lock."""
        self._owner = owner
        if owner.holdings is None:
            owner.holdings = {}
        owner.holdings[self] = None

    def holder_died(self, holder: Control) -> None:
        """Pass to the heir, or go; called by the kernel under the node's lock."""
        heir, self._heir = self._heir, None
        if heir is None or heir[0].life is Life.DEAD or heir[0] is holder:
            self._end()
            return
        self._give(heir[0])
        heir[0].post(Info(TableTransfer(self, holder.ref, heir[1])))

    def _end(self) -> None:
        """Let go of the rows and the name; under the node's lock."""
        self._storage = None
        for read in _FREE_READS:
            self.__dict__.pop(read, None)
        if self._named and self._node.tables.get(self._name) is self:
            del self._node.tables[self._name]

    def give_away(self, to: Ref[Any], data: Any = None) -> None:
        """Make another process the owner; it gets a `TableTransfer` with `data`.

        Raises:
            TableRefused: `no_owner` if `to` is dead or the owner already; as all else.
        """
        self._must_own()
        with self._node.lock:
            control = to.control
            if control.life is Life.DEAD or control is self._owner:
                raise TableRefused("no_owner", table=self, process=to)
            before = self._owner
            if before.holdings is not None:
                before.holdings.pop(self, None)
            self._give(control)
            control.post(Info(TableTransfer(self, before.ref, data)))

    def set_heir(self, heir: Ref[Any] | None, data: Any = None) -> None:
        """Say who gets the table when its owner dies; `None` for nobody."""
        self._must_own()
        with self._node.lock:
            self._heir = None if heir is None else (heir.control, data)

    def drop(self) -> None:
        """Let the table go, with all that is in it (OTP's `ets:delete/1`)."""
        self._writable()
        with self._node.lock:
            if self._owner.holdings is not None:
                self._owner.holdings.pop(self, None)
            self._end()

    def rename(self, name: Any) -> Any:
        """Call the table otherwise, and return the name.

        Raises:
            TableRefused: `name_taken`; it is named, and another table has the name.
        """
        self._writable()
        with self._node.lock:
            if self._named:
                if name in self._node.tables:
                    raise TableRefused("name_taken", name=name)
                del self._node.tables[self._name]
                self._node.tables[name] = self
            self._name = name
        return name

    # Who may

    def _me(self) -> Control:
        return here.control if here.control is not None else self._node.init

    def _must_own(self) -> None:
        self._there()
        if self._me() is not self._owner:
            raise TableRefused("no_access", table=self, owner=self._owner.ref)

    def _there(self) -> Storage:
        storage = self._storage
        if storage is None:
            raise TableRefused("no_table", table=self)
        return storage

    def _readable(self) -> Storage:
        storage = self._there()
        if self._access == "private" and self._me() is not self._owner:
            raise TableRefused("no_access", table=self, owner=self._owner.ref)
        return storage

    def _writable(self) -> Storage:
        storage = self._there()
        if self._access != "public" and self._me() is not self._owner:
            raise TableRefused("no_access", table=self, owner=self._owner.ref)
        return storage

    # Reads of one key

    def lookup(self, key: Any) -> list[Any]:
        """Return the rows of a key, in the order of their insertion."""
        return self._readable().lookup(key)

    def lookup_element(self, key: Any, position: int) -> Any:
        """Return one element of the row of a key, of a list of rows in a bag."""
        return self._readable().lookup_element(key, position)

    def member(self, key: Any) -> bool:
        """Return whether there is a row of a key."""
        return self._readable().member(key)

    # Everything else, under the table's lock

    insert = _write("insert")
    insert_new = _write("insert_new")
    take = _write("take")
    delete = _write("delete")
    delete_object = _write("delete_object")
    delete_all_objects = _write("delete_all_objects")
    update_element = _write("update_element")
    update_counter = _write("update_counter")
    match_delete = _write("match_delete")
    select_delete = _write("select_delete")
    select_replace = _write("select_replace")
    first = _read("first")
    last = _read("last")
    next = _read("next")
    prev = _read("prev")
    slot = _read("slot")
    match = _read("match")
    match_object = _read("match_object")
    select = _read("select")
    select_reverse = _read("select_reverse")
    select_count = _read("select_count")
    tab2list = _read("tab2list")
    fix = _read("fix")
    release = _read("release")

    def __len__(self) -> int:
        return len(self._readable())

    def info(self) -> dict[str, Any]:
        """Return what the table is: kind, size, keypos, name, named, access, owner, heir."""
        storage = self._there()
        with self._lock:
            found = storage.info()
        heir = self._heir[0].ref if self._heir is not None else None
        return {
            **found,
            "name": self._name,
            "named": self._named,
            "access": self._access,
            "owner": self._owner.ref,
            "heir": heir,
        }

    def foldl(self, function: Callable[[Any, A], A], initial: A) -> A:
        """Fold `function(row, accumulator)` over the rows as they are now, first to last."""
        rows = self.tab2list()
        return functools.reduce(lambda kept, row: function(row, kept), rows, initial)

    def foldr(self, function: Callable[[Any, A], A], initial: A) -> A:
        """Fold `function(row, accumulator)` over the rows as they are now, last to first."""
        rows = reversed(self.tab2list())
        return functools.reduce(lambda kept, row: function(row, kept), rows, initial)


def _heir(given: Any) -> tuple[Control, Any] | None:
    if given is None:
        return None
    ref, data = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    if not isinstance(ref, Ref):
        raise InvalidInput("heir", given, "a ref, or a ref and data, or None")
    return ref.control, data
