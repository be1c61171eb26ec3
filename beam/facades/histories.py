"""What the parts with histories share: the store, asked and read with the facades' patience."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beam.facades.part import Part
from beam.state.session_history import SessionHistory
from beam.state.store_rows import STORE
from beam.state.thread_history import ThreadHistory

if TYPE_CHECKING:
    from beam.log import Store
    from beam.state.store_changes import Change
    from beam.state.store_state import StoreState

__all__ = ["Histories"]


class Histories(Part):
    """A part that reads and changes what is kept of sessions and threads."""

    __slots__ = ()

    @property
    def _sessions(self) -> SessionHistory:
        return SessionHistory(self._grounds.node, self._change, self._log)

    @property
    def _threads(self) -> ThreadHistory:
        return ThreadHistory(self._grounds.node, self._change, self._log)

    def _change(self, session_id: str, change: Change) -> StoreState:
        state: StoreState = self._ask(STORE, "change", session_id, change)
        return state

    def _log(self) -> Store:
        """Return the log; wait for it while it is being restarted."""
        return self._grounds.commons.journal().store
