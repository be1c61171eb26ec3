r"""The fleet's identifiers: a prefix that says what is named, and random hexadecimal digits.

    >>> identifier("run", bytes(range(8)))
    'run_0001020304050607'
    >>> request_id(17, b"\x00\x00\xbe\xef")
    'req_17_0000beef'

Randomness is an argument, so that a simulated fleet draws it from its seed (G18); `RANDOM_BYTES`
says how many bytes each kind takes. A real fleet draws them from `os.urandom`: who can guess an
identifier can name what it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from beam.errors import InvalidInput

__all__ = ["RANDOM_BYTES", "IdentifierKind", "identifier", "request_id", "task_run_id"]

IdentifierKind = Literal[
    "session", "forked_session", "share", "thread", "run", "step", "event",
    "memory", "artifact", "routine",
]  # fmt: skip
"""What an identifier can name."""

_PREFIXES: Mapping[IdentifierKind, str] = {
    "session": "session_",
    "forked_session": "sess_",
    "share": "share_",
    "thread": "thread_",
    "run": "run_",
    "step": "step_",
    "event": "evt_",
    "memory": "memory_",
    "artifact": "artifact_",
    "routine": "routine_",
}

RANDOM_BYTES: Mapping[IdentifierKind, int] = {
    kind: 16 if kind in {"session", "event"} else 8 for kind in _PREFIXES
}
"""The random bytes that each kind of identifier is made of."""

_REQUEST_BYTES = 4
_TASK_RUN_BYTES = 6


def identifier(kind: IdentifierKind, random: bytes) -> str:
    """Return the identifier of a new thing.

    Args:
        kind: what it names.
        random: `RANDOM_BYTES[kind]` bytes, unpredictable outside a simulation.

    Raises:
        InvalidInput: there is no such kind, or the bytes are too few or too many.
    """
    if kind not in _PREFIXES:
        raise InvalidInput("kind", kind, f"one of {', '.join(_PREFIXES)}")
    return _PREFIXES[kind] + _hex(random, RANDOM_BYTES[kind])


def request_id(counter: int, random: bytes) -> str:
    """Return the identifier of a request that somebody has to answer.

    Args:
        counter: 1 or more, and larger than for any request before it in this fleet.
        random: 4 bytes.

    Raises:
        InvalidInput: the counter is not positive, or the bytes are not 4.
    """
    if counter < 1:
        raise InvalidInput("counter", counter, "1 or more")
    return f"req_{counter}_{_hex(random, _REQUEST_BYTES)}"


def task_run_id(task_id: str, attempt: int, random: bytes) -> str:
    """Return the identifier of a task's run, for when a plain one was taken already.

    Args:
        task_id: the task; its slashes become underscores.
        attempt: 1 or more.
        random: 6 bytes.

    Raises:
        InvalidInput: the attempt is not positive, or the bytes are not 6.
    """
    if attempt < 1:
        raise InvalidInput("attempt", attempt, "1 or more")
    return f"run_task_{task_id.replace('/', '_')}_{attempt}_{_hex(random, _TASK_RUN_BYTES)}"


def _hex(random: bytes, size: int) -> str:
    if len(random) != size:
        raise InvalidInput("random", f"{len(random)} bytes", f"{size} bytes")
    return random.hex()
