"""What an ACP agent offers, and how a conversation of it is set up: pure functions of the wire.

>>> can = Offer.of({"agentCapabilities": {"loadSession": True,
...                 "sessionCapabilities": {"list": {}}}})
>>> can.load, can.resume, can.list
(True, False, True)
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from beam.backends.acp_wire import Wire, object_in, objects_in
from beam.errors import InvalidInput

if TYPE_CHECKING:
    from beam.backends.acp_settings import Settings
    from beam.backends.attached import Form
    from beam.backends.effects import Continued
    from beam.model.exit_reasons import ExitReason

__all__ = ["Conversation", "Offer", "kept", "mcp_servers", "name_of"]


@dataclass(frozen=True, slots=True)
class Offer:
    """What the agent can do, from its answer to `initialize`.

    Attributes:
        name, version: what it calls itself.
        load, resume, fork, list, close: the requests for conversations that it knows.
        logins: the ids of the ways to log in that it knows.
        http, sse, command: the MCP servers that it can reach, or starts itself.
        image, audio, embedded: what it takes in a prompt beside text; `embedded` are whole files.
    """

    name: str = "acp"
    version: str = ""
    logins: tuple[str, ...] = ()
    load: bool = False
    resume: bool = False
    fork: bool = False
    list: bool = False
    close: bool = False
    http: bool = False
    sse: bool = False
    command: bool = True
    image: bool = False
    audio: bool = False
    embedded: bool = False

    @classmethod
    def of(cls, hello: Wire) -> Offer:
        """Return the offer in an answer."""
        info, can = object_in(hello, "agentInfo"), object_in(hello, "agentCapabilities")
        mcp, prompt = object_in(can, "mcpCapabilities"), object_in(can, "promptCapabilities")
        sessions = object_in(can, "sessionCapabilities")
        knows = {word: sessions.get(word) is not None for word in _REQUESTS}
        return cls(
            str(info.get("name") or "acp"),
            str(info.get("version") or ""),
            tuple(str(each.get("id")) for each in objects_in(hello, "authMethods")),
            load=can.get("loadSession") is True,
            http=mcp.get("http") is True,
            sse=mcp.get("sse") is True,
            image=prompt.get("image") is True,
            audio=prompt.get("audio") is True,
            embedded=prompt.get("embeddedContext") is True,
            **knows,
        )

    def login(self, wanted: str) -> str:
        """Return the way to log in.

        Raises:
            InvalidInput: the agent does not know it.
        """
        if wanted not in self.logins:
            raise InvalidInput("auth_method", wanted, f"one that {self.name} knows: {self._ways()}")
        return wanted

    def logins_in(self, reason: ExitReason) -> ExitReason:
        """Return a reason; one that wants a login says which ways there are."""
        if reason.kind != "auth" or not self.logins:
            return reason
        ways = f"log in with the program itself, or name an auth_method: {self._ways()}"
        return replace(reason, detail=f"{reason.detail}; {ways}")

    def _ways(self) -> str:
        return ", ".join(map(repr, self.logins)) or "it names none"

    def forms(self) -> dict[str, Form]:
        """Return how it takes attachments that are no text."""
        forms: dict[str, Form] = {
            kind: partial(_media, kind) for kind in ("image", "audio") if getattr(self, kind)
        }
        return {**forms, "file": _resource, "document": _resource} if self.embedded else forms

    def capabilities(self) -> tuple[str, ...]:
        """Return what it can do, as words for `Ready`."""
        words = ["interrupt", "permissions", "mcp", "memory"]
        if self.load or self.resume:
            words.append("resume")
        words += [word for word in ("fork", "list") if getattr(self, word)]
        if self.http:
            words.append("tools")
        return tuple(words)


_REQUESTS = ("resume", "fork", "list", "close")


@dataclass(slots=True)
class Conversation:
    """The conversation with the agent.

    Attributes:
        id: the agent's name for it.
        continued: how it goes on from the one before.
        told: whether the agent knows what was said before.
        settings: its model and mode.
    """

    id: str
    continued: Continued
    told: bool
    settings: Settings


_PLAIN_MEDIA = {"image": "image/png", "audio": "audio/wav"}


def _media(kind: str, block: Wire) -> dict[str, Any]:
    mime_type = block.get("mime_type") or _PLAIN_MEDIA[kind]
    return {"type": kind, "data": block["data"], "mimeType": mime_type}


def _resource(block: Wire) -> dict[str, Any]:
    mime_type = block.get("mime_type") or "application/octet-stream"
    uri = f"attachment:///{quote(str(block.get('name') or 'unnamed'))}"
    return {
        "type": "resource",
        "resource": {"uri": uri, "mimeType": mime_type, "blob": block["data"]},
    }


def kept(page: Wire) -> list[dict[str, Any]]:
    """Return the conversations that an answer to `session/list` tells of."""
    return [
        {
            "id": each["sessionId"],
            "title": each.get("title") or "",
            "cwd": each.get("cwd"),
            "updated_at": _milliseconds(each.get("updatedAt")),
        }
        for each in objects_in(page, "sessions")
        if "sessionId" in each
    ]


def name_of(answer: Wire) -> str:
    """Return the agent's name for a conversation that it has begun; empty if it gives none."""
    name = answer.get("sessionId")
    return name if isinstance(name, str) else ""


def mcp_servers(servers: Mapping[str, Wire], offer: Offer) -> list[dict[str, Any]]:
    """Return MCP servers as the protocol has them.

    Args:
        servers: by name, a mapping with `command`, `args`, `env`, or with `type`, `url`, `headers`.
        offer: what the agent can reach.

    Raises:
        InvalidInput: the agent cannot reach one of them.
    """
    return [_server(name, server, offer) for name, server in servers.items()]


def _server(name: str, server: Wire, offer: Offer) -> dict[str, Any]:
    if "command" in server and offer.command:
        words = str(server["command"])
        return {
            "name": name,
            # The protocol wants an absolute path.
            "command": shutil.which(words) or os.path.abspath(words),
            "args": [str(each) for each in server.get("args") or ()],
            "env": _pairs(server.get("env")),
        }
    kind = "command" if "command" in server else str(server.get("type") or "http")
    if kind not in ("http", "sse") or not getattr(offer, kind):
        known = [f"'{each}'" for each in ("command", "http", "sse") if getattr(offer, each)]
        expected = f"one that {offer.name} can reach: {', '.join(known) or 'it can reach none'}"
        raise InvalidInput(f"mcp_servers[{name!r}].type", kind, expected)
    return {
        "type": kind,
        "name": name,
        "url": str(server.get("url")),
        "headers": _pairs(server.get("headers")),
    }


def _pairs(found: Any) -> list[dict[str, str]]:
    items: Iterable[tuple[Any, Any]] = found.items() if isinstance(found, Mapping) else ()
    return [{"name": str(name), "value": str(value)} for name, value in items]


def _milliseconds(moment: Any) -> int:
    """Return a moment as the protocol writes it, ISO 8601, in Unix milliseconds; 0 for none."""
    try:
        return int(datetime.fromisoformat(str(moment)).timestamp() * 1000)
    except ValueError:
        return 0
