"""A summary that nobody had to think for: how many messages, how it began, how it ended.

    >>> from beam.model.messages import ResultMessage, UserMessage
    >>> print(derived([UserMessage(content="Fix it"), ResultMessage(content="Fixed.")]))
    Summary of 2 messages
    First from the user: Fix it
    Last from the agent: Fixed.
    >>> cut("zwölf Boxkämpfer", 9)
    'zwölf...'

No model is asked. Texts are cut at 240 bytes of UTF-8, never inside a character.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.model.messages import Message

__all__ = ["LONGEST", "cut", "derived"]

LONGEST: Final = 240
"""The most bytes of a message that a summary shows."""

_DOTS: Final = "..."


def derived(messages: Sequence[Message]) -> str:
    """Return the summary of messages."""
    lines = [f"Summary of {len(messages)} message{'' if len(messages) == 1 else 's'}"]
    first = next((one for one in messages if one.type == "user" and one.content), None)
    if first is not None:
        lines.append(f"First from the user: {cut(first.content)}")
    said = (one for one in reversed(messages) if one.type in ("result", "assistant"))
    last = next((one for one in said if one.content), None)
    if last is not None:
        lines.append(f"Last from the agent: {cut(last.content)}")
    return "\n".join(lines)


def cut(text: str, longest: int = LONGEST) -> str:
    """Return a text of at most so many bytes of UTF-8; one that was cut ends in three dots."""
    content = text.encode("utf-8", "surrogatepass")
    if len(content) <= longest:
        return text
    # What is left of a character at the end is dropped.
    kept = content[: longest - len(_DOTS)].decode("utf-8", "ignore")
    return kept + _DOTS
