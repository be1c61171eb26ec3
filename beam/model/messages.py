"""The message: what a session says, in one record for every agent and provider.

    >>> message = Message("text", "Hello", timestamp=1_760_000_000_000)
    >>> message.type, message.content
    ('text', 'Hello')
    >>> is_terminal(ResultMessage(content="Done."))
    True

Every message has a `type`, one of `MESSAGE_TYPES`, and a `content`, the text for people to read
(empty where there is none). A type with more to say has a class for it, so that a `match` finds
its fields and a type checker knows them:

| class | types |
|---|---|
| `Message` | text, thinking, stream_event, tool_use_summary, prompt_suggestion, auth_status, |
| | control, raw |
| `AssistantMessage` | assistant |
| `UserMessage` | user |
| `ToolMessage` | tool_use, tool_result, tool_progress |
| `SystemMessage` | system |
| `ResultMessage` | result |
| `ErrorMessage` | error |
| `ControlMessage` | control_request, control_response |
| `RateLimitMessage` | rate_limit_event |

Messages are frozen. The mappings in them are shared with whoever made them, are not copied, and
must not be changed; because of them a message cannot be hashed. `beam.model.wire` makes messages
of what agents send, `beam.model.message_record` is their form in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Literal, get_args

from beam.errors import InvalidInput
from beam.model.blocks import Block
from beam.model.records import set_fields
from beam.model.stop_reason import StopReason, parse_stop_reason

__all__ = [
    "MESSAGE_TYPES",
    "AssistantMessage",
    "ControlMessage",
    "ErrorMessage",
    "Message",
    "MessageType",
    "RateLimitMessage",
    "ResultMessage",
    "SystemMessage",
    "ToolMessage",
    "UserMessage",
    "is_terminal",
    "message_class",
    "stamp",
]

MessageType = Literal[
    "text", "assistant", "tool_use", "tool_result", "system", "result", "error", "user",
    "control", "control_request", "control_response", "stream_event", "rate_limit_event",
    "tool_progress", "tool_use_summary", "thinking", "auth_status", "prompt_suggestion", "raw",
]  # fmt: skip
"""What a message can be."""

MESSAGE_TYPES: tuple[MessageType, ...] = get_args(MessageType)
"""Every message type."""


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """One thing that a session said, or that was said to it.

    Attributes:
        type: what it is.
        content: its text; of blocks, the text of the text blocks.
        timestamp: when it was made, Unix milliseconds; 0 until somebody with a clock stamps it.
        session_id: the session it belongs to.
        thread_id: the thread in that session.
        uuid: the agent's own name for this message.
        message_id: the provider's name for the assistant message it is, or is a part of.
        model: the model that wrote it.
        subtype: the agent's finer word for what it is.
        event_type: the same, of realtime events.
        parent_tool_use_id: the tool use of the subagent that said it.
        content_blocks: the blocks that the content came in, if it came in blocks.
        raw: what was on the wire, the whole of it; None for messages that were never there.

    Raises:
        InvalidInput: the type is none of `MESSAGE_TYPES` or has another class, or the content
            is not text.
    """

    type: MessageType
    content: str = ""
    _: KW_ONLY
    timestamp: int = 0
    session_id: str | None = None
    thread_id: str | None = None
    uuid: str | None = None
    message_id: str | None = None
    model: str | None = None
    subtype: str | None = None
    event_type: str | None = None
    parent_tool_use_id: str | None = None
    content_blocks: tuple[Block, ...] = ()
    raw: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if _CLASSES.get(self.type) is not self.__class__:
            raise InvalidInput("type", self.type, f"a type of {_types_of(self.__class__)}")
        if not isinstance(self.content, str):
            raise InvalidInput("content", type(self.content).__name__, "text")

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={value!r}" for name, value in set_fields(self).items() if name != "raw"
        )
        return f"{type(self).__name__}({shown})"


@dataclass(frozen=True, slots=True, repr=False)
class AssistantMessage(Message):
    """A whole message of the model, in blocks.

    Attributes:
        usage: the tokens it cost, as the provider counts them.
        stop_reason: the provider's word for why the model stopped.
        error_info: what went wrong, if it is no answer but an error in an answer's place.
    """

    type: Literal["assistant"] = "assistant"
    _: KW_ONLY
    usage: Mapping[str, Any] | None = None
    stop_reason: str | None = None
    error_info: Any = None

    @property
    def stop_reason_kind(self) -> StopReason | None:
        """Return `stop_reason` as a word of the closed set; None if there was no word."""
        return None if self.stop_reason is None else parse_stop_reason(self.stop_reason)


@dataclass(frozen=True, slots=True, repr=False)
class UserMessage(Message):
    """What was said to the agent.

    Attributes:
        is_replay: whether the agent only repeats what it was told before.
    """

    type: Literal["user"] = "user"
    _: KW_ONLY
    is_replay: bool | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ToolMessage(Message):
    """A tool is asked for, is at work, or has given its result.

    Attributes:
        tool_name: the tool; empty where the wire did not say.
        tool_input: what it is called with.
        tool_use_id: what ties the result to the use.
        is_error: whether the result is the tool's failure.
    """

    type: Literal["tool_use", "tool_result", "tool_progress"]
    _: KW_ONLY
    tool_name: str = ""
    tool_input: Mapping[str, Any] = field(default_factory=dict)
    tool_use_id: str | None = None
    is_error: bool | None = None


@dataclass(frozen=True, slots=True, repr=False)
class SystemMessage(Message):
    """The agent about itself and about its background tasks.

    Attributes:
        system_info: of subtype `init`: what the agent has (tools, model, mcp_servers, ...).
        task_id: the background task that the message is about.
        task_type: what kind of task.
        task_status: how it ended.
        tool_use_id: the tool use that began it.
        description: what it does.
        last_tool_name: the tool it used last.
        output_file: where its output is.
        summary: its outcome in words.
        usage: what it has cost.
    """

    type: Literal["system"] = "system"
    _: KW_ONLY
    system_info: Mapping[str, Any] | None = None
    task_id: str | None = None
    task_type: str | None = None
    task_status: str | None = None
    tool_use_id: str | None = None
    description: str | None = None
    last_tool_name: str | None = None
    output_file: str | None = None
    summary: str | None = None
    usage: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ResultMessage(Message):
    """The end of a query, with its answer in `content`.

    Attributes:
        is_error: whether the query failed. This decides, not `subtype`: agents report an error
            of the model as a success in form.
        duration_ms: the query's time.
        duration_api_ms: how much of it was spent waiting for the model.
        num_turns: the turns it took.
        stop_reason: the provider's word for why the model stopped.
        total_cost_usd: what the agent says that it cost.
        usage: tokens, as the provider counts them.
        model_usage: the same for each model.
        permission_denials: what the agent was not allowed to do.
        errors: what went wrong on the way.
        structured_output: the answer as data, if data was asked for.
        fast_mode_state: the agent's word for its fast mode.
    """

    type: Literal["result"] = "result"
    _: KW_ONLY
    is_error: bool | None = None
    duration_ms: float | None = None
    duration_api_ms: float | None = None
    num_turns: int | None = None
    stop_reason: str | None = None
    total_cost_usd: float | None = None
    usage: Mapping[str, Any] | None = None
    model_usage: Mapping[str, Any] | None = None
    permission_denials: tuple[Any, ...] = ()
    errors: tuple[Any, ...] = ()
    structured_output: Any = None
    fast_mode_state: str | None = None

    @property
    def stop_reason_kind(self) -> StopReason | None:
        """Return `stop_reason` as a word of the closed set; None if there was no word."""
        return None if self.stop_reason is None else parse_stop_reason(self.stop_reason)


@dataclass(frozen=True, slots=True, repr=False)
class ErrorMessage(Message):
    """Something failed; the query ends with it unless `is_error` is False.

    Attributes:
        is_error: False for a failure that the agent goes on from.
        error_type: what kind of failure.
    """

    type: Literal["error"] = "error"
    _: KW_ONLY
    is_error: bool | None = None
    error_type: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ControlMessage(Message):
    """The agent asks its host something, or answers what the host asked.

    Attributes:
        request_id: what ties the answer to the question.
        request: the question.
        response: the answer.
    """

    type: Literal["control_request", "control_response"]
    _: KW_ONLY
    request_id: str | None = None
    request: Mapping[str, Any] | None = None
    response: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class RateLimitMessage(Message):
    """How much of its allowance the account has used, in the provider's own units and words."""

    type: Literal["rate_limit_event"] = "rate_limit_event"
    _: KW_ONLY
    rate_limit_status: str | None = None
    rate_limit_type: str | None = None
    resets_at: float | None = None
    utilization: float | None = None
    surpassed_threshold: float | None = None
    overage_status: str | None = None
    overage_resets_at: float | None = None
    overage_disabled_reason: str | None = None
    is_using_overage: bool | None = None


