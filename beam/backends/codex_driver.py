"""One session's talk with one `codex app-server`: threads, turns, and what Codex asks meanwhile.

All of it runs on the loop thread. While the handshake or a turn is open, one task reads the program
and hands each line on: a response to the client (`codex_client`), a notification to the reader
(`codex_family`), a request of the server to a task of its own, so nobody waits for an answer but
Codex. Between turns nobody reads: what comes then waits in the port.

`turn/interrupt` of a turn that has just ended is never answered by Codex, so nobody waits for that
answer either; the turn's own end is what counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from beam.backends.agent_objects import Objects
from beam.backends.codex_approvals import question, tool_answer
from beam.backends.codex_endings import exit_of, outcome_of, refusal_of
from beam.backends.codex_items import text_field
from beam.backends.codex_messages import shows_work
from beam.backends.codex_settings import KEY, inputs, key_provider
from beam.backends.codex_thread import CodexThread, enter
from beam.backends.driver import Driver
from beam.backends.effects import AgentFailed, Ready, error_message, failed_for
from beam.backends.mcp_reach import McpServers
from beam.errors import InvalidInput
from beam.model.exit_reasons import ExitReason
from beam.model.messages import SystemMessage

if TYPE_CHECKING:
    from beam.backends.agent_wire import Wire
    from beam.backends.backend import Query
    from beam.backends.codex import CodexBackend
    from beam.backends.effects import Completed, Failed
    from beam.backends.talk import Talk

__all__ = ["CodexDriver"]

NOBODY = f"nobody is logged in: run `codex login`, or give it {KEY}"

MOST_THREADS = 1000
"""The most threads that are listed."""

MCP_WAIT = 10.0
"""Seconds that the MCP servers have to start before the first turn begins without them."""

CAPABILITIES = ("interrupt", "memory", "steer", "permissions", "resume", "fork", "tools", "mcp")


@dataclass(slots=True)
class _Turn:
    """The open turn.

    Attributes:
        over: its `turn/completed`.
        turn_id: Codex's name for it, once it has one.
        cut: whether it is to be interrupted.
        ends: the turns that ended meanwhile: one that is over at once may be so before it is named.
    """

    over: asyncio.Future[Mapping[str, Any]]
    turn_id: str = ""
    cut: bool = False
    ends: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def ended(self, turn: Mapping[str, Any]) -> None:
        """Take the end of a turn, which is this one's if it has its name."""
        self.ends[text_field(turn, "id")] = turn
        self.settle()

    def settle(self) -> None:
        """Be over, if this turn's end is known."""
        if self.turn_id in self.ends and not self.over.done():
            self.over.set_result(self.ends[self.turn_id])


