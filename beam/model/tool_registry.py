"""Tools in this process, offered by the Model Context Protocol: a registry that is a plain value.

    >>> registry = ToolRegistry().with_server(
    ...     ToolServer("sums", (Tool("add", "Add two numbers", {}, lambda given: given["a"] + 1),))
    ... )
    >>> call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
    ...         "params": {"name": "add", "arguments": {"a": 1}}}
    >>> registry.handle("sums", call)["result"]
    {'content': [{'type': 'text', 'text': '2'}], 'isError': False}

A handler that raises has answered: with a result whose `isError` is true, so that the agent may try
something else. What is wrong with the request is a JSON-RPC error: an unknown method (-32601), an
unknown tool or arguments that are none (-32602). A server that is disabled offers nothing.

Who calls `handle` runs the tool's handler, and decides how long it may take: a session gives it a
task of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from beam.errors import InvalidInput, NotFound
from beam.model.encoding import encode

__all__ = ["Tool", "ToolRegistry", "ToolServer"]

PROTOCOL = "2024-11-05"

_UNKNOWN_METHOD = -32601
_BAD_PARAMS = -32602


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool.

    Attributes:
        name: what agents call it.
        description: what it does, for agents.
        input_schema: the JSON schema of its arguments.
        handler: takes the arguments, and returns a text, content blocks, or any JSON value.
    """

    name: str
    description: str
    input_schema: Mapping[str, Any]
    handler: Callable[[Mapping[str, Any]], Any]

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not callable(self.handler):
            raise InvalidInput("handler", self.handler, "a function of the arguments")


@dataclass(frozen=True, slots=True)
class ToolServer:
    """Tools under one name.

    Attributes:
        name: what agents call the server.
        tools: what it offers; no two of one name.
        version: its own.
        enabled: whether it offers anything now.
    """

    name: str
    tools: tuple[Tool, ...] = ()
    version: str = "1.0.0"
    enabled: bool = True

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len({tool.name for tool in self.tools}) != len(self.tools):
            raise InvalidInput("tools", [tool.name for tool in self.tools], "a name for each")

    def tool(self, name: object) -> Tool | None:
        """Return the tool of this name."""
        return next((tool for tool in self.tools if tool.name == name), None)


@dataclass(frozen=True, slots=True)
class ToolRegistry:
    """The servers of one session; each change returns the next value.

    Attributes:
        servers: by name, in the order in which they came.
    """

    servers: Mapping[str, ToolServer] = field(default_factory=dict)

    def with_server(self, server: ToolServer) -> ToolRegistry:
        """Add a server, or put it in place of the one of its name."""
        return replace(self, servers={**self.servers, server.name: server})

    def without_server(self, name: str) -> ToolRegistry:
        """Take a server out; an unknown one is out already."""
        kept = {key: one for key, one in self.servers.items() if key != name}
        return replace(self, servers=kept)

    def with_enabled(self, name: str, enabled: bool) -> ToolRegistry:
        """Let a server offer its tools, or nothing.

        Raises:
            NotFound: `unknown_server`.
        """
        return self.with_server(replace(self._server(name), enabled=enabled))

    def tools(self) -> list[tuple[str, Tool]]:
        """Return what is offered now: server and tool, those of disabled servers left out."""
        return [
            (server.name, tool)
            for server in self.servers.values()
            if server.enabled
            for tool in server.tools
        ]

    def status(self) -> dict[str, dict[str, Any]]:
        """Return of each server `name`, `version`, `tool_count` and `enabled`."""
        return {
            name: {
                "name": name,
                "version": one.version,
                "tool_count": len(one.tools),
                "enabled": one.enabled,
            }
            for name, one in self.servers.items()
        }

    def call(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Run the first tool of this name that an enabled server offers; return its result.

        Raises:
            NotFound: `unknown_tool`.
        """
        for _, tool in self.tools():
            if tool.name == name:
                return _run(tool, arguments)
        raise NotFound("unknown_tool", tool=name)

    def handle(self, server: str, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer one message of the protocol; the handler of a tool runs where this is called.

        Args:
            server: to which server.
            message: a JSON-RPC request, or a notification.

        Returns:
            The response; `None` to a notification.

        Raises:
            NotFound: `unknown_server`, or `server_disabled`.
        """
        known = self._server(server)
        if not known.enabled:
            raise NotFound("server_disabled", server=server)
        method = message.get("method")
        if "id" not in message:
            return None
        params = message.get("params")
        given: Mapping[str, Any] = params if isinstance(params, Mapping) else {}
        answer = _ANSWERS.get(str(method), _unknown)(known, given, str(method))
        return {"jsonrpc": "2.0", "id": message["id"], **answer}

    def _server(self, name: str) -> ToolServer:
        if name not in self.servers:
            raise NotFound("unknown_server", server=name, expected=tuple(self.servers))
        return self.servers[name]


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise InvalidInput("name", name, "a non-empty text")


def _initialize(server: ToolServer, params: Mapping[str, Any], method: str) -> dict[str, Any]:
    return {
        "result": {
            "protocolVersion": PROTOCOL,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": server.name, "version": server.version},
        }
    }


def _list(server: ToolServer, params: Mapping[str, Any], method: str) -> dict[str, Any]:
    listed = [
        {"name": one.name, "description": one.description, "inputSchema": dict(one.input_schema)}
        for one in server.tools
    ]
    return {"result": {"tools": listed}}


def _call(server: ToolServer, params: Mapping[str, Any], method: str) -> dict[str, Any]:
    tool, arguments = server.tool(params.get("name")), params.get("arguments", {})
    if tool is None:
        return _error(_BAD_PARAMS, f"there is no tool {params.get('name')!r}")
    if not isinstance(arguments, Mapping):
        return _error(_BAD_PARAMS, "arguments must be an object")
    return {"result": _run(tool, arguments)}


def _unknown(server: ToolServer, params: Mapping[str, Any], method: str) -> dict[str, Any]:
    return _error(_UNKNOWN_METHOD, f"there is no method {method!r}")


def _error(code: int, text: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": text}}


_ANSWERS: Mapping[str, Callable[[ToolServer, Mapping[str, Any], str], dict[str, Any]]] = {
    "initialize": _initialize,
    "ping": lambda server, params, method: {"result": {}},
    "tools/list": _list,
    "tools/call": _call,
}


def _run(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"content": _content(tool.handler(arguments)), "isError": False}
    except Exception as error:  # noqa: BLE001 - the handler is the user's, and this its answer
        text = f"{type(error).__name__}: {error}"
        return {"content": [{"type": "text", "text": text}], "isError": True}


def _content(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list) and value and all(_is_block(one) for one in value):
        return [dict(one) for one in value]
    text = value if isinstance(value, str) else encode(value)
    return [{"type": "text", "text": text}]


def _is_block(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("type"), str)
