"""The operations on a table's rows, for those who may, under the table's lock.

What each does is written once, in `beam.otp.storage` and what that is made of; here is who may do
it, when, and beside whom.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from beam.otp.control import Control, Life
from beam.otp.interrupt import hold, uninterrupted
from beam.otp.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.rows import Row
    from beam.otp.table_lock import TableLock

__all__ = ["Operations"]

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")


def _read(
    operation: Callable[Concatenate[Storage, P], R],
) -> Callable[Concatenate[Operations, P], R]:
    """Return a storage's operation for those who may read, under the table's lock."""
    name = operation.__name__

    # What the operation has in its dict stays there: it may say that it is abstract.
    @functools.wraps(operation, updated=())
    def read(self: Operations, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._lock:
            storage = self._readable()
            if self._fixers:
                self._release_for_the_dead(storage)
            result: R = getattr(storage, name)(*args, **kwargs)
            return result

    return read


def _write(
    operation: Callable[Concatenate[Storage, P], R],
) -> Callable[Concatenate[Operations, P], R]:
    """Return a storage's operation for those who may write, under the table's lock.

    The user's Ctrl-C is held back, or it could leave a key without its row.
    """
    name = operation.__name__

    @functools.wraps(operation, updated=())
    def write(self: Operations, /, *args: P.args, **kwargs: P.kwargs) -> R:
        held = hold()
        try:
            with self._lock:
                storage = self._writable()
                if self._fixers:
                    self._release_for_the_dead(storage)
                result: R = getattr(storage, name)(*args, **kwargs)
                return result
        finally:
            if held is not None:
                held.release()

    return write


class Operations(ABC):
    """What can be done with a table's rows; who may is the subclass's to say.

    Access is looked at under the lock: who has waited for it and may not any more is refused.
    """

    # How often each process has fixed the table, for its walks.
    _fixers: dict[Control, int]
    _lock: TableLock

    @abstractmethod
    def _me(self) -> Control:
        """Return the process that acts here."""

    @abstractmethod
    def _readable(self) -> Storage:
        """Return the rows.

        Raises:
            TableRefused: `no_access` (the calling process may not read), `no_table`.
        """

    @abstractmethod
    def _writable(self) -> Storage:
        """Return the rows.

        Raises:
            TableRefused: `no_access` (the calling process may not write), `no_table`.
        """

    # Reads of one key, without the lock

    def lookup(self, key: object) -> list[Row]:
        """Return the rows of a key, in the order of their insertion (`ets:lookup/2`).

        Raises:
            InvalidInput: `key` is no key.
        """
        return self._readable().lookup(key)

    def lookup_element(self, key: object, position: int) -> Any:
        """Return one element of the row of a key; see `Storage.lookup_element`."""
        return self._readable().lookup_element(key, position)

    def member(self, key: object) -> bool:
        """Return whether there is a row of a key (`ets:member/2`).

        Raises:
            InvalidInput: `key` is no key.
        """
        return self._readable().member(key)

    def __len__(self) -> int:
        return len(self._readable())

    # All else

    def insert(self, *rows: Row) -> bool:
        """Store rows, all or none; see `Storage.insert`."""
        # As `_write` has it, without the arguments by name: a fifth of the most used of all.
        held = hold()
        try:
            with self._lock:
                storage = self._writable()
                if self._fixers:
                    self._release_for_the_dead(storage)
                return storage.insert(*rows)
        finally:
            if held is not None:
                held.release()

    insert_new = _write(Storage.insert_new)
    take = _write(Storage.take)
    delete = _write(Storage.delete)
    delete_object = _write(Storage.delete_object)
    delete_all_objects = _write(Storage.delete_all_objects)
    update_element = _write(Storage.update_element)
    update_counter = _write(Storage.update_counter)
    match_delete = _write(Storage.match_delete)
    select_delete = _write(Storage.select_delete)
    select_replace = _write(Storage.select_replace)

    first = _read(Storage.first)
    last = _read(Storage.last)
    next = _read(Storage.next)
    prev = _read(Storage.prev)
    slot = _read(Storage.slot)
    match = _read(Storage.match)
    match_object = _read(Storage.match_object)
    select = _read(Storage.select)
    select_reverse = _read(Storage.select_reverse)
    select_count = _read(Storage.select_count)
    tab2list = _read(Storage.tab2list)

    def foldl(self, function: Callable[[Row, A], A], initial: A) -> A:
        """Return `function(row, so_far)` over all rows, from the first on (`ets:foldl/3`).

        The rows are those that are there at the call. The function runs without the lock, and may
        change the table.
        """
        return functools.reduce(lambda so_far, row: function(row, so_far), self.tab2list(), initial)

    def foldr(self, function: Callable[[Row, A], A], initial: A) -> A:
        """As `foldl`, from the last row on (`ets:foldr/3`)."""
        rows = reversed(self.tab2list())
        return functools.reduce(lambda so_far, row: function(row, so_far), rows, initial)

    # Walks

    def fix(self) -> None:
        """Fix the table for a walk with `first` and `next` (`ets:safe_fixtable/2`).

        Until the process that walks has released it as often, or has died. A fixed table keeps
        the places of the keys that are deleted.
        """
        with uninterrupted(self._lock):
            storage, me = self._readable(), self._me()
            storage.fix()
            self._fixers[me] = self._fixers.get(me, 0) + 1

    def release(self) -> None:
        """Undo one `fix` of this process; without one, do nothing."""
        with uninterrupted(self._lock):
            storage, me = self._readable(), self._me()
            if me in self._fixers:
                self._release(storage, me)

    def _release(self, storage: Storage, fixer: Control) -> None:
        storage.release()
        self._fixers[fixer] -= 1
        if not self._fixers[fixer]:
            del self._fixers[fixer]

    def _release_for_the_dead(self, storage: Storage) -> None:
        dead = [fixer for fixer in self._fixers if fixer.life is Life.DEAD]
        for fixer in dead:
            while fixer in self._fixers:
                self._release(storage, fixer)
