"""Conversations that are held on this side: the model is told all of it at each poll.

What chat servers, the Messages API and the Responses API have in common; each has a `Dialect` of
its own for the shape of things. A conn is a frozen value: a poll that is cancelled or fails leaves
the one before, which is still good.
"""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from beam.errors import InvalidInput, ProviderFailed
from beam.model.exit_reasons import ExitReason
from beam.providers.held_guards import DUPLICATE, Guards, final_turn
from beam.providers.provider import Forward, Mode, OpenOptions, Provider
from beam.providers.values import Terminal, ToolResult, ToolUse, TurnResult, Usage

__all__ = ["Dialect", "HeldConn", "HeldProvider", "Item", "Reply"]

Item = Mapping[str, Any]
"""A message of the conversation, in the provider's own form."""

Reply = Mapping[str, Any]
"""What the model answered, in the provider's own form."""

SENSELESS = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What the functions of a dialect raise for a reply that makes no sense."""

NOT_RUN = "This tool was not run, or what came of it is not known: the request was cut short."

DELTA = "delta"
REPLY = "reply"


@dataclass(frozen=True, slots=True)
class _Input:
    kind: Literal["user", "results", "continue"]
    text: str = ""
    pairs: tuple[tuple[ToolUse, ToolResult], ...] = ()


class Dialect(abc.ABC):
    """The shape of a provider's messages: pure functions.

    What they are given comes from outside: for what makes no sense any of them may raise one of
    `SENSELESS`.
    """

    @abc.abstractmethod
    def user_item(self, text: str) -> Item:
        """Return what the user says as a message."""

    @abc.abstractmethod
    def result_items(self, pairs: Sequence[tuple[ToolUse, ToolResult]]) -> Sequence[Item]:
        """Return what tools came to as messages."""

    def settled(self, reply: Reply, items: Sequence[Item]) -> Reply:
        """Return the reply as the other functions take it, after the conversation so far."""
        return reply

    @abc.abstractmethod
    def reply_items(self, reply: Reply) -> Sequence[Item]:
        """Return what the model answered as messages of the conversation."""

    @abc.abstractmethod
    def uses(self, reply: Reply) -> Sequence[ToolUse]:
        """Return the tools that the model wants us to run."""

    def server_uses(self, reply: Reply) -> Sequence[ToolUse]:
        """Return the tools that the provider ran."""
        return ()

    @abc.abstractmethod
    def stop(self, reply: Reply) -> tuple[Terminal, str]:
        """Return how the turn ended, for a reply without tools for us, and the provider's word."""

    def goes_on(self, reply: Reply) -> bool:
        """Say whether the model only paused, and is to be asked again with nothing new."""
        return False

    @abc.abstractmethod
    def text(self, reply: Reply) -> str:
        """Return what the model said."""

    @abc.abstractmethod
    def usage(self, reply: Reply) -> Usage | None:
        """Return what it cost; None if that is not said."""

    @abc.abstractmethod
    def unanswered(self, items: Sequence[Item]) -> Sequence[ToolUse]:
        """Return the tool uses of the last messages that have no result."""