class CodexDriver(Driver):
    """A client of one app-server; see the module.

    Args:
        backend: the settings.
        talk: what may be said and asked.
        wire: the program.
    """

    def __init__(self, backend: CodexBackend, talk: Talk, wire: Wire | None) -> None:
        # The library is slow to import, so `check` has imported it before, off this thread.
        from beam.backends import codex_client  # noqa: PLC0415 - it is there only with the extra

        super().__init__(talk, wire)
        self._backend = backend
        self._library = codex_client
        self._client = codex_client.PortClient(self.wire.write, version="1")
        self._objects = Objects(self.wire, talk)
        self._thread: CodexThread | None = None
        self._turn: _Turn | None = None
        self._introduced = False
        self._readings = 0
        # Bounded: Codex waits for the answers to what it asks, and a turn's end ends them.
        self._tasks: set[asyncio.Task[None]] = set()
        servers = {**backend.mcp_servers, **talk.opening.mcp_servers}
        self._servers = McpServers(servers)
        self._starting = dict.fromkeys(servers, "starting")
        self._lost: dict[str, str] = {}
        self._started = asyncio.Event()

    async def open(self) -> Ready | AgentFailed:
        """Shake hands; go on with a thread, or begin one."""
        async with self._reading():
            hello = await self._client.call(self._client.initialize)
            account = await self._client.call(self._client.account_read)
            nobody = account.requires_openai_auth and account.account is None
            if nobody and not self.wire.variable(KEY):
                return self._refused(ExitReason("auth", detail=NOBODY))
            own = key_provider(self.wire.variable("OPENAI_BASE_URL")) if nobody else {}
            try:
                self._thread = await enter(self._client, self.talk.opening, self._backend, own)
            except self._library.JsonRpcError as error:
                return self._refused(refusal_of(error.code, error.message))
            await self._servers_started()
        # Codex says who it is as a user agent: "beam/0.163.0 (Debian 12.0.0; x86_64) ...".
        _, _, version = (hello.userAgent or "").partition("/")
        thread = self._thread
        return Ready("codex", version.split(" ", 1)[0], CAPABILITIES, thread.id, thread.continued)

    def _refused(self, reason: ExitReason) -> AgentFailed:
        message = error_message(reason.kind, reason.detail, self.talk.now())
        return AgentFailed(reason.kind, message, reason.retryable, reason)

    async def ask(self, query: Query) -> Completed | Failed:
        """Run one turn."""
        thread = self._thread
        assert thread is not None, "asked before it was open"
        self._turn = turn = _Turn(asyncio.get_running_loop().create_future())
        self._objects.begin()
        thread.family.begin(fresh=thread.continued in ("new", "transcript"))
        self._introduce(thread)
        try:
            async with self._reading():
                try:
                    await self._begin(query, thread, turn)
                except self._library.JsonRpcError as error:
                    said = {"message": error.message, "codexErrorInfo": _info(error.data)}
                    return failed_for(query.query_id, exit_of(said, {}), self.talk.now())
                except InvalidInput as error:
                    refused = ExitReason("invalid_request", detail=str(error))
                    return failed_for(query.query_id, refused, self.talk.now())
                ended = await turn.over
        finally:
            self._turn = None
            _forget(turn.over)
        now = self.talk.now()
        return outcome_of(
            query.query_id,
            ended,
            thread.family,
            model=thread.model,
            timestamp=now,
            structured="output_schema" in query.params,
        )

    async def interrupt(self) -> None:
        """Have the open turn interrupted, as soon as it has a name."""
        turn = self._turn
        if turn is not None and not turn.cut:
            turn.cut = True
            self._cut(turn)

    async def steer(self, text: str) -> bool:
        """Tell Codex something in the middle of its turn."""
        turn, thread = self._turn, self._thread
        if turn is None or thread is None or not turn.turn_id:
            return False
        client, library = self._client, self._library
        try:
            await client.call(client.turn_steer, thread.id, turn.turn_id, text)
        except (library.JsonRpcError, library.TransportClosedError):
            return False
        return True

    async def conversations(self, cwd: str | None) -> list[dict[str, Any]] | None:
        """Return the threads that Codex has kept, the one that was used last first."""
        client = self._client
        # With no provider named, those of all providers are meant.
        wanted: dict[str, Any] = {"sortKey": "updated_at", "limit": MOST_THREADS}
        wanted |= {"modelProviders": []} if cwd is None else {"modelProviders": [], "cwd": cwd}
        async with self._reading():
            found = await client.call(client.thread_list, wanted)
        return [_kept(each.model_dump(by_alias=True, mode="json")) for each in found.data]

    async def close(self) -> None:
        """Let the program read the end of its input: it ends by itself then."""
        self.wire.close_stdin()

    # The thread

    async def _servers_started(self) -> None:
        """Wait until the MCP servers have started or failed: a turn does not wait for them."""
        if "starting" in self._starting.values():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MCP_WAIT):
                    await self._started.wait()

    def _server_status(self, params: Mapping[str, Any]) -> None:
        name = text_field(params, "name")
        if name in self._starting:
            self._starting[name] = status = text_field(params, "status")
            if status in ("failed", "cancelled"):
                self._lost[name] = text_field(params, "error") or status
                if self._introduced and self._turn is not None:
                    self._tell_of_servers()
        if "starting" not in self._starting.values():
            self._started.set()

    # The turn

    async def _begin(self, query: Query, thread: CodexThread, turn: _Turn) -> None:
        client = self._client
        given = inputs(thread.prompt(query), query.params)
        changes = thread.changes(query.params, self._backend.effort)
        begun = await client.call(client.turn_start, thread.id, given, changes)
        # The library would keep the turn's notifications for a reader that is not there.
        client.unregister_turn_notifications(begun.turn.id)
        thread.began(query.params)
        turn.turn_id = begun.turn.id
        turn.settle()
        if turn.cut:
            self._cut(turn)

    def _introduce(self, thread: CodexThread) -> None:
        """Say what the agent is, in the first turn of this connection."""
        if self._introduced:
            return
        self._introduced = True
        opening = self.talk.opening
        info = {
            "model": thread.model,
            "permission_mode": opening.permission_mode or "default",
            "cwd": opening.cwd or os.getcwd(),
            "tools": [tool.name for tool in opening.tools],
            "mcp_servers": [{"name": name, "status": at} for name, at in self._starting.items()],
            "thread_id": thread.id,
        }
        init = SystemMessage(subtype="init", system_info=info, model=thread.model or None)
        self.talk.say(init, own=True)
        self._tell_of_servers()

    def _tell_of_servers(self) -> None:
        for name, why in self._lost.items():
            for lost in self._servers.lost(name, why):
                self.talk.say(lost, own=True)

    def _cut(self, turn: _Turn) -> None:
        thread, client = self._thread, self._client
        if turn.turn_id and thread is not None:
            self._spawn(self._cutting(client.call(client.turn_interrupt, thread.id, turn.turn_id)))

    async def _cutting(self, asked: Coroutine[Any, Any, Any]) -> None:
        library = self._library
        with contextlib.suppress(library.JsonRpcError, library.TransportClosedError, EOFError):
            await asked

    # What the program says

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        """Read the program; with the end of the last of these, nobody waits for it any more."""
        self._readings += 1
        if self._readings == 1:
            self._spawn(self._read())
        try:
            yield
        finally:
            self._readings -= 1
            if not self._readings:
                ended = list(self._tasks)
                for task in ended:
                    task.cancel()
                self._client.part(self._library.TransportClosedError("the turn is over"))
                await asyncio.gather(*ended, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while (message := await self._objects.read()) is not None:
                self._take(message)
            raise EOFError("codex has ended")
        except Exception as error:  # noqa: BLE001 - whoever waits has to hear of it
            self._broken(error)

    def _broken(self, error: BaseException) -> None:
        """End all that waits for the program with this."""
        self._client.part(error)
        if self._turn is not None and not self._turn.over.done():
            self._turn.over.set_exception(error)

    def _take(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if not isinstance(method, str):
            self._client.answered(message)
            return
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        if "id" in message:
            self._spawn(self._answer(message["id"], method, params))
        else:
            self._notified(method, params, message)

    def _notified(self, method: str, params: dict[str, Any], message: dict[str, Any]) -> None:
        if method == "mcpServer/startupStatus/updated":
            self._server_status(params)
        turn, thread = self._turn, self._thread
        if turn is None or thread is None:
            return
        if shows_work(method, params):
            self.talk.heard()
        for said in thread.family.take(message):
            self.talk.say(said, own=True)
        ended = params.get("turn")
        if method == "turn/completed" and isinstance(ended, dict):
            turn.ended(ended)

    # What the program asks

    async def _answer(self, request_id: Any, method: str, params: dict[str, Any]) -> None:
        if method == "item/tool/call":
            answer = await self._called(params)
        elif method == "currentTime/read":
            answer = {"currentTimeAt": self.talk.now() // 1000}
        else:
            thread = self._thread
            uses = thread.family.uses(text_field(params, "threadId")) if thread is not None else {}
            asked = question(method, params, uses)
            if asked is None:
                self._client.refuse(request_id, method)
                return
            decision = await self.talk.permission(asked.tool_name, asked.tool_input, asked.options)
            answer = asked.answer(decision)
        self._client.reply(request_id, answer)

    async def _called(self, params: dict[str, Any]) -> dict[str, Any]:
        arguments = params.get("arguments")
        result = await self.talk.tool(
            text_field(params, "callId"),
            text_field(params, "tool"),
            arguments if isinstance(arguments, dict) else {},
        )
        return tool_answer(result.content, is_error=result.is_error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._settled)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # Codex would wait for ever for an answer that could not be given.
            self._broken(error)


def _kept(thread: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": thread["id"],
        "title": thread.get("name") or thread.get("preview") or "",
        "cwd": thread.get("cwd"),
        "updated_at": int(thread.get("updatedAt") or 0) * 1000,
    }


def _forget(future: asyncio.Future[Any]) -> None:
    """Let go of a future whose outcome nobody will ask for."""
    if future.done() and not future.cancelled():
        future.exception()


def _info(data: Any) -> Any:
    """Return the word for a failure that an error of the protocol carries, if it does."""
    return data.get("codexErrorInfo") if isinstance(data, Mapping) else None
