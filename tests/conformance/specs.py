"""Specifications of children, and flags of supervisors, from OTP's terms to Python and back.

| OTP | here |
|---|---|
| `intensity`, `period` | `max_restarts`, `max_seconds` |
| a shutdown in ms, `infinity`, `brutal_kill` | in seconds and stretched, `None`, `"brutal"` |
| no `type`: `worker` | `type="worker"`: without it, ours follows from the class |
| a start function that does not exist | a function that raises `undef` |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam.otp import ChildSpec
from tests.conformance.terms import Terms, Uncaught

__all__ = ["SpecTerms", "described", "fields", "flags", "seconds", "start_function"]

Json = Mapping[str, Any]

# How many times as long all takes here, so that the 300 ms that a child has for its end are not
# over because others have the processor. OTP's default of 5,000 ms, longer than any other, stays as
# it is; and no whole number of ms is stretched to it.
STRETCH = 9
DEFAULT = 5.0

_FLAGS = {
    "strategy": "strategy",
    "intensity": "max_restarts",
    "period": "max_seconds",
    "auto_shutdown": "auto_shutdown",
}
_SHUTDOWNS = {"infinity": None, "brutal_kill": "brutal"}


class Alien:
    """A term that OTP refuses, where its spelling here would be a valid value."""

    def __init__(self, term: Any) -> None:
        self.term = term


class SpecTerms(Terms):
    """Terms, and specifications: of a child that did not start, and as they were given."""

    def _other(self, value: Any) -> Any:
        match value:
            case Alien():
                return value.term
            case ChildSpec():
                return {"child": self.term(value.id)}
            case Mapping():
                return {"spec": self.term(value["id"])}
        return super()._other(value)


def flags(terms: Terms, tree: Json) -> dict[str, Any]:
    """Return the flags of a supervisor."""
    return {_FLAGS[key]: terms.value(tree[key]) for key in _FLAGS if key in tree}


def fields(terms: Terms, child: Json) -> dict[str, Any]:
    """Return the fields of the specification of a child, without what it starts."""
    keys = ("id", "restart", "shutdown", "significant", "type", "modules")
    given = {key: _value(terms, key, child[key]) for key in keys if key in child}
    return {"type": "worker", **given}


def seconds(ms: int) -> float:
    """Return the seconds that so many milliseconds of a scenario take."""
    return ms * STRETCH / 1000


def described(spec: ChildSpec) -> list[tuple[str, Any]]:
    """Return a specification as `get_childspec` of OTP's does."""
    words = {None: "infinity", "brutal": "brutal_kill"}
    stretch = 1 if spec.shutdown == DEFAULT else STRETCH
    known = spec.shutdown in words
    shutdown = words[spec.shutdown] if known else round(spec.shutdown * 1000 / stretch)
    return [
        ("id", spec.id),
        ("restart", spec.restart),
        ("shutdown", shutdown),
        ("significant", spec.significant),
        ("type", spec.type),
    ]


def _value(terms: Terms, key: str, term: Any) -> Any:
    """Return the value of a field of a specification."""
    if isinstance(term, bool):
        return term
    if key != "shutdown":
        return terms.value(term)
    if isinstance(term, int) and term >= 0:
        return seconds(term)
    return _SHUTDOWNS[term] if isinstance(term, str) and term in _SHUTDOWNS else Alien(term)


def start_function(term: Any) -> Any:
    """Return a function for one that does not exist; what names no function as it is."""
    match term:
        case (str(), str(), list()):
            return _undefined
    return term


def _undefined() -> None:
    raise Uncaught("undef")
