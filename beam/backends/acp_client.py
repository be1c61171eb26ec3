"""The official client of the Agent Client Protocol, over a port: JSON-RPC in lines.

`agent-client-protocol` brings the connection (requests, answers, who waits for what), the names of
the methods and the version. The library's own transport would start the program and read its
pipes; here the program is a port's, and `WireTransport` stands between the two. It takes the
notifications out before the library sees them: the library would handle each in a task of its
own, and would drop an update whose kind it does not know.

Needs the extra `acp`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from acp.connection import Connection
from acp.exceptions import RequestError
from acp.meta import PROTOCOL_VERSION

from beam.backends.agent_objects import line_of
from beam.errors import PortError

if TYPE_CHECKING:
    from beam.backends.agent_objects import Objects
    from beam.backends.agent_wire import Wire

__all__ = ["PROTOCOL_VERSION", "AcpClient", "RequestError", "WireTransport"]

MOST_PAGES = 10
"""The most pages of a list that are asked for."""

Notified = Callable[[str, Mapping[str, Any]], None]
Asked = Callable[[str, Mapping[str, Any]], Awaitable[Any]]


class WireTransport:
    """The library's transport, over a program's stdin and stdout.

    Args:
        wire: the program.
        objects: what it says.
        notified: takes each notification, in its order with the answers.

    Attributes:
        fault: that it wrote too much that is no message; nothing is read after that.
    """

    def __init__(self, wire: Wire, objects: Objects, notified: Notified) -> None:
        self._wire = wire
        self._objects = objects
        self._notified = notified
        self.fault: PortError | None = None

    async def send(self, message: dict[str, Any]) -> None:
        """Write a message."""
        try:
            self._wire.write(line_of(message))
        except PortError:
            # Who has asked something hears of the end; an answer is wanted by nobody any more.
            if "method" in message:
                raise

    async def receive(self) -> dict[str, Any] | None:
        """Return the next request or answer; None when there are no more."""
        while (message := await self._next()) is not None:
            method = message.get("method")
            if isinstance(method, str) and "id" not in message:
                self._notified(method, _mapping(message.get("params")))
            else:
                return message
        return None

    async def close(self) -> None:
        """The program is the port's to end."""

    async def _next(self) -> dict[str, Any] | None:
        if self.fault is not None:
            return None
        try:
            return await self._objects.read()
        except PortError as error:
            self.fault = error
            return None


class AcpClient:
    """Requests to an agent, and its requests to us.

    Args:
        wire: the program.
        objects: what it says.
        notified: takes its notifications.
        asked: answers its requests; raises `RequestError` for a refusal.
    """

    def __init__(self, wire: Wire, objects: Objects, notified: Notified, asked: Asked) -> None:
        self._transport = WireTransport(wire, objects, notified)
        self._asked = asked
        self._connection = Connection(self._handle, self._transport, listening=False)
        self._loop: asyncio.Task[None] | None = None
        self._readers = 0

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Read the program; outside of this, what it writes waits in the port.

        Again inside of itself it does nothing more.
        """
        self._readers += 1
        if self._loop is None:
            self._loop = asyncio.create_task(self._connection.main_loop())
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                loop, self._loop = self._loop, None
                loop.cancel()
                await asyncio.gather(loop, return_exceptions=True)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the agent something, and return its answer.

        Raises:
            RequestError: it answers with an error.
            ConnectionError: it has ended.
            PortError: likewise, or it has written too much that is no message.
        """
        try:
            answer = await self._connection.send_request(method, params)
        except ConnectionError:
            if self._transport.fault is not None:
                raise self._transport.fault from None
            raise
        return dict(_mapping(answer))

    async def pages(self, method: str, **params: Any) -> AsyncIterator[dict[str, Any]]:
        """Ask for one page after the other, `MOST_PAGES` at most; raises as `call` does."""
        for _ in range(MOST_PAGES):
            page = await self.call(method, **params)
            yield page
            if not page.get("nextCursor"):
                return
            params["cursor"] = str(page["nextCursor"])

    async def tell(self, method: str, **params: Any) -> None:
        """Send a notification; nothing comes of it if the program has ended."""
        with contextlib.suppress(ConnectionError, PortError):
            await self._connection.send_notification(method, params)

    async def close(self) -> None:
        """End what still waits."""
        await self._connection.close()

    async def _handle(self, method: str, params: Any, is_notification: bool) -> Any:
        if is_notification:
            return None
        return await self._asked(method, _mapping(params))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
