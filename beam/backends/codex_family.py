"""What the threads of a turn say: the session's own, and those of the agents that it has spawned.

    >>> family = CodexFamily("main")
    >>> spawned = {"type": "collabAgentToolCall", "id": "c1", "tool": "spawnAgent",
    ...            "receiverThreadIds": ["kid"], "status": "completed"}
    >>> _ = family.take({"method": "item/completed",
    ...                  "params": {"threadId": "main", "item": spawned}})
    >>> delta = {"threadId": "kid", "itemId": "m1", "delta": "hi"}
    >>> [said] = family.take({"method": "item/agentMessage/delta", "params": delta})
    >>> said.content, said.parent_tool_use_id
    ('hi', 'c1')

Every spawned agent has a thread of its own on the same wire. What it says, thinks and does is told
as of the tool use that spawned it, what it costs is part of the turn's costs, and nothing of it is
part of the answer. It may go on when the turn is over; then it is heard of again in the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beam.backends.codex_items import Item, text_field
from beam.backends.codex_messages import CodexReader, Usage

if TYPE_CHECKING:
    from beam.model.messages import Message

__all__ = ["CodexFamily"]

MOST_KIDS = 256
"""The spawned agents that are remembered; of more, the oldest are as strangers again."""

_TOLD = frozenset({"text", "thinking", "tool_use", "tool_result"})


class CodexFamily:
    """The readers of a thread and of those that it has spawned; see the module.

    Args:
        thread_id: the session's thread.

    Attributes:
        main: the session's thread itself.
    """

    def __init__(self, thread_id: str) -> None:
        self.main = CodexReader()
        self._thread_id = thread_id
        self._kids: dict[str, CodexReader] = {}
        self._spawned_by: dict[str, str] = {}

    def begin(self, *, fresh: bool = False) -> None:
        """Begin a turn.

        Args:
            fresh: whether the thread is new, and has cost nothing.
        """
        self.main.begin(fresh=fresh)
        for kid in self._kids.values():
            kid.begin()

    def take(self, wire: Mapping[str, Any]) -> list[Message]:
        """Return what a notification of one of the threads says to the session."""
        params = wire.get("params")
        params = params if isinstance(params, Mapping) else {}
        thread = text_field(params, "threadId")
        if thread in ("", self._thread_id):
            self._note_spawned(params)
            return self.main.take(wire)
        parent = self._spawned_by.get(thread, thread)
        said = self._kid(thread).take(wire)
        return [replace(one, parent_tool_use_id=parent) for one in said if one.type in _TOLD]

    def uses(self, thread_id: str) -> Mapping[str, Item]:
        """Return the tool uses of a thread that are under way."""
        reader = self.main if thread_id == self._thread_id else self._kids.get(thread_id)
        return reader.uses if reader is not None else {}

    def usage(self) -> Usage:
        """Return what the open turn has cost, spawned agents included."""
        total = self.main.usage()
        for kid in self._kids.values():
            total = total.plus(kid.usage())
        return total

    def _kid(self, thread: str) -> CodexReader:
        kid = self._kids.get(thread)
        if kid is None:
            kid = self._kids[thread] = CodexReader()
            kid.begin(fresh=thread in self._spawned_by)
            _forget_oldest(self._kids)
        return kid

    def _note_spawned(self, params: Mapping[str, Any]) -> None:
        item = params.get("item")
        if isinstance(item, Mapping) and text_field(item, "tool") == "spawnAgent":
            for thread in item.get("receiverThreadIds") or ():
                self._spawned_by[str(thread)] = text_field(item, "id")
                _forget_oldest(self._spawned_by)


def _forget_oldest(known: dict[str, Any]) -> None:
    if len(known) > MOST_KIDS:
        del known[next(iter(known))]
