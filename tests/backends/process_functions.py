"""Functions that a worker process can import."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

from beam.errors import Interrupted, ToolFailed
from beam.otp import Future


def shout(prompt: str) -> str:
    return prompt.upper()


def words(prompt: str) -> Any:
    yield from prompt.split()
    return {"words": prompt.split()}


async def async_shout(prompt: str) -> Any:
    yield prompt
    await asyncio.sleep(0)
    yield prompt.upper()


def told(prompt: str, query: Any) -> Any:
    return {
        "history": [[turn.role, turn.content] for turn in query.history],
        "tools": [tool.name for tool in query.tools],
        "params": query.params,
        "attempt": query.attempt,
        "session_id": query.session_id,
        "has_deadline": query.deadline is not None,
        "cwd": os.getcwd(),
    }


def prints(prompt: str) -> str:
    print("this is no line of the protocol")
    sys.stdout.flush()
    os.system("echo nor is this")
    return f"stdin has {len(sys.stdin.read())} characters"


def reads(prompt: str, query: Any) -> str:
    try:
        content = query.call_tool("read", path=prompt)
    except ToolFailed as failed:
        return f"no: {failed.content}"
    return f"{query.ask_permission('write', {'path': prompt})}: {content}"


async def async_reads(prompt: str, query: Any) -> str:
    content = await query.call_tool("read", path=prompt)
    return f"{await query.ask_permission('write', {'path': prompt})}: {content}"


def waits(prompt: str, query: Any) -> Any:
    yield "waiting"
    try:
        query.call_tool("never")
    except Interrupted:
        yield "unheard"


async def async_waits(prompt: str) -> Any:
    yield "waiting"
    await Future()


def deaf(prompt: str) -> Any:
    """Hang with a child, and do not come back."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = os.fork()
    if child:
        yield json.dumps([os.getpid(), child])
    while True:
        signal.pause()


def crashes(prompt: str) -> str:
    print("about to crash", file=sys.stderr, flush=True)
    os._exit(3)


def raises(prompt: str) -> str:
    if prompt == "fail":
        sys.exit("on purpose")
    return prompt


def says_all(prompt: str) -> Any:
    yield {"type": "hologram", "depth": 3}
    yield {"type": "tool_use", "tool_name": "read", "tool_use_id": "t", "host": True}
    yield {"type": "assistant", "content": [{"type": "text", "text": "hi"}]}
    yield {"type": "error", "error_type": "overloaded", "content": "later"}


class Agent:
    def __init__(self, mood: str) -> None:
        self.mood = mood

    async def __call__(self, prompt: str) -> str:
        return f"{prompt}, {self.mood}"
