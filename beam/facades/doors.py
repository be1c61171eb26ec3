"""The facades as a fleet has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beam.facades.capabilities import CapabilityFacade
from beam.facades.control import ControlFacade
from beam.facades.events import EventsFacade
from beam.facades.journal import JournalFacade
from beam.facades.policies import PoliciesFacade
from beam.facades.routing import RoutingFacade
from beam.facades.runs import RunsFacade
from beam.facades.runtime import RuntimeFacade

if TYPE_CHECKING:
    from beam.facades.part import Grounds
    from beam.policy import HookRegistry

__all__ = ["Doors"]


class Doors:
    """The facades of a fleet, as properties; each raises `SessionClosed` if it does not run."""

    __slots__ = ()

    def _grounds(self) -> Grounds:
        raise NotImplementedError

    @property
    def router(self) -> RoutingFacade:
        """Routing, and what is done with routed sessions: `fleet.router.select_backend(...)`."""
        return RoutingFacade(self._grounds())

    @property
    def runtime(self) -> RuntimeFacade:
        """What queries start from: `fleet.runtime.set_model(session, ...)`."""
        return RuntimeFacade(self._grounds())

    @property
    def control(self) -> ControlFacade:
        """What is kept of sessions: `fleet.control.list_pending_requests(session)`."""
        return ControlFacade(self._grounds())

    @property
    def events(self) -> EventsFacade:
        """What happens in sessions, as it happens: `fleet.events.subscribe(session)`."""
        return EventsFacade(self._grounds())

    @property
    def hooks(self) -> HookRegistry:
        """The fleet's hooks: `fleet.hooks.register(hook("stop", ...))`; see `beam.policy.hooks`."""
        return self._grounds().commons.hooks

    @property
    def journal(self) -> JournalFacade:
        """Entries of your own: `fleet.journal.append("deployed", {"payload": {...}})`.

        `fleet.journal()` is a journal on the whole log, to read events from and write some.
        """
        return JournalFacade(self._grounds())

    @property
    def runs(self) -> RunsFacade:
        """Run records: `fleet.runs.start_run(session)`."""
        return RunsFacade(self._grounds())

    @property
    def policies(self) -> PoliciesFacade:
        """What agents may do, and the audit: `fleet.policies.put_profile(...)`."""
        return PoliciesFacade(self._grounds())

    @property
    def capabilities(self) -> CapabilityFacade:
        """What each backend can do: `fleet.capabilities.supports("hooks", "claude")`."""
        return CapabilityFacade(self._grounds())
