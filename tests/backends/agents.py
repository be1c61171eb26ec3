"""Two small agents for tests of what all real agents share: one without a program, one with."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, field
from typing import Any

from beam.backends.agent_backend import AgentBackend
from beam.backends.agent_wire import Wire
from beam.backends.backend import Opening, Query
from beam.backends.driver import Driver
from beam.backends.effects import AgentFailed, Completed, Failed, Ready
from beam.backends.talk import Talk
from beam.backends.transcript import with_transcript
from beam.model.exit_reasons import ExitReason
from beam.model.messages import ErrorMessage, Message, ResultMessage
from beam.model.permissions import Allow
from beam.ports.spec import PortSpec

PROGRAM = """
import json, os, signal, subprocess, sys, time
said = []
for line in sys.stdin:
    order = json.loads(line)
    word, _, rest = order["prompt"].partition(" ")
    if order.get("resume"):
        said = ["resumed " + order["resume"]]
    if word == "die":
        os._exit(int(rest))
    if word == "child":
        subprocess.Popen(["sleep", "1000"])
    if word == "eat":
        hoard = bytearray(int(rest) * 1024 * 1024)
        hoard[::4096] = b"x" * len(hoard[::4096])
    if word == "mute":
        os.close(1)
        time.sleep(1000)
    if word == "hang":
        time.sleep(1000)
    if word == "late":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        signal.sigwait({signal.SIGTERM})
    said.append(order["prompt"])
    for piece in range(int(rest) if word == "pieces" else 1):
        print(json.dumps({"text": "piece"}), flush=True)
    print(json.dumps({"answer": "|".join(said)}), flush=True)
"""


class WireDriver(Driver):
    """Speaks JSON lines with `PROGRAM`."""

    async def open(self) -> Ready | AgentFailed:
        resume = self.talk.opening.resume
        self.resume = resume
        self.stop = asyncio.Event()
        return Ready("wired", "1", ("interrupt",), resume or "s-1", "resumed" if resume else "new")

    async def ask(self, query: Query) -> Completed | Failed:
        order = {"prompt": query.prompt, "resume": self.resume}
        self.resume = ""
        self.wire.write(json.dumps(order).encode() + b"\n")
        while line := await self.wire.readline():
            said = json.loads(line)
            if "answer" in said:
                return Completed(query.query_id, ResultMessage(content=said["answer"]))
            self.talk.say(Message("text", said["text"]))
        raise EOFError("the program has ended")

    async def interrupt(self) -> None:
        self.stop.set()


class PlainDriver(Driver):
    """Does what the prompt says, in this process."""

    async def open(self) -> Ready | AgentFailed:
        self.stop = asyncio.Event()
        if self.talk.opening.options.get("refuse"):
            error = ErrorMessage(content="no key", error_type="auth")
            return AgentFailed("auth", error, False, ExitReason("auth"))
        return Ready("plain", "1", ("interrupt",), "s-2")

    async def ask(self, query: Query) -> Completed | Failed:
        self.stop.clear()
        self.steered = ""
        prompt = with_transcript(query.prompt, query.history)
        word, _, rest = query.prompt.partition(" ")
        if word == "wait":
            await self.stop.wait()
            if self.steered:
                return Completed(query.query_id, ResultMessage(content=self.steered))
            return self.failed(query, ExitReason("interrupted"))
        if word == "deaf":
            await asyncio.Event().wait()
        if word == "trails":
            self.talk.heard()
            await asyncio.Event().wait()
        if word == "raise":
            raise ValueError(rest)
        if word == "fail":
            return self.failed(query, ExitReason(rest, retry_after=0.01))  # type: ignore[arg-type]
        if word == "permission":
            decision = await self.talk.permission("write", {"path": rest}, {"why": "test"})
            prompt = "cancelled" if decision is None else str(isinstance(decision, Allow))
            if decision is None:
                return self.failed(query, ExitReason("interrupted"))
        if word == "tool":
            result = await self.talk.tool("t-1", rest, {"a": 2, "b": 3})
            prompt = f"{result.content} {result.is_error}"
        if word == "many":
            for number in range(int(rest)):
                await self.talk.room()
                self.talk.say(Message("text", str(number)))
        return Completed(query.query_id, ResultMessage(content=prompt))

    def failed(self, query: Query, reason: ExitReason) -> Failed:
        message = ErrorMessage(content=reason.kind, error_type=reason.kind)
        return Failed(query.query_id, reason.kind, message, reason.retryable, reason)

    async def interrupt(self) -> None:
        self.stop.set()

    async def conversations(self, cwd: str | None) -> list[dict[str, Any]]:
        return [{"id": "s-2", "cwd": cwd}]

    async def steer(self, text: str) -> bool:
        self.talk.say(Message("text", f"steered: {text}"))
        self.steered = text
        self.stop.set()
        return True


@dataclass(frozen=True)
class Plain(AgentBackend):
    kind = "function"

    def check(self) -> None: ...

    def program(self, opening: Opening) -> PortSpec | None:
        return None

    def driver(self, talk: Talk, wire: Wire | None) -> Driver:
        return PlainDriver(talk, wire)


@dataclass(frozen=True)
class Wired(AgentBackend):
    kind = "command"

    extra: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None: ...

    def program(self, opening: Opening) -> PortSpec | None:
        return PortSpec.of([sys.executable, "-c", PROGRAM], stdin="pipe", grace=self.grace)

    def driver(self, talk: Talk, wire: Wire | None) -> Driver:
        return WireDriver(talk, wire)
