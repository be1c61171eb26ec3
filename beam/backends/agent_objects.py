r"""What a real agent's program writes, as JSON objects: one a line, and notes beside them left out.

    >>> parsed(b'{"method": "turn/started"}')
    {'method': 'turn/started'}
    >>> parsed(b"Loading the model...").reason
    'not_json'

Programs print a banner, a warning of their runtime, half a line of a log: nothing that a turn
should end for. Each is reported as a `protocol_violation`, as of a command agent, and left out;
more than `MAX_NOISE` in a turn are no notes any more, and end it as `protocol`.

What is written to a program has U+FFFD for lone surrogates, too: some programs drop a line that has
the escape of one, and answer it never.

    >>> line_of({"text": "a\ud83d"})
    b'{"text": "a\\ufffd"}\n'
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beam.backends.agent_lines import Bad, whole_characters
from beam.backends.effects import ProtocolViolation
from beam.errors import InvalidInput, PortError
from beam.model.encoding import decode

if TYPE_CHECKING:
    from beam.backends.agent_wire import Wire
    from beam.backends.talk import Talk

__all__ = ["MAX_NOISE", "Objects", "line_of", "parsed"]

MAX_NOISE = 100
"""The most lines of a turn, or of the handshake, that are left out."""

EXCERPT = 200
"""The bytes of a bad line that are shown."""


class Objects:
    """Reads a program's objects; used on the loop thread.

    Args:
        wire: the program.
        talk: is told of lines that are none.
    """

    def __init__(self, wire: Wire, talk: Talk) -> None:
        self._wire = wire
        self._talk = talk
        self._noise = 0

    def begin(self) -> None:
        """Begin a turn: the lines before it that were none are forgotten."""
        self._noise = 0

    async def read(self) -> dict[str, Any] | None:
        """Return the next object; None when the program says nothing more.

        Raises:
            PortError: too much was none.
        """
        while line := await self._wire.readline():
            found = parsed(line)
            if not isinstance(found, Bad):
                return found
            self._violated(found, line)
        return None

    def _violated(self, bad: Bad, line: bytes) -> None:
        self._noise += 1
        fatal = self._noise > MAX_NOISE
        excerpt = self._wire.masked(line[:EXCERPT].decode("utf-8", "replace"))
        self._talk.violated(ProtocolViolation(bad.reason, bad.detail, excerpt, fatal))
        if fatal:
            raise PortError(f"more than {MAX_NOISE} lines are no messages, the last: {bad.detail}")


def line_of(message: Mapping[str, Any]) -> bytes:
    """Return the line of a message.

    Raises:
        TypeError: it is not JSON data.
    """
    text = json.dumps(message)
    if "\\ud" in text:
        text = json.dumps(whole_characters(message))
    return text.encode() + b"\n"


def parsed(line: bytes) -> dict[str, Any] | Bad:
    """Return the object in a line, with U+FFFD for lone surrogates; or why there is none."""
    try:
        value = decode(line)
        if b"\\ud" in line.lower():
            value = whole_characters(value)
    except RecursionError as error:
        return Bad("too_deep", str(error))
    except InvalidInput as error:
        return Bad("not_json", f"expected {error.expected}"[:EXCERPT])
    if not isinstance(value, dict):
        return Bad("not_an_object", f"expected a JSON object, got {type(value).__name__}")
    return value
