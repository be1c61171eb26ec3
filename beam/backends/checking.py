"""The backends of a fleet, as its user gave them: checked before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam.backends.backend import Backend
from beam.errors import InvalidInput

__all__ = ["check_servers", "checked_backends"]


def checked_backends(backends: Any, *, on_machine: bool) -> dict[str, Backend]:
    """Return the backends, if they can work.

    Args:
        backends: what a user gave for them; `None` for none.
        on_machine: whether they are to work on this machine, and not in a simulation.

    Raises:
        InvalidInput: it is no mapping of names to backends, or one of them cannot work.
    """
    if backends is None:
        return {}
    if not isinstance(backends, Mapping):
        raise InvalidInput("backends", backends, "a mapping of names to backends")
    for name, one in backends.items():
        if not isinstance(name, str) or not name:
            raise InvalidInput("backends", name, "names that are non-empty texts")
        if not isinstance(one, Backend):
            raise InvalidInput(f"backends[{name!r}]", one, "function(...) or command(...)")
        check_servers(getattr(one, "mcp_servers", {}), f"backends[{name!r}].mcp_servers")
        if on_machine:
            one.check()
    return dict(backends)


def check_servers(servers: Any, where: str = "mcp_servers") -> None:
    """Refuse what cannot be MCP servers by name; what is in one may be a secret, and is not shown.

    Args:
        servers: by name, a mapping with `command`, or with `url`.
        where: what the user calls them.

    Raises:
        InvalidInput: naming the server.
    """
    if not isinstance(servers, Mapping):
        raise InvalidInput(where, type(servers).__name__, "a mapping")
    for name, server in servers.items():
        if not isinstance(name, str) or not name:
            raise InvalidInput(where, name, "names that are non-empty texts")
        field = f"{where}[{name!r}]"
        if not isinstance(server, Mapping) or ("command" in server) == ("url" in server):
            raise InvalidInput(field, type(server).__name__, "a mapping with command, or url")
        key = "command" if "command" in server else "url"
        if not isinstance(server[key], str) or not server[key]:
            raise InvalidInput(f"{field}.{key}", type(server[key]).__name__, "a non-empty text")
