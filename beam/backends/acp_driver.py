"""One session's talk with one ACP agent: conversations, turns, and what the agent asks meanwhile.

All of it runs on the loop thread. The program is read while the handshake or a turn is open;
between turns what it writes waits in the port. What is said of other conversations, as of agents
that an agent has sent out, is left out, and so is the history that is told again on resuming.

Of the client's side of the protocol, the file system and the terminal are not offered: an agent
uses its own, under the permissions that it asks for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beam.backends.acp_commands import see_until_lost
from beam.backends.acp_dialect import SERVER
from beam.backends.acp_endings import (
    exit_of_answer,
    exit_of_error,
    has_system_error,
    usage_of,
)
from beam.backends.acp_messages import AcpReader, shows_work
from beam.backends.acp_permissions import answer
from beam.backends.acp_session import Conversation, Offer, kept, mcp_servers, name_of
from beam.backends.acp_settings import Settings
from beam.backends.agent_objects import Objects
from beam.backends.attached import attached
from beam.backends.driver import Driver
from beam.backends.effects import AgentFailed, Completed, Ready, error_message, failed_for
from beam.backends.mcp_reach import McpServers
from beam.backends.transcript import has_forgotten, with_transcript
from beam.errors import InvalidInput
from beam.model.exit_reasons import ExitReason
from beam.model.messages import ResultMessage, SystemMessage
from beam.model.permissions import Allow, Deny

if TYPE_CHECKING:
    from beam.backends.acp import AcpBackend
    from beam.backends.acp_endings import Usage
    from beam.backends.agent_wire import Wire
    from beam.backends.backend import Query
    from beam.backends.effects import Continued, Failed
    from beam.backends.talk import Talk

__all__ = ["AcpDriver"]


class AcpDriver(Driver):
    """A client of one agent; see the module.

    Args:
        backend: the settings.
        talk: what may be said and asked.
        wire: the program.
    """

    def __init__(self, backend: AcpBackend, talk: Talk, wire: Wire | None) -> None:
        # The library is slow to import, so `program` has imported it before, off this thread.
        from beam.backends import acp_client, tool_server  # noqa: PLC0415 - they need the extra

        super().__init__(talk, wire)
        self._backend = backend
        self._refusal = acp_client.RequestError
        self._version = acp_client.PROTOCOL_VERSION
        self._objects = Objects(self.wire, talk)
        told = (self._notified, self._asked)
        self._client = acp_client.AcpClient(self.wire, self._objects, *told)
        self._watch = backend.watch(talk.opening)
        mine = {tool.name: tool.input_schema for tool in talk.opening.tools}
        self._reader = AcpReader(backend.dialect, mine)
        self._tools = tool_server.ToolServer(SERVER, talk) if mine else None
        self._servers = McpServers({**backend.mcp_servers, **talk.opening.mcp_servers})
        self._offer = Offer()
        self._conversation: Conversation | None = None
        self._listening = False
        self._prompted = False
        self._cut = False
        self._lost: ExitReason | None = None
        self._cutting: asyncio.Future[None] | None = None
        self._broken = False
        self._introduced = False
        self._noticed: set[str] = set()
        self._spent: Usage | None = None

    async def open(self) -> Ready | AgentFailed:
        """Shake hands; go on with a conversation, or begin one."""
        async with self._client.reading():
            looking = self._servers.look(
                self.wire.variable, self._backend.folder(self.talk.opening)
            )
            try:
                self._offer, _ = await asyncio.gather(self._greet(), looking)
                await self._log_in()
                self._conversation = await self._enter()
            except self._refusal as error:
                reason = exit_of_error(error.code, str(error), error.data)
                return self._refused(self._offer.logins_in(reason))
            except InvalidInput as error:
                return self._refused(ExitReason("invalid_request", detail=str(error)))
        here, offer = self._conversation, self._offer
        if not here.id:
            return self._refused(ExitReason("protocol", detail="a conversation without sessionId"))
        return Ready(offer.name, offer.version, offer.capabilities(), here.id, here.continued)

    async def ask(self, query: Query) -> Completed | Failed:
        """Run one turn."""
        here = self._conversation
        assert here is not None, "asked before it was open"
        self._cut = self._prompted = self._broken = False
        self._lost = None
        self._reader.begin()
        self._objects.begin()
        self._listening = True
        self._introduce(here)
        await self._watch.begin(here.id)
        try:
            async with self._client.reading(), self._commands_seen():
                said = await self._turn(query, here)
        except self._refusal as error:
            return self._failed(query, exit_of_error(error.code, str(error), error.data))
        except InvalidInput as error:
            return self._failed(query, ExitReason("invalid_request", detail=str(error)))
        finally:
            self._listening = False
        reason = exit_of_answer(said, self._reader.text(), broken=self._broken)
        if self._cut or reason is not None:
            return self._failed(query, reason, self._usage(said))
        return await self._answered(query, here, said)

    async def interrupt(self) -> None:
        """Have the open turn cancelled."""
        self._cut = True
        if self._prompted and self._conversation is not None:
            await self._client.tell("session/cancel", sessionId=self._conversation.id)

    async def conversations(self, cwd: str | None) -> list[dict[str, Any]] | None:
        """Return the conversations that the agent has kept, the first hundreds at most."""
        if not self._offer.list:
            return None
        place = {} if cwd is None else {"cwd": cwd}
        async with self._client.reading():
            pages = self._client.pages("session/list", **place)
            return [each async for page in pages for each in kept(page)]

    async def close(self) -> None:
        """Let the program read the end of its input: it ends by itself then."""
        await self._client.close()
        self.wire.close_stdin()

    def abandon(self) -> None:
        """End what serves the session's tools."""
        if self._tools is not None:
            self._tools.stop()

    # The conversation

    async def _greet(self) -> Offer:
        nothing = {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}
        hello = await self._client.call(
            "initialize",
            protocolVersion=self._version,
            clientCapabilities=nothing,
            clientInfo={"name": "beam", "version": "1"},
        )
        if hello.get("protocolVersion") != self._version:
            found = hello.get("protocolVersion")
            raise InvalidInput("protocolVersion", found, f"{self._version} from the agent")
        return replace(Offer.of(hello), command=self._backend.dialect.starts_servers)

    async def _log_in(self) -> None:
        """Have the agent log in, if it was said how."""
        wanted = self._backend.auth_method
        if wanted is not None:
            await self._client.call("authenticate", methodId=self._offer.login(wanted))

    async def _enter(self) -> Conversation:
        """Resume, fork or begin a conversation."""
        opening, offer = self.talk.opening, self._offer
        servers = {**self._backend.mcp_servers, **opening.mcp_servers}
        if self._tools is not None and offer.http:
            servers[SERVER] = await self._tools.start()
        place = {
            "cwd": self._backend.folder(opening),
            "mcpServers": mcp_servers(servers, offer),
        }
        origin = opening.options.get("fork")
        if opening.resume:
            resumed = await self._resumed(opening.resume, place)
            if resumed is not None:
                return resumed
        elif isinstance(origin, str) and origin:
            if not offer.fork:
                raise InvalidInput("fork", origin, f"an agent that can fork; {offer.name} cannot")
            forked = await self._client.call("session/fork", sessionId=origin, **place)
            return self._entered(name_of(forked), "forked", forked)
        begun = await self._client.call("session/new", **place)
        how: Continued = "transcript" if opening.resume else "new"
        return self._entered(name_of(begun), how, begun)

    async def _resumed(self, name: str, place: Mapping[str, Any]) -> Conversation | None:
        """Return the conversation of this name; None if the agent does not know it any more."""
        offer = self._offer
        if not (offer.resume or offer.load) or not await self._watch.may_resume(name):
            return None
        method = "session/resume" if offer.resume else "session/load"
        try:
            found = await self._client.call(method, sessionId=name, **place)
        except self._refusal as error:
            if has_forgotten(exit_of_error(error.code, str(error), error.data)):
                return None
            raise
        here = self._entered(name, "resumed", found)
        if method == "session/load" and here.settings.mode:
            # Some agents answer before they have told the history again: this comes after it.
            change = here.settings.methods["mode"]
            if change[0] == "session/set_mode":
                await self._barrier(here)
        return here

    async def _barrier(self, here: Conversation) -> None:
        try:
            await self._client.call(
                "session/set_mode", sessionId=here.id, modeId=here.settings.mode
            )
        except self._refusal:
            return

    def _entered(self, name: str, how: Continued, found: Mapping[str, Any]) -> Conversation:
        settings = Settings.of(found)
        if not settings.model:
            settings = replace(settings, model=self._backend.first_model(self.talk.opening))
        return Conversation(name, how, how in ("resumed", "forked"), settings)

    def _refused(self, reason: ExitReason) -> AgentFailed:
        message = error_message(reason.kind, reason.detail, self.talk.now())
        return AgentFailed(reason.kind, message, reason.retryable, reason)

    # The turn

    async def _turn(self, query: Query, here: Conversation) -> dict[str, Any]:
        """Ask what is asked, and return the answer to it; nothing if it was cut before."""
        more = attached(query.params, self._offer.forms(), self._offer.name)
        await self._choose(query.params, here)
        if self._cut:
            return {"stopReason": "cancelled"}
        text = query.prompt if here.told else with_transcript(query.prompt, query.history)
        self._prompted = True
        here.told = True
        blocks = [{"type": "text", "text": text}, *more]
        return await self._client.call("session/prompt", sessionId=here.id, prompt=blocks)

    async def _choose(self, params: Mapping[str, Any], here: Conversation) -> None:
        """Let the query's model and mode count, and those that follow it."""
        model = params.get("model_id") or params.get("model") or self._backend.model
        mode = params.get("permission_mode") or self._backend.permission_mode
        wanted = {"model": str(model or ""), "mode": str(mode or "")}
        for text in here.settings.lacking(**wanted, agent=self._offer.name):
            self._notice(text)
        for name, value in wanted.items():
            if value and (change := here.settings.change(name, value)):
                await self._client.call(change.method, sessionId=here.id, **change.params)
                here.settings = here.settings.after(change)

    def _introduce(self, here: Conversation) -> None:
        """Say what the agent is, in the first turn of this connection."""
        if self._introduced:
            return
        self._introduced = True
        opening, settings = self.talk.opening, here.settings
        info = {
            "agent": self._offer.name,
            "version": self._offer.version,
            "model": settings.model,
            "permission_mode": settings.mode or "default",
            "cwd": self._backend.folder(opening),
            "tools": [tool.name for tool in opening.tools],
            "mcp_servers": self._servers.known(),
            "session_id": here.id,
        }
        init = SystemMessage(subtype="init", system_info=info, model=settings.model or None)
        for word in (init, *self._servers.unreachable()):
            self.talk.say(word, own=True)
        if self._tools is not None and not self._offer.http:
            self._notice(f"{self._offer.name} takes no http server: it has none of our tools")

    def _notice(self, text: str) -> None:
        """Tell once what its users have to know of the agent."""
        if text not in self._noticed:
            self._noticed.add(text)
            self.talk.say(SystemMessage(content=text, subtype="notice"), own=True)

    async def _answered(
        self, query: Query, here: Conversation, said: Mapping[str, Any]
    ) -> Completed | Failed:
        before = self._spent
        usage = self._usage(said)
        grew = usage is not None and (before is None or any(usage.values()))
        failure = await self._watch.failure(self._reader.last(), used_tokens=grew)
        if failure is not None:
            return self._failed(query, failure, usage)
        message = ResultMessage(
            content=self._reader.text(),
            is_error=False,
            stop_reason=str(said.get("stopReason")),
            model=here.settings.model or None,
            usage=usage,
            total_cost_usd=self._reader.cost,
            timestamp=self.talk.now(),
            raw=said,
        )
        return Completed(query.query_id, message)

    def _usage(self, said: Mapping[str, Any]) -> Usage | None:
        """Return the tokens of this turn."""
        usage = usage_of(said)
        if usage is None or not self._backend.dialect.sums_usage:
            return usage
        before, self._spent = self._spent or {}, usage
        return {name: max(0, count - before.get(name, 0)) for name, count in usage.items()}

    def _failed(
        self, query: Query, reason: ExitReason | None, usage: Usage | None = None
    ) -> Failed:
        if self._cut or reason is None:
            reason = self._lost or ExitReason("interrupted")
        return failed_for(query.query_id, reason, self.talk.now(), usage)

    # What the program overlooks

    @contextlib.asynccontextmanager
    async def _commands_seen(self) -> AsyncIterator[None]:
        """See what becomes of the commands meanwhile, if the agent does not."""
        if not self._backend.dialect.overlooks_kills:
            yield
            return
        seeing = asyncio.ensure_future(self._cut_when_lost())
        try:
            yield
        finally:
            seeing.cancel()

    async def _cut_when_lost(self) -> None:
        name = self._offer.name
        await see_until_lost(self.wire, self.talk, self._reader.commands, agent=name)
        detail = f"nothing lives of a command that {name} waits for"
        self._lost = ExitReason("stalled", detail=detail)
        await self.interrupt()

    # What the program says and asks

    def _notified(self, method: str, params: Mapping[str, Any]) -> None:
        here, update = self._conversation, params.get("update")
        mine = here is not None and params.get("sessionId") == here.id
        if method != "session/update" or not mine or not isinstance(update, Mapping):
            return
        if self._listening and self._prompted:
            if shows_work(update):
                self.talk.heard()
            self._broken = has_system_error(params, update, before=self._broken)
            for message in self._reader.take(update):
                self.talk.say(message, own=True)
            if self._reader.asks_in_vain() and not self._cut:
                self._cut = True
                self._lost = ExitReason("overloaded", detail="its model's answers break off")
                self._cutting = asyncio.ensure_future(self.interrupt())

    async def _asked(self, method: str, params: Mapping[str, Any]) -> Any:
        if method != "session/request_permission":
            raise self._refusal.method_not_found(method)
        here, wire = self._conversation, params.get("toolCall")
        options = params.get("options")
        options = options if isinstance(options, list) else []
        if here is None or params.get("sessionId") != here.id or not isinstance(wire, Mapping):
            return answer(None, (), {})
        call, told = self._reader.asked(wire)
        if self._reader.is_harmless(call):
            # It can reach nothing but our own tool server: the session's hooks and policies see it.
            return answer(Allow(), options, call.input)
        for message in told:
            self.talk.say(message)
        about = {
            "tool_use_id": call.id,
            "title": call.title,
            "kind": call.wire.get("kind"),
            "choices": [dict(each) for each in options if isinstance(each, Mapping)],
        }
        decision = await self.talk.permission(call.name, call.input, about)
        if isinstance(decision, Deny) and decision.interrupt:
            await self.interrupt()
        return answer(decision, options, call.input)
