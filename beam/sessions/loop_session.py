"""A conversation at work: does what the agent loop's core says, with asyncio.

Everything here runs on one event loop; tools, guards and handlers that are not `async` run on
threads of their own, so that the session hears what comes while they work. Only `loop_run`,
`loop_live` and `loop_backend` use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beam import telemetry
from beam.errors import LoopFailed, NotSupported
from beam.otp.aio import aside
from beam.ports.loop import PARTING
from beam.providers.loop_work import given_up, held
from beam.providers.pace import within
from beam.providers.values import SessionInfo, SessionResult
from beam.sessions.loop import AgentLoop
from beam.sessions.loop_effects import (
    AskGuard,
    Cancel,
    Connect,
    Effect,
    Emit,
    Fail,
    Finish,
    InterruptServer,
    Progress,
    Reconnect,
    RunTools,
    Send,
    Tell,
)
from beam.sessions.loop_spans import LoopSpans
from beam.sessions.loop_telling import Telling
from beam.sessions.loop_tools import run_tools

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from beam.providers.provider import OpenOptions, Provider
    from beam.providers.values import ToolResult, ToolUse
    from beam.sessions.loop_handler import Handling
    from beam.sessions.loop_options import LoopOptions

    Ended = Callable[[SessionResult | Exception], None]

__all__ = ["LoopSession"]

_ENDED = object()

# A loop holds its tasks weakly. Bounded: each ends within twice `PARTING_S`.
_partings: set[asyncio.Task[None]] = set()

PARTING_S = 5.0
"""How long a provider may take to let go of a conversation, or to tell its server to stop."""


class LoopSession:
    """One conversation.

    Args:
        provider: who answers.
        options: what its user wants, which is checked here.
        ended: is told how each request ended: the result, or the exception.
        live: whether it goes on after a request.
        kickoff: whether a new conversation begins with a request.
        call: runs a tool, in the handler's place.
        watch: is told of each event on the loop, before the handler; awaited.

    Attributes:
        loop: the core.
        taken_up: set when the conversation is open, or taken up again, for the first time.

    Raises:
        InvalidOption, InvalidInput: an option is not what it must be.
    """

    def __init__(
        self,
        provider: Provider,
        options: LoopOptions,
        ended: Ended,
        *,
        live: bool = False,
        kickoff: bool = True,
        call: Callable[[ToolUse], Awaitable[ToolResult]] | None = None,
        watch: Callable[[Any], Awaitable[None]] | None = None,
    ) -> None:
        self.loop = AgentLoop(provider, options.rules(live=live, kickoff=kickoff))
        self.taken_up = asyncio.Event()
        self._provider = provider
        self._options = options
        self._pace = options.pace
        self._handling: Handling = options.handling()
        self._opening: OpenOptions = options.opening(provider, self._handling)
        self._telling = Telling(self._handling, self.info, ended)
        model = self._opening.model or getattr(provider, "model", None)
        self._spans = LoopSpans(self._emit, self._pace, model, self._opening.agent_id)
        self._run_tool = call or self._handle
        self._watch = watch
        self._shown: list[Any] = []
        self._conn: Any = None
        self._is_open = False
        # What is at work for the request; at most a push beside a poll, a guard or the tools.
        self._work: set[asyncio.Task[None]] = set()
        self._link: asyncio.Task[None] | None = None

    # For its owner

    def info(self) -> SessionInfo:
        """Return which conversation it is, as of now."""
        session_id = self._provider.session_id(self._conn) if self._is_open else ""
        return SessionInfo(session_id, self._provider.name, self._opening.metadata)

    async def open(self) -> None:
        """Open the conversation, and begin.

        Raises:
            ProviderFailed: it could not be opened; or whatever else the provider raised.
        """
        self._conn = await held(self._provider.open(self._opening))
        self._is_open = True
        resumed = self._provider.resumed(self._conn)
        self._do(self.loop.opened, self.info().session_id, resumed=resumed, options=self._opening)
        if not resumed and self._provider.mode == "request_response":
            self.taken_up.set()

    def message(self, text: str) -> None:
        """Take a request; it waits for the one at work.

        Raises:
            QueueFull: too many wait.
        """
        self._perform(self.loop.message(text))

    async def send_event(self, event: Any) -> None:
        """Send the provider an event of its own kind as it is; changes nothing else.

        Raises:
            NotSupported: `unsupported`; the provider has no stream.
        """
        if self._provider.mode != "streaming":
            raise NotSupported("unsupported", provider=self._provider.name)
        await self._provider.push_input(self._conn, event)

    def interrupt(self) -> None:
        """End the request at work; it is told as `interrupted`."""
        self._do(self.loop.interrupt)

    def so_far(self, stop_reason: str) -> SessionResult:
        """Return what the request at work has come to."""
        account = self.loop.account
        return self._with_transcript(
            account.result(self.info().session_id, "terminated", stop_reason)
        )

    async def close(self, *, stop_server: bool = False, reason: str = "closed") -> None:
        """End everything that is at work here, and let go of the conversation.

        Args:
            stop_server: have the provider tell its server to stop, too.
            reason: the word for it, for telemetry.
        """
        tasks = [*self._work, *filter(None, (self._link, self._telling.cancel()))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._spans.cut(reason)
        if self._is_open:
            self._is_open = False
            if stop_server:
                await self._parting(self._provider.interrupt(self._conn))
            await self._parting(self._provider.close(self._conn))

    def abandon(self) -> None:
        """Close it without waiting for that."""
        parting = asyncio.get_running_loop().create_task(self.close(), name=PARTING)
        _partings.add(parting)
        parting.add_done_callback(_partings.discard)

    # What the core says

    def _do(self, hear: Callable[..., list[Effect]], *args: Any, **kwargs: Any) -> None:
        """Tell the core what has happened, and do what it says."""
        try:
            effects = hear(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a function of the provider that must not fail
            effects = self.loop.broken(error)
        self._perform(effects)

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._perform_one(effect)

    def _perform_one(self, effect: Effect) -> None:
        match effect:
            case Tell(event):
                self._telling.event(event)
                if self._watch is not None:
                    self._shown.append(event)
            case Emit(("turn", "stop"), measured, about):
                self._spans.turned(measured, about)
            case Emit(name, measured, about):
                self._emit(name, measured, about)
            case Finish(result):
                self._spans.ended(result)
                self._telling.end(self._with_transcript(result))
            case Fail(error, result):
                self._spans.ended(result, error)
                if isinstance(error, LoopFailed) and error.result is not None:
                    error.result = self._with_transcript(result)
                self._telling.end(error)
            case _:
                self._work_on(effect)

    def _work_on(self, effect: Effect) -> None:
        """Do what takes its time: begin it, or end it."""
        match effect:
            case Connect():
                self._link = asyncio.ensure_future(self._linked(None))
            case Reconnect(delay):
                self._link = asyncio.ensure_future(self._linked(delay))
            case Send(given):
                self._spans.sent()
                streams = self._provider.mode == "streaming"
                self._begin(self._push(given) if streams else self._poll(given))
            case AskGuard(progress):
                self._begin(self._guard(progress))
            case RunTools(uses):
                self._spans.begun()
                self._begin(self._tools(uses))
            case Cancel():
                for task in self._work:
                    task.cancel()
            case InterruptServer():
                self._begin(self._parting(self._provider.interrupt(self._conn)))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(held(work))
        self._work.add(task)
        task.add_done_callback(self._worked)

    def _worked(self, task: asyncio.Task[None]) -> None:
        """Tell of work that has ended by itself without a word, that nobody waits for ever."""
        self._work.discard(task)
        if task.cancelling():
            return
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            self._perform(self.loop.broken(error))

    def _with_transcript(self, result: SessionResult) -> SessionResult:
        if not self._is_open:
            return result
        return replace(result, transcript=self._provider.transcript(self._conn))

    async def _parting(self, work: Awaitable[None]) -> None:
        with contextlib.suppress(Exception):  # It is let go of, whatever it says to that.
            await within(self._pace, PARTING_S, work)

    # Work

    async def _poll(self, given: Any) -> None:
        try:
            events, conn = await self._provider.poll_turn(self._conn, given, self._forward)
        except Exception as error:  # noqa: BLE001 - it is told to the caller
            if not given_up():
                self._do(self.loop.unsent, error)
            return
        if given_up():
            return
        self._conn = conn
        self._do(self.loop.polled, tuple(events))
        await self.show()

    async def _forward(self, event: Any) -> None:
        self._do(self.loop.forwarded, event)
        await self.show()

    async def _push(self, given: Any) -> None:
        try:
            await self._provider.push_input(self._conn, given)
        except Exception as error:  # noqa: BLE001 - it is told to the caller
            if not given_up():
                self._do(self.loop.unsent, error)

    async def _guard(self, progress: Progress) -> None:
        guard = self._options.turn_guard
        assert guard is not None
        try:
            answer = await aside(_asked, guard, progress)
            if inspect.isawaitable(answer):
                answer = await answer
        except Exception as error:  # noqa: BLE001 - a guard that fails halts
            answer = ("halt", error)
        if not given_up():
            self._do(self.loop.guarded, answer)

    async def _tools(self, uses: tuple[ToolUse, ...]) -> None:
        results = await run_tools(uses, self._tool, self._pace, self._options.tool_timeout)
        if not given_up():
            self._do(self.loop.tools_done, results)

    async def _tool(self, use: ToolUse) -> ToolResult:
        about: dict[str, Any] = {"tool": use.name, "tool_use_id": use.id}
        if self._spans.request_id is not None:  # It may be over before the tool is.
            about["request_id"] = self._spans.request_id
        self._emit(("tool", "start"), {"system_time": self._pace.time()}, about)
        began = self._pace.now()
        how = "exception"
        try:
            result = await self._run_tool(use)
            how = "stop"
            about["is_error"] = result.is_error
        finally:
            self._emit(("tool", how), {"duration": self._pace.now() - began}, about)
        return result

    async def _handle(self, use: ToolUse) -> ToolResult:
        return await self._handling.call(use, self.info())

    async def show(self) -> None:
        """Show what has come to whoever watches, as fast as that keeps up (G19)."""
        while self._shown and self._watch is not None:
            await self._watch(self._shown.pop(0))

    # The stream

    async def _linked(self, delay: float | None) -> None:
        """Connect, or reconnect after `delay`, and hear the stream to its end."""
        heard = delay is None
        try:
            if delay is not None:
                self._emit(("reconnect",), {"delay": delay}, {})
                if delay > 0:
                    await self._pace.sleep(delay)
                self._conn = await self._provider.reconnect(self._conn)
            if self._provider.mode != "streaming":
                await self._taken_up()
                return
            async with contextlib.aclosing(self._provider.stream(self._conn)) as stream:  # type: ignore[type-var]
                if await anext(stream, _ENDED) is _ENDED:
                    raise ConnectionError("the stream ended before it was connected")
                self._emit(("stream", "connected"), {}, {})
                if heard:
                    self._do(self.loop.connected)
                    self.taken_up.set()
                else:
                    await self._taken_up()
                    heard = True
                async for event in stream:
                    self._emit(("stream", "event"), {}, {"type": _type_of(event)})
                    self._do(self.loop.event, event)
                    await self.show()
        except BaseException as error:  # A drop, whatever it is, unless it is the end of this.
            if isinstance(error, GeneratorExit) or given_up():
                raise
            self._emit(("stream", "error"), {}, {"reason": type(error).__name__})
            self._do(self.loop.dropped if heard else self.loop.unreachable, error)
        else:
            self._emit(("stream", "done"), {}, {})
            self._do(self.loop.dropped, None)

    async def _taken_up(self) -> None:
        history = await self._provider.history(self._conn)
        self._do(self.loop.reconnected, self.info().session_id, history)
        self.taken_up.set()
        await self.show()

    def _emit(self, name: tuple[str, ...], measured: Any, about: Any) -> None:
        if telemetry.listening():
            info = self.info()
            told = {**info.metadata, "session_id": info.session_id, "provider": info.provider}
            told["request_id"] = self._spans.request_id
            telemetry.emit(("loop", *name), measured, {**told, **about})


def _asked(guard: Callable[[Progress], Any], progress: Progress) -> Any:
    try:
        return guard(progress)
    except Exception:
        raise
    except BaseException as error:  # noqa: BLE001 - it must not end the loop's thread
        return ("halt", error)


def _type_of(event: Any) -> str:
    kind = event.get("type") if isinstance(event, dict) else None
    return kind if isinstance(kind, str) else type(event).__name__
