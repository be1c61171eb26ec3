"""The three facades: every function of routing, runtime and control, under its own name.

`fleet.router`, `fleet.runtime` and `fleet.control` are what a user of a whole fleet calls; each of
their functions may be called from any thread and from a process, and has a coroutine twin under
`.aio`. They hold nothing: what they know is in the processes and tables below, so they work on
through every restart of these.
"""

from beam.facades.control import ControlFacade
from beam.facades.routing import RoutingFacade
from beam.facades.runtime import RuntimeFacade

__all__ = ["ControlFacade", "RoutingFacade", "RuntimeFacade"]
