"""What an ACP agent says in a turn, as unified messages: pure functions of its updates.

    >>> reader = AcpReader()
    >>> chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "Hi"}}
    >>> [message] = reader.take(chunk)
    >>> message.type, message.content
    ('text', 'Hi')
    >>> reader.text()
    'Hi'

| `sessionUpdate` | what the session hears |
|---|---|
| `agent_message_chunk` | text; raw if it is a picture or the like |
| `agent_thought_chunk` | thinking |
| `user_message_chunk` | user, as a replay |
| `tool_call`, once its arguments are there | tool_use |
| `tool_call_update` with output, while it runs | tool_progress |
| `tool_call_update` that is completed, or failed | tool_result, with `is_error` if it failed |
| plan, commands, mode, option, usage, session info | system, with that word as its subtype |
| anything else | system, `unknown_update` |

An agent may tell of a tool call first by its permission request: `asked` is for that. What only
the agent itself says in the model's place (`Dialect.asides`) is a system message, `notice`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beam.backends.acp_dialect import PLAIN, Dialect
from beam.backends.acp_tools import ToolCall
from beam.model.messages import Message, SystemMessage, ToolMessage, UserMessage

__all__ = ["AcpReader", "shows_work"]

Wire = Mapping[str, Any]

_SYSTEM = frozenset(
    ("plan", "plan_update", "plan_removed", "available_commands_update", "current_mode_update",
     "config_option_update", "session_info_update", "usage_update")
)  # fmt: skip

_OF_THE_PROGRAM = _SYSTEM - {"plan", "plan_update", "plan_removed"} | {"user_message_chunk"}

MOST_TRIES = 10
"""The most messages after one another, and no tool between, of an agent that asks on."""

_KINDS_OF_OWN = (None, "other")


def shows_work(update: Wire) -> bool:
    """Say whether an update shows that the model is at work, and not only the program."""
    return update.get("sessionUpdate") not in _OF_THE_PROGRAM


@dataclass(slots=True)
class AcpReader:
    """Translates the updates of one conversation, in their order.

    Attributes:
        dialect: what is peculiar to the agent.
        mine: the session's own tools, by name, with the JSON schemas of their arguments; of their
            calls whoever runs them tells.
        cost: what the agent says that the conversation has cost, in dollars.
    """

    dialect: Dialect = PLAIN
    mine: Mapping[str, Wire] = field(default_factory=dict)
    cost: float | None = None
    _calls: dict[str, ToolCall] = field(default_factory=dict)
    _said: list[str] = field(default_factory=list)
    _all: list[str] = field(default_factory=list)
    _message: object = None
    _tries: int = 0

    def begin(self) -> None:
        """Begin a turn."""
        self._calls.clear()
        self._said.clear()
        self._all.clear()
        self._message = None
        self._tries = 0

    def text(self) -> str:
        """Return the answer: what was said after the last tool, or in all if that is nothing."""
        return "".join(self._said) or "".join(self._all)

    def last(self) -> str:
        """Return the last piece of text."""
        return self._all[-1] if self._all else ""

    def asks_in_vain(self) -> bool:
        """Say whether the agent asks its model for one message after the other, and none ends."""
        return self.dialect.asks_on and self._tries > MOST_TRIES

    def commands(self) -> frozenset[str]:
        """Return the agent's names for the calls that run commands, and are open."""
        calls = self._calls.values()
        return frozenset(each.id for each in calls if each.wire.get("kind") == "execute")

    def call(self, wire: Wire) -> ToolCall:
        """Return the tool call that an update or a request is about, with all that is known."""
        name = wire.get("toolCallId")
        key = name if isinstance(name, str) else ""
        known = self._calls.get(key)
        merged = ToolCall.of(wire, self.dialect) if known is None else known.merged(wire)
        self._calls[key] = merged
        return merged

    def take(self, update: Wire) -> list[Message]:
        """Return what an update means."""
        match update.get("sessionUpdate"):
            case "agent_message_chunk":
                return [self._spoken(update)]
            case "agent_thought_chunk":
                return [Message("thinking", _text(update), raw=update)]
            case "user_message_chunk":
                return [UserMessage(content=_text(update), is_replay=True, raw=update)]
            case "tool_call" | "tool_call_update":
                return self._tool(update)
            case str(word):
                self._cost(update)
                subtype = word if word in _SYSTEM else "unknown_update"
                return [SystemMessage(subtype=subtype, raw=update)]
        return [SystemMessage(subtype="unknown_update", raw=update)]

    def asked(self, wire: Wire) -> tuple[ToolCall, list[Message]]:
        """Return the tool call that a permission request is about, and what is to be told of it.

        Nothing is to be told of a call that `is_harmless`; of each other one it is told that it is
        asked about.
        """
        call = self.call(wire)
        return call, [] if self.is_harmless(call) else self._told(call, wire)

    def _spoken(self, update: Wire) -> Message:
        text = _text(update)
        content = update.get("content")
        if isinstance(content, Mapping) and content.get("type", "text") != "text":
            return Message("raw", raw=update)
        if self.dialect.asides is not None and self.dialect.asides.match(text):
            return SystemMessage(content=text, subtype="notice", raw=update)
        message = update.get("messageId")
        if message != self._message:
            # Another message of the same turn; only the last one is the answer.
            self._message = message
            self._tries += 1
            self._said.clear()
        self._said.append(text)
        self._all.append(text)
        known = message if isinstance(message, str) else None
        return Message("text", text, message_id=known, raw=update)

    def _tool(self, update: Wire) -> list[Message]:
        before = self._calls.get(str(update.get("toolCallId")))
        call = self.call(update)
        self._tries = 0
        if self.is_mine(call):
            return []
        self._said.clear()
        if call.over:
            told = self._told(call, update)
            done = ToolMessage(
                "tool_result",
                call.output(),
                tool_use_id=call.id,
                tool_name=call.name,
                is_error=call.failed,
                raw=update,
            )
            self._calls.pop(call.id, None)
            return [*told, done]
        if call.is_whole and (before is None or not before.told):
            return self._told(call, update)
        output = call.output()
        if call.told and output and (before is None or before.output() != output):
            return [
                ToolMessage(
                    "tool_progress",
                    output,
                    tool_use_id=call.id,
                    tool_name=call.name,
                    raw=update,
                )
            ]
        return []

    def _told(self, call: ToolCall, wire: Wire) -> list[Message]:
        """Return the tool use, unless it has been told."""
        if call.told:
            return []
        self._said.clear()
        self._calls[call.id] = call.as_told()
        return [
            ToolMessage(
                "tool_use",
                tool_use_id=call.id,
                tool_name=call.name,
                tool_input=call.input,
                raw=wire,
            )
        ]

    def is_mine(self, call: ToolCall) -> bool:
        """Say whether a call is of one of the session's own tools, and has not been told of."""
        return not call.told and bool(self._own(call))

    def is_harmless(self, call: ToolCall) -> bool:
        """Say whether a call can do nothing but reach one of the session's own tools (G14).

        Only then need nobody be asked: the user has given the tool, and the session's hooks and
        policies see its call when it arrives. The program must have named the call itself, and
        the call must have the arguments of the tool, all and no others.
        """
        tool = self._own(call)
        if not tool or call.told:
            return False
        schema, given = self.mine[tool], call.arguments()
        known, needed = schema.get("properties") or {}, schema.get("required") or ()
        return given is not None and set(needed) <= set(given) <= set(known)

    def _own(self, call: ToolCall) -> str:
        """Return the session's own tool that a call is of; empty if it is of none."""
        # A command may be called like a tool, but is of another kind.
        if call.wire.get("kind") not in _KINDS_OF_OWN:
            return ""
        return self.dialect.own_tool(call.name, call.title, self.mine)

    def _cost(self, update: Wire) -> None:
        cost = update.get("cost")
        if isinstance(cost, Mapping) and cost.get("currency") == "USD":
            amount = cost.get("amount")
            if isinstance(amount, int | float) and not isinstance(amount, bool):
                self.cost = float(amount)


def _text(update: Wire) -> str:
    content = update.get("content")
    text = content.get("text") if isinstance(content, Mapping) else None
    return text if isinstance(text, str) else ""
