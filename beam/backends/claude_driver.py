"""One Claude Code program and its official client, as a driver.

The client (`claude-agent-sdk`) speaks the program's control protocol: the handshake, permissions,
interrupts, changes of model and mode, tools of this process. What the model says comes past it
(`claude_transport`) and is translated here (`claude_messages`), one line at a time. The client is
imported when a session starts, not before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    SdkMcpTool,
    create_sdk_mcp_server,
)

from beam.backends.agent_objects import Objects
from beam.backends.attached import attached
from beam.backends.claude_attachments import ATTACHMENTS
from beam.backends.claude_conversation import Conversation
from beam.backends.claude_messages import HOST_SERVER, ClaudeMessages
from beam.backends.claude_permissions import ClaudePermissions
from beam.backends.claude_program import MODES, servers_file
from beam.backends.claude_result import TurnEnd
from beam.backends.claude_transport import WireTransport
from beam.backends.claude_turn import ClaudeTurn
from beam.backends.driver import Driver
from beam.backends.effects import AgentFailed, Completed, Failed, Ready, error_message
from beam.backends.mcp_reach import McpServers
from beam.backends.transcript import with_transcript
from beam.errors import InvalidInput
from beam.model.exit_reasons import ExitReason
from beam.model.messages import SystemMessage

if TYPE_CHECKING:
    from beam.backends.agent_wire import Wire
    from beam.backends.backend import Query
    from beam.backends.effects import Continued
    from beam.backends.host_lines import HostTool
    from beam.backends.talk import Talk

__all__ = ["ClaudeDriver"]

_USABLE = ("connected", "pending")

CLOSE_S = 2.0
"""Seconds that the client may take to let go of a program."""


class ClaudeDriver(Driver):
    """The client of one program, for the program's life; all of it runs on the loop's thread."""

    def __init__(
        self,
        talk: Talk,
        wire: Wire,
        kept: Callable[[str | None], list[dict[str, Any]]],
        servers: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Make one.

        Args:
            talk: the way to the session.
            wire: the way to the program, started by `claude_program`'s command line.
            kept: lists the conversations of a folder, or all; may block.
            servers: the MCP servers that the program was given.
        """
        super().__init__(talk, wire)
        self._kept = kept
        self._conversation = Conversation.of(wire.argv)
        self._messages = ClaudeMessages()
        self._servers = McpServers(servers)
        self._turn: ClaudeTurn | None = None
        self._over: asyncio.Future[None] | None = None
        self._silent = not (self._conversation.resumes or self._conversation.forks)
        self._model = talk.opening.model
        self._mode = MODES.get(talk.opening.permission_mode or "")
        self._total = 0.0
        self._resets_at: float | None = None
        self._refusal: asyncio.Future[ExitReason] = asyncio.get_running_loop().create_future()
        self._closed = False
        # Each is one interrupt, of which a turn needs few.
        self._errands: set[asyncio.Task[None]] = set()
        self._objects = Objects(wire, talk)
        transport: Any = WireTransport(wire, self._objects, self._heard, self._cut)
        self._client = ClaudeSDKClient(self._options(), transport)

    async def open(self) -> Ready | AgentFailed:
        """Shake hands.

        Returns:
            `Ready`; or why the program will not work, if it has said that in its own words.

        Raises:
            Exception: the client's own, if the program did not answer as it should.
        """
        folder = self.talk.opening.cwd or os.getcwd()
        looking = asyncio.ensure_future(self._servers.look(self.wire.variable, folder))
        connecting = asyncio.ensure_future(self._client.connect())
        either: tuple[asyncio.Future[Any], ...] = (connecting, self._refusal)
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._refusal.done():
                return self._refused(self._refusal.result())
            await connecting
            await looking
        finally:
            connecting.cancel()
            looking.cancel()
            if (servers := servers_file(self.wire.argv)) is not None:
                servers.unlink(missing_ok=True)
        said = await self._client.get_server_info() or {}
        able = said.get("capabilities")
        return Ready(
            name="Claude Code",
            version=str(said.get("claude_code_version") or ""),
            capabilities=tuple(map(str, able)) if isinstance(able, list) else (),
            agent_session=self._conversation.id,
            continued=self._continued(),
        )

    async def ask(self, query: Query) -> Completed | Failed:
        """Have the program answer, and return how that ended."""
        uuid = str(uuid4())
        turn = ClaudeTurn(query.query_id, uuid, max_turns=_whole(query.params.get("max_turns")))
        turn.end.resets_at = self._resets_at
        self._objects.begin()
        self._over = asyncio.get_running_loop().create_future()
        self._turn = turn
        try:
            try:
                more = attached(query.params, ATTACHMENTS, "Claude Code")
            except InvalidInput as error:
                wrong = ExitReason("invalid_request", detail=str(error))
                return self._failed(query.query_id, wrong)
            refused = await self._adapt(query)
            if refused is None and turn.interrupted:
                refused = ExitReason("interrupted", detail="interrupted before it began")
            if refused is not None:
                return self._failed(query.query_id, refused)
            prompt = with_transcript(query.prompt, query.history) if self._silent else query.prompt
            await self._say([{"type": "text", "text": prompt}, *more] if more else prompt, uuid)
            self._silent = False
            await self._over
        finally:
            self._turn = self._over = None
        return self._ended(turn)

    async def interrupt(self) -> None:
        """Ask the program to end the turn."""
        if self._turn is not None:
            self._turn.interrupted = True
            await self._interrupt()

    async def steer(self, text: str) -> bool:
        """Say something more in the open turn; false if there is none, or it is to end."""
        turn = self._turn
        if turn is None or turn.interrupted or turn.over:
            return False
        uuid = str(uuid4())
        turn.steered(uuid)
        await self._say(text, uuid)
        return True

    async def conversations(self, cwd: str | None) -> list[dict[str, Any]]:
        """Return the conversations that the program has kept, the newest first."""
        return await asyncio.to_thread(self._kept, cwd)

    async def close(self) -> None:
        """Let go of the program, which `Ports` ends; again is no error."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._client.disconnect()

    def _continued(self) -> Continued:
        if self._conversation.resumes:
            return "resumed"
        if self._conversation.forks:
            return "forked"
        return "transcript" if self.talk.opening.resume else "new"

    # What the program says

    async def _heard(self, wire: Mapping[str, Any]) -> None:
        """Take a line of the program, on the client's reader."""
        self._note_limits(wire)
        turn = self._turn
        if turn is None:
            self._heard_of_itself(wire)
            return
        if not _is_of_the_program_alone(wire):
            self.talk.heard()
        for message in self._messages.take(wire, timestamp=self.talk.now()):
            self.talk.say(message, own=True)
        for lost in self._lost(wire):
            self.talk.say(lost, own=True)
        if turn.take(wire, total_before=self._total) == "interrupt":
            self._later(self._interrupt())
        if wire.get("type") == "result":
            total = wire.get("total_cost_usd")
            self._total = total if isinstance(total, int | float) else self._total
        if turn.over and self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _lost(self, wire: Mapping[str, Any]) -> Iterator[SystemMessage]:
        """Return what is to be said of the MCP servers that the program has not got.

        It leaves out one whose configuration it does not understand, and says nothing of it.
        """
        known = wire.get("mcp_servers")
        if wire.get("subtype") != "init" or not isinstance(known, list):
            return
        found = [each for each in known if isinstance(each, Mapping)]
        states = {each.get("name"): str(each.get("status")) for each in found}
        for name in self._servers.names:
            state = states.get(name, "the program does not take its configuration")
            if state == "failed":
                yield from self._servers.lost(name)
            elif state not in _USABLE:
                yield from self._servers.lost(name, state)

    def _heard_of_itself(self, wire: Mapping[str, Any]) -> None:
        """Take what it says between turns: a result before the first is why it will not work."""
        if wire.get("type") != "result" or self._refusal.done():
            return
        end = TurnEnd()
        end.take(wire)
        if end.exit is not None:
            self._refusal.set_result(end.exit)

    def _cut(self, fault: Exception | None) -> None:
        """Take note that the program is not read any more, on the client's reader."""
        if self._over is not None and not self._over.done():
            self._over.set_exception(fault or EOFError("the program says nothing more"))
        if not self._closed:
            self._later(self.close())

    def _note_limits(self, wire: Mapping[str, Any]) -> None:
        match wire:
            case {"type": "rate_limit_event", "rate_limit_info": {"status": status, **info}}:
                resets_at: Any = info.get("resetsAt")
                spent = status == "rejected" and isinstance(resets_at, int | float)
                self._resets_at = resets_at if spent else None
                if self._turn is not None:
                    self._turn.end.resets_at = self._resets_at

    def _ended(self, turn: ClaudeTurn) -> Completed | Failed:
        if turn.exit is not None:
            return self._failed(turn.query_id, turn.exit, turn.end.amounts())
        return Completed(turn.query_id, turn.end.message(timestamp=self.talk.now()))

    def _refused(self, reason: ExitReason) -> AgentFailed:
        message = error_message(reason.kind, reason.detail or reason.kind, self.talk.now())
        return AgentFailed(reason.kind, message, reason.retryable, reason)

    def _failed(
        self, query_id: str, reason: ExitReason, amounts: Mapping[str, Any] | None = None
    ) -> Failed:
        """Return the failure of a query, with what it has used up all the same."""
        said = reason.detail or reason.kind
        message = error_message(reason.kind, said, self.talk.now(), amounts)
        return Failed(query_id, reason.kind, message, reason.retryable, reason)

    # What the program is told

    async def _say(self, content: str | list[Any], uuid: str) -> None:
        await self._client.query(_one(content, uuid))

    async def _interrupt(self) -> None:
        with contextlib.suppress(Exception):
            await self._client.interrupt()

    async def _adapt(self, query: Query) -> ExitReason | None:
        """Change the model and the mode as the query wants them; return why not, if it fails."""
        model = query.params.get("model")
        mode = query.params.get("permission_mode")
        wanted: Any = MODES.get(str(mode)) if mode is not None else None
        if mode is not None and wanted is None:
            known = ", ".join(MODES)
            return ExitReason("invalid_request", detail=f"permission_mode {mode!r}: one of {known}")
        try:
            if model is not None and model != self._model:
                await self._client.set_model(str(model))
                self._model = str(model)
            if wanted is not None and wanted != self._mode:
                await self._client.set_permission_mode(wanted)
                self._mode = wanted
        except Exception as error:  # noqa: BLE001 - the client raises plain ones
            return ExitReason("invalid_request", detail=str(error))
        return None

    def _later(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do it beside the reader, which must not wait for what only it can read."""
        task = asyncio.get_running_loop().create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    # What the program asks

    def _options(self) -> ClaudeAgentOptions:
        tools = [self._tool(each) for each in self.talk.opening.tools]
        servers: dict[str, Any] = {}
        if tools:
            servers[HOST_SERVER] = create_sdk_mcp_server(HOST_SERVER, tools=tools)
        return ClaudeAgentOptions(
            can_use_tool=ClaudePermissions(self.talk).may_use, mcp_servers=servers
        )

    def _tool(self, tool: HostTool) -> SdkMcpTool[Any]:
        async def run(arguments: dict[str, Any]) -> dict[str, Any]:
            use_id = self._messages.claim(tool.name, arguments) or f"call_{uuid4().hex}"
            result = await self.talk.tool(use_id, tool.name, arguments)
            return {
                "content": [{"type": "text", "text": result.content}],
                "is_error": result.is_error,
            }

        schema = {"type": "object", "properties": {}, **tool.input_schema}
        return SdkMcpTool(tool.name, tool.description, schema, run)


async def _one(content: str | list[Any], uuid: str) -> AsyncIterator[dict[str, Any]]:
    yield {
        "type": "user",
        "uuid": uuid,
        "message": {"role": "user", "content": content},
        "parent_tool_use_id": None,
    }


def _is_of_the_program_alone(wire: Mapping[str, Any]) -> bool:
    """Say whether a line is told whatever becomes of the model."""
    match wire:
        case {"type": "keep_alive" | "command_lifecycle"} | {"type": "system", "subtype": "init"}:
            return True
        case {"type": "system", "subtype": "status", "status": "requesting"}:
            return True
    return False


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
