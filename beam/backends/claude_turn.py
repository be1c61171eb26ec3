"""One query as Claude Code's program works at it: what it still owes an answer to.

    >>> turn = ClaudeTurn("q-1", "u-1")
    >>> turn.steered("u-2")
    >>> turn.take({"type": "result", "result": "One.", "user_message_uuids": ["u-1"]}), turn.over
    (None, False)
    >>> turn.take({"type": "result", "result": "Two.", "user_message_uuids": ["u-2"]}), turn.over
    (None, True)

What is said while the program works is taken into the turn after a tool's result, or else gets a
turn of its own when this one is over; the query is over when nothing is owed. A result names the
words that it answers. One that names others, or that the program gave without being asked, is not
of this query.

An interrupt ends the turn that runs, and no other: words that wait have their turn after it. So
`take` says when an interrupt has to be sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from beam.backends.claude_result import TurnEnd
from beam.model.exit_reasons import ExitReason

__all__ = ["ClaudeTurn", "Wish"]

Wish = Literal["interrupt"]
"""What the program must be told."""


class ClaudeTurn:
    """The state of one query; see the module.

    Attributes:
        query_id: the query.
        end: what its results amount to.
        interrupted: whether it has been told to end.
    """

    def __init__(self, query_id: str, uuid: str, *, max_turns: int | None = None) -> None:
        """Begin.

        Args:
            query_id: the query.
            uuid: the name of the user message that it was sent as.
            max_turns: the most times that the model may be asked; None for any number.
        """
        self.query_id = query_id
        self.end = TurnEnd()
        self.interrupted = False
        self._owed = {uuid}
        self._settled: set[str] = set()
        self._answered = False
        self._cut_short = False
        self._max_turns = max_turns
        self._rounds = 0

    @property
    def over(self) -> bool:
        """Whether the program owes nothing more."""
        return self._answered and self._owed <= self._settled

    @property
    def exit(self) -> ExitReason | None:
        """Why the query failed; None if it did not."""
        if self._exhausted and self.interrupted:
            return ExitReason("max_turns", detail=f"more than {self._max_turns} turns")
        if self._cut_short:
            return ExitReason("interrupted", detail="interrupted")
        return self.end.exit

    def steered(self, uuid: str) -> None:
        """Note that something more was said, under this name."""
        self._owed.add(uuid)

    def take(self, wire: Mapping[str, Any], *, total_before: float = 0.0) -> Wish | None:
        """Take a line of the program; return what it must be told now.

        Args:
            wire: the line, decoded.
            total_before: the program's total of costs, as of the result before it.
        """
        match wire:
            case {"type": "result"}:
                self._result(wire, total_before)
            case {"type": "command_lifecycle", "command_uuid": str() as uuid, "state": state}:
                if state in ("completed", "cancelled"):
                    self._settled.add(uuid)
            case {"type": "system", "subtype": "init"} if self.interrupted:
                return "interrupt"
            case {"type": "stream_event", "event": {"type": "message_start"}}:
                return self._round(wire)
        return None

    @property
    def _exhausted(self) -> bool:
        return self._max_turns is not None and self._rounds > self._max_turns

    def _round(self, wire: Mapping[str, Any]) -> Wish | None:
        """Count a round of the main conversation; the program's own limit holds for its life."""
        if wire.get("parent_tool_use_id") is not None or self.interrupted:
            return None
        self._rounds += 1
        if not self._exhausted:
            return None
        self.interrupted = True
        return "interrupt"

    def _result(self, wire: Mapping[str, Any], total_before: float) -> None:
        answered = _answered(wire)
        if answered and not answered & self._owed:
            return
        if not answered and _of_its_own(wire):
            return
        self.end.take(wire, total_before=total_before)
        self._answered = True
        self._owed -= answered or set(self._owed)
        if self.end.exit is not None and self.end.exit.kind == "interrupted":
            self._cut_short = True


def _answered(wire: Mapping[str, Any]) -> set[str]:
    several = wire.get("user_message_uuids")
    named = several if isinstance(several, list) else [wire.get("user_message_uuid")]
    return {uuid for uuid in named if isinstance(uuid, str)}


def _of_its_own(wire: Mapping[str, Any]) -> bool:
    origin = wire.get("origin")
    return isinstance(origin, Mapping) and origin.get("kind") not in (None, "human")
