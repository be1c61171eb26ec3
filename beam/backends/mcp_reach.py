r"""The MCP servers that an agent was given and cannot use: what is said of them, once each.

    >>> servers = McpServers({"calc": {"command": "calc"}, "docs": {"url": "http://docs/mcp"}})
    >>> [said.content for said in servers.lost("calc", "exited")]
    ["the MCP server 'calc' cannot be used: exited"]
    >>> servers.lost("calc", "exited")
    []

Agents go on without such a server. Claude and Codex say so in words of their own; over ACP nobody
does, and Gemini not even in a log. So it is looked here, too: whether there is the program that a
server is, and whether the host listens that a server is on. That is all that can be known from
outside: of a server that is started and then fails, only its agent knows.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from beam.model.messages import SystemMessage

__all__ = ["LOST", "McpServers"]

LOST = "mcp_server_failed"
"""The subtype of the message that tells of a server that cannot be used."""

REACH = 2.0
"""Seconds that a host has to take a connection."""

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class McpServers:
    """The servers of one connection; used on the loop thread.

    Args:
        servers: by name, a mapping with `command`, or with `url`, as in `SessionOptions`.

    Attributes:
        reasons: the servers that were looked at and are not there, by name, and why.
    """

    def __init__(self, servers: Mapping[str, Mapping[str, Any]]) -> None:
        self.reasons: dict[str, str] = {}
        self._servers = dict(servers)
        self._told: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all."""
        return tuple(self._servers)

    async def look(self, variable: Callable[[str], str], folder: str) -> None:
        """Look whether there are the programs and the hosts that they are on; at most 2 s.

        A host is left alone where the agent's environment names a proxy for it.

        Args:
            variable: returns a variable of the agent's environment, empty if it has none.
            folder: the folder that the agent works in.
        """
        looks = [_why_not(server, variable, folder) for server in self._servers.values()]
        found = zip(self._servers, await asyncio.gather(*looks), strict=True)
        self.reasons = {name: why for name, why in found if why}

    def lost(self, name: str, detail: str = "") -> list[SystemMessage]:
        """Return what is to be said of a server that cannot be used; nothing if it was said.

        Args:
            name: the server.
            detail: the agent's words for it; what was seen here is more exact than none.
        """
        if name in self._told or name not in self._servers:
            return []
        self._told.add(name)
        why = detail or self.reasons.get(name) or "it has failed"
        said = f"the MCP server {name!r} cannot be used: {why}"
        return [SystemMessage(content=said, subtype=LOST, raw={"name": name, "detail": why})]

    def known(self) -> list[dict[str, str]]:
        """Return the servers as `system_info` has them, with a status where it is known."""
        failed = {"status": "failed"}
        return [{"name": name, **(failed if name in self.reasons else {})} for name in self.names]

    def unreachable(self) -> list[SystemMessage]:
        """Return what is to be said of all that were looked at and are not there."""
        return [said for name in self.reasons for said in self.lost(name)]


async def _why_not(server: Mapping[str, Any], variable: Callable[[str], str], folder: str) -> str:
    if "command" in server:
        command = str(server["command"])
        found = await asyncio.to_thread(_found, command, variable("PATH"), folder)
        return "" if found else f"there is no program {command!r}"
    if any(variable(name) for name in _PROXIES):
        return ""
    # A url may hold a secret, so only its host is told.
    try:
        parts = urlsplit(str(server.get("url")))
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        host, port = None, 0
    if not host:
        return "its url names no host"
    return await _unanswered(host, port)


def _found(command: str, path: str, folder: str) -> bool:
    places = (command, os.path.join(folder, command))
    return any(shutil.which(place, path=path or os.defpath) for place in places)


async def _unanswered(host: str, port: int) -> str:
    try:
        async with asyncio.timeout(REACH):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"{host}:{port} has not answered within {REACH:g} s"
    except OSError as error:
        return f"{host}:{port} cannot be reached ({error.strerror or error})"
    writer.close()
    return ""
