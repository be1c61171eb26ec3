"""The survey as a command agent: a program of its own that speaks JSON lines with its host.

    python examples/survey/command_agent.py        (docs/command-agents.md says what to type)

It needs nothing but the standard library and `analysis.py` beside it. It reads each file through
its host: a `read_file` call for each piece, until the end of the file. Offered no such tool, it
reads the file itself and tells the host of it. An interrupt is heard while it waits for a tool,
which is where its time goes.
"""

from __future__ import annotations

import base64
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import analysis

PIECE = 64 * 1024


class Interrupted(Exception):
    """The host wants the open query to end."""


class ToolFailed(Exception):
    """The host could not or would not do what a tool call asked for."""


def send(kind: str, **fields: Any) -> None:
    """Write one line; ASCII and flushed, whatever the locale and whatever stdout is."""
    print(json.dumps({"type": kind, **fields}), flush=True)


def receive() -> dict[str, Any]:
    """Return the host's next line; when the host has closed stdin, end."""
    line = sys.stdin.buffer.readline()
    if not line:
        raise SystemExit(0)
    message: dict[str, Any] = json.loads(line)
    return message


class Work:
    """One query from its line to its `result` or `error`."""

    def __init__(self, query: dict[str, Any]) -> None:
        self.id = query["id"]
        self.prompt = query["prompt"]
        self.offered = {tool["name"] for tool in query.get("tools", ())}
        self.call_ids = (f"call-{n}" for n in itertools.count(1))

    def run(self) -> None:
        """Answer the query: with a result, or an error that says why there is none."""
        try:
            module, path = analysis.subject(self.prompt)
            self.send("text", content=f"Reading {path}")
            source = self.read(path) if "read_file" in self.offered else self.read_alone(path)
            answer = analysis.survey(module, source).to_json()
        except Interrupted:
            self.send("error", reason="interrupted", content="interrupted by the host")
        except ToolFailed as error:
            self.send("error", reason="tool_failed", content=str(error))
        except (ValueError, SyntaxError, OSError) as error:
            self.send("error", reason="bad_task", content=f"{type(error).__name__}: {error}")
        else:
            self.send("result", content=answer)

    def send(self, kind: str, **fields: Any) -> None:
        """Write a line that belongs to this query."""
        send(kind, query_id=self.id, **fields)

    def read(self, path: str) -> bytes:
        """Return the file's bytes, read piece by piece through the host's tool."""
        source = bytearray()
        eof = False
        while not eof:
            asked = {"path": path, "offset": len(source), "limit": PIECE}
            piece = json.loads(self.call("read_file", asked))
            source += base64.b64decode(piece["base64"])
            eof = piece["eof"]
        return bytes(source)

    def read_alone(self, path: str) -> bytes:
        """Return the file's bytes, read here, and inform the host of it as of any tool."""
        call_id = next(self.call_ids)
        asked = {"path": path}
        self.send("tool_use", tool_use_id=call_id, tool_name="read_file", tool_input=asked)
        source = Path(path).read_bytes()
        done = f"{len(source)} bytes"
        self.send("tool_result", tool_use_id=call_id, tool_name="read_file", content=done)
        return source

    def call(self, tool: str, tool_input: dict[str, Any]) -> str:
        """Have the host run `tool`, and return what it answered."""
        call_id = next(self.call_ids)
        self.send("tool_use", tool_use_id=call_id, tool_name=tool, tool_input=tool_input, host=True)
        while True:
            match receive():
                case {"type": "tool_result", "tool_use_id": answered} as line if (
                    answered == call_id
                ):
                    content = str(line["content"])
                    if line["is_error"]:
                        raise ToolFailed(content)
                    return content
                case {"type": "interrupt", "query_id": self.id}:
                    raise Interrupted


def main() -> None:
    """Greet the host, then answer its queries, one after the other, until it closes stdin."""
    while True:
        match receive():
            case {"type": "hello"}:
                send("ready", protocol=1, name="survey", capabilities=["interrupt"])
            case {"type": "query"} as query:
                Work(query).run()


if __name__ == "__main__":
    main()
