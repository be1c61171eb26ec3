"""What a request to the agent loop has come to so far: turns, tool uses, usage, events.

>>> account = Account()
>>> use = ToolUse("call_1", "add", {"a": 1})
>>> asked = TurnResult("requires_action", "tool_calls", custom_tool_uses=(use, use))
>>> account.turn(({"id": "e-1"},), asked)
>>> account.turn(({"id": "e-2"},), TurnResult("end_turn", "stop", "2"))
>>> account.turns, account.uses, account.called("add")
(2, (ToolUse(id='call_1', name='add', input={'a': 1}),), True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.providers.values import SessionResult, ToolUse, TurnResult, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.providers.values import Terminal

__all__ = ["Account", "once_each"]


class Account:
    """A plain value; the loop's core owns it. Its events are bounded by the limit of turns."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew, for the next request."""
        self.turns = 0
        self.usage: Usage | None = None
        self.events: list[Any] = []
        self.last = TurnResult("terminated", "")
        self._uses: dict[str, ToolUse] = {}
        self._called: set[str] = set()  # A provider may use an id again, for another tool.
        self._server_uses: dict[str, ToolUse] = {}

    @property
    def uses(self) -> tuple[ToolUse, ...]:
        """Every tool use, each id once, in the order of asking."""
        return tuple(self._uses.values())

    def turn(self, events: Sequence[Any], turn: TurnResult) -> None:
        """Add a turn."""
        self.turns += 1
        self.events.extend(events)
        self.last = turn
        self.add_uses(turn.custom_tool_uses)
        for use in turn.server_tool_uses:
            self._server_uses.setdefault(use.id, use)
        if turn.usage is not None:
            self.usage = turn.usage if self.usage is None else self.usage + turn.usage

    def add_uses(self, uses: Sequence[ToolUse]) -> None:
        """Add tool uses; those that are there already change nothing."""
        for use in uses:
            self._uses.setdefault(use.id, use)
            self._called.add(use.name)

    def called(self, name: str | None) -> bool:
        """Say whether the model has asked for the tool."""
        return name in self._called

    def result(self, session_id: str, terminal: Terminal, stop_reason: str) -> SessionResult:
        """Return what there is; the text is that of the last turn."""
        return SessionResult(
            terminal,
            stop_reason,
            session_id,
            text=self.last.text,
            custom_tool_uses=self.uses,
            server_tool_uses=tuple(self._server_uses.values()),
            usage=self.usage,
            turns=self.turns,
            events=tuple(self.events),
        )


def once_each(uses: Sequence[ToolUse]) -> tuple[ToolUse, ...]:
    """Return the uses with each id once, the first of them."""
    kept: dict[str, ToolUse] = {}
    for use in uses:
        kept.setdefault(use.id, use)
    return tuple(kept.values())
