"""The kinds of table without an order: `set`, `bag` and `duplicate_bag`, on Python's dicts.

Their keys are equal where Erlang says `=:=`: `1`, `1.0` and `True` are three keys. A key that is an
`int`, text, an `Atom` or a tuple of these is its own form, so that reading it costs one look into a
dict.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from beam.errors import InvalidInput, TableRefused
from beam.otp.counters import is_integer
from beam.otp.rows import END_OF_TABLE, Row
from beam.otp.storage import Storage
from beam.otp.terms import PLAIN, exact, exact_key

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from beam.otp.match import MatchSpec

__all__ = ["BagStorage", "DuplicateBagStorage", "SetStorage"]

G = TypeVar("G")
B = TypeVar("B", bound="dict[Any, Row] | list[Row]")


class _Trail:
    """The forms of all keys in the order of their coming, so that walks survive changes.

    Nothing is ever taken out: a key that has been deleted leaves a gap, which it fills when it
    comes again. So a key has one place for as long as the trail is kept.
    """

    __slots__ = ("forms", "places", "start")

    def __init__(self, forms: Iterable[Any]) -> None:
        self.forms = list(forms)
        self.places = {form: place for place, form in enumerate(self.forms)}
        self.start = 0

    def enter(self, form: Any) -> None:
        place = self.places.setdefault(form, len(self.forms))
        if place == len(self.forms):
            self.forms.append(form)
        self.start = min(self.start, place)


class _Hashed(Storage, Generic[G]):
    """A table whose groups of rows are in a dict by the form of their key."""

    __slots__ = ("_groups", "_trail")

    def __init__(self, keypos: int = 1) -> None:
        super().__init__(keypos)
        self._groups: dict[Any, G] = {}
        # Laid when somebody walks, kept up until half of it are gaps.
        self._trail: _Trail | None = None

    def member(self, key: object) -> bool:
        """Return whether there is a row with that key; see `Rows.member`."""
        kind = type(key)
        if kind is not int and kind not in PLAIN:
            key = exact_key(key)
        return key in self._groups

    def _form(self, key: object) -> Hashable:
        return exact_key(key)

    def _forms(self) -> list[Any]:
        return list(self._groups)

    def _in_order(self, forms: list[Any], reverse: bool) -> list[Any]:
        return forms

    def _clear(self) -> None:
        self._groups.clear()
        if self._fixes == 0:
            self._trail = None

    def _enter(self, form: Any, group: G) -> None:
        """Take in the group of a key that is not there."""
        self._groups[form] = group
        if self._trail is not None:
            self._trail.enter(form)

    def _leave(self, form: Any) -> G | None:
        group = self._groups.pop(form, None)
        trail = self._trail
        if trail is not None and self._fixes == 0 and len(trail.forms) > 2 * len(self._groups):
            self._trail = None
        return group

    # Walking

    def fix(self) -> None:
        """Fix the table for a walk; see `Storage.fix`."""
        super().fix()
        if self._fixes == 1:
            self._trail = _Trail(self._groups)

    def release(self) -> None:
        """Undo one `fix`; without one, do nothing."""
        super().release()
        if self._fixes == 0:
            self._trail = None

    def first(self) -> Any:
        """Return a key from which `next` leads to all others; see `Rows.first`."""
        trail = self._laid()
        for place, rows in self._onwards(trail, trail.start):
            trail.start = place
            return rows[0][self.keypos - 1]
        trail.start = len(trail.forms)
        return END_OF_TABLE

    def last(self) -> Any:
        """Return the first key, as there is no order; see `Rows.last`."""
        return self.first()

    def next(self, key: object) -> Any:
        """Return the key after that one; see `Rows.next`."""
        form = exact_key(key)
        if form not in self._groups and not self._fixes:
            raise TableRefused("bad_key", key=key)
        trail = self._laid()
        place = trail.places.get(form)
        if place is None:
            raise TableRefused("bad_key", key=key)
        for _, rows in self._onwards(trail, place + 1):
            return rows[0][self.keypos - 1]
        return END_OF_TABLE

    def prev(self, key: object) -> Any:
        """Return the key after that one, as there is no order; see `Rows.prev`."""
        return self.next(key)

    def slot(self, number: int) -> Any:
        """Return the rows of the key in that place; see `Rows.slot`."""
        trail = self._laid()
        size = len(trail.forms)
        if not is_integer(number) or not 0 <= number <= size:
            raise InvalidInput("number", number, f"an integer from 0 to {size}")
        if number == size:
            return END_OF_TABLE
        return self._rows(trail.forms[number])

    def _laid(self) -> _Trail:
        if self._trail is None:
            self._trail = _Trail(self._groups)
        return self._trail

    def _onwards(self, trail: _Trail, place: int) -> Iterator[tuple[int, list[Row]]]:
        """Yield each place from that one on where there is a key, and the key's rows."""
        for each in range(place, len(trail.forms)):
            if rows := self._rows(trail.forms[each]):
                yield each, rows

    def _begin(self, spec: MatchSpec, reverse: bool) -> Any:
        return self._laid(), 0

    def _walk(self, cursor: Any, spec: MatchSpec, reverse: bool) -> Iterator[tuple[Any, list[Row]]]:
        trail, place = cursor
        for each, rows in self._onwards(trail, place):
            yield (trail, each + 1), rows


