"""What every part of the process `control` stands on: its rows, and how a change is made.

`Control` is made of parts, each with the calls of one concern; this is their base. A change is
worked out when its turn comes, from the rows as they are then, is in the log, and only then in the
rows and known to who asked for it (G11).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.model.encoding import decode, encode
from beam.otp import noreply
from beam.state.answering import refuse, reply
from beam.state.keeper import TableOwner
from beam.state.plain import text
from beam.state.writes import Step, Write

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.log import StoredRecord
    from beam.model.events import Event
    from beam.state.control_rows import ControlRows
    from beam.state.journal import Journal
    from beam.state.writes import Writes

    Changed = tuple[Any, tuple[Event, ...]]

__all__ = ["ControlPart", "json_data"]


class ControlPart(TableOwner, framework=True):
    """The base of the parts of `Control`."""

    _rows: ControlRows
    _writes: Writes
    _journal: Journal

    def _change(
        self, kind: str, name: str, change: Callable[[], Changed], answer: Any = None
    ) -> Any:
        """Change one row for the caller of this turn, who is answered when it is stored.

        Args:
            kind: of which kind the row is; see `ControlRows`.
            name: of what; mostly a session's id.
            answer: what the caller is answered.
            change: returns what is in the row afterwards (`None`: no row), and the events.

        Returns:
            `noreply`, for the handler to return.
        """
        caller = self.caller

        def step() -> Step:
            value, events = change()

            def take(stored: list[StoredRecord]) -> None:
                self._rows.put_stored(kind, name, value, stored)
                reply(caller, answer)

            return Step(events, take)

        key = (kind, text("session_id", name))
        self._writes.submit(key, Write(step, partial(refuse, caller)))
        return noreply


def json_data(field: str, value: Any) -> Any:
    """Return a copy of a value as the log gives it back.

    Raises:
        InvalidInput: it is not JSON data.
    """
    try:
        return decode(encode(value))
    except InvalidInput as error:
        raise InvalidInput(text("key", field), value, "JSON data") from error
