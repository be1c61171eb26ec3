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

__all__ = ["with_transcript"]


def with_transcript(prompt: str, history: Iterable[Turn]) -> str:
    """Return the prompt with the conversation before it; the prompt alone if there was none."""
    turns = [f'<turn role="{turn.role}">\n{turn.content}\n</turn>' for turn in history]
    if not turns:
        return prompt
    before = "This conversation was begun earlier. What was said until now:"
    return "\n\n".join([before, "\n".join(turns), "It goes on with this prompt:", prompt])
