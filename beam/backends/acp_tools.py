"""A tool call of an ACP agent, put together from the updates that tell of it.

    >>> call = ToolCall.of({"toolCallId": "c1", "title": "ls", "kind": "execute"}, PLAIN)
    >>> call.name, call.input
    ('execute', {'command': 'ls'})
    >>> call.merged({"rawInput": {"command": "ls -a"}, "status": "completed"}).input
    {'command': 'ls -a'}

The protocol has no field for a tool's name and need not tell its arguments. The name is what the
agent's dialect makes of the call, else its kind (`read`, `edit`, `execute`, ...); the arguments are
`rawInput`, else what is shown to the user in their place: a title, locations, diffs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from beam.backends.acp_dialect import PLAIN, Dialect
from beam.backends.acp_wire import Wire, object_in, objects_in

__all__ = ["ToolCall"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What is known of one tool call.

    Attributes:
        id: the agent's name for it.
        name: the tool's.
        wire: the fields of all its updates, the latest of each.
        told: whether the session has been told of it.
    """

    id: str
    name: str
    wire: Wire = field(default_factory=dict)
    told: bool = False

    @classmethod
    def of(cls, wire: Wire, dialect: Dialect = PLAIN) -> ToolCall:
        """Return the call that a first update tells of."""
        found = wire.get("toolCallId")
        kind = wire.get("kind")
        name = dialect.tool_name(wire) or (kind if isinstance(kind, str) and kind else "other")
        return cls(found if isinstance(found, str) else "", name, _given(wire))

    def merged(self, wire: Wire) -> ToolCall:
        """Return the call with what another update adds to it."""
        known = {**self.wire, **_given(wire)}
        before, now = self.wire.get("rawInput"), wire.get("rawInput")
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            known["rawInput"] = {**before, **now}
        return replace(self, wire=known)

    def as_told(self) -> ToolCall:
        """Return the call as one that the session has been told of."""
        return replace(self, told=True)

    @property
    def title(self) -> str:
        """What a user is shown of it."""
        title = self.wire.get("title")
        return title if isinstance(title, str) else ""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.wire.get("status") in ("completed", "failed", "cancelled")

    @property
    def failed(self) -> bool:
        """Whether it has ended without doing what it was to do."""
        return self.wire.get("status") in ("failed", "cancelled")

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are there: some agents announce a call before they have them."""
        raw = self.wire.get("rawInput")
        known = set(raw) - {"cwd"} if isinstance(raw, Mapping) else set()
        return bool(known) or self.wire.get("status", "pending") != "pending"

    @property
    def input(self) -> dict[str, Any]:
        """What the tool is used with, as far as the agent tells."""
        raw = self.wire.get("rawInput")
        if isinstance(raw, Mapping) and raw:
            return dict(raw)
        if self.wire.get("kind") == "execute":
            return {"command": self.title}
        shown: dict[str, Any] = {"title": self.title}
        paths = [each["path"] for each in objects_in(self.wire, "locations") if "path" in each]
        changes = [each for each in objects_in(self.wire, "content") if each.get("type") == "diff"]
        if paths:
            shown["locations"] = paths
        if changes:
            shown["changes"] = changes
        return shown

    def arguments(self) -> Mapping[str, Any] | None:
        """Return the arguments as the agent tells them; None if it does not.

        Gemini asks without `rawInput`, and shows a call's arguments as one text in JSON.
        """
        raw = self.wire.get("rawInput")
        if raw is not None:
            return raw if isinstance(raw, Mapping) else None
        shown = [
            object_in(each, "content").get("text") for each in objects_in(self.wire, "content")
        ]
        try:
            found = json.loads(str(shown[0])) if len(shown) == 1 else None
        except (TypeError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def output(self) -> str:
        """Return what the tool has given so far, as text."""
        pieces = [
            content["text"]
            for each in objects_in(self.wire, "content")
            if isinstance(content := each.get("content"), Mapping)
            and isinstance(content.get("text"), str)
        ]
        if pieces:
            return "\n".join(pieces)
        raw = self.wire.get("rawOutput")
        if isinstance(raw, Mapping):
            found = [raw[key] for key in ("output", "message", "error", "content") if key in raw]
            raw = found[0] if found else raw
        if raw is None or raw == {}:
            return ""
        return raw if isinstance(raw, str) else json.dumps(raw)


def _given(wire: Wire) -> dict[str, Any]:
    skipped = ("sessionUpdate", "toolCallId")
    return {
        name: value for name, value in wire.items() if name not in skipped and value is not None
    }
