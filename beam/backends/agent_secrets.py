"""Secrets kept out of what is told of an agent: its failures, and what its tools have given (G17).

    >>> from beam.model.messages import ErrorMessage
    >>> failed = AgentFailed("auth", ErrorMessage(content="no such key: sk-0123456789"), False)
    >>> hidden(failed, frozenset({"sk-0123456789"})).message.content
    'no such key: redacted'

What the agent answers is left as it is: it is what the user wants, and may be data.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from beam.backends.effects import AgentFailed, Deliver, Effect, Failed
from beam.model.masking import hide

if TYPE_CHECKING:
    from beam.model.messages import Message

__all__ = ["hidden"]

_TOLD = frozenset({"tool_result", "tool_progress", "error", "system"})


def hidden(effect: Effect, secrets: Collection[str]) -> Effect:
    """Return an effect without these values in its failure, or in what a tool has given.

    Args:
        effect: what is said of the agent.
        secrets: values of the program's environment that nobody else is to see.
    """
    if not secrets:
        return effect
    match effect:
        case Failed() | AgentFailed():
            message, exit = _without(effect.message, secrets), _without(effect.exit, secrets)
            return replace(effect, message=message, exit=exit)
        case Deliver(_, message) if message.type in _TOLD or _is_output(message):
            return replace(effect, message=_without(message, secrets))
    return effect


def _is_output(message: Message) -> bool:
    """Say whether a message is a piece of what a command writes, and not of an answer."""
    return message.type == "stream_event" and message.event_type != "content_block_delta"


def _without(value: Any, secrets: Collection[str]) -> Any:
    if isinstance(value, str):
        return hide(value, secrets)
    if isinstance(value, Mapping):
        return {key: _without(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_without(item, secrets) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.init and field.name != "type"]
        return replace(value, **{name: _without(getattr(value, name), secrets) for name in names})
    return value
