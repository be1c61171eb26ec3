"""The official client of Codex over a port: `CodexClient` without a program and without threads.

The library starts the program itself, reads it on a thread, and blocks whoever asks. Here the
program belongs to `Ports` and its lines to the loop: requests are the library's, with its checks,
models and errors, but run in fibers; responses are handed in by `answered`. Requests of the server
never reach the library, whose reader would stand still until they are answered, and whose own
answer is to accept.

This module imports the library, so it is imported only where there is one (extra `codex`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from openai_codex.client import CodexClient, CodexConfig
from openai_codex.errors import JsonRpcError, TransportClosedError, map_jsonrpc_error

from beam.backends.agent_objects import line_of
from beam.backends.fiber import in_fiber, wait

__all__ = ["JsonRpcError", "PortClient", "TransportClosedError"]

P = ParamSpec("P")
T = TypeVar("T")


class PortClient(CodexClient):
    """A `CodexClient` whose transport is somebody else's.

    Args:
        write: gives a line to the program; must not block.
        version: what the host says of itself.
    """

    def __init__(self, write: Callable[[bytes], None], *, version: str) -> None:
        config = CodexConfig(client_name="beam", client_title="beam", client_version=version)
        super().__init__(config, _declined)
        self._write = write
        self._numbers = itertools.count(1)
        # Bounded: each caller waits for its answer, or is ended by `part`.
        self._pending: dict[str, asyncio.Future[Any]] = {}

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call one of the library's blocking functions; its responses must be handed in meanwhile.

        Raises:
            JsonRpcError: the server refused.
            TransportClosedError: nobody hands in responses any more.
        """
        return await in_fiber(function, *args, **kwargs)

    def start(self) -> None:
        """Start nothing: the program runs."""

    def close(self) -> None:
        """End nothing but those who wait."""
        self.part(TransportClosedError("the connection is closed"))

    def answered(self, message: Mapping[str, Any]) -> None:
        """Hand in a response; one that nobody waits for is dropped."""
        waiting = self._pending.get(str(message.get("id")))
        if waiting is None or waiting.done():
            return
        error = message.get("error")
        if isinstance(error, Mapping):
            code, said = error.get("code"), str(error.get("message", "unknown"))
            known = code if isinstance(code, int) else -32000
            waiting.set_exception(map_jsonrpc_error(known, said, error.get("data")))
        else:
            waiting.set_result(message.get("result"))

    def part(self, error: BaseException) -> None:
        """End all that wait for a response with this."""
        for waiting in self._pending.values():
            if not waiting.done():
                waiting.set_exception(error)

    def reply(self, request_id: Any, result: Mapping[str, Any]) -> None:
        """Answer a request of the server."""
        self._write_message({"id": request_id, "result": dict(result)})

    def refuse(self, request_id: Any, method: str) -> None:
        """Answer a request of the server that we do not know."""
        error = {"code": -32601, "message": f"the host does not answer {method}"}
        self._write_message({"id": request_id, "error": error})

    # What the library calls

    def _request_raw(self, method: str, params: Any = None) -> Any:
        request_id = f"beam-{next(self._numbers)}"
        waiting = asyncio.get_running_loop().create_future()
        self._pending[request_id] = waiting
        try:
            message = {"id": request_id, "method": method}
            self._write_message(message if params is None else {**message, "params": params})
            return wait(waiting)
        finally:
            del self._pending[request_id]

    def _write_message(self, payload: Mapping[str, Any]) -> None:
        self._write(line_of(payload))


def _declined(method: str, params: Any) -> dict[str, Any]:
    """Decline: the library's own handler accepts everything. It is never asked, as things are."""
    return {"decision": "decline"}
