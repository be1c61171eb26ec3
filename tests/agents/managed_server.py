"""A scripted stand-in for Claude's Managed Agents, on loopback: agents, sessions, files.

    with ManagedServer([[said("Hello"), idle()]]) as server:
        provider = managed_agents(base_url=server.url)

Each send of events to a session is answered with the next batch of the script: its events are kept
in the history and told by every open stream. Among them may stand what goes wrong:

| item | what |
|---|---|
| `DROP` | the open streams are cut in the middle of a chunk |
| `END` | they end in good order |
| `UNTOLD` | what follows is kept, but told by no stream |
| `AGAIN` | all that was told is told once more |
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import itertools
import json
import queue
import socket
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = [
    "AGAIN",
    "DROP",
    "END",
    "UNTOLD",
    "ManagedServer",
    "asked",
    "idle",
    "requires",
    "said",
    "span",
]

DROP, END, UNTOLD, AGAIN = "drop", "end", "untold", "again"
PATIENCE = 60.0

_numbers = itertools.count(1)


def said(text: str) -> dict[str, Any]:
    return {"type": "agent.message", "content": [{"type": "text", "text": text}]}


def asked(use_id: str, name: str = "add", **given: Any) -> dict[str, Any]:
    return {"type": "agent.custom_tool_use", "id": use_id, "name": name, "input": given}


def idle(word: str = "end_turn", **more: Any) -> dict[str, Any]:
    return {"type": "session.status_idle", "stop_reason": {"type": word, **more}}


def requires(*ids: str) -> dict[str, Any]:
    return idle("requires_action", event_ids=list(ids))


def span(read: int, written: int) -> dict[str, Any]:
    usage = {"input_tokens": read, "output_tokens": written}
    return {"type": "span.model_request_end", "model_usage": usage}


class _Session:
    def __init__(self, script: list[list[Any]]) -> None:
        self.script = script
        self.history: list[dict[str, Any]] = []
        self.streams: list[queue.SimpleQueue[Any]] = []
        self.told: list[dict[str, Any]] = []


class ManagedServer(ThreadingHTTPServer):
    """The server.

    Args:
        script: what each send is answered with, for every session.

    Attributes:
        sent: the events of each send.
        calls: method, path, headers and body of each request.
        refusing: paths that are refused, with a status; `"GET /v1/files"` for one method only.
        answering: paths that are answered with what stands here.
        heard: set when something was sent.
        opened, closed: a stream was opened, and its client has gone; to be waited for.
        page: how many items a page has at most.
        names: whether a name may be used once only, so that a second agent of it is a 409.
        files: the files by their ids: what is told of each, and its bytes.
        resources: those of each session.
    """

    daemon_threads = True
    request_queue_size = 50

    def __init__(self, script: list[list[Any]] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script or []
        self.sent: list[list[dict[str, Any]]] = []
        self.calls: list[tuple[str, str, dict[str, str], Any]] = []
        self.refusing: dict[str, int] = {}
        self.answering: dict[str, Any] = {}
        self.opened: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.closed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.heard = threading.Event()
        self.page = 100
        self.names = True
        self.kept: dict[str, dict[str, dict[str, Any]]] = {"agents": {}, "environments": {}}
        self.sessions: dict[str, _Session] = {}
        self.files: dict[str, tuple[dict[str, Any], bytes]] = {}
        self.resources: dict[str, list[dict[str, Any]]] = {}
        self.guard = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for session in self.sessions.values():
            for stream in session.streams:
                stream.put(END)
        self.shutdown()
        self.server_close()

    def begin(self, *events: Any, name: str = "session_1") -> str:
        """Have a session that was there before, with a history; return its id."""
        session = self.sessions[name] = _Session([list(batch) for batch in self.script])
        for event in events:
            session.history.append(_named(event))
        return name

    def tell(self, name: str, *items: Any) -> None:
        """Have a session say something of its own accord."""
        with self.guard:
            _say(self.sessions[name], list(items))

    def write(self, session: str | None, name: str, content: bytes, **more: Any) -> str:
        """Have an agent make a file in a session, or anybody one in none; return its id."""
        number = len(self.files) + 1
        known = f"file_{number}"
        told = {
            "id": known, "type": "file", "filename": name, "mime_type": "text/plain",
            "size_bytes": len(content), "created_at": f"2026-01-01T00:00:{number:02}Z",
            "downloadable": session is not None,
            "scope": None if session is None else {"type": "session", "id": session}, **more,
        }  # fmt: skip
        self.files[known] = (told, content)
        return known

    def requests(self, method: str, ending: str) -> list[Any]:
        """Return the bodies of the requests to a path."""
        return [
            body
            for one, path, _, body in self.calls
            if one == method and path.partition("?")[0].endswith(ending)
        ]


def _named(event: Any) -> Any:
    return {"id": f"event_{next(_numbers)}", "processed_at": "2026-01-01T00:00:00Z", **event}


def _form(kind: str, data: bytes) -> dict[str, Any]:
    """Return the fields of a form; one that is a file as its name and its bytes."""
    message = email.message_from_bytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + data, policy=email.policy.HTTP
    )
    fields: dict[str, Any] = {}
    for part in message.iter_parts():  # type: ignore[attr-defined]
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        file = part.get_filename()
        fields[name] = content.decode() if file is None else (file, content)
    return fields


def _say(session: _Session, items: list[Any]) -> None:
    told = True
    for item in items:
        if item == UNTOLD:
            told = False
        elif item in (DROP, END):
            for stream in session.streams:
                stream.put(item)
            session.streams.clear()
        elif item == AGAIN:
            for event in session.told:
                for stream in session.streams:
                    stream.put(event)
        else:
            event = _named(item)
            session.history.append(event)
            if told:
                session.told.append(event)
                for stream in session.streams:
                    stream.put(event)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ManagedServer

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        body = self._body()
        server = self.server
        server.calls.append((method, self.path, dict(self.headers.items()), body))
        path, _, query = self.path.partition("?")
        parts = path.strip("/").split("/")[1:]
        for refused, status in server.refusing.items():
            if path.endswith(refused) or f"{method} {path}" == refused:
                self._refuse(status)
                return
        for answered, answer in server.answering.items():
            if path.endswith(answered):
                self._json(answer)
                return
        asked = dict(urllib.parse.parse_qsl(query))
        if parts[0] in server.kept:
            self._resource(method, parts, body, asked)
        elif parts[0] == "files":
            self._files(method, parts, body, asked)
        elif "resources" in parts:
            self._resources(method, parts, body, asked)
        elif parts[-1] == "stream":
            self._stream(parts[1])
        elif parts[-1] == "events":
            self._events(method, parts[1], body, asked)
        else:
            self._session(method, parts, body)

    def _body(self) -> Any:
        kind = self.headers.get("content-type") or ""
        chunked = self.headers.get("transfer-encoding") == "chunked"
        data = self._chunks() if chunked else self.rfile.read(self._length())
        if kind.startswith("multipart/form-data"):
            return _form(kind, data)
        return json.loads(data) if data else None

    def _length(self) -> int:
        return int(self.headers.get("content-length") or 0)

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    # Files

    def _files(self, method: str, parts: list[str], body: Any, asked: dict[str, str]) -> None:
        files = self.server.files
        if method == "POST":
            (name, content), given = body["file"], {key: body[key] for key in body if key != "file"}
            known = self.server.write(None, name.rpartition("/")[2], content, **given)
            self._json(files[known][0])
        elif len(parts) == 1:
            scope = asked.get("scope_id")
            told = [one for one, _ in files.values()]
            told = [one for one in told if scope is None or (one["scope"] or {}).get("id") == scope]
            self._page(told[::-1], asked)
        elif parts[1] not in files:
            self._refuse(404)
        elif method == "DELETE":
            del files[parts[1]]
            self._json({"id": parts[1], "type": "file_deleted"})
        else:
            self._bytes(files[parts[1]][1], "application/octet-stream")

    def _resources(self, method: str, parts: list[str], body: Any, asked: dict[str, str]) -> None:
        server, session = self.server, parts[1]
        there = server.resources.setdefault(session, [])
        if method == "GET":
            self._page(there, asked)
        elif method == "POST":
            told, content = server.files[body["file_id"]]
            known = server.write(session, told["filename"], content, downloadable=False)
            path = f"/session/uploads{body['mount_path']}"
            made = {
                "id": f"resource_{len(there) + 1}", "type": "file", "file_id": known,
                "mount_path": path, "created_at": told["created_at"],
                "updated_at": told["created_at"],
            }  # fmt: skip
            there.append(made)
            self._json(made)
        else:
            (gone,) = [one for one in there if one["id"] == parts[3]]
            there.remove(gone)
            server.files.pop(gone["file_id"], None)
            self._json({"id": parts[3], "type": "session_resource_deleted"})

    # Agents and environments

    def _resource(self, method: str, parts: list[str], body: Any, asked: dict[str, str]) -> None:
        kept = self.server.kept[parts[0]]
        if method == "GET":
            self._page(list(kept.values()), asked)
        elif len(parts) == 3:
            if parts[1] not in kept:
                self._refuse(404)
                return
            kept[parts[1]]["archived_at"] = "2026-01-02T00:00:00Z"
            self._json(kept[parts[1]])
        elif self.server.names and any(one["name"] == body["name"] for one in kept.values()):
            self._refuse(409)
        else:
            known = f"{parts[0][:-1]}_{len(kept) + 1}"
            kept[known] = {
                "id": known, "type": parts[0][:-1], "version": 1, "archived_at": None,
                "created_at": f"2026-01-01T00:00:{len(kept):02}Z", **body,
            }  # fmt: skip
            self._json(kept[known])

    # Sessions

    def _session(self, method: str, parts: list[str], body: Any) -> None:
        if method == "POST":
            name = self.server.begin(name=f"session_{len(self.server.sessions) + 1}")
        else:
            name = parts[1]
            if name not in self.server.sessions:
                self._refuse(404)
                return
        self._json({"id": name, "type": "session", "status": "idle"})

    def _events(self, method: str, name: str, body: Any, asked: dict[str, str]) -> None:
        session = self.server.sessions[name]
        if method == "GET":
            self._page(session.history, asked)
            return
        with self.server.guard:
            self.server.sent.append(body["events"])
            self.server.heard.set()
            given = [_named(event) for event in body["events"]]
            session.history += given
            self._json({"data": given})
            if session.script:
                _say(session, session.script.pop(0))

    def _page(self, items: list[Any], asked: dict[str, str]) -> None:
        at = int(asked.get("page", 0))
        end = at + min(self.server.page, int(asked.get("limit", 20)))
        following = str(end) if end < len(items) else None
        self._json({"data": items[at:end], "next_page": following})

    def _stream(self, name: str) -> None:
        session, mine = self.server.sessions[name], queue.SimpleQueue[Any]()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._chunk(b": hello\n\n")
        with self.server.guard:
            session.streams.append(mine)
        self.server.opened.put(name)
        threading.Thread(target=self._watch, args=(mine,), daemon=True).start()
        with contextlib.suppress(OSError):
            self._tell(mine)
        with self.server.guard, contextlib.suppress(ValueError):
            session.streams.remove(mine)
        self.server.closed.put(name)
        self.close_connection = True

    def _watch(self, mine: queue.SimpleQueue[Any]) -> None:
        """End the stream when its client goes."""
        with contextlib.suppress(OSError):
            self.connection.recv(1)
        mine.put(DROP)

    def _tell(self, mine: queue.SimpleQueue[Any]) -> None:
        while True:
            item = mine.get(timeout=PATIENCE)
            if item == END:
                self.wfile.write(b"0\r\n\r\n")
                return
            if item == DROP:
                self.wfile.write(b"ff\r\ndata: {")
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            frame = f"event: {item['type']}\r\ndata: {json.dumps(item)}\r\n\r\n".encode()
            # In two pieces, in the middle of whatever it is.
            self._chunk(frame[:20])
            self._chunk(frame[20:])

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, body: Any, status: int = 200) -> None:
        self._bytes(json.dumps(body).encode(), "application/json", status)

    def _bytes(self, data: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, status: int) -> None:
        error = {"type": "some_error", "message": f"refused with {status}"}
        self._json({"type": "error", "error": error}, status)
