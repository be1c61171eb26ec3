"""What each backend of a fleet can do, custom ones too: the rows that routing chooses by.

    >>> registry = CapabilityRegistry.of_kinds({"reviewer": "function"})
    >>> registry.supports("interrupt", "reviewer"), registry.supports("hooks", "reviewer")
    (True, False)
    >>> registry = registry.with_backend("ours", {"hooks": {"level": "partial"}})
    >>> registry.status("hooks", "ours").level, registry.backends().names
    ('partial', ('ours', 'reviewer'))

A value: each change returns the next one, and the router keeps the one that counts. A capability
that a backend's row does not have is missing there, and not supported. An id that is not in the
vocabulary (`beam.model.capabilities`) becomes known by being registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

from beam.errors import InvalidInput, NotFound, NotSupported
from beam.model.capabilities import (
    BUILTIN,
    CAPABILITIES,
    Fidelity,
    Implementation,
    Level,
    Support,
    title,
)
from beam.routing.backends import ALIASES, BackendSet, check_name

__all__ = ["MOST", "CapabilityRegistry", "Projection", "Rows"]

MOST = 1000
"""How many backends there may be."""

Rows = Mapping[str, Mapping[str, Support]]

_MISSING = Support("missing")
_FULL = Support("full")
_WORDS: Mapping[str, tuple[str, ...]] = {
    "level": get_args(Level),
    "implementation": get_args(Implementation),
    "fidelity": get_args(Fidelity),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """One capability of one backend, for people and programs to read.

    Attributes:
        id: the capability.
        title: its name for people.
        backend: whose.
        support_level: `missing`, `partial`, `baseline` or `full`.
        implementation: who does it.
        fidelity: how like the real thing it is.
        available_paths: the ways to it, where there are several.
        notes: what else there is to say.
    """

    id: str
    title: str
    backend: str
    support_level: Level
    implementation: Implementation
    fidelity: Fidelity
    available_paths: tuple[Implementation, ...] = ()
    notes: str = ""


@dataclass(frozen=True, slots=True)
class CapabilityRegistry:
    """The rows of all backends.

    Attributes:
        configured: those that the fleet was made with, to which `reset` goes back.
        rows: those that count now.
    """

    configured: Rows
    rows: Rows

    @classmethod
    def of_kinds(cls, kinds: Mapping[str, str]) -> CapabilityRegistry:
        """Return the registry of backends of built-in kinds, by name."""
        rows = {name: {str(one): found for one, found in BUILTIN[kind].items()}
                for name, kind in kinds.items()}  # fmt: skip
        return cls(rows, rows)

    @classmethod
    def of_ids(cls, capabilities: Mapping[str, Iterable[str]]) -> CapabilityRegistry:
        """Return the registry of backends that have these capabilities in full."""
        rows = {name: dict.fromkeys(ids, _FULL) for name, ids in capabilities.items()}
        return cls(rows, rows)

    # Reading

    def backends(self) -> BackendSet:
        """Return the backends as routing knows them."""
        return BackendSet.of(
            {
                name: [one for one, support in row.items() if support.level != "missing"]
                for name, row in self.rows.items()
            },
            known=self.capability_ids(),
        )

    def names(self) -> list[str]:
        """Return the backends, sorted."""
        return sorted(self.rows)

    def capability_ids(self) -> list[str]:
        """Return every capability: those of the vocabulary in its order, then others, sorted."""
        others = {one for row in self.rows.values() for one in row}.difference(CAPABILITIES)
        return [*CAPABILITIES, *sorted(others)]

    def all(self) -> list[dict[str, Any]]:
        """Return every capability with its `id`, its `title` and its `support` by backend."""
        names = self.names()
        return [
            {
                "id": one,
                "title": _title(one),
                "support": {name: self.rows[name].get(one, _MISSING) for name in names},
            }
            for one in self.capability_ids()
        ]

    def for_backend(self, backend: str) -> list[Projection]:
        """Return what a backend can and cannot do.

        Raises:
            NotFound: `unknown_backend`.
        """
        name = self._name(backend)
        return [_projection(one, name, self.status(one, name)) for one in self.capability_ids()]

    def status(self, capability: str, backend: str) -> Support:
        """Return how far a backend supports a capability.

        Raises:
            NotFound: `unknown_capability`, or, checked after it, `unknown_backend`.
        """
        if capability not in CAPABILITIES and capability not in self.capability_ids():
            expected = tuple(self.capability_ids())
            raise NotFound("unknown_capability", capability=capability, expected=expected)
        return self.rows[self._name(backend)].get(capability, _MISSING)

    def supports(self, capability: str, backend: str) -> bool:
        """Say whether a backend supports a capability: no, where it is missing.

        Raises:
            NotFound: as `status`.
        """
        return self.status(capability, backend).level != "missing"

    def assert_capability(self, capability: str, backend: str) -> None:
        """Refuse what a backend cannot do.

        Raises:
            NotSupported: `unsupported_capability` with `capability` and `backend`.
            NotFound: as `status`.
        """
        if not self.supports(capability, backend):
            raise NotSupported("unsupported_capability", capability=capability, backend=backend)

    def _name(self, backend: object) -> str:
        for name in (backend, ALIASES.get(backend) if isinstance(backend, str) else None):
            if isinstance(name, str) and name in self.rows:
                return name
        raise NotFound("unknown_backend", backend=backend, expected=tuple(self.names()))

    # Changing

    def with_backend(self, name: str, support: Mapping[str, Any]) -> CapabilityRegistry:
        """Add a backend, or put another row in place of its own.

        Args:
            name: what it is called.
            support: by capability a `Support`, or a mapping of its fields (`level`, ...).

        Raises:
            InvalidInput: the name, an id or a support is not what it must be; there are 1,000
                backends already.
        """
        check_name(name)
        if name not in self.rows and len(self.rows) >= MOST:
            raise InvalidInput("backend", name, f"at most {MOST:,} backends")
        row = {_id(one): _support(found) for one, found in _checked(support).items()}
        return replace(self, rows={**self.rows, name: row})

    def with_capability(self, backend: str, capability: str, support: Any) -> CapabilityRegistry:
        """Say how far a backend supports one capability.

        Raises:
            InvalidInput: the id or the support is not what it must be.
            NotFound: `unknown_backend`.
        """
        name = self._name(backend)
        row = {**self.rows[name], _id(capability): _support(support)}
        return replace(self, rows={**self.rows, name: row})

    def without_backend(self, backend: str) -> CapabilityRegistry:
        """Take a backend out, of routing too; an unknown one is out already."""
        return replace(self, rows={name: row for name, row in self.rows.items() if name != backend})

    def as_configured(self) -> CapabilityRegistry:
        """Forget every change."""
        return replace(self, rows=self.configured)


def _checked(support: object) -> Mapping[object, object]:
    if isinstance(support, Mapping):
        return support
    raise InvalidInput("support", type(support).__name__, "a mapping of capabilities")


def _title(capability: str) -> str:
    return title(capability) if capability in CAPABILITIES else capability


def _projection(capability: str, backend: str, support: Support) -> Projection:
    return Projection(
        id=capability,
        title=_title(capability),
        backend=backend,
        support_level=support.level,
        implementation=support.implementation,
        fidelity=support.fidelity,
        available_paths=support.paths,
        notes=support.notes,
    )


def _id(capability: object) -> str:
    if not isinstance(capability, str) or not capability:
        raise InvalidInput("capability", capability, "a non-empty capability id")
    return capability


def _support(given: object) -> Support:
    """Return the support that is given as one, or as its fields."""
    if isinstance(given, Support):
        support = given
    elif isinstance(given, Mapping):
        known = [field.name for field in fields(Support)]
        for key in given:
            if key not in known:
                raise InvalidInput("support", key, f"any of {', '.join(known)}")
        if "level" not in given:
            raise InvalidInput("level", None, f"one of {', '.join(_WORDS['level'])}")
        support = Support(**given)
    else:
        raise InvalidInput("support", type(given).__name__, "a Support, or a mapping of its fields")
    for key, words in _WORDS.items():
        if getattr(support, key) not in words:
            raise InvalidInput(key, getattr(support, key), f"one of {', '.join(words)}")
    return support