_CLASSES: Mapping[str, type[Message]] = dict.fromkeys(MESSAGE_TYPES, Message) | {
    "assistant": AssistantMessage,
    "user": UserMessage,
    "tool_use": ToolMessage,
    "tool_result": ToolMessage,
    "tool_progress": ToolMessage,
    "system": SystemMessage,
    "result": ResultMessage,
    "error": ErrorMessage,
    "control_request": ControlMessage,
    "control_response": ControlMessage,
    "rate_limit_event": RateLimitMessage,
}


def message_class(message_type: str) -> type[Message]:
    """Return the class that messages of this type have.

    Raises:
        InvalidInput: there is no such type.
    """
    if message_type not in _CLASSES:
        raise InvalidInput("type", message_type, f"one of {', '.join(MESSAGE_TYPES)}")
    return _CLASSES[message_type]


def is_terminal(message: Message) -> bool:
    """Say whether a query ends with this message.

    A result ends it, and an error does unless it says itself that it does not.
    """
    if isinstance(message, ErrorMessage):
        return message.is_error is not False
    return message.type == "result"


def stamp(message: Message, *, timestamp: int, session_id: str | None = None) -> Message:
    """Return the message with its time and its session filled in where it has none.

    Args:
        message: as its maker left it.
        timestamp: now, Unix milliseconds.
        session_id: the session that it belongs to.
    """
    new_time = message.timestamp or timestamp
    new_session = message.session_id or session_id
    if new_time == message.timestamp and new_session == message.session_id:
        return message
    return replace(message, timestamp=new_time, session_id=new_session)


def _types_of(shape: type[Message]) -> str:
    return f"{shape.__name__}: {', '.join(name for name in _CLASSES if _CLASSES[name] is shape)}"
