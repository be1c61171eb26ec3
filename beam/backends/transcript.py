"""What was said before, told to an agent that has not heard it, or has forgotten it.

    >>> print(with_transcript("And now?", [Turn("user", "Say hi"), Turn("assistant", "hi")]))
    This conversation was begun earlier. What was said until now:
    <BLANKLINE>
    <turn role="user">
    Say hi
    </turn>
    <turn role="assistant">
    hi
    </turn>
    <BLANKLINE>
    It goes on with this prompt:
    <BLANKLINE>
    And now?

The answered turns only: one that was cut by a crash or a failure is not among them, so the new
conversation is a fork of the old one before its bad turn.
"""

from __future__ import annotations

from collections.abc import Iterable

from beam.backends.host_lines import Turn
from beam.model.exit_reasons import ExitReason

__all__ = ["has_forgotten", "with_transcript"]

_PASSES = frozenset({"throttled", "overloaded", "auth", "quota"})


def has_forgotten(refusal: ExitReason) -> bool:
    """Say whether an agent that refuses like this to resume a conversation has it no more.

    It has it still if the reason is known to pass: then the session waits, or somebody pays or logs
    in, and it is resumed. Agents have no common word for a conversation that they do not know, so
    whatever else they say is taken for that.
    """
    return refusal.kind not in _PASSES


def with_transcript(prompt: str, history: Iterable[Turn]) -> str:
    """Return the prompt with the conversation before it; the prompt alone if there was none."""
    turns = [f'<turn role="{turn.role}">\n{turn.content}\n</turn>' for turn in history]
    if not turns:
        return prompt
    before = "This conversation was begun earlier. What was said until now:"
    return "\n\n".join([before, "\n".join(turns), "It goes on with this prompt:", prompt])
