"""What the messages of a turn must be like, whoever said them: pure checks for a conformance suite.

    >>> told = [Message("text", "hel"), Message("text", "lo"), ResultMessage(content="hello")]
    >>> check_turn(told)
    >>> check_turn([*told, told[-1]])
    Traceback (most recent call last):
    ...
    AssertionError: the result comes last, and once: text, text, result, result

Each fails with an `AssertionError` that says what was told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from beam.model.messages import MESSAGE_TYPES, Message, ResultMessage, ToolMessage

__all__ = ["BUCKETS", "STREAMED", "check_charges", "check_tools", "check_turn", "pieces_of"]

BUCKETS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)
"""The names of counts of tokens that have nothing in common; usage may say more beside them."""

STREAMED = frozenset({"text", "stream_event", "assistant"})
"""The types of the messages in which an answer comes by and by."""


def pieces_of(messages: Sequence[Message]) -> list[str]:
    """Return the pieces in which an answer was streamed: text, or else the events of a stream."""
    for kind in ("text", "stream_event"):
        found = [message.content for message in messages if message.type == kind]
        if any(found):
            return found
    return []


def check_turn(messages: Sequence[Message]) -> None:
    """See that a turn's messages have known types, and end with one result that is the answer.

    The pieces of an answer, if there are any, are all of it: none is missing, none comes twice.
    """
    kinds = [message.type for message in messages]
    unknown = set(kinds) - set(MESSAGE_TYPES)
    assert not unknown, f"messages of no known type: {', '.join(sorted(unknown))}"
    results = [at for at, one in enumerate(messages) if isinstance(one, ResultMessage)]
    last = results == [len(messages) - 1]
    assert last, f"the result comes last, and once: {', '.join(kinds)}"
    pieces, answer = pieces_of(messages), messages[-1].content
    if pieces:
        said = "".join(pieces)
        assert said.strip() == answer.strip(), f"the pieces are {said!r}, the answer is {answer!r}"


def check_tools(messages: Sequence[Message]) -> list[tuple[ToolMessage, ToolMessage]]:
    """Return the tool uses of a turn, each with its result: as many, in order, before the answer.

    Args:
        messages: of a turn that was not cut.
    """
    uses: dict[str, ToolMessage] = {}
    results: dict[str, ToolMessage] = {}
    for message in messages:
        if isinstance(message, ResultMessage):
            break
        if not isinstance(message, ToolMessage) or message.type not in ("tool_use", "tool_result"):
            continue
        name, used = message.tool_use_id or "", message.type == "tool_use"
        assert name, f"a {message.type} without a tool_use_id"
        told = uses if used else results
        assert name not in told, f"a second {message.type} of {name!r}"
        assert used or name in uses, f"a tool_result of {name!r}, which was not used before"
        told[name] = message
    open_uses = set(uses) - set(results)
    assert not open_uses, f"tool uses without a result: {', '.join(sorted(open_uses))}"
    late = [one for one in messages if isinstance(one, ToolMessage)]
    assert len(late) <= len(uses) + len(results), "tools are told of after the result"
    return [(uses[name], results[name]) for name in uses]


def check_charges(
    usage: Mapping[str, Any] | None, charges: Mapping[str, int] | None, most: int
) -> None:
    """See that usage is what the model charged, each token in one bucket, and counted once.

    Args:
        usage: of a result.
        charges: the tokens that one answer of the model costs, by bucket; none for those left out.
            If nobody knows it, None: then usage must have the form alone.
        most: how often the model may have been asked.
    """
    assert usage, "no usage is told"
    told = {name: usage.get(name, 0) for name in BUCKETS}
    wrong = [name for name, count in told.items() if type(count) is not int or count < 0]
    assert not wrong, f"no counts: {', '.join(wrong)} in {dict(usage)}"
    missing = {"input_tokens", "output_tokens"} - set(usage)
    assert not missing, f"usage without {', '.join(sorted(missing))}: {dict(usage)}"
    if charges is None:
        return
    unknown = set(charges) - set(BUCKETS)
    assert not unknown, f"charges: {', '.join(sorted(unknown))} is none of {', '.join(BUCKETS)}"
    once = {name: charges.get(name, 0) for name in BUCKETS}
    right = [{name: times * count for name, count in once.items()} for times in range(1, most + 1)]
    often = "once" if most == 1 else f"once to {most} times"
    assert told in right, f"the model charged {dict(charges)} {often}; told were {told}"
