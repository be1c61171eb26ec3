"""Searches of a table by match patterns and match specifications, whole or in chunks.

They look at the rows of one key, or of a few, where the heads say which; in an ordered set at a
range where a head says how the key, a tuple, begins; else at all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from beam.errors import InvalidInput, TableRefused
from beam.otp.atom import Atom
from beam.otp.counters import is_integer
from beam.otp.match import NO_MATCH, MatchSpec, Wanted, compile_pattern, compile_spec
from beam.otp.rows import Row, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Chunk", "Continuation", "Pattern", "Search", "Spec"]


@dataclass(frozen=True, slots=True, eq=False)
class Continuation:
    """Where a search by chunks goes on; hand it to the function that returned it.

    It does not change: handed in twice, it gives the same chunk twice while the table is the same.
    """

    _source: Search
    _spec: MatchSpec
    _limit: int
    _reverse: bool
    _cursor: Any
    _found: tuple[Any, ...]


# What may fit a row; any other term is a pattern as well, that no row fits.
Pattern: TypeAlias = Row | str | Atom
Spec: TypeAlias = list[Any] | MatchSpec
Chunk: TypeAlias = tuple[list[Any], Continuation | None]


class Search(Rows):
    """The functions `match...` and `select...` of a table.

    Where one takes a `limit`, it returns instead of a list a pair: at most that many results, and
    a `Continuation` for the next ones, `None` where there are no more. The last chunk may be empty.
    All raise `InvalidInput` for a limit below 1, a pattern or specification that is none, and a
    continuation of another table, before anything has changed.
    """

    __slots__ = ()

    @overload
    def match(self, pattern: Continuation) -> Chunk: ...
    @overload
    def match(self, pattern: Pattern, limit: int) -> Chunk: ...
    @overload
    def match(self, pattern: Pattern) -> list[list[Any]]: ...
    def match(
        self, pattern: Pattern | Continuation, limit: int | None = None
    ) -> list[list[Any]] | Chunk:
        """Return what the variables are bound to in each row that fits (`ets:match/1,2,3`).

        Args:
            pattern: a match pattern, or the continuation of an earlier `match`.
            limit: the most results of a chunk.
        """
        return self._search(pattern, limit, Wanted.BINDINGS)

    @overload
    def match_object(self, pattern: Continuation) -> Chunk: ...
    @overload
    def match_object(self, pattern: Pattern, limit: int) -> Chunk: ...
    @overload
    def match_object(self, pattern: Pattern) -> list[Row]: ...
    def match_object(
        self, pattern: Pattern | Continuation, limit: int | None = None
    ) -> list[Row] | Chunk:
        """Return the rows that fit (`ets:match_object/1,2,3`).

        Args:
            pattern: a match pattern, or the continuation of an earlier `match_object`.
            limit: the most results of a chunk.
        """
        return self._search(pattern, limit, Wanted.ROW)

    def match_delete(self, pattern: Pattern) -> bool:
        """Remove the rows that fit (`ets:match_delete/2`).

        Returns:
            True.
        """
        self._delete_if_true(compile_pattern(pattern, Wanted.TRUE))
        return True

    @overload
    def select(self, spec: Spec) -> list[Any]: ...
    @overload
    def select(self, spec: Spec, limit: int) -> Chunk: ...
    @overload
    def select(self, spec: Continuation) -> Chunk: ...
    def select(self, spec: Spec | Continuation, limit: int | None = None) -> list[Any] | Chunk:
        """Return what the specification yields for each row that fits (`ets:select/1,2,3`).

        Args:
            spec: a match specification, compiled or not, or the continuation of an earlier chunk.
            limit: the most results of a chunk.
        """
        return self._search(spec, limit)

    @overload
    def select_reverse(self, spec: Spec) -> list[Any]: ...
    @overload
    def select_reverse(self, spec: Spec, limit: int) -> Chunk: ...
    @overload
    def select_reverse(self, spec: Continuation) -> Chunk: ...
    def select_reverse(
        self, spec: Spec | Continuation, limit: int | None = None
    ) -> list[Any] | Chunk:
        """As `select`, an ordered set from its last key on (`ets:select_reverse/1,2,3`)."""
        return self._search(spec, limit, reverse=True)

    def select_count(self, spec: Spec) -> int:
        """Return for how many rows the specification yields True (`ets:select_count/2`)."""
        compiled = _compiled(spec)
        rows = self._candidates(compiled, self._bound_forms(compiled))
        return sum(compiled.run(row) is True for row in rows)

    def select_delete(self, spec: Spec) -> int:
        """Remove the rows for which the specification yields True (`ets:select_delete/2`).

        Returns:
            How many they were.
        """
        return self._delete_if_true(_compiled(spec))

    def select_replace(self, spec: Spec) -> int:
        """Replace each row that fits by what the specification yields (`ets:select_replace/2`).

        Returns:
            How many were replaced, by themselves too.

        Raises:
            InvalidInput: a body does not show that it keeps the key.
            TableRefused: `wrong_kind`: in a bag, rows that become the same would be lost.
        """
        compiled = _compiled(spec)
        if self.kind == "bag":
            raise TableRefused("wrong_kind", operation="select_replace", kind=self.kind)
        compiled.require_key_kept(self.keypos)
        replaced = 0

        def replacement(row: Row) -> list[Row]:
            nonlocal replaced
            value = compiled.run(row)
            if value is NO_MATCH:
                return [row]
            replaced += 1
            return [value]

        self._rewrite(compiled, replacement)
        return replaced

    def _delete_if_true(self, compiled: MatchSpec) -> int:
        deleted = 0

        def remainder(row: Row) -> list[Row]:
            nonlocal deleted
            if compiled.run(row) is not True:
                return [row]
            deleted += 1
            return []

        self._rewrite(compiled, remainder)
        return deleted

    def _rewrite(self, compiled: MatchSpec, rewritten: Callable[[Row], list[Row]]) -> None:
        changes = []
        forms = self._bound_forms(compiled)
        for form in self._forms() if forms is None else forms:
            rows = self._rows(form)
            new = list(chain.from_iterable(map(rewritten, rows)))
            if len(new) != len(rows) or any(map(_is_another, new, rows)):
                changes.append((form, new))
        for form, rows in changes:
            self._assign(form, rows)

    def _search(
        self,
        sought: object,
        limit: int | None,
        wanted: Wanted | None = None,
        reverse: bool = False,
    ) -> list[Any] | Chunk:
        if isinstance(sought, Continuation):
            return self._continued(sought, limit)
        if limit is not None and (not is_integer(limit) or limit < 1):
            raise InvalidInput("limit", limit, "an integer from 1")
        compiled = _compiled(sought) if wanted is None else compile_pattern(sought, wanted)
        forms = self._bound_forms(compiled, reverse)
        if limit is not None and forms is None:
            return self._chunk(compiled, limit, reverse, self._begin(compiled, reverse), [])
        found = _found(compiled, self._candidates(compiled, forms, reverse))
        return found if limit is None else self._chunk(compiled, limit, reverse, None, found)

    def _continued(self, at: Continuation, limit: int | None) -> Chunk:
        if at._source is not self or limit is not None:
            raise InvalidInput("continuation", at, "one of this table's, without a limit")
        return self._chunk(at._spec, at._limit, at._reverse, at._cursor, list(at._found))

    def _chunk(
        self, compiled: MatchSpec, limit: int, reverse: bool, cursor: Any, found: list[Any]
    ) -> Chunk:
        if cursor is not None and len(found) < limit:
            for behind, rows in self._walk(cursor, compiled, reverse):
                found += _found(compiled, rows)
                if len(found) >= limit:
                    cursor = behind
                    break
            else:
                cursor = None
        if cursor is None and len(found) <= limit:
            return found, None
        rest = tuple(found[limit:])
        return found[:limit], Continuation(self, compiled, limit, reverse, cursor, rest)

    def _candidates(
        self, compiled: MatchSpec, forms: list[Any] | None, reverse: bool = False
    ) -> Iterable[Row]:
        """Return the rows that can fit, in order, as they are now."""
        if forms is None:
            return self._all(compiled, reverse)
        return chain.from_iterable(map(self._rows, forms))

    def _bound_forms(self, compiled: MatchSpec, reverse: bool = False) -> list[Any] | None:
        """Return the forms of the only keys whose rows can fit, `None` if all may."""
        keys = compiled.keys(self.keypos)
        if keys is None:
            return None
        # Each once, and not by way of a set, whose order differs from run to run.
        return self._in_order(list(dict.fromkeys(map(self._form, keys))), reverse)


def _found(compiled: MatchSpec, rows: Iterable[Row]) -> list[Any]:
    run = compiled.run
    return [value for row in rows if (value := run(row)) is not NO_MATCH]


def _compiled(spec: object) -> MatchSpec:
    return spec if isinstance(spec, MatchSpec) else compile_spec(spec)


def _is_another(new: Row, old: Row) -> bool:
    return new is not old
