"""The transport of the official client, over a program that `Ports` has started.

The client calls a transport's functions; they are those of `claude_agent_sdk.Transport`, which this
class has by shape, so that nothing of the client is imported here. It starts no program and ends
none.

What the program says is parted here. Control messages (permissions, tools of this process, answers
to what the client asked) are the client's; all else goes to `heard`, line by line and in its order,
before the next line is read. So a tool use is told before anybody is asked whether it may run, and
a session that is behind holds the program up, not a queue in between (G19).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from beam.errors import PortError

if TYPE_CHECKING:
    from beam.backends.agent_objects import Objects
    from beam.backends.agent_wire import Wire

__all__ = ["WireTransport"]

_CONTROL = frozenset(("control_request", "control_response", "control_cancel_request"))


class WireTransport:
    """The client's way to the program and back; all of it runs on the loop's thread."""

    def __init__(
        self,
        wire: Wire,
        objects: Objects,
        heard: Callable[[Mapping[str, Any]], Awaitable[None]],
        ended: Callable[[Exception | None], None],
    ) -> None:
        """Make one.

        Args:
            wire: the program's input.
            objects: its output.
            heard: given each message that is no control message.
            ended: called when the output has ended, or nobody reads it any more; with what it was
                ended for, if too much of it was no message.
        """
        self._wire = wire
        self._objects = objects
        self._heard = heard
        self._ended = ended

    async def connect(self) -> None:
        """Do nothing: the program runs."""

    async def write(self, data: str) -> None:
        """Give the program what the client says.

        Raises:
            PortError: the program has ended.
        """
        self._wire.write(data.encode())

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the control messages, until the program's output ends.

        Raises:
            PortError: too much of it was no message.
        """
        fault: Exception | None = None
        try:
            while (message := await self._objects.read()) is not None:
                if message.get("type") in _CONTROL:
                    yield message
                else:
                    await self._heard(message)
        except PortError as error:
            fault = error
            raise
        finally:
            self._ended(fault)

    async def close(self) -> None:
        """Do nothing: `Ports` ends the program, with all that it has started."""

    def is_ready(self) -> bool:
        """Say whether the program can be spoken to."""
        return self._wire.exit is None

    async def end_input(self) -> None:
        """Do nothing: a program whose input has ended ends itself."""
