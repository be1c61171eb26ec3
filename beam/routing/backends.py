"""The backends that a router may choose from, with what each can do.

    >>> backends = BackendSet.of({"reviewer": ["interrupt"], "claude": ["interrupt", "hooks"]})
    >>> backends.names
    ('claude', 'reviewer')
    >>> backends.resolve("claude_code")
    'claude'
    >>> backends.supports("reviewer", "hooks")
    False

The order is by name, whatever the order of configuration, so that "first eligible" means the same
backend in every process of a fleet. Names are case-sensitive. A configured name always stands for
itself; the aliases of the five well-known agents stand for these where they are configured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from beam.errors import InvalidInput, RoutingRefused
from beam.model.capabilities import CAPABILITIES

__all__ = ["ALIASES", "AUTO", "BackendSet", "check_name"]

AUTO = "auto"
"""In a request the word for "no backend named"; no backend can bear it as a name."""

ALIASES: Mapping[str, str] = {
    "claude_agent_sdk": "claude",
    "claude_code": "claude",
    "codex_app_server": "codex",
    "codex_cli": "codex",
    "copilot_client": "copilot",
    "gemini_cli": "gemini",
    "gemini_cli_client": "gemini",
    "opencode_client": "opencode",
}
"""Other names of the five well-known agents."""


@dataclass(frozen=True, slots=True)
class BackendSet:
    """The configured backends. Make one with `BackendSet.of`, which checks it.

    Attributes:
        names: every backend, sorted by name.
        capabilities: for each name the ids of what the backend can do; what is not there is
            missing, and `supports` says so.
        known_capabilities: every capability id that a request may ask for.
    """

    names: tuple[str, ...]
    capabilities: Mapping[str, frozenset[str]]
    known_capabilities: frozenset[str]

    @classmethod
    def of(cls, capabilities: Mapping[str, Iterable[str]], known: Iterable[str] = ()) -> BackendSet:
        """Return the set of the backends that are the keys.

        Args:
            capabilities: backend name to the ids of what it supports. An id that the vocabulary
                does not have becomes known to requests by being here.
            known: what else requests may ask for, if nobody has it.

        Raises:
            InvalidInput: a name is not a non-empty string, or is `auto`; a capability is not a
                non-empty string, or stands where a collection of them belongs.
        """
        for name in capabilities:
            check_name(name)
        offered = {name: _capability_ids(name, ids) for name, ids in capabilities.items()}
        return cls(
            names=tuple(sorted(offered)),
            capabilities=offered,
            known_capabilities=frozenset(CAPABILITIES).union(known, *offered.values()),
        )

    def resolve(self, name: object, *, field: str = "backend") -> str:
        """Return the configured backend that `name` stands for.

        Args:
            name: a configured name, or an alias of one.
            field: what the caller calls the place where the name stood, for the refusal.

        Raises:
            RoutingRefused: `unknown_backend` with `field`, `value` and `expected`.
        """
        if isinstance(name, str):
            if name in self.capabilities:
                return name
            alias = ALIASES.get(name)
            if alias is not None and alias in self.capabilities:
                return alias
        configured = ", ".join(self.names) or "none is configured"
        raise RoutingRefused(
            "unknown_backend",
            field=field,
            value=name,
            expected=f"a configured backend or an alias of one ({configured})",
        )

    def supports(self, backend: str, capability: str) -> bool:
        """Return whether the configured `backend` has the capability."""
        return capability in self.capabilities[backend]


def check_name(name: object) -> None:
    """Refuse what cannot be the name of a backend.

    Raises:
        InvalidInput: it is no non-empty string, or `auto`.
    """
    if not isinstance(name, str) or not name or name == AUTO:
        raise InvalidInput("backend", name, f"a non-empty name other than {AUTO!r}")


def _capability_ids(backend: str, ids: Iterable[object]) -> frozenset[str]:
    field = f"capabilities of {backend}"
    if isinstance(ids, str):
        raise InvalidInput(field, ids, "a collection of capability ids")
    offered: set[str] = set()
    for capability in ids:
        if not isinstance(capability, str) or not capability:
            raise InvalidInput(field, capability, "non-empty capability ids")
        offered.add(capability)
    return frozenset(offered)
