"""A scripted stand-in for Amazon Bedrock AgentCore, on loopback: harnesses, and what they answer.

    with HarnessServer([[text("Hello"), stop()]]) as server:
        provider = agentcore(region="eu-central-1", endpoint_url=server.url)

A command is run here, as long as there is no script. Each invocation is answered with the next
list of the script, as the binary event stream of the service. Among its events may stand what goes
wrong:

| item | what |
|---|---|
| `DROP` | the connection is cut in the middle of a frame |
| `HANG` | nothing more is said until the client has gone |
| `Refuse(status, code)` | as the only item: the request is refused |
| `Broken(code, message)` | an error frame |
"""

from __future__ import annotations

import binascii
import contextlib
import json
import queue
import socket
import struct
import subprocess
import threading
import urllib.parse
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["DROP", "HANG", "RUNTIME", "Broken", "HarnessServer", "Refuse"]

DROP, HANG = "drop", "hang"
RUNTIME = "arn:aws:bedrock-agentcore:eu-central-1:123456789012:runtime/harness-0123456789"
PATIENCE = 60.0


@dataclass(frozen=True)
class Refuse:
    status: int
    code: str


@dataclass(frozen=True)
class Broken:
    code: str
    message: str


class HarnessServer(ThreadingHTTPServer):
    """The server, of both services.

    Args:
        script: what each invocation is answered with.
        states: what a harness is at each look, after it was made; READY when they are used up.

    Attributes:
        asked: query, headers and body of each invocation.
        paths: the path of each.
        gone: the client of an answer has gone; to be waited for.
        harnesses: those that are there, by their ids.
    """

    daemon_threads = True

    def __init__(self, script: list[list[Any]] | None = None, *states: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script or []
        self.states = list(states)
        self.asked: list[tuple[dict[str, str], dict[str, str], Any]] = []
        self.paths: list[str] = []
        self.created: list[Any] = []
        self.gone: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.harnesses: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HarnessServer

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path, _, query = self.path.partition("?")
        if path == "/harnesses":
            self._create(body)
            return
        asked = dict(urllib.parse.parse_qsl(query))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((asked, headers, body))
        self.server.paths.append(path)
        if path.endswith("/commands") and not self.server.script:
            self._invoke(_executed(body["command"]))
            return
        self._invoke(self.server.script.pop(0))

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        known = path.removeprefix("/harnesses").strip("/")
        if not known:
            at = int(dict(urllib.parse.parse_qsl(query)).get("nextToken", 0))
            harnesses = list(self.server.harnesses.values())
            following = {"nextToken": str(at + 1)} if at + 1 < len(harnesses) else {}
            self._json({"harnesses": harnesses[at : at + 1], **following})
            return
        harness = self.server.harnesses.get(known)
        if harness is None:
            self._refuse(Refuse(404, "ResourceNotFoundException"))
            return
        if self.server.states:
            harness["status"] = self.server.states.pop(0)
        elif harness["status"] == "CREATING":
            harness["status"] = "READY"
        self._json({"harness": harness})

    def do_DELETE(self) -> None:
        known = self.path.partition("?")[0].removeprefix("/harnesses/")
        harness = self.server.harnesses.pop(known, None)
        if harness is None:
            self._refuse(Refuse(404, "ResourceNotFoundException"))
        else:
            self._json({"harness": {**harness, "status": "DELETING"}})

    def _create(self, body: Any) -> None:
        there = self.server.harnesses
        name = body["harnessName"]
        if any(one["harnessName"] == name for one in there.values()):
            self._refuse(Refuse(409, "ConflictException"))
            return
        known = f"{name}-{len(there):010}"
        arn = f"arn:aws:bedrock-agentcore:eu-central-1:123456789012:harness/{known}"
        there[known] = {
            "harnessId": known, "harnessName": name, "arn": arn, "status": "CREATING",
            "createdAt": 1_790_000_000 + len(there), "updatedAt": 1_790_000_000,
            "environment": {"agentCoreRuntimeEnvironment": {"agentRuntimeArn": RUNTIME}},
        }  # fmt: skip
        self.server.created.append(body)
        self._json({"harness": there[known]}, 201)

    # Answers

    def _invoke(self, items: list[Any]) -> None:
        if isinstance(items[0], Refuse):
            self._refuse(items[0])
            return
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            for item in items:
                if item == DROP:
                    self.wfile.write(b"ff\r\nhalf")
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if item == HANG:
                    self.connection.settimeout(PATIENCE)
                    self.server.gone.put(self.connection.recv(1) == b"")
                    return
                self._chunk(_frame(item))
            self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, body: Any, status: int = 200, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, refused: Refuse) -> None:
        body = {"message": f"refused with {refused.status}"}
        self._json(body, refused.status, x_amzn_errortype=refused.code)


def _executed(command: str) -> list[Any]:
    """Run a command as a session would, but here; return what is told of it."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    said = [("stdout", done.stdout[:9]), ("stderr", done.stderr), ("stdout", done.stdout[9:])]
    return [
        {"chunk": {"contentStart": {}}},
        *({"chunk": {"contentDelta": {stream: text}}} for stream, text in said),
        {"chunk": {"contentStop": {"exitCode": done.returncode, "status": "COMPLETED"}}},
    ]


def _frame(item: Any) -> bytes:
    """Return one frame of the event stream encoding of the service."""
    if isinstance(item, Broken):
        headers = {":message-type": "exception", ":exception-type": item.code}
        payload: Any = {"message": item.message}
    else:
        ((kind, payload),) = item.items()
        headers = {":message-type": "event", ":event-type": kind}
    headers[":content-type"] = "application/json"
    packed = b"".join(_header(name, value) for name, value in headers.items())
    data = json.dumps(payload).encode()
    prelude = struct.pack("!II", len(packed) + len(data) + 16, len(packed))
    head = prelude + struct.pack("!I", binascii.crc32(prelude))
    whole = head + packed + data
    return whole + struct.pack("!I", binascii.crc32(whole))


def _header(name: str, value: str) -> bytes:
    """Return a header of the frame: its value is text, type 7."""
    said = value.encode()
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(said)) + said
