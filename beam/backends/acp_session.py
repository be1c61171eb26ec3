"""What an ACP agent offers, and how a conversation of it is set up: pure functions of the wire.

    >>> can = Offer.of({"agentCapabilities": {"loadSession": True,
    ...                 "sessionCapabilities": {"list": {}}}})
    >>> can.load, can.resume, can.list
    (True, False, True)
    >>> settings = Settings.of({"modes": {"currentModeId": "default", "availableModes":
    ...                         [{"id": "default"}, {"id": "autoEdit"}, {"id": "yolo"}]}})
    >>> settings.mode_change("accept_edits")
    Change(method='session/set_mode', params={'modeId': 'autoEdit'}, value='autoEdit')
    >>> settings.mode_change("plan") is None
    True

An agent has its models and modes in one of two forms: lists of their own (`models`, `modes`), or
options with a category (`configOptions`). A permission mode that it does not offer is not changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from beam.errors import InvalidInput

if TYPE_CHECKING:
    from beam.backends.attached import Form

__all__ = ["Change", "Offer", "Settings", "kept", "mcp_servers", "name_of"]

Wire = Mapping[str, Any]

_MODES: Mapping[str, tuple[str, ...]] = {
    "default": ("default", "build", "agent", "ask"),
    "accept_edits": ("autoedit", "acceptedits"),
    "bypass_permissions": ("yolo", "bypasspermissions"),
    "plan": ("plan",),
    "dont_ask": ("dontask",),
}
"""The agents' words for our modes, in small letters."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the agent can do, from its answer to `initialize`.

    Attributes:
        name, version: what it calls itself.
        load, resume, fork, list, close: the requests for conversations that it knows.
        http, sse, command: the MCP servers that it can reach, or starts itself.
        image, audio, embedded: what it takes in a prompt beside text; `embedded` are whole files.
    """

    name: str = "acp"
    version: str = ""
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
        info, can = _map(hello, "agentInfo"), _map(hello, "agentCapabilities")
        mcp, prompt = _map(can, "mcpCapabilities"), _map(can, "promptCapabilities")
        sessions = _map(can, "sessionCapabilities")
        knows = {word: sessions.get(word) is not None for word in _REQUESTS}
        return cls(
            str(info.get("name") or "acp"),
            str(info.get("version") or ""),
            load=can.get("loadSession") is True,
            http=mcp.get("http") is True,
            sse=mcp.get("sse") is True,
            image=prompt.get("image") is True,
            audio=prompt.get("audio") is True,
            embedded=prompt.get("embeddedContext") is True,
            **knows,
        )

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


@dataclass(frozen=True, slots=True)
class Change:
    """A request that changes something in a conversation.

    Attributes:
        method, params: the request, without the conversation's name.
        value: what counts after it.
    """

    method: str
    params: dict[str, Any]
    value: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The models and modes of a conversation, from the answer that began it.

    Attributes:
        model, mode: those that count now, empty if the agent does not say.
        modes: the ids of all modes.
        methods: the name of the setting (`model`, `mode`) to the request that changes it.
    """

    model: str = ""
    mode: str = ""
    modes: tuple[str, ...] = ()
    methods: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, answer: Wire) -> Settings:
        """Return the settings in an answer to `session/new`, `load`, `resume` or `fork`."""
        options = {
            str(each.get("category") or each.get("id")): each
            for each in reversed(_list(answer, "configOptions"))
        }
        methods: dict[str, tuple[str, str]] = {
            name: ("session/set_config_option", str(options[name].get("id")))
            for name in ("model", "mode")
            if name in options
        }
        model, mode = _current(options.get("model")), _current(options.get("mode"))
        modes = [str(each["value"]) for each in _values(options.get("mode"))]
        if "models" in answer and "model" not in methods:
            methods["model"] = ("session/set_model", "modelId")
            model = str(_map(answer, "models").get("currentModelId") or "")
        if "modes" in answer:
            methods["mode"] = ("session/set_mode", "modeId")
            own = _map(answer, "modes")
            mode = str(own.get("currentModeId") or mode)
            modes = [str(each.get("id")) for each in _list(own, "availableModes")]
        return cls(model, mode, tuple(modes), methods)

    def model_change(self, wanted: str) -> Change | None:
        """Return what makes a model count; None if it does, or the agent cannot change it."""
        return self._change("model", wanted) if wanted != self.model else None

    def mode_change(self, wanted: str) -> Change | None:
        """Return what makes a mode count: one of ours, or of the agent's own."""
        found = self.mode_of(wanted)
        return self._change("mode", found) if found and found != self.mode else None

    def mode_of(self, wanted: str) -> str:
        """Return the agent's mode for one of ours; empty if it has none."""
        if wanted in self.modes:
            return wanted
        words = {_plain(mode): mode for mode in reversed(self.modes)}
        return next((words[word] for word in _MODES.get(wanted, ()) if word in words), "")

    def _change(self, name: str, value: str) -> Change | None:
        if name not in self.methods:
            return None
        method, key = self.methods[name]
        if method == "session/set_config_option":
            return Change(method, {"configId": key, "value": value}, value)
        return Change(method, {key: value}, value)


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
        for each in _list(page, "sessions")
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


def _plain(mode: str) -> str:
    """Return the last word of a mode's id: some agents' ids are addresses."""
    return "".join(each for each in mode.rsplit("#", 1)[-1].lower() if each.isalnum())


def _current(option: Wire | None) -> str:
    return str((option or {}).get("currentValue") or "")


def _values(option: Wire | None) -> list[Wire]:
    """Return an option's values, which may be in groups."""
    found: list[Wire] = []
    for each in _list(option or {}, "options"):
        found += _values(each) if "options" in each else [each]
    return [each for each in found if "value" in each]


def _map(source: Wire, name: str) -> Wire:
    value = source.get(name)
    return value if isinstance(value, Mapping) else {}


def _list(source: Wire, name: str) -> list[Wire]:
    value = source.get(name)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
