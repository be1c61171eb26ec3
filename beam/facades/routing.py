"""`fleet.router`: choosing backends, and the sessions that run on them."""

from __future__ import annotations

from typing import ClassVar

from beam.facades.routing_catalogue import CatalogueFunctions
from beam.facades.routing_history import HistoryFunctions
from beam.facades.routing_selection import SelectionFunctions
from beam.facades.routing_sessions import SessionFunctions
from beam.facades.routing_threads import ThreadFunctions

__all__ = ["RoutingFacade"]


class RoutingFacade(
    SelectionFunctions, SessionFunctions, HistoryFunctions, ThreadFunctions, CatalogueFunctions
):
    """Routing, and everything that is done with a session once it is routed.

    Every function may raise:

    Raises:
        InvalidInput: an argument is not what it must be; nothing has changed.
        NotFound: `restarting`: a process was not back within 5 s.
        CallExit: a process died before it answered.
    """

    __slots__ = ()

    facade: ClassVar[str] = "router"
