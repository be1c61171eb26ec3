"""What keeps a small model from going round in circles: notices in the conversation itself.

    >>> guards = Guards().asked(ToolUse("call_1", "add", {"a": 1}))
    >>> guards.is_repeat(ToolUse("call_2", "add", {"a": 1}))
    True
    >>> use = ToolUse("call_3", "add", {"a": 2})
    >>> failed = ToolResult("call_3", "no", is_error=True)
    >>> once = guards.answered([(use, failed)])
    >>> once.correction, once.answered([(use, failed)]).correction is None
    (None, False)

They hold for one request; the next begins with `Guards()`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from beam.providers.values import ToolResult, ToolUse

__all__ = ["DUPLICATE", "Guards", "final_turn"]

DUPLICATE = (
    "This is a duplicate: you have called {name} with exactly this input before, and have its "
    "result. It was not run again. Use that result, or call something else."
)

ERRORS = 2
"""So many errors of a tool, one after the other, and the model is told to do something else."""

CORRECTION = (
    "The tool {name} has failed {count} times in a row. Do not call it in the same way again: "
    "read its error, change the input, or go on without it."
)


@dataclass(frozen=True, slots=True)
class Guards:
    """What a request has done so far, as far as it counts here.

    Attributes:
        polls: how often the model was asked.
        seen: the tool calls, each as its name and its input in one text.
        errors: for each tool, how many times in a row it has failed.
        correction: what the model is to be told about that, None for nothing.
    """

    polls: int = 0
    seen: frozenset[str] = frozenset()
    errors: Mapping[str, int] = field(default_factory=dict)
    correction: str | None = None

    def is_repeat(self, use: ToolUse) -> bool:
        """Say whether the same was asked for before."""
        return _call(use) in self.seen

    def asked(self, use: ToolUse) -> Guards:
        """Remember a tool call."""
        return replace(self, seen=self.seen | {_call(use)})

    def polled(self) -> Guards:
        """Count a poll; what there was to correct has been said."""
        return replace(self, polls=self.polls + 1, correction=None)

    def answered(self, pairs: Sequence[tuple[ToolUse, ToolResult]]) -> Guards:
        """Count the errors; a success begins anew."""
        errors = dict(self.errors)
        told = []
        for use, result in pairs:
            errors[use.name] = errors.get(use.name, 0) + 1 if result.is_error else 0
            if errors[use.name] >= ERRORS:
                told.append(CORRECTION.format(name=use.name, count=errors[use.name]))
        return replace(self, errors=errors, correction="\n".join(dict.fromkeys(told)) or None)


def final_turn(terminal_tool: str | None) -> str:
    """Return what a model is told before the last poll that it has."""
    if terminal_tool is None:
        return "This is your final turn: no more tools can be run. Give your answer now."
    return f"This is your final turn: call {terminal_tool} now, with what you have."


def _call(use: ToolUse) -> str:
    return json.dumps([use.name, use.input], sort_keys=True, default=str)
