"""One session's conversation with a model provider: the agent loop, as a driver.

Where the provider keeps the conversation it is resumed by its id. Where it is held on this side it
is told anew after a crash, from the session's own turns, in the provider's own form. A change of
model, system prompt or tools begins a new conversation with all that was said in the old one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from beam.backends.driver import Driver
from beam.backends.effects import Ready
from beam.backends.transcript import with_transcript
from beam.errors import LoopFailed, ProviderFailed
from beam.model.messages import Message, SystemMessage, ToolMessage
from beam.model.permissions import Allow, Deny
from beam.otp.aio import aside
from beam.providers.values import SessionResult, Tool, ToolResult, ToolUse
from beam.sessions.loop import TEXT_DELTA
from beam.sessions.loop_endings import exit_of, not_opened, outcome_of
from beam.sessions.loop_session import LoopSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from beam.backends.backend import Query
    from beam.backends.effects import AgentFailed, Completed, Continued, Failed
    from beam.backends.host_lines import HostTool
    from beam.backends.talk import Talk
    from beam.sessions.loop_backend import ProviderBackend

__all__ = ["LoopDriver"]

AGAIN = (
    "{prompt}\n\n(This is attempt {number} at it. One before was cut short, and may have run "
    "tools; what came of them is not known. Find out what is done before you do it again.)"
)
"""What a model is asked again that may have acted before (G12)."""

CAPABILITIES = ("interrupt", "permissions", "tools")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a conversation was opened for."""

    model: str | None
    system: str
    tools: tuple[Tool, ...]
    max_turns: int
    access: Mapping[str, Any]


