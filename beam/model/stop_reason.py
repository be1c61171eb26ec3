"""Why a model stopped: the provider's word as one of a closed set.

    >>> parse_stop_reason("tool_use")
    'tool_use_stop'
    >>> parse_stop_reason("a word of next year")
    'unknown_stop'

The set is closed, so code can match on it; what a provider says tomorrow is `unknown_stop`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

__all__ = ["StopReason", "parse_stop_reason"]

StopReason = Literal[
    "end_turn", "max_tokens", "stop_sequence", "refusal", "tool_use_stop", "unknown_stop"
]
"""Why the model stopped."""

_STOP_REASONS: Mapping[object, StopReason] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "refusal": "refusal",
    "tool_use": "tool_use_stop",
}


def parse_stop_reason(word: object) -> StopReason:
    """Return the stop reason that a wire word stands for; `unknown_stop` for anything else."""
    return _STOP_REASONS.get(word, "unknown_stop") if isinstance(word, str) else "unknown_stop"
