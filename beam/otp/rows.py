"""What each kind of table must know of its rows: find them by key, walk them, change them.

The operations of `beam.otp.storage` are written once, on these few. A *form* stands for a key:
equal forms, same key (`beam.otp.terms`). A *cursor* is a place between the keys that keeps its
meaning while the table changes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from beam.otp.atom import Atom
from beam.otp.expressions import Row
from beam.otp.terms import exact

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from beam.otp.match import MatchSpec

__all__ = ["END_OF_TABLE", "Row", "Rows"]

END_OF_TABLE: Final = Atom("$end_of_table")
"""What `first`, `last`, `next`, `prev` and `slot` return where there is nothing, or no more."""


class Rows(ABC):
    """The rows of one table.

    Attributes:
        kind: the name of the kind.
        keypos: the position of the key in the rows, from 1.
    """

    __slots__ = ("_fixes", "keypos")

    kind: ClassVar[str]
    has_one_row_a_key: ClassVar[bool] = True

    def __init__(self, keypos: int = 1) -> None:
        self.keypos = keypos
        self._fixes = 0

    @abstractmethod
    def lookup(self, key: object) -> list[Row]:
        """Return the rows with that key, in a list of the caller's own (`ets:lookup/2`).

        Raises:
            InvalidInput: `key` is no key.
        """

    @abstractmethod
    def member(self, key: object) -> bool:
        """Return whether there is a row with that key (`ets:member/2`).

        Raises:
            InvalidInput: `key` is no key.
        """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @abstractmethod
    def first(self) -> Any:
        """Return the first key, `END_OF_TABLE` if there is none (`ets:first/1`)."""

    @abstractmethod
    def last(self) -> Any:
        """Return the last key of an ordered set, else the first (`ets:last/1`)."""

    @abstractmethod
    def next(self, key: object) -> Any:
        """Return the key after that one, `END_OF_TABLE` if it is the last (`ets:next/2`).

        Raises:
            InvalidInput: `key` is no key.
            TableRefused: `bad_key`: it is not there, and the table neither ordered nor fixed.
        """

    @abstractmethod
    def prev(self, key: object) -> Any:
        """Return the key before that one in an ordered set, else the next (`ets:prev/2`).

        Raises:
            InvalidInput: `key` is no key.
            TableRefused: `bad_key`: it is not there, and the table neither ordered nor fixed.
        """

    @abstractmethod
    def slot(self, number: int) -> Any:
        """Return the rows of the key in that place of the table (`ets:slot/2`).

        Args:
            number: from 0; as many as there are places gives `END_OF_TABLE`. A place may be empty
                where a key was deleted.

        Raises:
            InvalidInput: `number` is no integer, negative or beyond that.
        """

    @abstractmethod
    def _form(self, key: object) -> Hashable:
        """Return the form of a key.

        Raises:
            InvalidInput: `key` is no key.
        """

    @abstractmethod
    def _forms(self) -> list[Any]:
        """Return the forms of all keys as they are now, in order."""

    @abstractmethod
    def _in_order(self, forms: list[Any], reverse: bool) -> list[Any]:
        """Return the forms in the order of the table, where it has one, else as they are."""

    @abstractmethod
    def _rows(self, form: Any) -> list[Row]:
        """Return the rows of a key as they are now."""

    @abstractmethod
    def _add(self, form: Any, row: Row) -> None:
        """Store one row."""

    @abstractmethod
    def _assign(self, form: Any, rows: list[Row]) -> None:
        """Make these the rows of a key; none remove it."""

    @abstractmethod
    def _clear(self) -> None:
        """Remove all rows."""

    def _discard(self, form: Any, row: Row) -> None:
        """Remove every row that is exactly that one."""
        wanted = exact(row)
        rows = self._rows(form)
        kept = [other for other in rows if exact(other) != wanted]
        if len(kept) < len(rows):
            self._assign(form, kept)

    @abstractmethod
    def _all(self, spec: MatchSpec | None = None, reverse: bool = False) -> Iterable[Row]:
        """Return the rows, or those that `spec` can fit, as they are now, in order."""

    @abstractmethod
    def _begin(self, spec: MatchSpec, reverse: bool) -> Any:
        """Return a cursor for `_walk`, before the first row."""

    @abstractmethod
    def _walk(self, cursor: Any, spec: MatchSpec, reverse: bool) -> Iterator[tuple[Any, list[Row]]]:
        """Yield the rows of each key beyond the cursor, with the cursor behind them."""
