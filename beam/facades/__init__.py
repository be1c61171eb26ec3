"""The facades: every function of routing, runtime and control, under its own name.

`fleet.router`, `fleet.runtime` and `fleet.control` are what a user of a whole fleet calls, with
`fleet.runs` and `fleet.policies` for the books that it keeps. Each of their functions may be called
from any thread and from a process, and has a coroutine twin under `.aio`. They hold nothing: what
they know is in the processes and tables below, so they work on through every restart of these.
"""

from beam.facades.capabilities import CapabilityFacade
from beam.facades.control import ControlFacade
from beam.facades.doors import Doors
from beam.facades.events import EventsFacade
from beam.facades.policies import PoliciesFacade
from beam.facades.routing import RoutingFacade
from beam.facades.runs import RunsFacade
from beam.facades.runtime import RuntimeFacade

__all__ = [
    "CapabilityFacade",
    "ControlFacade",
    "Doors",
    "EventsFacade",
    "PoliciesFacade",
    "RoutingFacade",
    "RunsFacade",
    "RuntimeFacade",
]
