"""What Claude Code's program says, as unified messages: a pure translation of its JSON lines.

    >>> said = {"type": "assistant", "message": {"content": [{"type": "text", "text": "Hi."}]}}
    >>> [(message.type, message.content) for message in ClaudeMessages().take(said, timestamp=5)]
    [('assistant', 'Hi.')]

| the program says | messages |
|---|---|
| `stream_event` with a delta of text or thinking | a `stream_event`; its `subtype` is the delta's |
| `assistant` | an `assistant` with its text and thinking; for each tool use a `tool_use` |
| `user` with tool results | a `tool_result` for each |
| `system` of subtype `init` | the same, once, and again when it has changed |
| `rate_limit_event`, `tool_progress`, other `system` messages, news | as `normalize` has it |
| other `stream_event`s, states, what only repeats what it was told | none |

The deltas are pieces of the assistant's message that follows them, whole: take the one or the
other. `result` ends a turn, and is read by `claude_result`. Tools of the host run in the session,
which tells of them itself: their uses are kept back (`claim`), unless the program never came to
call them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from beam.model.blocks import ToolResultBlock, ToolUseBlock, text_of
from beam.model.conversion import block_to_message
from beam.model.messages import AssistantMessage, Message, SystemMessage, ToolMessage
from beam.model.records import set_fields
from beam.model.wire import normalize

__all__ = ["HOST_PREFIX", "HOST_SERVER", "ClaudeMessages"]

HOST_SERVER = "beam"
"""The name of the MCP server, inside this process, that has the host's tools."""

HOST_PREFIX = f"mcp__{HOST_SERVER}__"
"""What the program calls a tool of that server, before the tool's own name."""

_DELTAS: Mapping[str, str] = {"text_delta": "text", "thinking_delta": "thinking"}

_STATES = frozenset(("status", "session_state_changed"))

_SILENT = frozenset(
    ("result", "command_lifecycle", "keep_alive", "transcript_mirror",
     "control_request", "control_response", "control_cancel_request")
)  # fmt: skip

OPEN_TOOLS = 1000
"""The most tool uses whose results are waited for; older ones are forgotten."""


