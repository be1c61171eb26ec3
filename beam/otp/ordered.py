"""The kind of table with an order: `ordered_set`, on dicts and sorted keys.

Its keys are equal where Erlang says `==`: `1` and `1.0` are one key (`True` is another), and
the table has them in Erlang's order of terms.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from beam.errors import InvalidInput
from beam.otp.counters import is_integer
from beam.otp.rows import END_OF_TABLE, Row
from beam.otp.sorted_keys import SortedKeys
from beam.otp.storage import Storage
from beam.otp.terms import NUMBER, RANKS, TEXT, TUPLE, order_key

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from beam.otp.match import KeyPrefix, MatchSpec

__all__ = ["OrderedStorage"]

_START = object()
# Above every order form, as its rank is above every rank.
_TOP = (RANKS,)


class _Section:
    """The rows whose keys are of one rank, by what the order form has inside the rank."""

    __slots__ = ("keys", "rows")

    def __init__(self) -> None:
        self.rows: dict[Any, Row] = {}
        self.keys = SortedKeys()


class OrderedStorage(Storage):
    """One row for a key, in the order of the keys.

    A section for each rank of the order of terms, so that numbers and text, which are most keys,
    are compared as themselves.
    """

    __slots__ = ("_numbers", "_sections", "_texts")

    kind: ClassVar[str] = "ordered_set"

    def __init__(self, keypos: int = 1) -> None:
        super().__init__(keypos)
        self._sections = [_Section() for _ in range(RANKS)]
        self._numbers = self._sections[NUMBER].rows
        self._texts = self._sections[TEXT].rows

    def lookup(self, key: object) -> list[Row]:
        """Return the rows with that key; see `Rows.lookup`."""
        kind = type(key)
        if kind is int:
            row = self._numbers.get(key)
        elif kind is str:
            row = self._texts.get(key)
        else:
            rank, within = order_key(key)
            row = self._sections[rank].rows.get(within)
        return [] if row is None else [row]

    def member(self, key: object) -> bool:
        """Return whether there is a row with that key; see `Rows.member`."""
        rank, within = order_key(key)
        return within in self._sections[rank].rows

    def __len__(self) -> int:
        return sum(len(section.rows) for section in self._sections)

    def _form(self, key: object) -> Hashable:
        return order_key(key)

    def _forms(self) -> list[Any]:
        return [(rank, key) for rank, section in enumerate(self._sections) for key in section.keys]

    def _in_order(self, forms: list[Any], reverse: bool) -> list[Any]:
        return sorted(forms, reverse=reverse)

    def _rows(self, form: Any) -> list[Row]:
        rank, within = form
        row = self._sections[rank].rows.get(within)
        return [] if row is None else [row]

    def _add(self, form: Any, row: Row) -> None:
        rank, within = form
        section = self._sections[rank]
        if within not in section.rows:
            section.keys.add(within)
        section.rows[within] = row

    def _assign(self, form: Any, rows: list[Row]) -> None:
        if rows:
            self._add(form, rows[0])
            return
        rank, within = form
        section = self._sections[rank]
        if section.rows.pop(within, None) is not None:
            section.keys.remove(within)

    def _clear(self) -> None:
        for section in self._sections:
            section.rows.clear()
            section.keys.clear()

    # Walking

    def first(self) -> Any:
        """Return the first key in the order; see `Rows.first`."""
        for section in self._sections:
            if section.rows:
                return self._key(section, section.keys.first())
        return END_OF_TABLE

    def last(self) -> Any:
        """Return the last key in the order; see `Rows.last`."""
        for section in reversed(self._sections):
            if section.rows:
                return self._key(section, section.keys.last())
        return END_OF_TABLE

    def next(self, key: object) -> Any:
        """Return the first key after that one, which need not be there; see `Rows.next`."""
        rank, within = order_key(key)
        section = self._sections[rank]
        after = section.keys.after(within)
        if after is not None:
            return self._key(section, after)
        for section in self._sections[rank + 1 :]:
            if section.rows:
                return self._key(section, section.keys.first())
        return END_OF_TABLE

    def prev(self, key: object) -> Any:
        """Return the last key before that one, which need not be there; see `Rows.prev`."""
        rank, within = order_key(key)
        section = self._sections[rank]
        before = section.keys.before(within)
        if before is not None:
            return self._key(section, before)
        for section in reversed(self._sections[:rank]):
            if section.rows:
                return self._key(section, section.keys.last())
        return END_OF_TABLE

    def slot(self, number: int) -> Any:
        """Return the row with that many keys before it, in a list; see `Rows.slot`."""
        size = len(self)
        if not is_integer(number) or not 0 <= number <= size:
            raise InvalidInput("number", number, f"an integer from 0 to {size}")
        for section in self._sections:
            if number < len(section.rows):
                return [section.rows[section.keys.at(number)]]
            number -= len(section.rows)
        return END_OF_TABLE

    def _key(self, section: _Section, within: Any) -> Any:
        return section.rows[within][self.keypos - 1]

    def _all(self, spec: MatchSpec | None = None, reverse: bool = False) -> Iterable[Row]:
        prefix = None if spec is None else spec.key_prefix(self.keypos)
        if prefix is not None:
            rows = self._sections[TUPLE].rows
            return [rows[key] for key in self._range(prefix, _START, reverse)]
        sections = reversed(self._sections) if reverse else self._sections
        return list(chain.from_iterable(map(_section_rows, sections, [reverse] * RANKS)))

    def _range(self, prefix: KeyPrefix, beyond: Any, reverse: bool) -> Iterator[Any]:
        """Return the keys, all tuples, that begin so, those beyond a key only."""
        lowest = (prefix.size, *map(order_key, prefix.elements))
        keys = self._sections[TUPLE].keys
        if reverse:
            found = keys.descending(before=(*lowest, _TOP) if beyond is _START else beyond)
        elif beyond is _START:
            found = keys.ascending(since=lowest)
        else:
            found = keys.ascending(after=beyond)
        width = len(lowest)
        for key in found:
            if key[:width] != lowest:
                return
            yield key

    def _begin(self, spec: MatchSpec, reverse: bool) -> Any:
        prefix = spec.key_prefix(self.keypos)
        if prefix is not None:
            return prefix, TUPLE, _START
        return None, RANKS - 1 if reverse else 0, _START

    def _walk(self, cursor: Any, spec: MatchSpec, reverse: bool) -> Iterator[tuple[Any, list[Row]]]:
        prefix, rank, beyond = cursor
        if prefix is not None:
            rows = self._sections[TUPLE].rows
            for key in self._range(prefix, beyond, reverse):
                yield (prefix, TUPLE, key), [rows[key]]
            return
        for each in range(rank, -1, -1) if reverse else range(rank, RANKS):
            section = self._sections[each]
            limit = beyond if each == rank and beyond is not _START else None
            keys = section.keys.descending(limit) if reverse else section.keys.ascending(limit)
            for key in keys:
                yield (None, each, key), [section.rows[key]]


def _section_rows(section: _Section, reverse: bool) -> Iterator[Row]:
    keys = section.keys.descending() if reverse else iter(section.keys)
    return map(section.rows.__getitem__, keys)
