"""`fleet.events`: what happens in sessions, told as it happens; see `beam.state.bus`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from beam.errors import InvalidInput
from beam.facades.part import Part, SessionLike, id_of
from beam.otp import current_process
from beam.sessions.delivery import named
from beam.state.bus_feed import BUS, WatchOwner

if TYPE_CHECKING:
    from collections.abc import Collection

    from beam.model.events import EventType
    from beam.state.bus import EventBus, Subscription

__all__ = ["EventsFacade"]


class EventsFacade(Part):
    """Subscriptions to sessions: bounded, at most once, in order."""

    __slots__ = ()

    facade: ClassVar[str] = "events"

    def subscribe(
        self, session: SessionLike, *, types: Collection[EventType] = (), room: int = 1000
    ) -> Subscription:
        """Subscribe to what happens in a session from now on.

        A process that dies is subscribed no more; a thread has to `unsubscribe`.

        Args:
            session: the session; that there is one is not checked.
            types: only events of these types; all unless given.
            room: how many events may wait for you, from 1; then the oldest is dropped, and counted
                in `dropped`.

        Raises:
            QueueFull: the fleet has 10,000 subscriptions.
        """
        owner = current_process()
        ref = self._bus.subscribe(id_of(session), types=types, room=room, owner=owner)
        if owner is not None:
            named(self._grounds.node, BUS).cast(WatchOwner(owner))
        return ref

    def unsubscribe(self, ref: Subscription) -> None:
        """End a subscription; what it has not received is gone.

        Raises:
            StateRefused: `bad_ref`: it is none, or has ended.
        """
        self._bus.unsubscribe(ref)

    def receive_event(self, ref: Subscription, *, timeout: float | None = 5.0) -> Any:
        """Return the next event of a subscription: an `Event`, or what somebody has published.

        Args:
            ref: the subscription.
            timeout: seconds to wait; `None` without end.

        Raises:
            StateRefused: `complete`: a run of the session has ended, or somebody has said so; later
                events still come. `bad_ref`: it is no subscription, or has ended.
            CallTimeout: there was none in time.
        """
        with self._blocking("receive_event"):
            return self._bus.receive(ref, timeout)

    def publish(self, session: SessionLike, event: Mapping[str, Any]) -> None:
        """Tell who has subscribed to a session; it is not in the log for that."""
        if not isinstance(event, Mapping):
            raise InvalidInput("event", event, "a mapping")
        self._bus.publish(id_of(session), dict(event))

    def complete(self, session: SessionLike) -> None:
        """Tell who has subscribed to a session that it is complete for now; they stay."""
        self._bus.complete(id_of(session))

    @property
    def _bus(self) -> EventBus:
        return self._grounds.commons.bus
