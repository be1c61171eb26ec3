r"""What holds for every line of the command protocol, either way: its version, its limits.

    >>> whole_characters({"greeting": "\ud800"})
    {'greeting': '�'}

Apart from `agent_lines`, because to say what a line may be takes pydantic, and to know how long
it may be does not.
"""

from __future__ import annotations

from typing import Any

__all__ = ["MAX_DEPTH", "MAX_ID", "MAX_LINE", "MAX_OPEN", "PROTOCOL", "whole_characters"]

PROTOCOL = 1
"""The version of the protocol that is spoken here, the only one so far."""

MAX_LINE = 64 * 1024 * 1024
"""The most bytes in a line, its newline included, either way."""

MAX_DEPTH = 100
"""The most lists and objects in one another in a line."""

MAX_ID = 200
"""The most characters in an id or a name."""

MAX_OPEN = 256
"""The most tool calls and permission requests of an agent that wait for their answers at once."""


def whole_characters(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return JSON data with U+FFFD for each lone surrogate.

    Raises:
        RecursionError: more than `depth` lists and objects are in one another.
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if not isinstance(value, dict | list | tuple):
        return value
    if depth == 0:
        raise RecursionError(f"more than {MAX_DEPTH} lists and objects in one another")
    if isinstance(value, dict):
        return {
            whole_characters(key): whole_characters(item, depth - 1) for key, item in value.items()
        }
    return [whole_characters(item, depth - 1) for item in value]