class LoopDriver(Driver):
    """A conversation; see the module.

    Args:
        backend: the settings.
        talk: what may be said and asked.
    """

    def __init__(self, backend: ProviderBackend, talk: Talk) -> None:
        super().__init__(talk, None)
        self._backend = backend
        self._provider = backend.provider
        self._session: LoopSession | None = None
        self._wanted: _Wanted | None = None
        self._end: asyncio.Future[SessionResult | Exception] | None = None
        self._not_ours = 0  # Outcomes of what the provider had left over before the query.
        self._told = False
        self._introduced = False
        self._unsafe = True  # Whether the run before, if it is tried again, may have run tools.
        # Tools that were open when the conversation was taken up: what came of them is not known.
        self._left_open: frozenset[str] = frozenset()
        self._run = ""

    async def open(self) -> Ready | AgentFailed:
        """Open the conversation, or take it up again."""
        opening, provider = self.talk.opening, self._provider
        wanted = self._wish({"model": opening.model}, opening.tools)
        resume = opening.resume if provider.remembers else ""
        continued: Continued = "new"
        try:
            try:
                await self._enter(wanted, resume or None)
                continued = "resumed" if resume else "new"
            except ProviderFailed as error:
                if not resume or exit_of(error).kind not in ("session_lost", "invalid_request"):
                    raise
                await self._enter(wanted, None)
                continued = "transcript"
        except Exception as error:  # noqa: BLE001 - whatever it is, the session has to hear of it
            return not_opened(error, self.talk.now())
        self._told = continued == "resumed"
        assert self._session is not None
        self._left_open = frozenset(use.id for use in self._session.loop.account.uses)
        name = self._session.info().session_id if provider.remembers else ""
        return Ready(provider.name, "", CAPABILITIES, name, continued)

    async def ask(self, query: Query) -> Completed | Failed:
        """Run one request through all of its turns."""
        began = self.talk.now()
        try:
            prompt = await self._prepared(replace(query, prompt=self._asked(query)))
        except Exception as error:  # noqa: BLE001 - likewise
            return self._over(query, error, began)
        session = self._session
        assert session is not None
        self._introduce(session)
        self._end = asyncio.get_running_loop().create_future()
        if session.loop.phase not in ("idle", "draining"):
            self._not_ours += 1
        try:
            session.message(prompt)
            outcome = await self._end
            await session.show()  # The last may still wait for room.
        except asyncio.CancelledError:
            session.interrupt()
            raise
        finally:
            self._end = None
        return self._over(query, outcome, began)

    async def interrupt(self) -> None:
        """End the request at work."""
        if self._session is not None:
            self._session.interrupt()

    async def close(self) -> None:
        """Let go of the conversation."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def abandon(self) -> None:
        """Let go of the conversation: its connection is gone."""
        session, self._session = self._session, None
        if session is not None:
            session.abandon()

    # The conversation

    async def _enter(
        self,
        wanted: _Wanted,
        session_id: str | None,
        history: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        await self.close()
        options = replace(
            self._backend.options,
            handler=_nobody,
            tools=wanted.tools,
            model=wanted.model,
            system=wanted.system,
            max_turns=wanted.max_turns,
            session_id=session_id,
            history=tuple(history),
            model_config={**self._backend.options.model_config, **wanted.access},
        )
        made = {"live": True, "kickoff": False, "call": self._tool, "watch": self._watch}
        # Beside the loop: the provider checks itself, which may read a file.
        session = await aside(LoopSession, self._provider, options, self._ended, **made)
        self._session, self._wanted = session, wanted
        try:
            await session.open()
            await self._taken_up(session)
        except BaseException:
            await self.close()
            raise

    async def _taken_up(self, session: LoopSession) -> None:
        """Wait until it is open; what fails before is its failure to open."""
        self._end = asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(session.taken_up.wait())
        try:
            await asyncio.wait((waiting, self._end), return_when=asyncio.FIRST_COMPLETED)
            if self._end.done() and isinstance(outcome := self._end.result(), Exception):
                raise outcome
        finally:
            waiting.cancel()
            self._end = None

    async def _prepared(self, query: Query) -> str:
        """Have a conversation that is as the query wants it, and return what to ask in it."""
        wanted, session = self._wish(query.params, query.tools), self._session
        if session is None or (not self._told and query.history):
            turns = [(turn.role, turn.content) for turn in query.history]
            history = self._provider.from_turns(turns)
            if session is None or history is not None:
                await self._enter(wanted, None, history or ())
            self._told = True
            return query.prompt if history else with_transcript(query.prompt, query.history)
        if wanted != self._wanted:
            transcript = session.so_far("").transcript
            if transcript is not None:
                await self._enter(wanted, None, transcript)
        self._told = True
        return query.prompt

    def _asked(self, query: Query) -> str:
        """Return the prompt, with a word of the attempts before it if they may have acted."""
        run, self._run = self._run, query.query_id.rpartition(".")[0]
        unsafe, self._unsafe = self._unsafe or run != self._run, False
        if query.attempt == 1 or not unsafe:
            return query.prompt
        self._unsafe = True
        return AGAIN.format(prompt=query.prompt, number=query.attempt)

    def _wish(self, params: Mapping[str, Any], tools: Sequence[HostTool]) -> _Wanted:
        options = self._backend.options
        system = self.talk.opening.options.get("system") or options.system
        given = params.get("provider")
        access = given if isinstance(given, dict) else {}
        return _Wanted(
            model=params.get("model") or self.talk.opening.model or options.model,
            system=str(params.get("system") or system),
            tools=tuple(Tool(each.name, each.description, each.input_schema) for each in tools),
            max_turns=_whole(params.get("max_turns")) or options.max_turns,
            access={name: access[name] for name in ("api_key", "base_url") if name in access},
        )

    # What the loop says

    def _ended(self, outcome: SessionResult | Exception) -> None:
        if self._not_ours:
            self._not_ours -= 1
        elif self._end is not None and not self._end.done():
            self._end.set_result(outcome)

    async def _watch(self, event: Any) -> None:
        self.talk.heard()
        thinking = self._provider.thinking_delta(event)
        if isinstance(event, dict) and event.get("type") == TEXT_DELTA:
            self.talk.say(Message("text", event["text"], timestamp=self.talk.now()))
        elif thinking:
            self.talk.say(Message("thinking", thinking, timestamp=self.talk.now()))
        await self.talk.room()

    async def _tool(self, use: ToolUse) -> ToolResult:
        """Run one of the session's tools, in the session: its call is in the log first (G12)."""
        if self.talk.query is None or use.id in self._left_open:
            told = "the program ended while this tool ran: what came of it is not known"
            return ToolResult(use.id, told, is_error=True)
        if self._backend.asks(use.name):
            decision = await self.talk.permission(use.name, use.input)
            if not isinstance(decision, Allow):
                return self._denied(use, decision)
            if decision.params is not None:
                use = replace(use, input=decision.params)
        self._unsafe = True
        result = await self.talk.tool(use.id, use.name, use.input)
        return ToolResult(use.id, result.content, result.is_error)

    def _denied(self, use: ToolUse, decision: Deny | None) -> ToolResult:
        if decision is None:
            return ToolResult(use.id, "not permitted: the question was cancelled", is_error=True)
        if decision.interrupt and self._session is not None:
            # After this tool's task is over: it would be cancelled itself.
            asyncio.get_running_loop().call_soon(self._session.interrupt)
        return ToolResult(use.id, f"not permitted: {decision.reason}", is_error=True)

    # What the session is told

    def _introduce(self, session: LoopSession) -> None:
        """Say what the agent is, in the first turn of this connection."""
        if self._introduced or self._wanted is None:
            return
        self._introduced = True
        model = self._wanted.model or getattr(self._provider, "model", None)
        info = {
            "model": model,
            "tools": [tool.name for tool in self._wanted.tools],
            "session_id": session.info().session_id,
            "provider": self._provider.name,
        }
        self.talk.say(SystemMessage(subtype="init", system_info=info, model=model), own=True)

    def _over(
        self, query: Query, outcome: SessionResult | Exception, began: int
    ) -> Completed | Failed:
        now = self.talk.now()
        if isinstance(outcome, SessionResult):
            for use in outcome.server_tool_uses:
                self.talk.say(
                    ToolMessage(
                        "tool_use",
                        tool_name=use.name,
                        tool_input=dict(use.input),
                        tool_use_id=use.id,
                        subtype="server",
                    )
                )
        return outcome_of(query.query_id, outcome, timestamp=now, duration_ms=now - began)


def _nobody(name: str, given: Any, context: Any) -> Any:
    raise LoopFailed("no_handler")  # The driver runs the tools; this is never called.


def _whole(value: Any) -> int | None:
    right = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return value if right else None
