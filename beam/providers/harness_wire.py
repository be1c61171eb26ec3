"""One answer of a harness, read on a thread of its own: the official client blocks.

Each event is taken by the event loop before the next one is read, so that nothing piles up (G19).
Who cancels the reading ends the connection under it, so that neither the request nor its bill goes
on. Only a request that has no answer at all yet cannot be ended; it ends by its own time limit.
"""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from beam.errors import ProviderFailed
from beam.model.exit_reasons import ExitReason, of_http, of_text
from beam.otp.aio import aside
from beam.providers.failures import failed_as

__all__ = ["Reading", "failure_of", "may_pass"]

_BROKEN: Final = frozenset({
    "ProtocolError", "IncompleteRead", "ResponseStreamingError", "ConnectionClosedError",
    "EndpointConnectionError", "ConnectTimeoutError", "HTTPClientError", "ChecksumMismatch",
    "InvalidHeadersLength", "InvalidPayloadLength", "NoInitialResponseError",
})  # fmt: skip


class Reading:
    """An answer that is being read; used once.

    Args:
        take: takes an event, on the event loop.
    """

    def __init__(self, take: Callable[[Any], Awaitable[None]]) -> None:
        self._take = take
        self._lock = threading.Lock()
        self._over = False
        self._stream: Any = None
        self._taking: concurrent.futures.Future[None] | None = None

    async def read(self, invoke: Callable[[], Mapping[str, Any]]) -> None:
        """Ask, and have every event taken; return at the end of the answer.

        Args:
            invoke: asks; what it returns has the events as its `stream`.

        Raises:
            ProviderFailed: see `failure_of`.
        """
        loop = asyncio.get_running_loop()
        try:
            await aside(self._read, loop, invoke)
        except Exception as error:  # noqa: BLE001 - of a library that has many
            raise failure_of(error) from None
        finally:
            self._end()

    def _read(self, loop: asyncio.AbstractEventLoop, invoke: Callable[[], Any]) -> None:
        stream = invoke()["stream"]
        with self._lock:
            self._stream = stream
            over = self._over
        if over:
            _close(stream)
            return
        for event in stream:
            with self._lock:
                if self._over:
                    return
                taking = asyncio.run_coroutine_threadsafe(self._taken(event), loop)
                self._taking = taking
            taking.result()

    async def _taken(self, event: Any) -> None:
        await self._take(_plain(event))

    def _end(self) -> None:
        """Let go of the connection, and of the thread that reads it."""
        with self._lock:
            self._over = True
            stream, taking = self._stream, self._taking
        if taking is not None:
            taking.cancel()
        if stream is not None:
            _close(stream)


def failure_of(error: BaseException) -> ProviderFailed:
    """Return the failure that an exception of the client stands for.

    Its reason is `("harness_stream_error", type, message)` for a frame of the stream that says
    so, `("status", n)` for a refused request, `"stream_idle_timeout"` for a silent stream,
    `"not_connected"` for a broken connection.
    """
    if isinstance(error, ProviderFailed):
        return error
    response = getattr(error, "response", None)
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(response, Mapping) and isinstance(response.get("Error"), Mapping):
        code, message = (str(response["Error"].get(key, "")) for key in ("Code", "Message"))
        detail = f"{code}: {message}"
        if "EventStreamError" in names:
            exit = of_text(detail) or ExitReason("agent_error", detail=detail)
            return ProviderFailed(("harness_stream_error", code, message), detail, exit)
        told = response.get("ResponseMetadata") or {}
        status, headers = told.get("HTTPStatusCode", 0), told.get("HTTPHeaders") or {}
        return ProviderFailed(("status", status), detail, of_http(status, headers, detail))
    detail = f"{type(error).__name__}: {error}"
    if "ReadTimeoutError" in names or isinstance(error, TimeoutError):
        return ProviderFailed("stream_idle_timeout", detail, ExitReason("stalled", detail=detail))
    if names & _BROKEN or isinstance(error, ConnectionError):
        return ProviderFailed("not_connected", detail, ExitReason("overloaded", detail=detail))
    return failed_as(error)


def may_pass(failure: ProviderFailed) -> bool:
    """Say whether the same turn may do better in a moment."""
    return failure.reason in ("not_connected", "early_termination")


def _close(stream: Any) -> None:
    """Close a stream, also while another thread waits on it."""
    with contextlib.suppress(Exception):
        # To close a socket wakes nobody who reads it; to shut it down does. The client keeps it to
        # itself; where it stands elsewhere some day, the reading ends by its time limit.
        raw = stream._raw_stream
        held = getattr(raw, "_raw_stream", raw)._fp.fp.raw._sock
        held.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(Exception):
        stream.close()


def _plain(value: Any) -> Any:
    """Return JSON data: bytes, which redacted reasoning is, as base64."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    return value
