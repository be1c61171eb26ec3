"""The program that runs a function in an OS process of its own, as a command agent.

    python -m beam.backends.function_worker            (started by `function(..., process=True)`)

It speaks the command protocol on the stdin and stdout that it was started with. What the function
itself prints goes to stderr, and its stdin is empty. The function runs on the main thread; another
reads the host's lines, so that an interrupt, or the answer to a tool call, is heard while the
function runs. At the end of stdin the function is interrupted, and the program ends when it returns.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import pickle
import queue
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from multiprocessing import process, spawn
from typing import IO, Any

from beam.backends.agent_lines import PROTOCOL
from beam.backends.backend import PermissionAnswer, Query, ToolResult
from beam.backends.effects import Completed, Failed
from beam.backends.exchange import Exchange
from beam.backends.function_form import FunctionForm
from beam.backends.function_lines import line_of
from beam.backends.function_process import FUNCTION
from beam.backends.function_run import run, run_async
from beam.backends.host_lines import HostTool, Turn
from beam.model.permissions import Allow, Deny

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
        # One query is open at a time, and one may wait behind it: the host sends no more.
        self._queries: queue.SimpleQueue[Query | None] = queue.SimpleQueue()
        self._exchange: Exchange | None = None
        self._ended = False

    def serve(self) -> None:
        """Greet the host, then run the function for each query, until stdin ends."""
        lines = self._lines()
        hello = next(lines, None)
        if hello is None:
            return
        self._session_id = hello["session_id"]
        try:
            form = unpacked(hello["host"][FUNCTION])
        except BaseException as error:  # noqa: BLE001 - the user's module; nothing works without it
            words = f"the function cannot be loaded: {type(error).__name__}: {error}"
            self._write({"type": "error", "reason": "backend_error", "content": words})
            return
        self._write(
            {
                "type": "ready",
                "protocol": PROTOCOL,
                "name": form.name or "function",
                "capabilities": ["interrupt"],
            }
        )
        threading.Thread(target=self._read, args=(lines,), name="host", daemon=True).start()
        with asyncio.Runner() as runner:
            while (query := self._queries.get()) is not None:
                self._answer(form, query, runner)

    def _answer(self, form: FunctionForm, query: Query, runner: asyncio.Runner) -> None:
        exchange = Exchange(query, self._session_id, self._emit, None, _deadline(query))
        self._exchange = exchange
        if self._ended:
            exchange.interrupt()
        if form.is_async:
            end = runner.run(run_async(form, exchange, _now))
        else:
            end = run(form, exchange, _now)
        self._exchange = None
        if exchange.interrupted.is_set():
            words = {"reason": "interrupted", "content": "interrupted"}
            self._write({"type": "error", "query_id": query.query_id, **words})
        else:
            exchange.end(end)

    def _emit(self, effect: Any) -> None:
        self._write(line_of(effect))

    def _write(self, line: Mapping[str, Any]) -> None:
        data = json.dumps(line).encode("ascii") + b"\n"
        with self._writing:
            try:
                self._stdout.write(data)
                self._stdout.flush()
            except BrokenPipeError:
                os._exit(0)  # The host has gone; nobody would hear of anything.

    # The host's lines

    def _lines(self) -> Iterator[dict[str, Any]]:
        for line in self._stdin:
            yield json.loads(line)

    def _read(self, lines: Iterator[dict[str, Any]]) -> None:
        """Take what the host says, on a thread of its own."""
        for line in lines:
            self._take(line)
        self._ended = True
        self._interrupt()
        self._queries.put(None)

    def _take(self, line: Mapping[str, Any]) -> None:
        exchange = self._exchange
        match line:
            case {"type": "query"}:
                self._queries.put(_query(line))
            case {"type": "tool_result", "query_id": query_id} if _is_of(exchange, query_id):
                assert exchange is not None
                exchange.tool_answered(
                    ToolResult(query_id, line["tool_use_id"], line["content"], line["is_error"])
                )
            case {"type": "permission_response", "query_id": query_id} if _is_of(
                exchange, query_id
            ):
                assert exchange is not None
                exchange.decided(PermissionAnswer(query_id, line["id"], _decision(line)))
            case {"type": "interrupt", "query_id": query_id} if _is_of(exchange, query_id):
                self._interrupt()

    def _interrupt(self) -> None:
        if self._exchange is not None:
            self._exchange.interrupt()
