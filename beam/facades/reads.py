"""Reading the tables of the owners of state, where the caller is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beam.facades.part import Part
from beam.state.control_rows import ControlReads
from beam.state.runtime_state import RuntimeReads

if TYPE_CHECKING:
    from beam.facades.part import Grounds

__all__ = ["ControlReading", "RuntimeReading"]


class ControlReading(Part):
    """A part that reads control's table."""

    __slots__ = ("_reads",)

    def __init__(self, grounds: Grounds) -> None:
        super().__init__(grounds)
        self._reads = ControlReads(grounds.node, running=grounds.running)


class RuntimeReading(Part):
    """A part that reads the runtime's table."""

    __slots__ = ("_reads",)

    def __init__(self, grounds: Grounds) -> None:
        super().__init__(grounds)
        self._reads = RuntimeReads(grounds.node, grounds.running)
