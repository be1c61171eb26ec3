"""The program that runs a function in an OS process of its own, as a command agent.

    python -m beam.backends.function_worker            (started by `function(..., process=True)`)

It speaks the command protocol on the stdin and stdout that it was started with. What the function
itself prints goes to stderr, and its stdin is empty. The function runs on the main thread; another
reads the host's lines, so that an interrupt, or the answer to a tool call, is heard while it runs.
At the end of stdin the function is interrupted, and the program ends when it returns.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import pickle
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from multiprocessing import process, spawn
from typing import IO, Any

from beam.backends.backend import PermissionAnswer, Query, ToolResult
from beam.backends.effects import Effect
from beam.backends.exchange import Exchange
from beam.backends.function_form import FunctionForm
from beam.backends.function_lines import line_of
from beam.backends.function_process import FUNCTION
from beam.backends.function_run import run, run_async
from beam.backends.host_lines import HostTool, Turn
from beam.backends.line_limits import PROTOCOL
from beam.model.permissions import Allow, Decision, Deny

__all__ = ["main"]


class Worker:
    """The talk with the host.

    Args:
        stdin: the host's lines.
        stdout: our lines.
    """

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._writing = threading.Lock()
        self._session_id = ""
        # Not bounded here: the host has one query open at a time.
        self._due: queue.SimpleQueue[Exchange | None] = queue.SimpleQueue()
        self._open: Exchange | None = None

    def serve(self) -> None:
        """Greet the host, then run the function for each query, until stdin ends."""
        lines = self._lines()
        hello = next(lines, None)
        if hello is None:
            return
        self._session_id = hello["session_id"]
        form = self._load(hello["host"])
        if form is None:
            return
        greeting = {"protocol": PROTOCOL, "name": form.name, "capabilities": ["interrupt"]}
        self._write({"type": "ready", **greeting})
        threading.Thread(target=self._read, args=(lines,), name="host", daemon=True).start()
        with asyncio.Runner() as runner:
            while (exchange := self._due.get()) is not None:
                self._answer(form, exchange, runner)

    def _load(self, host: Mapping[str, Any]) -> FunctionForm | None:
        try:
            return unpacked(host[FUNCTION])
        except BaseException as error:  # noqa: BLE001 - the user's module, which may even exit
            words = f"the function cannot be loaded: {type(error).__qualname__}: {error}"
            self._write({"type": "error", "reason": "backend_error", "content": words})
            return None

    def _answer(self, form: FunctionForm, exchange: Exchange, runner: asyncio.Runner) -> None:
        if form.is_async:
            end = runner.run(run_async(form, exchange, _now))
        else:
            end = run(form, exchange, _now)
        if not exchange.end(end):
            query_id = exchange.query.query_id
            self._write({"type": "error", "query_id": query_id, "reason": "interrupted"})

    def _write(self, line: Mapping[str, Any]) -> None:
        data = json.dumps(line).encode("ascii") + b"\n"
        with self._writing, contextlib.suppress(BrokenPipeError):  # Then stdin has ended, too.
            self._stdout.write(data)
            self._stdout.flush()

    # The host's lines

    def _lines(self) -> Iterator[dict[str, Any]]:
        for line in self._stdin:
            yield json.loads(line)

    def _read(self, lines: Iterator[dict[str, Any]]) -> None:
        """Take what the host says, on a thread of its own."""
        for line in lines:
            self._take(line)
        if self._open is not None:
            self._open.interrupt()
        self._due.put(None)

    def _take(self, line: Mapping[str, Any]) -> None:
        if line["type"] == "query":
            query = _query(line)
            deadline = None if query.timeout is None else time.monotonic() + query.timeout
            self._open = Exchange(query, self._session_id, self._emit, None, deadline)
            self._due.put(self._open)
            return
        exchange, query_id = self._open, line.get("query_id")
        if exchange is None or exchange.query.query_id != query_id:
            return
        match line["type"]:
            case "tool_result":
                result = (line["tool_use_id"], line["content"], line["is_error"])
                exchange.tool_answered(ToolResult(query_id, *result))
            case "permission_response":
                exchange.decided(PermissionAnswer(query_id, line["id"], _decision(line)))
            case "interrupt":
                exchange.interrupt()

    def _emit(self, effect: Effect) -> None:
        self._write(line_of(effect))


def unpacked(packed: str) -> FunctionForm:
    """Return the function that the host has packed, after importing what it needs.

    Args:
        packed: the field of the greeting.
    """
    surroundings, called = pickle.loads(base64.b64decode(packed))  # noqa: S301 - our host's
    # A script without a guard, imported here, must not start another fleet; `multiprocessing`
    # and `function` look at this.
    here: Any = process.current_process()
    here._inheriting = True
    try:
        spawn.prepare(surroundings)
        form: FunctionForm = pickle.loads(called)  # noqa: S301 - our host's
    finally:
        del here._inheriting
    return form


def _query(line: Mapping[str, Any]) -> Query:
    return Query(
        line["id"],
        line["prompt"],
        history=tuple(Turn(turn["role"], turn["content"]) for turn in line["history"]),
        tools=tuple(HostTool(**tool) for tool in line["tools"]),
        params=line["params"],
        attempt=line["attempt"],
        timeout=line["timeout"],
    )


def _decision(line: Mapping[str, Any]) -> Decision:
    if line["decision"] == "allow":
        return Allow(line.get("params"))
    return Deny(line["reason"])


def _now() -> int:
    return int(time.time() * 1000)


def main() -> None:
    """Serve until stdin ends."""
    stdin, stdout = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    Worker(stdin, stdout).serve()


if __name__ == "__main__":
    main()
