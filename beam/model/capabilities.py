"""Capabilities: what a backend can do, in 24 words and along three axes.

    >>> BUILTIN["claude"]["checkpointing"]
    Support(level='full', implementation='direct_backend', fidelity='exact', paths=(), notes='')
    >>> "checkpointing" in supported("function")
    False
    >>> title("in_process_mcp")
    'In-process MCP'

For each pair of a backend and a capability the table says how far it goes (`level`), who does it
(`implementation`: the backend itself, `beam` for any backend, or both), and how like the real thing
it is (`fidelity`). Routing chooses by it; nothing else is decided by it.

The rows of the five agents are those of the specification of the field. The rows of `function`,
`command` and `provider`, our own, say what there is today: what no room of the house provides yet
is `missing` there, and a missing capability is not supported. Two talk to a program that we do not
know, so for what the program must do its part in (`command`: report a tool, ask for permission),
the table says that the protocol has it, not that every program makes use of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from beam.errors import NotFound, NotSupported

__all__ = [
    "BUILTIN",
    "CAPABILITIES",
    "Capability",
    "Fidelity",
    "Implementation",
    "Level",
    "Row",
    "Support",
    "require",
    "status",
    "supported",
    "title",
]

Capability = Literal[
    "session_lifecycle", "session_info", "runtime_model_switch", "interrupt", "permission_mode",
    "session_history", "session_mutation", "thread_management", "metadata_accessors",
    "in_process_mcp", "mcp_management", "hooks", "checkpointing", "thinking_budget", "task_stop",
    "command_execution", "approval_callbacks", "user_input_callbacks", "realtime_review",
    "config_management", "provider_management", "attachments", "event_streaming", "memory",
]  # fmt: skip
"""Something that a backend may be able to do."""

CAPABILITIES: tuple[Capability, ...] = get_args(Capability)
"""Every capability."""

Level = Literal["missing", "partial", "baseline", "full"]
"""How far the support goes."""

Implementation = Literal["direct_backend", "universal", "direct_backend_and_universal"]
"""Who does it: the backend, `beam` for every backend, or either."""

Fidelity = Literal["exact", "validated_equivalent"]
"""Whether it is the thing itself or one that was found to do the same."""


@dataclass(frozen=True, slots=True)
class Support:
    """What a backend's support of a capability amounts to.

    Attributes:
        level: how far it goes; `missing` for not at all.
        implementation: who does it.
        fidelity: how like the real thing it is.
        paths: the ways to it, where there are several.
        notes: what else there is to say, for people.
    """

    level: Level
    implementation: Implementation = "direct_backend"
    fidelity: Fidelity = "exact"
    paths: tuple[Implementation, ...] = ()
    notes: str = ""


Row = Mapping[Capability, Support]
"""One backend's support of the capabilities; what is not in it is missing."""

_PATHS: tuple[Implementation, ...] = ("direct_backend", "universal")

_CODES: Mapping[str, Support] = {
    "De": Support("full", "direct_backend", "exact"),
    "De+B": Support("full", "direct_backend", "exact", paths=_PATHS),
    "Dv": Support("full", "direct_backend", "validated_equivalent"),
    "Ue": Support("full", "universal", "exact"),
    "Uv": Support("full", "universal", "validated_equivalent"),
    "Be": Support("full", "direct_backend_and_universal", "exact", paths=_PATHS),
    "-": Support("missing"),
}

_AGENTS = ("claude", "codex", "gemini", "opencode", "copilot")

_AGENT_TABLE: Mapping[Capability, str] = {
    #                        claude codex gemini opencode copilot
    "session_lifecycle":    "De    De    De    De    De",
    "session_info":         "De    De    De    De    De",
    "runtime_model_switch": "De    De    De    De    De",
    "interrupt":            "De    De    De    De    De",
    "permission_mode":      "De    De    De    De    De",
    "session_history":      "De+B  Uv    Uv    De+B  Uv",
    "session_mutation":     "Uv    Uv    Uv    De+B  Uv",
    "thread_management":    "Uv    De    Uv    Uv    Uv",
    "metadata_accessors":   "Uv    Uv    Uv    Uv    Uv",
    "in_process_mcp":       "Ue    Ue    Ue    Ue    Ue",
    "mcp_management":       "De    Dv    Uv    De    Dv",
    "hooks":                "Ue    Ue    Ue    Ue    Ue",
    "checkpointing":        "De    Uv    Uv    Uv    Uv",
    "thinking_budget":      "De    Uv    Uv    Uv    Uv",
    "task_stop":            "De    Uv    Uv    Uv    Uv",
    "command_execution":    "Uv    De    Uv    Uv    Uv",
    "approval_callbacks":   "De    De    De    De    De",
    "user_input_callbacks": "De    De    Ue    Ue    De",
    "realtime_review":      "Ue    Be    Ue    Be    Ue",
    "config_management":    "Ue    De    Ue    De    Be",
    "provider_management":  "Ue    Be    Ue    De    De",
    "attachments":          "Be    De    Ue    De    De",
    "event_streaming":      "Ue    Be    Ue    De    Ue",
    "memory":               "Ue    Ue    Ue    Ue    Ue",
}  # fmt: skip