class ClaudeMessages:
    """The translation of one program's lines; it remembers what ties one line to another."""

    def __init__(self) -> None:
        self._told: Mapping[str, Any] | None = None
        self._names: dict[str, str] = {}
        self._unclaimed: dict[str, ToolMessage] = {}
        self._claimed: set[str] = set()
        self._readers: Mapping[str, Callable[[Mapping[str, Any], int], list[Message]]] = {
            "stream_event": _delta,
            "assistant": self._assistant,
            "user": self._user,
            "system": self._system,
        }

    def take(self, wire: Mapping[str, Any], *, timestamp: int) -> list[Message]:
        """Return the messages that one line stands for, oldest first; often none. Never raises.

        Args:
            wire: the line, decoded.
            timestamp: now, Unix milliseconds.
        """
        kind = wire.get("type")
        if kind in _SILENT:
            return []
        # Whose session it is, is the host's to say: this is the program's own name for it.
        wire = {name: value for name, value in wire.items() if name != "session_id"}
        reader = self._readers.get(kind) if isinstance(kind, str) else None
        return [normalize(wire, timestamp=timestamp)] if reader is None else reader(wire, timestamp)

    def claim(self, name: str, tool_input: Mapping[str, Any]) -> str | None:
        """Return the id of the tool use that a call of a host's tool is for; then it is taken.

        A call does not say its id. Of two calls alike it makes no difference which is which.

        Args:
            name: the tool, without the server's prefix.
            tool_input: what it is called with.

        Returns:
            The oldest use of the tool with this input, or else the oldest of the tool, or None.
        """
        named = [use for use in self._unclaimed.values() if use.tool_name == name]
        alike = [use for use in named if use.tool_input == tool_input]
        for use in alike or named:
            assert use.tool_use_id is not None
            del self._unclaimed[use.tool_use_id]
            self._claimed.add(use.tool_use_id)
            return use.tool_use_id
        return None

    def _assistant(self, wire: Mapping[str, Any], timestamp: int) -> list[Message]:
        whole = normalize(wire, timestamp=timestamp)
        if not isinstance(whole, AssistantMessage):
            return [whole]
        uses = [block for block in whole.content_blocks if isinstance(block, ToolUseBlock)]
        if not uses:
            return [whole]
        rest = tuple(block for block in whole.content_blocks if not isinstance(block, ToolUseBlock))
        messages: list[Message] = []
        if rest:
            kept = {**set_fields(whole), "content": text_of(rest), "content_blocks": rest}
            messages.append(AssistantMessage(**kept))
        for block in uses:
            messages += self._use(block, whole, timestamp)
        return messages

    def _use(self, block: ToolUseBlock, whole: Message, timestamp: int) -> list[Message]:
        _remember(self._names, block.id, block.name)
        host = block.name.startswith(HOST_PREFIX)
        use = ToolMessage(
            "tool_use",
            tool_name=block.name.removeprefix(HOST_PREFIX),
            tool_input=block.input,
            tool_use_id=block.id,
            timestamp=timestamp,
            **_origin(whole),
        )
        if host:
            _remember(self._unclaimed, block.id, use)
        return [] if host else [use]

    def _user(self, wire: Mapping[str, Any], timestamp: int) -> list[Message]:
        said = normalize(wire, timestamp=timestamp)
        results = [block for block in said.content_blocks if isinstance(block, ToolResultBlock)]
        if not results:
            return [] if _repeats(wire) else [said]
        return [message for block in results for message in self._result(block, said, timestamp)]

    def _result(self, block: ToolResultBlock, said: Message, timestamp: int) -> list[Message]:
        name = self._names.pop(block.tool_use_id, "").removeprefix(HOST_PREFIX)
        if block.tool_use_id in self._claimed:
            self._claimed.discard(block.tool_use_id)
            return []
        flat = set_fields(block_to_message(block, timestamp=timestamp))
        result = ToolMessage(**{**flat, **_origin(said), "tool_name": name})
        # A host's tool that was never called: nobody else has told of it.
        use = self._unclaimed.pop(block.tool_use_id, None)
        return [result] if use is None else [use, result]

    def _system(self, wire: Mapping[str, Any], timestamp: int) -> list[Message]:
        if wire.get("subtype") in _STATES:
            return []
        said = normalize(wire, timestamp=timestamp)
        if isinstance(said, SystemMessage) and said.subtype == "init":
            if said.system_info == self._told:
                return []
            self._told = said.system_info
        return [said]


def _delta(wire: Mapping[str, Any], timestamp: int) -> list[Message]:
    match wire.get("event"):
        case {"type": "content_block_delta", "delta": {"type": str() as kind, **delta}}:
            text = delta.get(_DELTAS.get(kind, ""))
            if not isinstance(text, str) or not text:
                return []
            named = {
                field: wire[name]
                for field, name in _NAMED.items()
                if isinstance(wire.get(name), str)
            }
            return [
                Message(
                    "stream_event",
                    text,
                    subtype=kind,
                    event_type="content_block_delta",
                    timestamp=timestamp,
                    **named,
                )
            ]
    return []


_NAMED: Mapping[str, str] = {
    "uuid": "uuid",
    "message_id": "api_message_id",
    "parent_tool_use_id": "parent_tool_use_id",
}


def _origin(message: Message) -> dict[str, Any]:
    names = ("uuid", "message_id", "model", "parent_tool_use_id")
    return {name: getattr(message, name) for name in names}


def _repeats(wire: Mapping[str, Any]) -> bool:
    """Say whether it is what the program was told, or its own note of an interrupt."""
    if wire.get("isReplay") or wire.get("isSynthetic"):
        return True
    match wire.get("message"):
        case {"content": [{"type": "text", "text": str() as text}]}:
            return text.startswith("[Request interrupted by user")
    return False


def _remember(known: dict[str, Any], key: str, value: Any) -> None:
    known[key] = value
    while len(known) > OPEN_TOOLS:
        del known[next(iter(known))]