class SetStorage(_Hashed[Row]):
    """One row for a key."""

    __slots__ = ()

    kind: ClassVar[str] = "set"

    def lookup(self, key: object) -> list[Row]:
        """Return the rows with that key; see `Rows.lookup`."""
        kind = type(key)
        if kind is not int and kind not in PLAIN:
            key = exact_key(key)
        try:
            return [self._groups[key]]
        except KeyError:
            return []

    def insert(self, *rows: Row) -> bool:
        """Store rows, all or none; see `Storage.insert`."""
        if len(rows) == 1:
            (row,) = rows
            if type(row) is tuple and len(row) >= self.keypos:
                key = row[self.keypos - 1]
                kind = type(key)
                if kind in PLAIN or (kind is tuple and PLAIN.issuperset(map(type, key))):
                    self._add(key, row)
                    return True
        return super().insert(*rows)

    def __len__(self) -> int:
        return len(self._groups)

    def _rows(self, form: Any) -> list[Row]:
        row = self._groups.get(form)
        return [] if row is None else [row]

    def _all(self, spec: MatchSpec | None = None, reverse: bool = False) -> Iterable[Row]:
        return list(self._groups.values())

    def _add(self, form: Any, row: Row) -> None:
        if self._trail is None or form in self._groups:
            self._groups[form] = row
        else:
            self._enter(form, row)

    def _add_all(self, checked: list[tuple[Hashable, Row]]) -> None:
        if self._trail is not None:
            for form, _ in checked:
                self._trail.enter(form)
        self._groups.update(checked)  # In one step, so that no reader sees a part of it.

    def _assign(self, form: Any, rows: list[Row]) -> None:
        if rows:
            self._add(form, rows[0])
        else:
            self._leave(form)


class _Bag(_Hashed[B]):
    """A kind with several rows for a key."""

    __slots__ = ("_size",)

    has_one_row_a_key: ClassVar[bool] = False

    def __init__(self, keypos: int = 1) -> None:
        super().__init__(keypos)
        self._size = 0

    def lookup(self, key: object) -> list[Row]:
        """Return the rows with that key; see `Rows.lookup`."""
        return self._rows(key if type(key) in PLAIN else exact_key(key))

    def __len__(self) -> int:
        return self._size

    def _all(self, spec: MatchSpec | None = None, reverse: bool = False) -> Iterable[Row]:
        return [row for form in self._forms() for row in self._rows(form)]

    def _assign(self, form: Any, rows: list[Row]) -> None:
        group = self._groups.get(form)
        self._size += len(rows) - (0 if group is None else len(group))
        if rows:
            self._groups[form] = self._group(rows)
        else:
            self._leave(form)

    @abstractmethod
    def _group(self, rows: list[Row]) -> B:
        """Return the rows of a key as they are kept."""

    def _clear(self) -> None:
        super()._clear()
        self._size = 0


class BagStorage(_Bag[dict[Any, Row]]):
    """Different rows for a key, each by its exact form."""

    __slots__ = ()

    kind: ClassVar[str] = "bag"

    def _checked(self, rows: tuple[Row, ...]) -> list[tuple[Hashable, Row]]:
        return super()._checked(rows)[::-1]

    def _rows(self, form: Any) -> list[Row]:
        group = self._groups.get(form)
        return [] if group is None else list(group.values())

    def _add(self, form: Any, row: Row) -> None:
        group = self._groups.get(form)
        whole = exact(row)
        if group is None:
            self._enter(form, {whole: row})
        elif whole in group:
            return
        else:
            group[whole] = row
        self._size += 1

    def _group(self, rows: list[Row]) -> dict[Any, Row]:
        return {exact(row): row for row in rows}

    def _discard(self, form: Any, row: Row) -> None:
        group = self._groups.get(form)
        if group is not None and group.pop(exact(row), None) is not None:
            self._size -= 1
            if not group:
                self._leave(form)


class DuplicateBagStorage(_Bag[list[Row]]):
    """Any rows for a key, the same ones too."""

    __slots__ = ()

    kind: ClassVar[str] = "duplicate_bag"

    def _rows(self, form: Any) -> list[Row]:
        group = self._groups.get(form)
        return [] if group is None else list(group)

    def _add(self, form: Any, row: Row) -> None:
        group = self._groups.get(form)
        if group is None:
            self._enter(form, [row])
        else:
            group.append(row)
        self._size += 1

    def _group(self, rows: list[Row]) -> list[Row]:
        return rows
