"""What `codex app-server` says, as unified messages: pure functions of its notifications.

    >>> reader = CodexReader()
    >>> delta = {"itemId": "m1", "delta": "Hel", "threadId": "t", "turnId": "u"}
    >>> [message] = reader.take({"method": "item/agentMessage/delta", "params": delta})
    >>> message.type, message.content, message.message_id
    ('text', 'Hel', 'm1')

| what Codex says | what the session hears |
|---|---|
| `item/agentMessage/delta`; a whole message that came without | text |
| `item/reasoning/*Delta`; a whole thought that came without | thinking |
| an item that is a tool use is started, is completed | tool_use, tool_result |
| what it was told in the middle of a turn; not its prompt, which is in the log | user, a replay |
| deltas of output, diffs, plans, progress | stream_event, with a subtype |
| `account/rateLimits/updated` | rate_limit_event, if there is a limit |
| `error` that Codex itself goes on from | error, with `is_error` False |
| a turn, a thread, an account, a configuration, a warning | system, with a subtype |
| any other item, any other word | raw |

A subtype is the method's name in snake case: `turn_diff_updated`. The session's own tools are not
here: who runs them tells of them. Nor are the end of a turn and its last error
(`codex_endings`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beam.backends.codex_items import Item, result_of, text_field, use_of
from beam.model.messages import (
    ErrorMessage,
    Message,
    RateLimitMessage,
    SystemMessage,
    ToolMessage,
    UserMessage,
)

__all__ = ["CodexReader", "Usage", "shows_work", "subtype_of"]

Wire = Mapping[str, Any]

# What the program tells of itself, whatever becomes of the model.
_OF_THE_PROGRAM = ("thread/started", "thread/status/changed", "turn/started", "warning")
_THINKING = ("item/reasoning/summaryTextDelta", "item/reasoning/textDelta")
_STREAMED = re.compile(
    r"item/.*([dD]elta|progress|patchUpdated|summaryPartAdded|terminalInteraction)$"
    r"|turn/(diff|plan)/updated$|command/exec/outputDelta$|process/outputDelta$"
    r"|thread/realtime/.*|autoApprovalReview/.*|item/autoApprovalReview/.*"
)
_SYSTEM = re.compile(
    r"(turn|thread|account|app|mcpServer|model|modelProvider|hook|skills|fs|project|serverRequest"
    r"|remoteControl|windows|windowsSandbox|fuzzyFileSearch|externalAgentConfig|process)/.*"
    r"|configWarning|deprecationNotice|warning|guardianWarning"
)
_ITS_OWN = frozenset({"turn/completed", "serverRequest/resolved", "thread/readState/changed"})
"""What is not passed on: the end of a turn is told by its driver, the others by nobody."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens in buckets that have nothing in common, so that they can be added up.

    Codex counts what was read from the cache and what was written to it as input as well, and
    reasoning as output as well.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @classmethod
    def of(cls, breakdown: object) -> Usage:
        """Return the buckets of a `TokenUsageBreakdown`."""
        counts = breakdown if isinstance(breakdown, Mapping) else {}

        def count(name: str) -> int:
            value = counts.get(name)
            return value if isinstance(value, int) and value > 0 else 0

        read, written = count("cachedInputTokens"), count("cacheWriteInputTokens")
        reasoning = count("reasoningOutputTokens")
        return cls(
            max(0, count("inputTokens") - read - written),
            read,
            written,
            max(0, count("outputTokens") - reasoning),
            reasoning,
        )

    def minus(self, before: Usage) -> Usage:
        """Return what has come on top of `before`."""
        return Usage(*(max(0, now - then) for now, then in zip(self, before, strict=True)))

    def plus(self, more: Usage) -> Usage:
        """Return both together."""
        return Usage(*(one + other for one, other in zip(self, more, strict=True)))

    def __iter__(self) -> Any:
        return iter(self.facts().values())

    def facts(self) -> dict[str, int]:
        """Return the buckets by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class CodexReader:
    """Translates the notifications of one thread, in their order.

    Attributes:
        answer: the text of the newest whole message of the open turn.
        error: the newest error of the open turn that Codex did not go on from.
        turn_id: the open turn, once it has started.
        limits: what was last said of the account's limits.
        uses: the tool uses that are not completed, by id; what is approved is looked up here.
    """

    answer: str = ""
    error: Mapping[str, Any] | None = None
    turn_id: str = ""
    limits: Mapping[str, Any] = field(default_factory=dict)
    uses: dict[str, Item] = field(default_factory=dict)
    _streamed: set[str] = field(default_factory=set)
    _total: Usage | None = None
    _before: Usage | None = None
    _pieces: list[str] = field(default_factory=list)
    _prompted: bool = False

    def begin(self, *, fresh: bool = False) -> None:
        """Begin a turn.

        Args:
            fresh: whether the thread is new, and has cost nothing.
        """
        self.answer, self.error, self.turn_id = "", None, ""
        self._prompted = False
        self.uses.clear()
        self._streamed.clear()
        self._pieces.clear()
        if fresh and self._total is None:
            self._total = Usage()
        self._before = self._total

    def usage(self) -> Usage:
        """Return what the open turn has cost."""
        if self._total is None:
            return Usage()
        return self._total.minus(self._before or Usage())

    def text(self) -> str:
        """Return the answer, or as much of it as has come."""
        return self.answer or "".join(self._pieces)

    def take(self, wire: Wire) -> list[Message]:
        """Return what a notification says to the session; nothing if it says nothing."""
        method = text_field(wire, "method")
        params = wire.get("params")
        params = params if isinstance(params, Mapping) else {}
        match method:
            case "item/agentMessage/delta":
                return self._delta("text", params, wire)
            case "item/started" | "item/completed" if isinstance(params.get("item"), Mapping):
                return self._item(params["item"], wire, completed=method == "item/completed")
            case "turn/started":
                turn = params.get("turn")
                self.turn_id = text_field(turn if isinstance(turn, Mapping) else {}, "id")
            case "item/fileChange/patchUpdated":
                self._patched(params)
            case "thread/tokenUsage/updated":
                return self._tokens(params)
            case "account/rateLimits/updated":
                return self._limits(params, wire)
            case "error":
                return self._error(params, wire)
            case _ if method in _THINKING:
                return self._delta("thinking", params, wire)
            case _ if method in _ITS_OWN:
                return []
        return [_other(method, params, wire)]

    def _delta(self, kind: Any, params: Wire, wire: Wire) -> list[Message]:
        item, delta = text_field(params, "itemId"), text_field(params, "delta")
        self._streamed.add(item)
        if kind == "text":
            self._pieces.append(delta)
        return [Message(kind, delta, message_id=item or None, raw=wire)] if delta else []

    def _item(self, item: Item, wire: Wire, *, completed: bool) -> list[Message]:
        kind, name = text_field(item, "type"), text_field(item, "id")
        if kind == "dynamicToolCall":
            return []
        use = use_of(item)
        if use is not None:
            return [self._tool(use.name, use.input, item, wire, completed=completed)]
        if not completed:
            return []
        match kind:
            case "agentMessage":
                return self._said(item, wire)
            case "reasoning":
                return self._thought(item, wire)
            case "userMessage" if not self._prompted:
                self._prompted = True
                return []
            case "userMessage":
                text = "".join(text_field(part, "text") for part in _parts(item, "content"))
                return [UserMessage(content=text, uuid=name or None, is_replay=True, raw=wire)]
        return [Message("raw", subtype=kind or None, uuid=name or None, raw=wire)]

    def _tool(
        self, name: str, arguments: Mapping[str, Any], item: Item, wire: Wire, *, completed: bool
    ) -> Message:
        use_id = text_field(item, "id")
        if not completed:
            self.uses[use_id] = item
            return ToolMessage(
                "tool_use", tool_name=name, tool_input=arguments, tool_use_id=use_id, raw=wire
            )
        self.uses.pop(use_id, None)
        content, failed = result_of(item)
        return ToolMessage(
            "tool_result",
            content,
            tool_name=name,
            tool_input=arguments,
            tool_use_id=use_id,
            is_error=failed,
            raw=wire,
        )

    def _patched(self, params: Wire) -> None:
        """Take a patch as it is now: whoever is asked for it must see that."""
        name = text_field(params, "itemId")
        if name in self.uses:
            self.uses[name] = {**self.uses[name], "changes": params.get("changes")}

    def _said(self, item: Item, wire: Wire) -> list[Message]:
        name, text = text_field(item, "id"), text_field(item, "text")
        if text:
            self.answer = text
        if not text or name in self._streamed:
            return []
        return [Message("text", text, message_id=name or None, raw=wire)]

    def _thought(self, item: Item, wire: Wire) -> list[Message]:
        name = text_field(item, "id")
        lines = [
            each
            for part in ("summary", "content")
            for each in item.get(part) or ()
            if isinstance(each, str)
        ]
        if not lines or name in self._streamed:
            return []
        return [Message("thinking", "\n\n".join(lines), message_id=name or None, raw=wire)]

    def _tokens(self, params: Wire) -> list[Message]:
        told = params.get("tokenUsage")
        told = told if isinstance(told, Mapping) else {}
        self._total = Usage.of(told.get("total"))
        if not self.turn_id or text_field(params, "turnId") != self.turn_id:
            self._before = self._total
        elif self._before is None:
            # A thread that was resumed may say what it had cost before only with its next costs.
            self._before = self._total.minus(Usage.of(told.get("last")))
        return []

    def _limits(self, params: Wire, wire: Wire) -> list[Message]:
        limits = params.get("rateLimits")
        limits = limits if isinstance(limits, Mapping) else {}
        self.limits = limits
        window = limits.get("primary") or limits.get("secondary")
        reached = text_field(limits, "rateLimitReachedType")
        if not isinstance(window, Mapping) and not reached:
            return []
        window = window if isinstance(window, Mapping) else {}
        return [
            RateLimitMessage(
                "rate_limit_event",
                rate_limit_status=reached or "allowed",
                rate_limit_type=text_field(limits, "limitId") or None,
                resets_at=_number(window.get("resetsAt")),
                utilization=_number(window.get("usedPercent")),
                raw=wire,
            )
        ]

    def _error(self, params: Wire, wire: Wire) -> list[Message]:
        error = params.get("error")
        error = error if isinstance(error, Mapping) else {}
        if not params.get("willRetry"):
            self.error = error
            return []
        said = text_field(error, "message")
        return [ErrorMessage(content=said, is_error=False, error_type="retrying", raw=wire)]


def subtype_of(method: str) -> str:
    """Return a method's name in snake case.

    >>> subtype_of("thread/tokenUsage/updated")
    'thread_token_usage_updated'
    """
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", method.replace("/", "_")).lower()


def _other(method: str, params: Wire, wire: Wire) -> Message:
    if _STREAMED.fullmatch(method):
        said = next((text_field(params, name) for name in ("delta", "diff") if name in params), "")
        return Message("stream_event", said, subtype=subtype_of(method), raw=wire)
    if _SYSTEM.fullmatch(method):
        said = text_field(params, "message") or text_field(params, "summary")
        return SystemMessage(content=said, subtype=subtype_of(method), raw=wire)
    return Message("raw", subtype=subtype_of(method) or None, raw=wire)


def _parts(item: Item, name: str) -> list[Mapping[str, Any]]:
    parts = item.get(name)
    return [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def shows_work(method: str, params: Wire) -> bool:
    """Say whether a notification shows that the model is at work, and not only the program."""
    item = params.get("item")
    echoes = isinstance(item, Mapping) and item.get("type") == "userMessage"
    return "threadId" in params and method not in _OF_THE_PROGRAM and not echoes
