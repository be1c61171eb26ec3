"""The one agent loop: its rules, without any I/O.

An agent is a provider that answers turns, and a handler that runs its tools. The loop is what is
between them: input, turn, tools, resume, ..., terminal. Here are its decisions; `loop_session` does
what they say, with asyncio.

    >>> from beam.providers.provider import OpenOptions, Provider
    >>> from beam.providers.values import TurnResult
    >>> from beam.sessions.loop_rules import Rules
    >>> class Echo(Provider):
    ...     name, mode = "echo", "request_response"
    ...     async def open(self, options): ...
    ...     def session_id(self, conn): ...
    ...     def user_input(self, text): return text
    ...     def resume_input(self, uses, results): ...
    ...     def normalize(self, events): return TurnResult("end_turn", "said", events[-1])
    >>> loop = AgentLoop(Echo(), Rules())
    >>> loop.opened("s-1", resumed=False, options=OpenOptions(prompt="Hello"))
    [Send(given='Hello')]
    >>> finish = loop.polled(["Hello yourself"])[-1]
    >>> finish.result.text, finish.result.turns, loop.phase
    ('Hello yourself', 1, 'ended')

| phase | what is waited for |
|---|---|
| `new` | the conversation is opened, or taken up again |
| `idle` | a message (of a live session) |
| `turn` | the turn's events |
| `guard` | the turn guard's answer |
| `tools` | the tools' results |
| `draining` | the end of a turn that was interrupted, so that it is not taken for the next one |
| `ended` | nothing |

Each function says what has happened and returns what is to be done. A message that comes while a
request is at work waits for it; at most `INBOX` do (G19). Tools run at least once: after a drop,
whatever the provider has no result of is run again.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Literal

from beam.backends.line_limits import whole_characters
from beam.errors import QueueFull
from beam.providers.values import ToolResult, ToolUse, TurnResult
from beam.sessions.loop_account import Account, once_each
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
from beam.sessions.loop_rules import Rules, failure, word_of
from beam.sessions.loop_spans import turn_facts
from beam.sessions.loop_wire import Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.providers.provider import OpenOptions, Provider

__all__ = ["INBOX", "TEXT_DELTA", "AgentLoop", "Phase"]

Phase = Literal["new", "idle", "turn", "guard", "tools", "draining", "ended"]

INBOX = 1000
"""The most messages that wait for a request to end."""

TEXT_DELTA = "beam.text_delta"
"""The type of the event that handlers are told after one that brings text; in no result."""


class AgentLoop:
    """The state of one conversation; see the module.

    Args:
        provider: only its pure functions are called here.
        rules: what holds for every request.

    Attributes:
        phase: what it waits for.
        account: what the request at work has come to.
        session_id: the conversation, as the provider calls it.
    """

    def __init__(self, provider: Provider, rules: Rules) -> None:
        self.phase: Phase = "new"
        self.account = Account()
        self.session_id = ""
        self._provider = provider
        self._rules = rules
        self._streams = provider.mode == "streaming"
        self._wire = Wire(up=not self._streams)
        self._resuming: OpenOptions | None = None
        self._inbox: deque[str] = deque()
        self._reprompts = rules.max_reprompts
        self._batches: deque[list[Any]] = deque()  # What a server says while our tools run.
        self._forwarded = 0
        self._running: tuple[ToolUse, ...] = ()

    # The conversation

    def opened(self, session_id: str, *, resumed: bool, options: OpenOptions) -> list[Effect]:
        """Hear that the provider has opened the conversation."""
        self.session_id = session_id
        if resumed:
            self._resuming = options
            return [Reconnect(0.0)]
        connect: list[Effect] = [Connect()] if self._streams else []
        if self._rules.kickoff:
            self.phase = "turn"
            return [*connect, *self._wire.send(self._provider.kickoff_input(options))]
        self.phase = "idle"
        return [*connect, *self._next()]

    def connected(self) -> list[Effect]:
        """Hear that the event stream is open, for the first time."""
        return self._wire.open()

    def reconnected(self, session_id: str, history: Sequence[Any]) -> list[Effect]:
        """Hear that the conversation is taken up again, with all of its events."""
        self.session_id = session_id
        pending = self._provider.pending_tool_uses(history)
        missed = self._wire.missed(history, self._provider.event_id)
        effects = self._wire.open()
        if self._resuming is not None:
            return effects + self._resume(pending)
        if effects:
            return effects
        if self.phase in ("turn", "draining"):
            for event in missed:
                effects += self._take(event)
        if self.phase == "draining" and not history:
            self.phase = "idle"  # Nobody will say any more that the turn has ended.
            return effects + self._next()
        # Not in "idle": what is open then belongs to a request that was interrupted, or has failed.
        if pending and self.phase == "turn" and not _decided(effects):
            return effects + self._recover(pending)
        return effects

    def unreachable(self, error: BaseException) -> list[Effect]:
        """Hear that the conversation could not be taken up again."""
        if self._rules.live and self._resuming is None:
            return [self._wire.lost()]
        return self._fail(error, "provider_error")

    def dropped(self, error: BaseException | None) -> list[Effect]:
        """Hear that the event stream has ended, or failed."""
        if self.phase == "ended":
            return []
        if not self._rules.live:
            return self._fail(error, "stream_error") if error else self._fail("stream_ended")
        return [self._wire.lost()]

    def message(self, text: str) -> list[Effect]:
        """Take a request: at once, or when the one at work has ended.

        Raises:
            QueueFull: too many wait.
        """
        if self.phase == "idle":
            return self._begin(text)
        if len(self._inbox) >= INBOX:
            raise QueueFull(limit=INBOX)
        self._inbox.append(text)
        return []

    def interrupt(self, reason: Any = "interrupted") -> list[Effect]:
        """End the request at work, from this side; if none is, those that wait."""
        if self.phase not in ("turn", "guard", "tools"):
            waiting, self._inbox = self._inbox, deque()
            self.account.clear()
            return [each for _ in waiting for each in self._fail(reason, then=self.phase)]
        working = self._streams and self.phase == "turn" and not self._wire.waiting
        self._wire.waiting.clear()
        effects: list[Effect] = [Cancel()]
        if working:
            effects.append(InterruptServer())
        return effects + self._fail(reason, then="draining" if working else "idle")

    def broken(self, error: BaseException) -> list[Effect]:
        """Hear that a function of the provider has failed that must not."""
        if self.phase in ("idle", "ended"):
            return []
        return [Cancel(), *self._fail(error, "provider_error")]

    # Turns

    def forwarded(self, event: Any) -> list[Effect]:
        """Hear an event of a poll before its turn is over."""
        if self.phase != "turn":
            return []
        self._forwarded += 1
        return self._told(event)

    def polled(self, events: Sequence[Any]) -> list[Effect]:
        """Hear the events of a turn, those that were forwarded first."""
        if self.phase != "turn":
            return []
        effects = [each for event in events[self._forwarded :] for each in self._told(event)]
        self._forwarded = 0
        return effects + self._turn(events)

    def event(self, event: Any) -> list[Effect]:
        """Hear an event of the stream; one that was heard before yields nothing."""
        if self.phase == "ended":
            return []
        if not self._wire.is_new(self._provider.event_id(event)):
            return []
        return self._take(event)

    def unsent(self, error: BaseException) -> list[Effect]:
        """Hear that an input could not be sent, or that its poll has failed."""
        if self.phase != "turn":
            return []
        return self._fail(error, "provider_error")

    def guarded(self, answer: Any) -> list[Effect]:
        """Hear what the turn guard says: go on, or `("halt", reason)`."""
        if self.phase != "guard":
            return []
        match answer:
            case None | "cont":
                self.phase = "turn"
                return self._decide()
            case ("halt", reason):
                return self._fail(("halted", reason))
        return self._fail(("halted", ("bad_guard_answer", answer)))

    def tools_done(self, results: Sequence[ToolResult]) -> list[Effect]:
        """Hear what the tools came to, in the order of their uses."""
        if self.phase != "tools":
            return []
        self.phase = "turn"
        effects = self._wire.send(self._provider.resume_input(self._running, tuple(results)))
        self._running = ()
        while self._batches and self.phase == "turn":
            effects += self._turn(self._batches.popleft())
        return effects

    # Inside

    def _begin(self, text: str) -> list[Effect]:
        self.account.clear()
        self._reprompts = self._rules.max_reprompts
        self._forwarded = 0
        self._batches.clear()
        self.phase = "turn"
        return self._wire.send(self._provider.user_input(whole_characters(text)))

    def _resume(self, pending: tuple[ToolUse, ...]) -> list[Effect]:
        options, self._resuming = self._resuming, None
        self.phase = "idle"
        if pending:
            return self._recover(pending)
        if options is not None and options.outcome is not None:
            self.phase = "turn"
            return self._wire.send(self._provider.kickoff_input(options))
        if options is not None and options.prompt is not None:
            return self._begin(options.prompt)
        if self._rules.live:
            return self._next()
        self.phase = "turn"  # The server may be at work; what it says then is the answer.
        return [] if self._streams else self._fail(("invalid_opts", "prompt"))

    def _recover(self, pending: tuple[ToolUse, ...]) -> list[Effect]:
        self.account.add_uses(pending)
        return [self._uses_event(pending), *self._run(pending)]

    def _take(self, event: Any) -> list[Effect]:
        effects = self._told(event)
        batch = self._wire.batch(event, closed=self._provider.is_boundary(event))
        if batch is None:
            return effects
        match self.phase:
            case "draining":
                self.phase = "idle"
                return effects + self._next()
            case "idle" | "turn":
                self.phase = "turn"
                return effects + self._turn(batch)
        self._batches.append(batch)
        return effects

    def _told(self, event: Any) -> list[Effect]:
        text = self._provider.text_delta(event)
        if text is None:
            return [Tell(event)]
        return [Tell(event), Tell({"type": TEXT_DELTA, "text": text})]

    def _turn(self, events: Sequence[Any]) -> list[Effect]:
        turn = _normalized(self._provider, events)
        self.account.turn(events, turn)
        effects: list[Effect] = [Emit(("turn", "stop"), *turn_facts(turn, self.account.turns))]
        if turn.terminal == "requires_action":
            effects.append(self._uses_event(turn.custom_tool_uses))
        repeated = len(turn.custom_tool_uses) - len(once_each(turn.custom_tool_uses))
        if repeated:
            about = {"turn": self.account.turns}
            effects.append(Emit(("duplicate_tool_use",), {"count": repeated}, about))
        if not self._rules.guarded:
            return effects + self._decide()
        self.phase = "guard"
        progress = Progress(self.account.usage, self.account.turns, self.session_id)
        return [*effects, AskGuard(progress)]

    def _uses_event(self, uses: Sequence[ToolUse]) -> Emit:
        about = {"turn": self.account.turns, "tool_use_ids": tuple(use.id for use in uses)}
        return Emit(("tool_uses",), {"tool_use_count": len(uses)}, about)

    def _decide(self) -> list[Effect]:
        """Go on after a turn: resume, prompt again, or end; in this order."""
        turn, rules = self.account.last, self._rules
        if self.account.turns > rules.max_turns:
            return self._fail(("max_turns_exceeded", rules.max_turns))
        if turn.terminal == "requires_action":
            if turn.custom_tool_uses:
                return self._run(once_each(turn.custom_tool_uses))
            if turn.answered:
                return self._wire.send(self._provider.continue_input())
            pending = self._provider.pending_tool_uses(self.account.events)
            if pending:
                return self._recover(pending)
            return self._fail(("unresolved_requires_action", turn.stop_reason))
        missing = rules.require_terminal_tool and not self.account.called(rules.terminal_tool)
        if turn.terminal == "end_turn" and missing:
            if self._reprompts == 0:
                return self._finish("no_terminal_tool")
            self._reprompts -= 1
            return self._wire.send(self._provider.user_input(rules.correction))
        return self._finish(turn.stop_reason)

    def _run(self, uses: tuple[ToolUse, ...]) -> list[Effect]:
        self.phase = "tools"
        self._running = uses
        return [RunTools(uses)]

    def _finish(self, stop_reason: str) -> list[Effect]:
        terminal = self.account.last.terminal
        result = self.account.result(self.session_id, terminal, stop_reason)
        self._wire.proven()
        effects: list[Effect] = [_terminal_event(terminal, self.account.turns), Finish(result)]
        return effects + self._over("idle")

    def _fail(self, cause: Any, raised_as: str = "", then: Phase = "idle") -> list[Effect]:
        """End the request without an answer.

        Args:
            cause: the reason, or the exception that somebody else raised.
            raised_as: the reason's first word, for such an exception.
            then: the phase of a live session after it.
        """
        word = word_of(cause, raised_as)
        result = self.account.result(self.session_id, "terminated", word)
        error = failure(cause, raised_as, result)
        terminal = _terminal_event("terminated", self.account.turns)
        return [terminal, Fail(error, result), *self._over(then)]

    def _over(self, then: Phase) -> list[Effect]:
        self.phase = then if self._rules.live else "ended"
        self._batches.clear()
        return self._next()

    def _next(self) -> list[Effect]:
        if self.phase != "idle" or not self._inbox:
            return []
        return self._begin(self._inbox.popleft())


def _normalized(provider: Provider, events: Sequence[Any]) -> TurnResult:
    """Return the turn; a provider that breaks its word here fails the turn, not the session."""
    try:
        return provider.normalize(events)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a turn without sense
        return TurnResult("terminated", f"malformed: {type(error).__name__}: {error}")


def _decided(effects: list[Effect]) -> bool:
    return any(isinstance(each, Send | RunTools | AskGuard | Finish | Fail) for each in effects)


def _terminal_event(terminal: str, turns: int) -> Emit:
    return Emit(("terminal",), {"turns": turns}, {"terminal": terminal})
