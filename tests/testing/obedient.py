"""Agents that obey the directives of a conformance suite: a function, and one with a program."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beam.backends.agent_backend import AgentBackend
from beam.backends.driver import Driver
from beam.backends.effects import AgentFailed, Completed, Failed, Ready
from beam.backends.transcript import with_transcript
from beam.backends.turn_limits import TurnLimits
from beam.model.exit_reasons import ExitReason, of_http
from beam.model.messages import ErrorMessage, Message, ResultMessage
from beam.model.permissions import Allow
from beam.ports.spec import PortSpec

if TYPE_CHECKING:
    from beam.backends.agent_wire import Wire
    from beam.backends.backend import Opening, Query
    from beam.backends.talk import Talk

DIRECTIVE = re.compile(r"\[\[(say|history|slow|silent|fail|tool|write)\s*(.*?)\]\]", re.DOTALL)

CHARGES = {"input_tokens": 11, "cache_read_tokens": 7, "output_tokens": 5, "reasoning_tokens": 3}
"""What a model charges here for each answer."""

PROGRAM = """
import json, re, sys, time
directive = re.compile(r"\\[\\[(say|history|slow|silent|fail|tool|write)\\s*(.*?)\\]\\]", re.S)
said = []
for line in sys.stdin:
    order = json.loads(line)
    if "said" in order:
        said = order["said"]
        continue
    *before, (word, rest) = directive.findall(order["prompt"])
    said += [text for name, text in before if name == "say"]
    streamed = ""
    if word in ("slow", "silent"):
        for piece in range(int(rest)):
            time.sleep(0.5)
            streamed += f"piece {piece} "
            print(json.dumps({"text": f"piece {piece} "}), flush=True)
    if word == "silent":
        time.sleep(1000)
    if word == "say":
        said.append(rest)
    answer = {"say": rest, "history": "|".join(said), "slow": streamed}.get(word, "done")
    if word in ("write", "tool", "fail"):
        print(json.dumps({word: rest}), flush=True)
        answer = json.loads(sys.stdin.readline())["answer"]
    print(json.dumps({"answer": answer, "said": said}), flush=True)
"""


def cost(answers: int) -> dict[str, int]:
    """Return what so many answers of the model cost."""
    return {name: answers * count for name, count in CHARGES.items()}


def obey(prompt: str, query: Any) -> Any:
    """Obey as a function agent."""
    asked = [turn.content for turn in query.history if turn.role == "user"]
    words = DIRECTIVE.findall("\n".join([*asked, prompt]))
    word, rest = words[-1]
    answer = ""
    if word in ("slow", "silent"):
        for piece in range(int(rest)):
            if query.interrupted.wait(0.5):
                return None
            answer += f"piece {piece} "
            yield f"piece {piece} "
    if word == "silent":
        query.interrupted.wait()
        return None
    answer = answer or _obeyed(word, rest, words, query)
    return ResultMessage(content=answer, usage=cost(2 if word == "tool" else 1))


def _obeyed(word: str, rest: str, words: list[tuple[str, str]], query: Any) -> str:
    match word:
        case "say":
            return rest
        case "history":
            return "|".join(text for name, text in words if name == "say")
        case "fail":
            raise RuntimeError(f"the model answered {rest}")
        case "tool":
            name, _, arguments = rest.partition(" ")
            return str(query.call_tool(name, **json.loads(arguments)))
        case "write":
            decision = query.ask_permission("write", {"path": rest})
            if isinstance(decision, Allow):
                _write(rest)
    return "done"


def _write(path: str) -> None:
    Path(path).write_text("made")


class ObedientDriver(Driver):
    """Speaks with `PROGRAM`, whose conversation is in a file of the session's folder."""

    async def open(self) -> Ready | AgentFailed:
        opening = self.talk.opening
        self._file = Path(opening.cwd or ".") / "conversation.json"
        self._cut = False
        resumed = bool(opening.resume) and self._file.exists()
        if resumed:
            self._tell({"said": json.loads(self._file.read_text())})
        self._first = not resumed
        how = "resumed" if resumed else "new"
        return Ready("obedient", "1", ("interrupt",), opening.session_id, how)

    def _tell(self, order: dict[str, Any]) -> None:
        self.wire.write(json.dumps(order).encode() + b"\n")

    async def ask(self, query: Query) -> Completed | Failed:
        self._cut = False
        prompt = with_transcript(query.prompt, query.history) if self._first else query.prompt
        self._first = False
        self._tell({"prompt": prompt})
        answer = await self._answer(query)
        if self._cut:
            return self._failed(query, ExitReason("interrupted"))
        if isinstance(answer, ExitReason):
            return self._failed(query, answer)
        message = ResultMessage(content=answer, usage=cost(self._answers))
        return Completed(query.query_id, message)

    async def _answer(self, query: Query) -> str | ExitReason:
        failure: ExitReason | None = None
        self._answers = 1
        while line := await self.wire.readline():
            match json.loads(line):
                case {"text": text}:
                    self.talk.say(Message("text", text))
                case {"answer": answer, "said": said}:
                    self._file.write_text(json.dumps(said))
                    return failure or str(answer)
                case {"fail": status}:
                    failure = of_http(int(status))
                    self._tell({"answer": ""})
                case {"write": path}:
                    decision = await self.talk.permission("write", {"path": path})
                    if isinstance(decision, Allow):
                        _write(path)
                    self._tell({"answer": "done"})
                case {"tool": rest}:
                    self._answers = 2
                    name, _, given = rest.partition(" ")
                    result = await self.talk.tool("use-1", name, json.loads(given))
                    self._tell({"answer": result.content})
        raise EOFError("the program has ended")

    def _failed(self, query: Query, reason: ExitReason) -> Failed:
        message = ErrorMessage(content=reason.kind, error_type=reason.kind)
        return Failed(query.query_id, reason.kind, message, reason.retryable, reason)

    async def interrupt(self) -> None:
        self._cut = True


@dataclass(frozen=True)
class Obedient(AgentBackend):
    """A program that obeys."""

    turn: TurnLimits = field(default_factory=lambda: TurnLimits(interrupt_grace=0.5))

    kind = "command"

    def check(self) -> None:
        """Accept."""

    def program(self, opening: Opening) -> PortSpec | None:
        return PortSpec.of([sys.executable, "-c", PROGRAM], stdin="pipe", grace=self.grace)

    def driver(self, talk: Talk, wire: Wire | None) -> Driver:
        return ObedientDriver(talk, wire)
