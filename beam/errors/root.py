"""The root of the tree, and what has no family: bad input, and the end of a process."""

from __future__ import annotations

from typing import Any

__all__ = [
    "BeamError",
    "Exited",
    "InvalidInput",
    "InvalidSpec",
    "NotAProcess",
    "ToolFailed",
    "shown",
]

# Characters of a value that a message or a report shows.
SHOWN = 500


def shown(value: object) -> str:
    """Return `value` as messages show it: its repr, cut; a repr that fails is said to have.

    Messages are made in the middle of things that must go on, of values that are the user's.
    """
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - the user's repr
        return f"<{type(value).__name__}: its repr raised {type(error).__name__}>"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


class BeamError(Exception):
    """The root of every exception that `beam` raises on purpose.

    Attributes:
        reason: the word (or term) of the contract for what happened, for code to match on.
    """

    reason: Any = "error"


class InvalidInput(BeamError, ValueError):
    """An argument, option, file or message is not what it must be; nothing has changed.

    Attributes:
        field: the name of what was wrong, as its user knows it.
        value: what it was.
        expected: what would have been right, in words.
    """

    reason: Any = "invalid_input"

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}, got {shown(value)}")
        self.field = field
        self.value = value
        self.expected = expected


class InvalidSpec(InvalidInput):
    """A child specification, or a supervisor's flags, are not what they must be.

    Attributes:
        reason: OTP's term for it: `("invalid_shutdown", value)`, `"missing_id"`, ...
    """

    def __init__(self, field: str, value: object, expected: str, reason: Any) -> None:
        super().__init__(field, value, expected)
        self.reason = reason


class NotAProcess(BeamError):
    """The operation belongs to a process, and the calling thread is none.

    `with Mailbox() as me:` makes it one.
    """

    reason: Any = "not_a_process"

    def __init__(self, operation: str) -> None:
        super().__init__(
            f"{operation} is for processes; this thread is none (use `with Mailbox() as me:`)"
        )
        self.operation = operation


class ToolFailed(BeamError):
    """A tool that the host ran for a function agent failed, was refused, or is not there.

    Attributes:
        tool: its name.
        content: what the agent is told.
    """

    reason: Any = "tool_failed"

    def __init__(self, tool: str, content: str) -> None:
        super().__init__(f"{tool}: {content}")
        self.tool = tool
        self.content = content


class Exited(BaseException):
    """Ends the process that raises it, with `reason`, from wherever it is in its handler.

    `exit(reason)` raises it (Erlang's `exit/1`); a signal that kills a process while it waits in a
    call raises it at that point, so that its `finally` blocks run.
    """

    def __init__(self, reason: Any = "normal") -> None:
        super().__init__(reason)
        self.reason = reason
