"""Servers that answer whatever they are asked with bytes that a test gives them, and hang up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Start", "servers"]

Start = Callable[..., Any]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        server.asked.append(self.rfile.read(int(self.headers["content-length"])))
        server.calls += 1
        self.send_response(200)
        self.send_header("content-type", server.kind)
        self.end_headers()
        self.wfile.write(server.said)

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def servers() -> Iterator[Start]:
    """Return what starts a server that says this, of that content type; it counts its `calls`."""
    with ExitStack() as ends:

        def begin(said: bytes, kind: str = "text/event-stream") -> Any:
            server: Any = ends.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), _Handler))
            server.said, server.kind, server.calls, server.asked = said, kind, 0, []
            server.daemon_threads = False  # Its end waits for those who answer.
            server.url = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            ends.callback(thread.join)
            ends.callback(server.shutdown)
            return server

        yield begin
