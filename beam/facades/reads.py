"""Reading the tables of the owners of state, where the caller is."""

from __future__ import annotations

from beam.facades.part import Part
from beam.state.control_rows import ControlReads
from beam.state.runtime_state import RuntimeReads

__all__ = ["ControlReading", "RuntimeReading"]


class ControlReading(Part):
    """A part that reads control's table."""

    __slots__ = ()

    @property
    def _reads(self) -> ControlReads:
        return ControlReads(self._grounds.node)


class RuntimeReading(Part):
    """A part that reads the runtime's table."""

    __slots__ = ()

    @property
    def _reads(self) -> RuntimeReads:
        return RuntimeReads(self._grounds.node)
