"""What an agent said it has: commands, models, agents, tools, skills, plugins, MCP servers.

    >>> info = {"slash_commands": ["review", {"name": "fix", "description": "Fix it"}]}
    >>> entries(info, "slash_commands")
    [{'id': 'review', 'name': 'review'}, {'name': 'fix', 'description': 'Fix it'}]
    >>> entry(info, "slash_commands", "fix")["description"]
    'Fix it'

An agent tells of itself in a message of type `system`, subtype `init`; its `system_info` is read
here. What it does not tell is empty, and what is no entry is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam.errors import NotFound

__all__ = ["KINDS", "account", "entries", "entry"]

KINDS = ("agents", "mcp_servers", "models", "plugins", "skills", "slash_commands", "tools")
"""The lists that an agent may tell of."""

_NAMES = ("id", "name", "path")


def entries(info: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return one list of what an agent has, a bare name as an entry with that `id` and `name`.

    Args:
        info: its `system_info`.
        kind: one of `KINDS`.
    """
    listed = info.get(kind)
    if isinstance(listed, Mapping):
        # Some agents tell them by name.
        listed = [_named(name, one) for name, one in listed.items()]
    if not isinstance(listed, (list, tuple)):
        return []
    found = []
    for one in listed:
        if isinstance(one, str) and one:
            found.append({"id": one, "name": one})
        elif isinstance(one, Mapping):
            found.append(dict(one))
    return found


def entry(info: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """Return the entry that has this `id`, `name` or `path`.

    Raises:
        NotFound: there is none.
    """
    for one in entries(info, kind):
        if any(one.get(key) == name for key in _NAMES):
            return one
    raise NotFound("not_found", kind=kind, name=name)


def account(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return whose account the agent says that it uses, empty if it does not say."""
    told = info.get("account")
    return dict(told) if isinstance(told, Mapping) else {}


def _named(name: object, one: object) -> object:
    return {"id": name, "name": name, **one} if isinstance(one, Mapping) else name
