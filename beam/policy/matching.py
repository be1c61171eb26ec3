"""Which contexts a rule is for.

    >>> match = parse_match(["path_prefix", ["params", "path"], "/srv"])
    >>> match.holds({"params": {"path": "/srv/www"}}), match.holds({"params": {"path": "/srvx"}})
    (True, False)

| form | holds if |
|---|---|
| `"*"` | always |
| `("exists", path)` | there is something at the path |
| `("eq", path, value)` | it equals the value, and is of its kind: `True` is not `1` |
| `("member", path, values)` | it equals one of them |
| `("prefix", path, text)` | it is a text that begins with this one |
| `("path_prefix", path, folder)` | it names the folder, or something in it |

A path is a key, or a list of keys from the outside in through nested mappings. In a `path_prefix`
backslashes count as slashes, and `.` and `..` are worked out first, so that nobody leaves a folder
by `/srv/../etc`; `/srv` is no prefix of `/srvx`. A relative name that leads out of where it
begins is in no folder.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from beam.errors import InvalidInput

__all__ = ["Match", "MatchKind", "parse_match"]

MatchKind = Literal["*", "exists", "eq", "member", "prefix", "path_prefix"]
"""The kinds of matches."""

_EXPECTED = (
    "'*', ('exists', path), ('eq', path, value), ('member', path, values), "
    "('prefix', path, text) or ('path_prefix', path, folder)"
)
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Match:
    """One condition on a context.

    Attributes:
        kind: which.
        path: the keys to what is looked at; none for `*`.
        wanted: what it is compared with.
    """

    kind: MatchKind = "*"
    path: tuple[str, ...] = ()
    wanted: Any = None

    def holds(self, context: Mapping[str, Any]) -> bool:
        """Say whether a context is one of these. Never raises on JSON data."""
        if self.kind == "*":
            return True
        found = _at(context, self.path)
        if found is _ABSENT:
            return False
        match self.kind:
            case "eq":
                return _same(found, self.wanted)
            case "member":
                return any(_same(found, one) for one in self.wanted)
            case "prefix":
                return isinstance(found, str) and found.startswith(self.wanted)
            case "path_prefix":
                return isinstance(found, str) and _is_in(found, self.wanted)
        return True

    def as_data(self) -> Any:
        """Return the match as JSON data; `parse_match` reads it."""
        if self.kind in ("*", "exists"):
            return "*" if self.kind == "*" else [self.kind, list(self.path)]
        wanted = list(self.wanted) if self.kind == "member" else self.wanted
        return [self.kind, list(self.path), wanted]


def parse_match(given: object) -> Match:
    """Return the match of one of the forms above.

    Raises:
        InvalidInput: it has none of them; `reason` is `invalid_match`.
    """
    if given is None or given == "*":
        return Match()
    if not isinstance(given, list | tuple) or not given or given[0] not in get_args(MatchKind):
        raise _invalid(given)
    kind, *rest = given
    if len(rest) != (1 if kind == "exists" else 2):
        raise _invalid(given)
    wanted = rest[1] if len(rest) > 1 else None
    if kind == "member":
        if not isinstance(wanted, list | tuple):
            raise _invalid(given)
        wanted = tuple(wanted)
    elif kind in ("prefix", "path_prefix") and not isinstance(wanted, str):
        raise _invalid(given)
    return Match(kind, _path(rest[0], given), wanted)


def _path(given: object, whole: object) -> tuple[str, ...]:
    keys = (given,) if isinstance(given, str) else given
    if not isinstance(keys, Sequence) or not keys or not all(isinstance(key, str) for key in keys):
        raise _invalid(whole)
    return tuple(keys)


def _invalid(given: object) -> InvalidInput:
    error = InvalidInput("match", given, _EXPECTED)
    error.reason = "invalid_match"
    return error


def _at(context: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(context, Mapping) or key not in context:
            return _ABSENT
        context = context[key]
    return context


def _same(found: Any, wanted: Any) -> bool:
    # In Python True == 1; in JSON, and for who writes a rule, they are not the same.
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)


def _is_in(name: str, folder: str) -> bool:
    name, folder = _worked_out(name), _worked_out(folder)
    if folder in (name, "/"):
        return name.startswith(folder)
    if folder == ".":
        return not name.startswith(("/", "../")) and name != ".."
    return name.startswith(f"{folder}/")


def _worked_out(name: str) -> str:
    plain = posixpath.normpath(name.replace("\\", "/"))
    # POSIX leaves two leading slashes as they are; to every system of ours they are one.
    return plain[1:] if plain.startswith("//") else plain
