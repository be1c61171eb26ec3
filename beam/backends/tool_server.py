"""The session's own tools, Python functions, as an MCP server for its agent.

Made with the official SDK (`mcp`, in the extra `acp`): streamable HTTP on a port of loopback, under
a path that only the agent is told. A call goes to the session, as that of any agent: it is in the
log before the function runs (G12), and its result is in the log before the agent has it.

All of it runs on the loop thread. Between calls nothing of it does.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from uvicorn.server import ServerState

if TYPE_CHECKING:
    from beam.backends.talk import Talk

__all__ = ["ToolServer"]

LARGEST = 64 * 1024 * 1024
"""The most bytes in a call."""

LAST_CALLS = 1.0
"""Seconds that calls have to end which were open at the end."""


class ToolServer:
    """Serves the tools of one session, while its agent lives.

    Args:
        name: what the agent is to call the server.
        talk: runs the tools.
    """

    def __init__(self, name: str, talk: Talk) -> None:
        self._talk = talk
        self._path = f"/{secrets.token_urlsafe(24)}"
        self._state = ServerState()
        self._listener: asyncio.Server | None = None
        self._running: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        server: Server[Any] = Server(
            name, version="1", on_list_tools=self._list, on_call_tool=self._call
        )
        # Each request stands for itself: an agent that is resumed need not know what was before.
        self._manager = StreamableHTTPSessionManager(
            server, stateless=True, json_response=True, max_request_body_size=LARGEST
        )

    async def start(self) -> dict[str, Any]:
        """Listen, and return how an agent reaches it, as a value of `Opening.mcp_servers`.

        Raises:
            OSError: there can be no socket.
        """
        ready = asyncio.Event()
        self._running = asyncio.create_task(self._run(ready))
        await ready.wait()
        config = uvicorn.Config(
            self._serve,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            http="h11",
            ws="none",
            proxy_headers=False,
        )
        config.load()

        def talk_http() -> Any:
            protocol: Any = config.http_protocol_class
            return protocol(config=config, server_state=self._state, app_state={})

        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(talk_http, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        return {"type": "http", "url": f"http://127.0.0.1:{port}{self._path}"}

    def stop(self) -> None:
        """End it at once; again is no error."""
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._state.connections):
            connection.transport.abort()
        self._over.set()

    async def _run(self, ready: asyncio.Event) -> None:
        """Keep the SDK's requests in one task, as it wants it."""
        async with self._manager.run():
            ready.set()
            await self._over.wait()
            # Calls that were open have been answered with an error: they end by themselves.
            if self._state.tasks:
                await asyncio.wait(self._state.tasks, timeout=LAST_CALLS)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == self._path and scope["method"] == "POST":
            await self._manager.asgi_app(scope, receive, send)
            return
        # There is nothing to listen to between calls, which a GET would ask for.
        status = 405 if scope["path"] == self._path else 404
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _list(self, context: Any, params: Any) -> types.ListToolsResult:
        tools = [
            types.Tool(
                name=tool.name,
                description=tool.description,
                input_schema={"type": "object", "properties": {}, **tool.input_schema},
            )
            for tool in self._talk.opening.tools
        ]
        return types.ListToolsResult(tools=tools)

    async def _call(self, context: Any, params: Any) -> types.CallToolResult:
        use = f"call_{uuid4().hex}"
        result = await self._talk.tool(use, params.name, params.arguments or {})
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=result.content)],
            structured_content=_structured(result.content),
            is_error=result.is_error,
        )


def _structured(content: str) -> dict[str, Any] | None:
    """Return an answer that is JSON, but no object, as one.

    Gemini takes such a text for a structured answer, of a type that the protocol does not allow.
    """
    try:
        value = json.loads(content)
    except ValueError:
        return None
    return None if isinstance(value, dict) else {"result": value}
