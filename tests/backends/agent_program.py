"""A host in a few lines: it runs one command agent and speaks the protocol with it, in order."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from beam.backends.command_protocol import CommandProtocol
from beam.backends.effects import AskPermission, Completed, Effect, Failed, RunTool
from beam.backends.host_lines import tool_content

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from beam.backends.host_lines import Decision, HostTool


class AgentProgram:
    """A running agent program, from its handshake to the end of its life.

    Attributes:
        greeting: the effects of its first line.
        sent, heard: every line either way, decoded.
    """

    def __init__(self, script: Path) -> None:
        self.protocol = CommandProtocol()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={},
        )
        self.sent: list[dict[str, Any]] = []
        self.heard: list[dict[str, Any]] = []
        self.send(self.protocol.hello("session_1"))
        self.greeting = self.receive()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()

    def send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self.sent.append(json.loads(line))
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def receive(self) -> tuple[Effect, ...]:
        """Return the effects of the program's next line, or of its end."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            self.heard.append(json.loads(line))
            return self.protocol.receive(line, timestamp=0)
        return self.protocol.closed(self._process.wait(), timestamp=0)

    def finish(self) -> int:
        """Close the program's stdin and return its exit status."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait()

    def answer(
        self,
        query_id: str,
        prompt: str,
        *,
        tools: Sequence[tuple[HostTool, Callable[..., object]]] = (),
        decision: Decision = "deny",
        amended: Mapping[str, object] | None = None,
        interrupt_at: type[Effect] | None = None,
    ) -> list[Effect]:
        """Have a query answered, and return all its effects.

        Each permission is answered with `decision` and the input `amended`, if there is one.
        Instead of answering an effect of type `interrupt_at`, interrupt the query.
        """
        handlers = {tool.name: handler for tool, handler in tools}
        self.send(self.protocol.query(query_id, prompt, tools=[tool for tool, _ in tools]))
        effects: list[Effect] = []
        while not (effects and isinstance(effects[-1], Completed | Failed)):
            for effect in self.receive():
                effects.append(effect)
                if interrupt_at is not None and isinstance(effect, interrupt_at):
                    self.send(self.protocol.interrupt(query_id))
                elif isinstance(effect, RunTool):
                    self._run(effect, handlers)
                elif isinstance(effect, AskPermission):
                    self.send(
                        self.protocol.permission(
                            query_id, effect.request_id, decision, params=amended
                        )
                    )
        return effects

    def _run(self, call: RunTool, handlers: Mapping[str, Callable[..., object]]) -> None:
        try:
            content, is_error = tool_content(handlers[call.tool_name](**call.tool_input)), False
        except (KeyError, OSError, ValueError) as error:
            content, is_error = f"{type(error).__name__}: {error}", True
        self.send(
            self.protocol.tool_result(call.query_id, call.tool_use_id, content, is_error=is_error)
        )
