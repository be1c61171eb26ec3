"""What happened in a simulation, line by line: the same for the same seed, to the byte.

    >>> history = History()
    >>> history.note(0.5, "counter", "call", ("add", {"b", "a"}))
    >>> history.lines
    ["0.500000 counter call ('add', {'a', 'b'})"]
    >>> len(history.digest())
    64

Values are shown without what differs from one Python process to the next: addresses, and the order
of sets.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
from collections.abc import Mapping
from types import FunctionType, NoneType
from typing import TYPE_CHECKING, Any

from beam.otp import Atom, Monitor, Ref, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["History", "rendered"]

# How deep, and how many characters, a value is shown.
DEPTH = 4
WIDTH = 200


class History:
    """The lines of one run.

    Bounded by the run's own length, which has a bound of turns.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        """One for each event, oldest first: time, process, event, and what it was about."""

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def note(self, now: float, label: str, event: str, about: Any = None) -> None:
        """Add a line."""
        tail = f" {rendered(about)}" if about is not None else ""
        self.lines.append(f"{now:.6f} {label} {event}{tail}")

    def digest(self) -> str:
        """Return the SHA-256 of the whole, in hexadecimal."""
        return hashlib.sha256(str(self).encode()).hexdigest()


def rendered(value: Any, depth: int = DEPTH) -> str:
    """Return a text for `value` that is the same in every Python process.

    What has no form of its own here is shown by its class and its attributes, since its repr may
    hold a set.
    """
    kind: Any = type(value)
    if kind in _PLAIN or issubclass(kind, _NAMED):
        text = repr(value)
    elif not depth:
        text = f"<{kind.__name__}>"
    elif kind in _BRACKETS:
        text = _collection(value, kind, depth)
    else:
        text = _form(kind)(value, depth)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}... ({len(text)})"


# What is shown by its own repr, which is the same in every run.
_NAMED = (Ref, Monitor, Table, enum.Enum)
_PLAIN = frozenset({str, bytes, int, float, complex, bool, NoneType, Atom})
_BRACKETS: dict[type, tuple[str, str]] = {
    tuple: ("(", ")"),
    list: ("[", "]"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
}


def _collection(value: Any, kind: type, depth: int) -> str:
    items = [rendered(one, depth - 1) for one in value]
    if kind in (set, frozenset):
        items.sort()
    first, last = _BRACKETS[kind]
    comma = "," if kind is tuple and len(items) == 1 else ""
    return f"{first}{', '.join(items)}{comma}{last}"


@functools.cache
def _form(kind: Any) -> Callable[[Any, int], str]:
    """Return what shows the values of a class; asked once, as there are many of few classes."""
    if issubclass(kind, Mapping):
        return _mapping
    if issubclass(kind, (type, FunctionType)):
        return _qualified_name
    if issubclass(kind, BaseException):
        return _exception
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return functools.partial(_record, kind._fields)
    if dataclasses.is_dataclass(kind):
        return functools.partial(_record, [one.name for one in dataclasses.fields(kind)])
    return _object


def _mapping(value: Any, depth: int) -> str:
    items = [f"{rendered(k, depth - 1)}: {rendered(v, depth - 1)}" for k, v in value.items()]
    return f"{{{', '.join(items)}}}"


def _qualified_name(value: Any, _depth: int) -> str:
    name: str = value.__qualname__
    return name


def _exception(value: Any, depth: int) -> str:
    return f"{type(value).__name__}({', '.join([rendered(one, depth - 1) for one in value.args])})"


def _object(value: Any, depth: int) -> str:
    return _record(list(getattr(value, "__dict__", ())), value, depth)


def _record(names: Sequence[str], value: Any, depth: int) -> str:
    shown = [f"{name}={rendered(getattr(value, name), depth - 1)}" for name in names]
    return f"{type(value).__name__}({', '.join(shown)})"