@dataclass(frozen=True, slots=True)
class HeldConn:
    """A conversation.

    Attributes:
        session_id: its name, made here.
        options: what it was opened with.
        items: what was said.
        guards: what the request at work has done.
        was_there: whether it began with a history.
        client: what reaches the model, if there is a client.
        secrets: what must not stand in an error.
    """

    session_id: str
    options: OpenOptions = field(repr=False)
    items: tuple[Item, ...] = ()
    guards: Guards = field(default_factory=Guards)
    was_there: bool = False
    client: Any = field(default=None, repr=False, compare=False)
    # What tools came to of which the model has not heard: its poll failed, or was cut short. Shared
    # by the conns of a conversation; bounded by the tools of one turn.
    unheard: dict[str, ToolResult] = field(default_factory=dict, repr=False, compare=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


Say = Callable[[str, str], Awaitable[None]]
"""Says a piece of the answer, and of the reasoning before it, as they come."""


class HeldProvider(Provider):
    """A provider whose conversations are held on this side.

    Attributes:
        dialect: the shape of its messages.
        prefix: what the names of its conversations begin with.
        guarded: whether `Guards` hold: repeated calls are answered here, errors that repeat and
            the last turn are pointed out.
        malformed: the reason's first word, for a reply that makes no sense.
    """

    mode: ClassVar[Mode] = "request_response"
    dialect: ClassVar[Dialect]
    prefix: ClassVar[str] = "local_"
    guarded: ClassVar[bool] = False
    malformed: ClassVar[str] = "malformed_response"

    @abc.abstractmethod
    async def request(self, conn: HeldConn, say: Say) -> Reply:
        """Ask the model once, and return its reply.

        Args:
            conn: what to ask with: `conn.options`, `conn.items`.
            say: may be told pieces as they come.

        Raises:
            ProviderFailed: the model did not answer, or with nonsense.
        """

    def check(self, options: OpenOptions) -> None:
        """Refuse options that nobody knows, and a history that is none.

        Raises:
            InvalidInput: naming what is wrong.
        """
        for name in options.extra:
            raise InvalidInput("option", name, "an option of the agent loop; see LoopOptions")
        for item in options.history:
            if not isinstance(item, Mapping):
                raise InvalidInput("history", item, "messages, each of them a mapping")

    async def open(self, options: OpenOptions) -> HeldConn:
        """Begin a conversation; one with a `history` goes on with that, as it is."""
        name = options.session_id or options.pace.new_id(self.prefix)
        return HeldConn(name, options, options.history, was_there=bool(options.history))

    def session_id(self, conn: HeldConn) -> str:
        """Return the name that was made for it."""
        return conn.session_id

    def resumed(self, conn: HeldConn) -> bool:
        """Say whether it began with a history."""
        return conn.was_there

    def user_input(self, text: str) -> _Input:
        """Return what the user says."""
        return _Input("user", text)

    def resume_input(self, uses: Sequence[ToolUse], results: Sequence[ToolResult]) -> _Input:
        """Return what the tools came to."""
        return _Input("results", pairs=tuple(zip(uses, results, strict=True)))

    def continue_input(self) -> _Input:
        """Return nothing new: what was answered here is in the conversation already."""
        return _Input("continue")

    def from_turns(self, turns: Sequence[tuple[str, str]]) -> tuple[Item, ...]:
        """Return an earlier conversation as the history of a new one."""
        return tuple({"role": role, "content": text} for role, text in turns)

    def transcript(self, conn: HeldConn) -> tuple[Item, ...]:
        """Return all that was said, and what tools came to."""
        if not conn.unheard:
            return conn.items
        known = [pair for pair in self._left(conn) if pair[0].id in conn.unheard]
        return (*conn.items, *self.dialect.result_items(known))

    def text_delta(self, event: Any) -> str | None:
        """Return the piece of the answer."""
        return _piece(event, "text")

    def thinking_delta(self, event: Any) -> str | None:
        """Return the piece of the reasoning."""
        return _piece(event, "thinking")

    async def poll_turn(
        self, conn: HeldConn, given: _Input, forward: Forward
    ) -> tuple[Sequence[Any], HeldConn]:
        """Ask the model, and take its reply into the conversation."""
        asked = self._told(conn, given)
        pieces: list[Any] = []

        async def say(text: str, thinking: str = "") -> None:
            event = {"type": DELTA, "text": text, "thinking": thinking}
            pieces.append(event)
            await forward(event)

        reply = await self.request(asked, say)
        try:
            event, answered = self._taken(asked, reply)
        except SENSELESS as error:
            exit = ExitReason("protocol", detail=f"{type(error).__name__}: {error}")
            raise ProviderFailed((self.malformed, reply), exit.detail, exit) from error
        return (*pieces, event), answered

    def normalize(self, events: Sequence[Any]) -> TurnResult:
        """Return the turn that the last reply is."""
        last = next((each for each in reversed(events) if _is(each, REPLY)), None)
        if last is None:
            return TurnResult("terminated", "no_reply")
        try:
            return self._understood(last)
        except SENSELESS as error:
            return TurnResult("terminated", f"malformed: {error!r}")

    def _understood(self, event: Mapping[str, Any]) -> TurnResult:
        reply, dialect = event["reply"], self.dialect
        wanted = tuple(dialect.uses(reply))
        repeated = set(event.get("answered", ()))
        uses = tuple(use for use in wanted if use.id not in repeated)
        goes_on = dialect.goes_on(reply)
        terminal, word = dialect.stop(reply)
        if wanted or goes_on:
            terminal = "requires_action"
        return TurnResult(
            terminal,
            word,
            dialect.text(reply),
            custom_tool_uses=uses,
            server_tool_uses=tuple(dialect.server_uses(reply)),
            usage=dialect.usage(reply),
            answered=len(repeated) + (1 if goes_on else 0),
        )

    # The conversation

    def _told(self, conn: HeldConn, given: _Input) -> HeldConn:
        """Return the conversation with the input, and with what has to be said besides."""
        dialect, items, guards = self.dialect, list(conn.items), conn.guards
        if given.kind == "user":
            left = self._left(conn)
            items.extend(dialect.result_items(left) if left else ())
            items.append(dialect.user_item(given.text))
            guards = Guards()
        elif given.kind == "results":
            items.extend(dialect.result_items(given.pairs))
            conn.unheard.update({use.id: result for use, result in given.pairs})
            guards = guards.answered(given.pairs)
        if self.guarded and guards.correction is not None:
            items.append(dialect.user_item(guards.correction))
        guards = guards.polled()
        if self.guarded and guards.polls == conn.options.max_turns:
            items.append(dialect.user_item(final_turn(conn.options.terminal_tool)))
        return replace(conn, items=tuple(items), guards=guards)

    def _left(self, conn: HeldConn) -> list[tuple[ToolUse, ToolResult]]:
        """Return the tool uses that are open, with what is known of each."""
        return [
            (use, conn.unheard.get(use.id) or ToolResult(use.id, NOT_RUN, is_error=True))
            for use in self.dialect.unanswered(conn.items)
        ]

    def _taken(self, conn: HeldConn, reply: Reply) -> tuple[Item, HeldConn]:
        """Return the event of a reply, and the conversation with it and what was answered here."""
        dialect, guards = self.dialect, conn.guards
        reply = dialect.settled(reply, conn.items)
        conn.unheard.clear()
        items = [*conn.items, *dialect.reply_items(reply)]
        repeated = []
        for use in dialect.uses(reply):
            if self.guarded and guards.is_repeat(use):
                notice = DUPLICATE.format(name=use.name)
                repeated.append((use, ToolResult(use.id, notice)))
            guards = guards.asked(use)
        if repeated:
            items.extend(dialect.result_items(repeated))
        event = {"type": REPLY, "reply": reply, "answered": [use.id for use, _ in repeated]}
        return event, replace(conn, items=tuple(items), guards=guards)


def _is(event: Any, kind: str) -> bool:
    return isinstance(event, Mapping) and event.get("type") == kind


def _piece(event: Any, name: str) -> str | None:
    piece = event.get(name) if _is(event, DELTA) else None
    return piece if isinstance(piece, str) and piece else None
