"""What a table holds: rows by key, with the operations of Erlang's `ets`, as plain data.

    >>> from beam.otp.kinds import new_storage
    >>> users = new_storage("ordered_set")
    >>> users.insert(("bob", 41), ("ada", 36))
    True
    >>> users.lookup("bob"), users.first(), users.update_counter("ada", 1)
    ([('bob', 41)], 'ada', 37)
    >>> users.match(("$1", 41)), users.select([(("$1", "$2"), [("<", "$2", 40)], ["$1"])])
    ([['bob']], ['ada'])

A row is a tuple; one of its elements, the first unless `keypos` says otherwise, is its key. Which
values are keys, and when two are the same, is told in `beam.otp.terms`. Positions count from 1, as
in Erlang. There are four kinds: a `set` has one row for a key, an `ordered_set` too, in the order
of the keys; a `bag` has any number of different rows for a key, a `duplicate_bag` may have the
same one several times.

What is promised:

- The results are OTP 25's, where OTP promises any. `set` and the bags are walked in the order in
  which their keys came, which no user may rely on.
- An operation that raises has changed nothing. What it is given is checked whole beforehand.
- The rows of one key come from a bag in the order of their insertion; but when one `insert` brings
  several, a `bag` takes them last first, as OTP 25 does.
- No locks are taken. `lookup`, `lookup_element` and `member` read one key and may run beside one
  writer: they see each row before or after a change. The rows of one `insert` come to a `set` all
  at once, to the other kinds one after the other. Everything else needs the caller's lock.
- A walk with `first` and `next` over a table that is fixed (`fix`, `release`) visits every key
  that is there from its start to its end exactly once, whatever is deleted or inserted meanwhile,
  and can go on from a key that has been deleted. Keys that are inserted are visited, too: a walk
  that inserts a new key at each step has no end. An `ordered_set` needs no fixing. Searches by
  chunks promise the same without fixing. `foldl` and `foldr` see the rows as they are at the start.

Limit: rows are handed out as they are stored, not copied as in Erlang; lists and dicts in them
must not be changed. (Keys made of lists and dicts are copied on their way in.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from beam.errors import InvalidInput, TableRefused
from beam.otp.counters import changed, changes_of, counted, steps_of, with_key
from beam.otp.rows import END_OF_TABLE, Row
from beam.otp.search import Continuation, Search
from beam.otp.terms import detached

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["END_OF_TABLE", "Continuation", "Row", "Storage"]

A = TypeVar("A")


class Storage(Search):
    """The rows of one table, of the kind that the subclass is."""

    __slots__ = ()

    def insert(self, *rows: Row) -> bool:
        """Store rows, all or none; in a set each replaces the row with its key (`ets:insert/2`).

        Returns:
            True.

        Raises:
            InvalidInput: a row is no tuple, or too short to have a key, or its key is none.
        """
        if len(rows) == 1:
            self._add(*self._checked_row(rows[0]))
            return True
        self._add_all(self._checked(rows))
        return True

    def insert_new(self, *rows: Row) -> bool:
        """Store rows if none of their keys is there, else nothing (`ets:insert_new/2`).

        Returns:
            Whether they were stored.

        Raises:
            InvalidInput: as `insert`.
        """
        checked = self._checked(rows)
        if any(self._rows(form) for form, _ in checked):
            return False
        self._add_all(checked)
        return True

    def _add_all(self, checked: list[tuple[Hashable, Row]]) -> None:
        for form, row in checked:
            self._add(form, row)

    def _checked(self, rows: tuple[Row, ...]) -> list[tuple[Hashable, Row]]:
        return [self._checked_row(row) for row in rows]

    def _checked_row(self, row: object) -> tuple[Hashable, Row]:
        if not isinstance(row, tuple) or len(row) < self.keypos:
            raise InvalidInput("row", row, f"a tuple with at least {self.keypos} elements")
        key = row[self.keypos - 1]
        form = self._form(key)
        if isinstance(key, tuple | list | dict):
            own = detached(key)
            row = row if own is key else with_key(row, own, self.keypos)
        return form, row

    def lookup_element(self, key: object, position: int) -> Any:
        """Return one element of the row with that key (`ets:lookup_element/3`).

        Args:
            key: the key.
            position: of the element, from 1.

        Returns:
            The element; from a bag the list of the elements of all rows with the key.

        Raises:
            InvalidInput: `key` is no key, or `position` no integer from 1.
            TableRefused: `bad_key` (no such row), `bad_position` (a row has no such element).
        """
        if type(position) is not int or position < 1:
            raise InvalidInput("position", position, "an integer from 1")
        rows = self.lookup(key)
        if not rows:
            raise TableRefused("bad_key", key=key)
        try:
            if self.has_one_row_a_key:
                return rows[0][position - 1]
            return [row[position - 1] for row in rows]
        except IndexError:
            raise TableRefused("bad_position", rows=rows, position=position) from None

    def take(self, key: object) -> list[Row]:
        """Remove and return the rows with that key (`ets:take/2`).

        Raises:
            InvalidInput: `key` is no key.
        """
        form = self._form(key)
        rows = self._rows(form)
        self._assign(form, [])
        return rows

    def delete(self, key: object) -> bool:
        """Remove the rows with that key, if any (`ets:delete/2`).

        Returns:
            True.

        Raises:
            InvalidInput: `key` is no key.
        """
        self._assign(self._form(key), [])
        return True

    def delete_object(self, row: Row) -> bool:
        """Remove every row that is exactly that one (`ets:delete_object/2`).

        Returns:
            True.

        Raises:
            InvalidInput: as `insert`.
        """
        self._discard(*self._checked_row(row))
        return True

    def delete_all_objects(self) -> bool:
        """Remove all rows (`ets:delete_all_objects/1`).

        Returns:
            True.
        """
        self._clear()
        return True

    def update_element(self, key: object, changes: object) -> bool:
        """Replace elements of the row with that key (`ets:update_element/3`).

        Args:
            key: the key.
            changes: `(position, value)`, positions from 1, or a list of these.

        Returns:
            Whether there is such a row; where there is none, `changes` is not looked at.

        Raises:
            InvalidInput: `key` is no key, or there is a row and `changes` is of another form.
            TableRefused: `bad_position` (no such element, or it is the key), `wrong_kind` (a bag).
        """
        self._require_one_row_a_key("update_element")
        form = self._form(key)
        for row in self._rows(form):
            self._assign(form, [changed(row, changes_of(changes), self.keypos)])
            return True
        return False

    def update_counter(self, key: object, update: object, default: Row | None = None) -> Any:
        """Add to elements of the row with that key, in one step (`ets:update_counter/3,4`).

        Args:
            key: the key.
            update: an increment, for the element after the key; `(position, increment)`;
                `(position, increment, threshold, reset)`; or a list of such tuples.
            default: the row to start from where there is none; it gets the key.

        Returns:
            The new value; for a list of tuples, a list of them.

        Raises:
            InvalidInput: `key` is no key, `update` of another form, or `default` no tuple.
            TableRefused: `bad_key` (no such row, no default), `bad_position` (no such element, or
                it is the key), `not_an_integer`, `wrong_kind` (a bag).
        """
        self._require_one_row_a_key("update_counter")
        steps, many = steps_of(update, self.keypos)
        if default is not None and not isinstance(default, tuple):
            raise InvalidInput("default", default, "a tuple")
        form = self._form(key)
        rows = self._rows(form)
        row = rows[0] if rows else self._started(key, default)
        row, values = counted(row, steps, self.keypos)
        self._assign(form, [row])
        return values if many else values[0]

    def _started(self, key: object, default: Row | None) -> Row:
        if default is None:
            raise TableRefused("bad_key", key=key)
        if len(default) < self.keypos:
            expected = f"a tuple with at least {self.keypos} elements"
            raise InvalidInput("default", default, expected)
        return with_key(default, detached(key), self.keypos)

    def _require_one_row_a_key(self, operation: str) -> None:
        if not self.has_one_row_a_key:
            raise TableRefused("wrong_kind", operation=operation, kind=self.kind)

    # The whole table

    def info(self) -> dict[str, Any]:
        """Return what `ets:info/1` says of the rows: `size`, `type`, `keypos` and `fixed`."""
        return {
            "size": len(self),
            "type": self.kind,
            "keypos": self.keypos,
            "fixed": self._fixes > 0,
        }

    def fix(self) -> None:
        """Fix the table for a walk (`ets:safe_fixtable/2`); as often as it is released."""
        self._fixes += 1

    def release(self) -> None:
        """Undo one `fix`; without one, do nothing."""
        self._fixes = max(0, self._fixes - 1)

    def tab2list(self) -> list[Row]:
        """Return all rows, in an ordered set in the order of their keys (`ets:tab2list/1`)."""
        return list(self._all())

    def foldl(self, function: Callable[[Row, A], A], initial: A) -> A:
        """Return `function(row, so_far)` over all rows, from the first on (`ets:foldl/3`)."""
        for row in self.tab2list():
            initial = function(row, initial)
        return initial

    def foldr(self, function: Callable[[Row, A], A], initial: A) -> A:
        """Return `function(row, so_far)` over all rows, from the last on (`ets:foldr/3`)."""
        for row in reversed(self.tab2list()):
            initial = function(row, initial)
        return initial