_OWN: Mapping[str, Mapping[Capability, Support]] = {
    "function": {
        "session_lifecycle": _CODES["De"],
        "session_info": _CODES["De"],
        "interrupt": Support(
            "partial", notes="a function on a thread is told to stop, it cannot be made to"
        ),
        "session_history": _CODES["Uv"],
        "attachments": _CODES["Ue"],
        "event_streaming": _CODES["Ue"],
    },
    "command": {
        "session_lifecycle": _CODES["De"],
        "session_info": _CODES["De"],
        "interrupt": _CODES["De"],
        "session_history": _CODES["Uv"],
        "attachments": _CODES["Ue"],
        "approval_callbacks": _CODES["De"],
        "event_streaming": _CODES["Ue"],
    },
    "acp": {
        "session_lifecycle": _CODES["De"],
        "session_info": _CODES["De"],
        "runtime_model_switch": Support("partial", notes="where the agent offers models"),
        "interrupt": _CODES["De"],
        "permission_mode": Support("partial", notes="of those that the agent offers"),
        "session_history": _CODES["Uv"],
        "in_process_mcp": Support("partial", notes="where the agent can reach an HTTP server"),
        "approval_callbacks": _CODES["De"],
        "event_streaming": _CODES["Ue"],
    },
    "provider": {
        "session_lifecycle": _CODES["De"],
        "session_info": _CODES["De"],
        "runtime_model_switch": Support(
            "partial", notes="a conversation that the provider keeps has its model for good"
        ),
        "interrupt": _CODES["De"],
        "session_history": _CODES["Uv"],
        "approval_callbacks": Support("full", "universal", notes="for the session's own tools"),
        "event_streaming": _CODES["Ue"],
    },
}


def _builtin() -> dict[str, Row]:
    columns = {capability: codes.split() for capability, codes in _AGENT_TABLE.items()}
    rows: dict[str, Row] = {
        agent: {capability: _CODES[codes[place]] for capability, codes in columns.items()}
        for place, agent in enumerate(_AGENTS)
    }
    for backend, row in _OWN.items():
        rows[backend] = {name: row.get(name, _CODES["-"]) for name in CAPABILITIES}
    return dict(sorted(rows.items()))


BUILTIN: Mapping[str, Row] = _builtin()
"""Every kind of backend, by name, with its support of every capability."""


def status(capability: str, backend: str, table: Mapping[str, Row] = BUILTIN) -> Support:
    """Return how far `backend` supports `capability`.

    Args:
        capability: one of `CAPABILITIES`.
        backend: a kind of backend that `table` has.
        table: the support of each kind of backend; a row need not have every capability.

    Raises:
        NotFound: `unknown_capability`, or, checked after it, `unknown_backend`.
    """
    known = _known_capability(capability)
    if backend not in table:
        raise NotFound("unknown_backend", backend=backend, expected=tuple(table))
    return table[backend].get(known, _CODES["-"])


def supported(backend: str, table: Mapping[str, Row] = BUILTIN) -> frozenset[Capability]:
    """Return every capability that `backend` has, however far it goes.

    Raises:
        NotFound: `unknown_backend`.
    """
    return frozenset(
        name for name in CAPABILITIES if status(name, backend, table).level != "missing"
    )


def require(capability: str, backend: str, table: Mapping[str, Row] = BUILTIN) -> Support:
    """Return the support of `capability` by `backend`, which must have it.

    Raises:
        NotSupported: `unsupported_capability`; it is missing there.
        NotFound: `unknown_capability` or `unknown_backend`.
    """
    support = status(capability, backend, table)
    if support.level == "missing":
        raise NotSupported("unsupported_capability", capability=capability, backend=backend)
    return support


def title(capability: str) -> str:
    """Return the capability's name for people.

    Raises:
        NotFound: `unknown_capability`.
    """
    words = _known_capability(capability).replace("_", " ").capitalize()
    return words.replace("In process", "In-process").replace("mcp", "MCP").replace("Mcp", "MCP")


def _known_capability(name: str) -> Capability:
    for known in CAPABILITIES:
        if name == known:
            return known
    raise NotFound("unknown_capability", capability=name, expected=CAPABILITIES)
